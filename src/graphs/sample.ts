/** A small directed graph with the degree structure of a large one. */
import { type Rng, requireNumber } from "../core/index.js";
import { constructTable } from "./construct.js";
import { degreeCorrelationMatrix, jointDegreeMatrix } from "./degree-matrix.js";
import type { Digraph } from "./digraph.js";
import { type Rescaled, rescaleDegreeMatrices } from "./rescale.js";
import { swapTargets } from "./swap.js";

/** What `sampleDigraph` is told. */
export interface SampleOptions {
  /** Nodes of the sample per node of the original, p: in (0, 1]. */
  readonly ratio: number;
  /** The sample is a function of the graph, the options and this stream. */
  readonly rng: Rng;
  /** Rewiring attempts per arc after construction, which keep both matrices: 0 or more. Default 1. */
  readonly swapsPerArc?: number;
}

/** A sample with an account of how its degree matrices differ from p times the original's. */
export interface DigraphSample {
  readonly graph: Digraph;
  readonly rescaled: Rescaled;
  readonly swaps: number;
}

/**
 * Counts C and J, rescales both by the ratio, builds a simple graph that has them exactly, and rewires it at random.
 *
 * ```ts
 * const { graph } = sampleDigraph(original, { ratio: 0.1, rng: createRng(0) });
 * ```
 *
 * Degrees are the original's, not scaled: where the sample has too few nodes for the largest, they are capped, and
 * `rescaled.repairs` and `rescaled.cappedOut`/`cappedIn` say so.
 *
 * @throws OptionError when the ratio is outside (0, 1]
 *
 * "Constructing and Sampling Directed Graphs with Linearly Rescaled Degree Matrices", 2025, arXiv:2507.23025.
 */
export function sampleDigraph(graph: Digraph, { ratio, rng, swapsPerArc = 1 }: SampleOptions): DigraphSample {
  requireNumber("sampleDigraph.swapsPerArc", swapsPerArc, 0, 1000);
  const correlation = degreeCorrelationMatrix(graph);
  const joint = jointDegreeMatrix(graph);
  const rescaled = rescaleDegreeMatrices(correlation, joint, ratio, rng.split("rescale"));
  const table = constructTable(rescaled.correlation, rescaled.joint, rng.split("construct"));
  const swaps = swapTargets(table, Math.round(swapsPerArc * rescaled.arcs), rng.split("swap"));
  return { graph: table.toDigraph(), rescaled, swaps };
}

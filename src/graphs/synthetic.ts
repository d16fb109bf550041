/** Random directed graphs of any size with heavy-tailed degrees. */
import { type Rng, requireInteger, requireNumber } from "../core/index.js";
import { type Digraph, digraphFromArcs } from "./digraph.js";

/** What `powerLawDigraph` is told. */
export interface PowerLawOptions {
  readonly nodes: number;
  /** Arcs drawn; self-loops and repeats among them are dropped, usually a few per cent. */
  readonly arcs: number;
  /** Exponent of the degree distributions, above 2. Default 2.5. */
  readonly exponent?: number;
  /** Largest expected degree as a multiple of the mean. Default 200. */
  readonly spread?: number;
  /** Share of arcs whose target is one of the source's rank neighbours, which correlates degrees: [0, 1]. Default 0.3. */
  readonly assortative?: number;
}

/**
 * A directed Chung-Lu graph: sources and targets are drawn with weights of a power law, in- and out-weights ranked alike for
 * half the nodes, so that in- and out-degrees correlate; a share of arcs joins nodes of like rank.
 * Time and memory linear in nodes and arcs: about 16 bytes per arc while building.
 * @throws OptionError for an option outside its range
 */
export function powerLawDigraph(
  { nodes, arcs, exponent = 2.5, spread = 200, assortative = 0.3 }: PowerLawOptions,
  rng: Rng,
): Digraph {
  requireInteger("powerLawDigraph.nodes", nodes, 2, 0x7fff_ffff);
  requireInteger("powerLawDigraph.arcs", arcs, 0, 0x7fff_ffff);
  requireNumber("powerLawDigraph.exponent", exponent, 2.0001, 100);
  requireNumber("powerLawDigraph.spread", spread, 1, 1e9);
  requireNumber("powerLawDigraph.assortative", assortative, 0, 1);
  const order = rng.permutation(nodes);
  // Rank r has weight (r + shift)^(-1/(exponent - 1)); the shift caps the largest at `spread` times the mean.
  const slope = 1 / (exponent - 1);
  const shift = nodes * (((exponent - 2) / (exponent - 1)) * (1 / spread)) ** (1 / slope) + 1;
  const top = shift ** (1 - slope);
  const range = (nodes + shift) ** (1 - slope) - top;
  const rank = () => Math.min(nodes - 1, Math.floor((top + rng.uniform() * range) ** (1 / (1 - slope)) - shift + rng.uniform()));
  const from = new Uint32Array(arcs);
  const to = new Uint32Array(arcs);
  // Even ranks keep their place among the targets, odd ones are turned round.
  const mirror = (r: number) => ((r & 1) === 0 ? r : nodes - (nodes & 1) - r);
  for (let e = 0; e < arcs; e++) {
    const source = Math.max(0, rank());
    let target = Math.max(0, rank());
    if (rng.uniform() < assortative)
      target = Math.min(nodes - 1, Math.max(0, source + Math.floor((rng.uniform() - 0.5) * (10 + source * 0.2))));
    from[e] = order[source]!;
    to[e] = order[mirror(target)]!;
  }
  return digraphFromArcs({ nodes, from, to }).graph;
}

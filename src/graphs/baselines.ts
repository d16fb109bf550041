/** The classical ways to sample a directed graph, for comparison. Every one returns a simple graph of round(p n) nodes. */
import { OptionError, type Rng, requireFraction, requireOneOf } from "../core/index.js";
import { type DegreeMatrix, degreeCorrelationMatrix, jointDegreeMatrix } from "./degree-matrix.js";
import { type Digraph, digraphFromArcs, inducedSubgraph, transpose } from "./digraph.js";
import { rescaleDegreeMatrices } from "./rescale.js";

/** Names of the baselines. */
export const baselineNames = ["random-node", "random-edge", "random-walk", "forest-fire", "snowball", "configuration"] as const;
/** One of the baselines. */
export type BaselineName = (typeof baselineNames)[number];

/** @throws OptionError for an unknown name or a ratio outside (0, 1] */
export function baselineSample(name: BaselineName, graph: Digraph, ratio: number, rng: Rng): Digraph {
  requireOneOf("baselineSample.name", name, baselineNames);
  if (!(ratio > 0 && ratio <= 1)) throw new OptionError("baselineSample.ratio", "a ratio in (0, 1]", ratio);
  const wanted = Math.round(ratio * graph.nodes);
  switch (name) {
    case "random-node":
      return inducedSubgraph(graph, rng.permutation(graph.nodes).subarray(0, wanted));
    case "random-edge":
      return randomEdge(graph, wanted, rng);
    case "random-walk":
      return inducedSubgraph(graph, randomWalk(graph, wanted, rng));
    case "forest-fire":
      return inducedSubgraph(graph, forestFire(graph, wanted, rng));
    case "snowball":
      return inducedSubgraph(graph, snowball(graph, wanted, rng));
    case "configuration":
      return configurationModel(graph, ratio, rng);
  }
}

/** Arcs in random order until their ends number `wanted`; the sample has those arcs alone. */
function randomEdge(graph: Digraph, wanted: number, rng: Rng): Digraph {
  const place = new Int32Array(graph.nodes).fill(-1);
  let nodes = 0;
  const from: number[] = [];
  const to: number[] = [];
  const source = new Uint32Array(graph.arcs);
  for (let v = 0; v < graph.nodes; v++) source.fill(v, graph.outStart[v]!, graph.outStart[v + 1]!);
  for (const e of rng.permutation(graph.arcs)) {
    const fresh = (place[source[e]!]! < 0 ? 1 : 0) + (place[graph.outTo[e]!]! < 0 ? 1 : 0);
    if (nodes + fresh > wanted) {
      if (nodes >= wanted) break;
      continue;
    }
    for (const v of [source[e]!, graph.outTo[e]!]) if (place[v]! < 0) place[v] = nodes++;
    from.push(place[source[e]!]!);
    to.push(place[graph.outTo[e]!]!);
  }
  // Fewer ends than nodes wanted (an isolated remainder): the rest have no arcs.
  return digraphFromArcs({ nodes: wanted, from, to }).graph;
}

/** Grows a set of nodes to `wanted`. */
class Grower {
  readonly order: number[] = [];
  readonly seen: Uint8Array;
  private readonly restarts: Int32Array;
  private at = 0;
  constructor(
    readonly graph: Digraph,
    readonly wanted: number,
    rng: Rng,
  ) {
    this.seen = new Uint8Array(graph.nodes);
    this.restarts = rng.permutation(graph.nodes);
  }

  get full(): boolean {
    return this.order.length >= this.wanted;
  }

  visit(v: number): boolean {
    if (this.seen[v] || this.full) return false;
    this.seen[v] = 1;
    this.order.push(v);
    return true;
  }

  /** A random node that was not visited yet. */
  fresh(): number {
    while (this.seen[this.restarts[this.at]!]) this.at++;
    return this.restarts[this.at]!;
  }
}

/** Random walk along arcs that flies back to its start with probability 0.15, and starts anew where it is stuck. */
export function randomWalk(graph: Digraph, wanted: number, rng: Rng, restart = 0.15): number[] {
  requireFraction("randomWalk.restart", restart);
  const grower = new Grower(graph, wanted, rng);
  while (!grower.full) {
    const start = grower.fresh();
    grower.visit(start);
    let v = start;
    for (let idle = 0; idle < 100 + 10 * grower.order.length && !grower.full; idle++) {
      const degree = graph.outStart[v + 1]! - graph.outStart[v]!;
      if (degree === 0 || rng.uniform() < restart) v = start;
      else v = graph.outTo[graph.outStart[v]! + rng.below(degree)]!;
      if (grower.visit(v)) idle = -1;
    }
  }
  return grower.order;
}

/** Forest fire: burns a geometric number of unburnt targets, and sources, of every burning node. */
export function forestFire(graph: Digraph, wanted: number, rng: Rng, forward = 0.7, backward = 0.35): number[] {
  requireFraction("forestFire.forward", forward);
  requireFraction("forestFire.backward", backward);
  const back = transpose(graph);
  const grower = new Grower(graph, wanted, rng);
  const burn = (side: Digraph, v: number, chance: number, queue: number[]) => {
    const open: number[] = [];
    for (let e = side.outStart[v]!; e < side.outStart[v + 1]!; e++) if (!grower.seen[side.outTo[e]!]) open.push(side.outTo[e]!);
    for (let left = open.length; left > 0 && rng.uniform() < chance; left--) {
      const pick = rng.below(left);
      const w = open[pick]!;
      open[pick] = open[left - 1]!;
      if (grower.visit(w)) queue.push(w);
    }
  };
  while (!grower.full) {
    const start = grower.fresh();
    grower.visit(start);
    const queue = [start];
    for (let head = 0; head < queue.length && !grower.full; head++) {
      burn(graph, queue[head]!, forward, queue);
      burn(back, queue[head]!, backward, queue);
    }
  }
  return grower.order;
}

/** Breadth-first search along arcs in both directions from random nodes. */
function snowball(graph: Digraph, wanted: number, rng: Rng): number[] {
  const back = transpose(graph);
  const grower = new Grower(graph, wanted, rng);
  while (!grower.full) {
    const queue = [grower.fresh()];
    grower.visit(queue[0]!);
    for (let head = 0; head < queue.length && !grower.full; head++) {
      for (const side of [graph, back]) {
        const v = queue[head]!;
        for (let e = side.outStart[v]!; e < side.outStart[v + 1]!; e++)
          if (grower.visit(side.outTo[e]!)) queue.push(side.outTo[e]!);
      }
    }
  }
  return grower.order;
}

/** The rescaled degrees joined at random, self-loops and repeats dropped: degrees without their correlations. */
function configurationModel(graph: Digraph, ratio: number, rng: Rng): Digraph {
  const rescaled = rescaleDegreeMatrices(degreeCorrelationMatrix(graph), jointDegreeMatrix(graph), ratio, rng.split("rescale"));
  return configurationGraph(rescaled.correlation, rng.split("match"));
}

/** A graph from a degree correlation matrix by matching stubs at random; self-loops and repeated arcs are dropped. */
export function configurationGraph(correlation: DegreeMatrix, rng: Rng): Digraph {
  const from: number[] = [];
  const to: number[] = [];
  let v = 0;
  for (let i = 0; i < correlation.counts.length; i++) {
    for (let j = 0; j < correlation.counts[i]!; j++, v++) {
      for (let s = 0; s < correlation.rows[i]!; s++) to.push(v);
      for (let s = 0; s < correlation.cols[i]!; s++) from.push(v);
    }
  }
  const order = rng.permutation(to.length);
  return digraphFromArcs({ nodes: correlation.total, from, to: Uint32Array.from(order, (i) => to[i]!) }).graph;
}

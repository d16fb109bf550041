/** Random directed graphs for tests. */
import fc from "fast-check";
import { createRng } from "../../core/index.js";
import { type Digraph, digraphFromArcs } from "../digraph.js";

/** A graph of up to `most` nodes whose degrees are skewed to a random extent, from a seed. */
export function skewedDigraph(seed: number, most = 30): Digraph {
  const rng = createRng(seed);
  const nodes = rng.below(most + 1);
  const arcs = nodes === 0 ? 0 : rng.below(nodes * Math.min(nodes, 20) * 2);
  const skew = 1 + 3 * rng.uniform();
  const pick = () => Math.floor(nodes * rng.uniform() ** skew);
  return digraphFromArcs({ nodes, from: Array.from({ length: arcs }, pick), to: Array.from({ length: arcs }, pick) }).graph;
}

/** Arbitrary skewed graphs. */
export const digraphs = (most = 30) => fc.integer({ min: 0, max: 2 ** 31 - 1 }).map((seed) => skewedDigraph(seed, most));

/** A directed cycle. */
export function cycle(nodes: number): Digraph {
  const from = Array.from({ length: nodes }, (_, v) => v);
  return digraphFromArcs({ nodes, from, to: from.map((v) => (v + 1) % nodes) }).graph;
}

/** Every arc between distinct nodes. */
export function complete(nodes: number): Digraph {
  const from: number[] = [];
  const to: number[] = [];
  for (let v = 0; v < nodes; v++) {
    for (let w = 0; w < nodes; w++) {
      if (v === w) continue;
      from.push(v);
      to.push(w);
    }
  }
  return digraphFromArcs({ nodes, from, to }).graph;
}

/** "v w" for every arc, sorted: what two graphs are compared by. */
export function arcList({ nodes, outStart, outTo }: Digraph, label: (node: number) => string = String): string[] {
  const list: string[] = [];
  for (let v = 0; v < nodes; v++)
    for (let e = outStart[v]!; e < outStart[v + 1]!; e++) list.push(`${label(v)} ${label(outTo[e]!)}`);
  return list.sort();
}

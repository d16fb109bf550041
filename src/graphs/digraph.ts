/** Simple directed graphs in compressed rows: typed arrays only, so that tens of millions of arcs fit. */
import { InputError, requireInteger, ShapeError } from "../core/index.js";

/** A directed graph without self-loops or repeated arcs. Nodes are 0..nodes-1. */
export interface Digraph {
  readonly nodes: number;
  readonly arcs: number;
  /** [nodes + 1]: the targets of node v are outTo[outStart[v] .. outStart[v + 1] - 1], ascending. */
  readonly outStart: Uint32Array;
  /** [arcs] */
  readonly outTo: Uint32Array;
}

/** What to do with a self-loop or a repeated arc: drop and count it, or refuse the input. */
export type LoopPolicy = "drop" | "refuse";

/** What `digraphFromArcs` is told. */
export interface DigraphOptions {
  readonly nodes: number;
  /** Sources, [m]. */
  readonly from: ArrayLike<number>;
  /** Targets, [m]. */
  readonly to: ArrayLike<number>;
  /** Default "drop". */
  readonly selfLoops?: LoopPolicy;
  /** Default "drop". */
  readonly repeats?: LoopPolicy;
}

/** A graph with the number of arcs that were left out to make it simple. */
export interface SimpleDigraph {
  readonly graph: Digraph;
  readonly selfLoops: number;
  readonly repeats: number;
}

/** Most nodes and arcs that the 32-bit indices of a graph can hold. */
export const MAX_GRAPH_SIZE = 0xffff_fff0;

/**
 * Builds the simple graph of a list of arcs in two counting passes (time and memory linear in nodes and arcs).
 * @throws ShapeError when `from` and `to` differ in length
 * @throws InputError for a node number outside 0..nodes-1, or a self-loop or repeated arc under the policy "refuse"
 */
export function digraphFromArcs({ nodes, from, to, selfLoops = "drop", repeats = "drop" }: DigraphOptions): SimpleDigraph {
  requireInteger("digraphFromArcs.nodes", nodes, 0, MAX_GRAPH_SIZE);
  const m = from.length;
  if (to.length !== m) throw new ShapeError("digraphFromArcs", { from: [m], to: [to.length] }, "as many targets as sources");
  let loops = 0;
  const inStart = new Uint32Array(nodes + 1);
  for (let e = 0; e < m; e++) {
    const v = from[e]!;
    const w = to[e]!;
    if (!(v >= 0 && v < nodes && w >= 0 && w < nodes && Number.isInteger(v) && Number.isInteger(w))) {
      throw new InputError(`digraphFromArcs: arc ${e} is ${v} -> ${w}; expected node numbers in [0, ${nodes - 1}]`);
    }
    if (v === w) {
      if (selfLoops === "refuse")
        throw new InputError(`digraphFromArcs: arc ${e} is a self-loop at node ${v}; remove it, or allow dropping`);
      loops++;
    } else inStart[w + 1]!++;
  }
  for (let v = 0; v < nodes; v++) inStart[v + 1]! += inStart[v]!;
  const kept = m - loops;
  const inFrom = new Uint32Array(kept);
  const next = inStart.slice(0, nodes);
  const outStart = new Uint32Array(nodes + 1);
  for (let e = 0; e < m; e++) {
    const v = from[e]!;
    const w = to[e]!;
    if (v === w) continue;
    inFrom[next[w]!++] = v;
    outStart[v + 1]!++;
  }
  for (let v = 0; v < nodes; v++) outStart[v + 1]! += outStart[v]!;
  // Walking the arcs by ascending target fills every row in ascending order.
  const outTo = new Uint32Array(kept);
  next.set(outStart.subarray(0, nodes));
  let doubled = 0;
  for (let w = 0; w < nodes; w++) {
    for (let i = inStart[w]!; i < inStart[w + 1]!; i++) {
      const v = inFrom[i]!;
      const at = next[v]!;
      if (at > outStart[v]! && outTo[at - 1] === w) {
        if (repeats === "refuse")
          throw new InputError(`digraphFromArcs: arc ${v} -> ${w} occurs more than once; remove repeats, or allow dropping`);
        doubled++;
      } else {
        outTo[at] = w;
        next[v] = at + 1;
      }
    }
  }
  const graph = doubled === 0 ? { nodes, arcs: kept, outStart, outTo } : packRows(nodes, outStart, next, outTo);
  return { graph, selfLoops: loops, repeats: doubled };
}

function packRows(nodes: number, start: Uint32Array, end: Uint32Array, to: Uint32Array): Digraph {
  const outStart = new Uint32Array(nodes + 1);
  let at = 0;
  for (let v = 0; v < nodes; v++) {
    outStart[v] = at;
    to.copyWithin(at, start[v]!, end[v]!);
    at += end[v]! - start[v]!;
  }
  outStart[nodes] = at;
  return { nodes, arcs: at, outStart, outTo: to.slice(0, at) };
}

/** The graph with every arc turned round. */
export function transpose(graph: Digraph): Digraph {
  const { nodes, arcs, outStart, outTo } = graph;
  const start = new Uint32Array(nodes + 1);
  for (let e = 0; e < arcs; e++) start[outTo[e]! + 1]!++;
  for (let v = 0; v < nodes; v++) start[v + 1]! += start[v]!;
  const next = start.slice(0, nodes);
  const to = new Uint32Array(arcs);
  for (let v = 0; v < nodes; v++) for (let e = outStart[v]!; e < outStart[v + 1]!; e++) to[next[outTo[e]!]!++] = v;
  return { nodes, arcs, outStart: start, outTo: to };
}

/** Out-degree of every node, [nodes]. */
export function outDegrees({ nodes, outStart }: Digraph): Uint32Array {
  const degrees = new Uint32Array(nodes);
  for (let v = 0; v < nodes; v++) degrees[v] = outStart[v + 1]! - outStart[v]!;
  return degrees;
}

/** In-degree of every node, [nodes]. */
export function inDegrees({ nodes, arcs, outTo }: Digraph): Uint32Array {
  const degrees = new Uint32Array(nodes);
  for (let e = 0; e < arcs; e++) degrees[outTo[e]!]!++;
  return degrees;
}

/** True when the graph has the arc v -> w (binary search). */
export function hasArc({ outStart, outTo }: Digraph, v: number, w: number): boolean {
  let low = outStart[v]!;
  let high = outStart[v + 1]!;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (outTo[middle]! < w) low = middle + 1;
    else high = middle;
  }
  return low < outStart[v + 1]! && outTo[low] === w;
}

/** Source and target of every arc, in row order. */
export function arcsOf({ nodes, arcs, outStart, outTo }: Digraph): { readonly from: Uint32Array; readonly to: Uint32Array } {
  const from = new Uint32Array(arcs);
  for (let v = 0; v < nodes; v++) from.fill(v, outStart[v]!, outStart[v + 1]!);
  return { from, to: outTo };
}

/** The subgraph on `kept` nodes (distinct), renumbered 0.. in the order given. @throws InputError for a bad or repeated node */
export function inducedSubgraph(graph: Digraph, kept: ArrayLike<number>): Digraph {
  const place = new Int32Array(graph.nodes).fill(-1);
  for (let i = 0; i < kept.length; i++) {
    const v = kept[i]!;
    if (!(v >= 0 && v < graph.nodes) || place[v] !== -1) {
      throw new InputError(
        `inducedSubgraph: kept[${i}] = ${v} is ${v >= 0 && v < graph.nodes ? "listed twice" : `outside 0..${graph.nodes - 1}`}`,
      );
    }
    place[v] = i;
  }
  const from: number[] = [];
  const to: number[] = [];
  for (let i = 0; i < kept.length; i++) {
    const v = kept[i]!;
    for (let e = graph.outStart[v]!; e < graph.outStart[v + 1]!; e++) {
      const w = place[graph.outTo[e]!]!;
      if (w >= 0) {
        from.push(i);
        to.push(w);
      }
    }
  }
  return digraphFromArcs({ nodes: kept.length, from, to }).graph;
}

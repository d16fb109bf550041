/** Properties of a directed graph that its degree matrices do not fix, or only partly. */
import { type Digraph, hasArc, inDegrees, outDegrees, transpose } from "./digraph.js";

/** Share of arcs v -> w whose reverse w -> v exists, in [0, 1]; 0 without arcs. */
export function reciprocity(graph: Digraph): number {
  let both = 0;
  for (let v = 0; v < graph.nodes; v++) {
    for (let e = graph.outStart[v]!; e < graph.outStart[v + 1]!; e++) if (hasArc(graph, graph.outTo[e]!, v)) both++;
  }
  return graph.arcs === 0 ? 0 : both / graph.arcs;
}

/** Which degrees an assortativity compares: of the arc's source, then of its target. */
export type DegreePair = "out-in" | "out-out" | "in-in" | "in-out";

/** Pearson correlation over arcs of a degree of the source and a degree of the target; 0 where either is constant. */
export function assortativity(graph: Digraph, pair: DegreePair): number {
  const into = inDegrees(graph);
  const out = outDegrees(graph);
  const source = pair.startsWith("out") ? out : into;
  const target = pair.endsWith("out") ? out : into;
  let sx = 0;
  let sy = 0;
  let sxx = 0;
  let syy = 0;
  let sxy = 0;
  for (let v = 0; v < graph.nodes; v++) {
    const x = source[v]!;
    for (let e = graph.outStart[v]!; e < graph.outStart[v + 1]!; e++) {
      const y = target[graph.outTo[e]!]!;
      sx += x;
      sy += y;
      sxx += x * x;
      syy += y * y;
      sxy += x * y;
    }
  }
  const m = graph.arcs;
  const spread = (m * sxx - sx * sx) * (m * syy - sy * sy);
  return spread <= 0 ? 0 : (m * sxy - sx * sy) / Math.sqrt(spread);
}

/** Sizes of the weakly connected components, largest first. */
export function weakComponents(graph: Digraph): Uint32Array {
  const parent = Uint32Array.from({ length: graph.nodes }, (_, v) => v);
  const root = (v: number) => {
    let r = v;
    while (parent[r] !== r) {
      parent[r] = parent[parent[r]!]!;
      r = parent[r]!;
    }
    return r;
  };
  for (let v = 0; v < graph.nodes; v++) {
    for (let e = graph.outStart[v]!; e < graph.outStart[v + 1]!; e++) {
      const a = root(v);
      const b = root(graph.outTo[e]!);
      if (a !== b) parent[Math.max(a, b)] = Math.min(a, b);
    }
  }
  const size = new Uint32Array(graph.nodes);
  for (let v = 0; v < graph.nodes; v++) size[root(v)]!++;
  return size
    .filter((s) => s > 0)
    .sort()
    .reverse();
}

/** Sizes of the strongly connected components, largest first (Tarjan's algorithm with an explicit stack). */
export function strongComponents({ nodes, outStart, outTo }: Digraph): Uint32Array {
  const order = new Int32Array(nodes).fill(-1);
  const low = new Int32Array(nodes);
  const onStack = new Uint8Array(nodes);
  const next = outStart.slice(0, nodes);
  const stack: number[] = [];
  const calls: number[] = [];
  const sizes: number[] = [];
  let clock = 0;
  for (let start = 0; start < nodes; start++) {
    if (order[start] !== -1) continue;
    calls.push(start);
    while (calls.length > 0) {
      const v = calls.at(-1)!;
      if (order[v] === -1) {
        order[v] = low[v] = clock++;
        stack.push(v);
        onStack[v] = 1;
      }
      let descended = false;
      while (next[v]! < outStart[v + 1]!) {
        const w = outTo[next[v]!]!;
        if (order[w] === -1) {
          calls.push(w);
          descended = true;
          break;
        }
        next[v]!++;
        if (onStack[w]) low[v] = Math.min(low[v]!, low[w]!);
      }
      if (descended) continue;
      if (low[v] === order[v]) {
        let size = 0;
        for (let w = -1; w !== v; size++) {
          w = stack.pop()!;
          onStack[w] = 0;
        }
        sizes.push(size);
      }
      calls.pop();
    }
  }
  return Uint32Array.from(sizes).sort().reverse();
}

/** Mean local clustering of the graph without directions, over all nodes (those with fewer than two neighbours count 0). */
export function meanClustering(graph: Digraph): number {
  const back = transpose(graph);
  const neighbours: Uint32Array[] = [];
  for (let v = 0; v < graph.nodes; v++) {
    const set = new Set<number>();
    for (let e = graph.outStart[v]!; e < graph.outStart[v + 1]!; e++) set.add(graph.outTo[e]!);
    for (let e = back.outStart[v]!; e < back.outStart[v + 1]!; e++) set.add(back.outTo[e]!);
    neighbours.push(Uint32Array.from(set).sort());
  }
  const marked = new Uint8Array(graph.nodes);
  let total = 0;
  for (let v = 0; v < graph.nodes; v++) {
    const list = neighbours[v]!;
    if (list.length < 2) continue;
    for (const w of list) marked[w] = 1;
    let links = 0;
    for (const w of list) for (const x of neighbours[w]!) if (x > w) links += marked[x]!;
    for (const w of list) marked[w] = 0;
    total += (2 * links) / (list.length * (list.length - 1));
  }
  return graph.nodes === 0 ? 0 : total / graph.nodes;
}

/** PageRank by power iteration: sums to 1. @param damping default 0.85 @param rounds default 50 */
export function pageRank(graph: Digraph, damping = 0.85, rounds = 50): Float64Array {
  const { nodes, outStart, outTo } = graph;
  let rank = new Float64Array(nodes).fill(1 / Math.max(1, nodes));
  let next = new Float64Array(nodes);
  for (let round = 0; round < rounds; round++) {
    let loose = 0;
    for (let v = 0; v < nodes; v++) if (outStart[v] === outStart[v + 1]) loose += rank[v]!;
    next.fill((1 - damping + damping * loose) / Math.max(1, nodes));
    for (let v = 0; v < nodes; v++) {
      const degree = outStart[v + 1]! - outStart[v]!;
      if (degree === 0) continue;
      const share = (damping * rank[v]!) / degree;
      for (let e = outStart[v]!; e < outStart[v + 1]!; e++) next[outTo[e]!]! += share;
    }
    [rank, next] = [next, rank];
  }
  return rank;
}

/** Share of the PageRank mass that the top tenth of nodes holds, in [0, 1]. */
export function pageRankTopDecile(graph: Digraph): number {
  const sorted = pageRank(graph).sort().reverse();
  let mass = 0;
  for (let i = 0; i < Math.ceil(sorted.length / 10); i++) mass += sorted[i]!;
  return mass;
}

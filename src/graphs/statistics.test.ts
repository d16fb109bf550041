import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { graphProfile } from "./compare.js";
import { type Digraph, digraphFromArcs, hasArc } from "./digraph.js";
import {
  assortativity,
  meanClustering,
  pageRank,
  pageRankTopDecile,
  reciprocity,
  strongComponents,
  weakComponents,
} from "./statistics.js";
import { complete, cycle, digraphs } from "./testing/arbitraries.js";

/** reach[v][w] by Floyd and Warshall, over arcs in one or both directions. */
function reachability(graph: Digraph, both: boolean): boolean[][] {
  const { nodes } = graph;
  const reach = Array.from({ length: nodes }, (_, v) =>
    Array.from({ length: nodes }, (_, w) => v === w || hasArc(graph, v, w) || (both && hasArc(graph, w, v))),
  );
  for (let k = 0; k < nodes; k++)
    for (let v = 0; v < nodes; v++) for (let w = 0; w < nodes; w++) reach[v]![w] ||= reach[v]![k]! && reach[k]![w]!;
  return reach;
}

function classes(reach: boolean[][]): number[] {
  const left = new Set(reach.keys());
  const sizes: number[] = [];
  for (const v of left) {
    const mine = [...left].filter((w) => reach[v]![w]! && reach[w]![v]!);
    for (const w of mine) left.delete(w);
    sizes.push(mine.length);
  }
  return sizes.sort((a, b) => b - a);
}

describe("statistics", () => {
  it("of components agree with reachability", () => {
    fc.assert(
      fc.property(digraphs(14), (graph) => {
        expect([...strongComponents(graph)]).toEqual(classes(reachability(graph, false)));
        expect([...weakComponents(graph)]).toEqual(classes(reachability(graph, true)));
      }),
    );
    expect([...strongComponents(cycle(5000))]).toEqual([5000]);
    // A long path: deep recursion would overflow the stack.
    const path = digraphFromArcs({
      nodes: 50_000,
      from: Array.from({ length: 49_999 }, (_, i) => i),
      to: Array.from({ length: 49_999 }, (_, i) => i + 1),
    }).graph;
    expect(strongComponents(path).length).toBe(50_000);
  });

  it("of reciprocity and clustering, by hand", () => {
    const { graph } = digraphFromArcs({ nodes: 4, from: [0, 1, 1, 2, 2], to: [1, 0, 2, 0, 3] });
    expect(reciprocity(graph)).toBeCloseTo(2 / 5, 12);
    // Without directions: triangle 0 1 2 and the pendant 3. Local: 1, 1, 1/3, 0.
    expect(meanClustering(graph)).toBeCloseTo((1 + 1 + 1 / 3) / 4, 12);
    expect([reciprocity(complete(5)), meanClustering(complete(5))]).toEqual([1, 1]);
    expect(meanClustering(cycle(6))).toBe(0);
  });

  it("of assortativity: the Pearson correlation over arcs", () => {
    // 0 -> 1, 0 -> 2, 1 -> 2, 3 -> 2: out-degrees 2 1 0 1, in-degrees 0 1 3 0. Pairs out-in: (2,1) (2,3) (1,3) (1,3).
    const { graph } = digraphFromArcs({ nodes: 4, from: [0, 0, 1, 3], to: [1, 2, 2, 2] });
    const xs = [2, 2, 1, 1];
    const ys = [1, 3, 3, 3];
    const mean = (v: number[]) => v.reduce((a, b) => a + b, 0) / v.length;
    const cov = mean(xs.map((x, i) => x * ys[i]!)) - mean(xs) * mean(ys);
    const spread = Math.sqrt((mean(xs.map((x) => x * x)) - mean(xs) ** 2) * (mean(ys.map((y) => y * y)) - mean(ys) ** 2));
    expect(assortativity(graph, "out-in")).toBeCloseTo(cov / spread, 12);
    expect(assortativity(cycle(5), "in-in")).toBe(0);
  });

  it("of PageRank: sums to 1, solves its equation, is even on a cycle", () => {
    fc.assert(
      fc.property(digraphs(15), (graph) => {
        if (graph.nodes === 0) return;
        const rank = pageRank(graph, 0.85, 200);
        expect(rank.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
        const next = pageRank(graph, 0.85, 201);
        rank.forEach((r, v) => {
          expect(next[v]).toBeCloseTo(r, 9);
        });
      }),
      { numRuns: 40 },
    );
    expect([...pageRank(cycle(4))].every((r) => Math.abs(r - 0.25) < 1e-12)).toBe(true);
    expect(pageRankTopDecile(cycle(10))).toBeCloseTo(0.1, 12);
  });

  it("have a profile for any graph, the empty one included", () => {
    fc.assert(
      fc.property(digraphs(12), (graph) => {
        const { assortativity: a, ...rest } = graphProfile(graph);
        for (const value of [...Object.values(rest), ...Object.values(a)]) expect(Number.isFinite(value)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it("agree with networkx 3.6.1 (testing/golden-statistics.py)", () => {
    const n = 41;
    const from: number[] = [];
    const to: number[] = [];
    for (let v = 0; v < n; v++) {
      for (const w of [(v * v + 1) % n, (3 * v + 2) % n, (v * v * v) % 7, v % 3 === 0 ? v + 1 : v]) {
        if (v === w || w >= n) continue;
        from.push(v);
        to.push(w);
      }
    }
    const { graph } = digraphFromArcs({ nodes: n, from, to });
    expect(graph.arcs).toBe(131);
    expect(reciprocity(graph)).toBeCloseTo(0.07633587786259542, 12);
    expect(meanClustering(graph)).toBeCloseTo(0.22178209752022326, 12);
    expect([strongComponents(graph)[0], weakComponents(graph)[0]]).toEqual([41, 41]);
    expect(assortativity(graph, "out-in")).toBeCloseTo(-0.040044318837109454, 12);
    expect(assortativity(graph, "out-out")).toBeCloseTo(0.001106757559847506, 12);
    expect(assortativity(graph, "in-in")).toBeCloseTo(-0.11363127498032112, 12);
    expect(assortativity(graph, "in-out")).toBeCloseTo(0.04037052340003197, 12);
    const rank = pageRank(graph, 0.85, 300).sort().reverse();
    expect(rank.slice(0, 5).reduce((a, b) => a + b, 0)).toBeCloseTo(0.39648316092586317, 10);
  });
});

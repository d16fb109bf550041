import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng, InputError, ShapeError } from "../core/index.js";
import {
  type DegreeMatrix,
  degreeCorrelationMatrix,
  degreeMatrix,
  histogram,
  jointDegreeMatrix,
  marginal,
} from "./degree-matrix.js";
import { arcsOf, digraphFromArcs, hasArc, inDegrees, inducedSubgraph, outDegrees, transpose } from "./digraph.js";
import { ksDistance, l1Distance, totalVariation } from "./distances.js";
import { powerLawDigraph } from "./synthetic.js";
import { arcList, complete, cycle, digraphs } from "./testing/arbitraries.js";

const entries = (m: DegreeMatrix) => Array.from(m.counts, (count, i) => [m.rows[i], m.cols[i], count]);

describe("digraphFromArcs", () => {
  it("sorts rows, drops self-loops and repeats, and counts them", () => {
    const { graph, selfLoops, repeats } = digraphFromArcs({ nodes: 4, from: [2, 0, 0, 1, 2, 0, 3], to: [0, 3, 1, 1, 0, 1, 2] });
    expect([...graph.outStart]).toEqual([0, 2, 2, 3, 4]);
    expect([...graph.outTo]).toEqual([1, 3, 0, 2]);
    expect([selfLoops, repeats, graph.arcs]).toEqual([1, 2, 4]);
  });

  it("agrees with a set of pairs, and with itself after two transpositions", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.array(fc.tuple(fc.nat(11), fc.nat(11)), { maxLength: 80 }), (nodes, raw) => {
        const pairs = raw.map(([v, w]) => [v % nodes, w % nodes] as const);
        const { graph, selfLoops, repeats } = digraphFromArcs({ nodes, from: pairs.map(([v]) => v), to: pairs.map(([, w]) => w) });
        const wanted = [...new Set(pairs.filter(([v, w]) => v !== w).map(([v, w]) => `${v} ${w}`))].sort();
        expect(arcList(graph)).toEqual(wanted);
        expect(graph.arcs + selfLoops + repeats).toBe(pairs.length);
        expect(transpose(transpose(graph))).toEqual(graph);
        for (let v = 0; v < nodes; v++)
          for (let w = 0; w < nodes; w++) expect(hasArc(graph, v, w)).toBe(wanted.includes(`${v} ${w}`));
        expect([...inDegrees(graph)]).toEqual([...outDegrees(transpose(graph))]);
        expect(digraphFromArcs({ nodes, ...arcsOf(graph), selfLoops: "refuse", repeats: "refuse" }).graph).toEqual(graph);
      }),
    );
  });

  it("refuses bad arcs, and under the policy `refuse` loops and repeats", () => {
    expect(() => digraphFromArcs({ nodes: 2, from: [0], to: [2] })).toThrow("arc 0 is 0 -> 2; expected node numbers in [0, 1]");
    expect(() => digraphFromArcs({ nodes: 2, from: [-1], to: [1] })).toThrow(InputError);
    expect(() => digraphFromArcs({ nodes: 2, from: [0.5], to: [1] })).toThrow(InputError);
    expect(() => digraphFromArcs({ nodes: 2, from: [Number.NaN], to: [1] })).toThrow(InputError);
    expect(() => digraphFromArcs({ nodes: 2, from: [0, 1], to: [1] })).toThrow(ShapeError);
    expect(() => digraphFromArcs({ nodes: 2, from: [1], to: [1], selfLoops: "refuse" })).toThrow(/self-loop at node 1/);
    expect(() => digraphFromArcs({ nodes: 2, from: [0, 0], to: [1, 1], repeats: "refuse" })).toThrow(
      /0 -> 1 occurs more than once/,
    );
    expect(digraphFromArcs({ nodes: 0, from: [], to: [] }).graph.outStart).toEqual(new Uint32Array(1));
  });

  it("cuts out induced subgraphs", () => {
    const graph = inducedSubgraph(complete(5), [4, 0, 2]);
    expect(graph).toEqual(complete(3));
    expect(() => inducedSubgraph(complete(3), [0, 0])).toThrow(/kept\[1\] = 0 is listed twice/);
    expect(() => inducedSubgraph(complete(3), [3])).toThrow(InputError);
  });
});

describe("degree matrices", () => {
  it("of a small graph, by hand", () => {
    // 0 -> 1, 0 -> 2, 1 -> 2, 3 isolated. (in, out): 0 (0,2), 1 (1,1), 2 (2,0), 3 (0,0).
    const { graph } = digraphFromArcs({ nodes: 4, from: [0, 0, 1], to: [1, 2, 2] });
    expect(entries(degreeCorrelationMatrix(graph))).toEqual([
      [0, 0, 1],
      [0, 2, 1],
      [1, 1, 1],
      [2, 0, 1],
    ]);
    // 0 -> 1: (2, 1); 0 -> 2: (2, 2); 1 -> 2: (1, 2).
    expect(entries(jointDegreeMatrix(graph))).toEqual([
      [1, 2, 1],
      [2, 1, 1],
      [2, 2, 1],
    ]);
  });

  it("satisfy their identities, counted two ways", () => {
    fc.assert(
      fc.property(digraphs(), (graph) => {
        const c = degreeCorrelationMatrix(graph);
        const j = jointDegreeMatrix(graph);
        expect([c.total, j.total]).toEqual([graph.nodes, graph.arcs]);
        const nOut = marginal(c, "cols");
        const fromArcs = marginal(j, "rows");
        const positive = [...nOut.degrees.keys()].filter((i) => nOut.degrees[i]! > 0);
        expect([...fromArcs.degrees]).toEqual(positive.map((i) => nOut.degrees[i]));
        expect([...fromArcs.counts]).toEqual(positive.map((i) => nOut.degrees[i]! * nOut.counts[i]!));
        expect(marginal(c, "rows")).toEqual(graph.nodes === 0 ? marginal(c, "rows") : histogram(inDegrees(graph)));
        // Brute force over arcs.
        const out = outDegrees(graph);
        const into = inDegrees(graph);
        const { from, to } = arcsOf(graph);
        const brute = degreeMatrix(
          Array.from(from, (v) => out[v]!),
          Array.from(to, (w) => into[w]!),
          new Array(graph.arcs).fill(1),
        );
        expect(j).toEqual(brute);
      }),
    );
  });

  it("counts by sorting exactly as by a table, where the degrees are too many for one", () => {
    fc.assert(
      fc.property(digraphs(), (graph) => {
        expect(jointDegreeMatrix(graph, 0)).toEqual(jointDegreeMatrix(graph));
        expect(degreeCorrelationMatrix(graph, 0)).toEqual(degreeCorrelationMatrix(graph));
      }),
    );
  });
});

describe("distances", () => {
  const h = (degrees: number[], counts: number[]) => ({ degrees: Uint32Array.from(degrees), counts: Float64Array.from(counts) });
  it("by hand", () => {
    // Shares 1/2, 1/2 at 0, 1 against 1/4, 3/4 at 1, 2: cumulative 1/2-0, 1-1/4, 1-1.
    expect(ksDistance(h([0, 1], [2, 2]), h([1, 2], [1, 3]))).toBeCloseTo(0.75, 12);
    expect(l1Distance(h([0, 1], [2, 2]), h([1, 2], [1, 3]))).toBeCloseTo(0.5 + 0.25 + 0.75, 12);
    expect(totalVariation(degreeMatrix([1, 2], [1, 1], [1, 1]), degreeMatrix([1, 3], [1, 1], [3, 1]))).toBeCloseTo(0.5, 12);
  });
  it("are 0 for equals, symmetric, and 1 for strangers", () => {
    fc.assert(
      fc.property(digraphs(), digraphs(), (a, b) => {
        const [x, y] = [histogram(outDegrees(a)), histogram(outDegrees(b))];
        expect(ksDistance(x, x)).toBe(0);
        expect(ksDistance(x, y)).toBeCloseTo(ksDistance(y, x), 12);
        expect(ksDistance(x, y)).toBeLessThanOrEqual(1 + 1e-12);
        const [c, d] = [jointDegreeMatrix(a), jointDegreeMatrix(b)];
        expect(totalVariation(c, c)).toBe(0);
        expect(totalVariation(c, d)).toBeCloseTo(totalVariation(d, c), 12);
      }),
    );
    expect(totalVariation(jointDegreeMatrix(cycle(4)), jointDegreeMatrix(complete(4)))).toBe(1);
  });
});

describe("powerLawDigraph", () => {
  it("has heavy tails, few losses, and repeats with its seed", () => {
    const make = (seed: number) => powerLawDigraph({ nodes: 5000, arcs: 40_000 }, createRng(seed));
    const graph = make(1);
    expect(graph.arcs).toBeGreaterThan(35_000);
    expect(Math.max(...inDegrees(graph))).toBeGreaterThan(100);
    expect(make(1)).toEqual(graph);
    expect(arcList(make(2))).not.toEqual(arcList(graph));
    expect(() => powerLawDigraph({ nodes: 5, arcs: 5, exponent: 2 }, createRng(0))).toThrow(InputError);
  });
});

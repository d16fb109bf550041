import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng, InputError, OptionError } from "../core/index.js";
import { ArcTable } from "./arc-table.js";
import { baselineNames, baselineSample, forestFire, randomWalk } from "./baselines.js";
import { degreeDistances } from "./compare.js";
import { constructDigraph, constructTable, realisabilityProblems } from "./construct.js";
import { controlledRounding } from "./controlled-rounding.js";
import { roundLevels, scaleLevels } from "./degree-levels.js";
import { degreeCorrelationMatrix, degreeMatrix, histogram, jointDegreeMatrix } from "./degree-matrix.js";
import { arcsOf, type Digraph, digraphFromArcs, hasArc, inDegrees, outDegrees } from "./digraph.js";
import { rescaleDegreeMatrices } from "./rescale.js";
import { addTo, fillResidual, integerMatrix } from "./residual-fill.js";
import { sampleDigraph } from "./sample.js";
import { swapTargets } from "./swap.js";
import { powerLawDigraph } from "./synthetic.js";
import { arcList, complete, cycle, digraphs, skewedDigraph } from "./testing/arbitraries.js";

/** Throws unless the graph is simple. */
const requireSimple = (graph: Digraph) =>
  digraphFromArcs({ nodes: graph.nodes, ...arcsOf(graph), selfLoops: "refuse", repeats: "refuse" });

describe("controlled rounding", () => {
  it("keeps whole row and column sums, moves no entry by 1, and keeps expectations", () => {
    // Rows and columns of a random real matrix, closed to whole sums by a last row and column.
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e9 }),
        fc.integer({ min: 2, max: 9 }),
        fc.integer({ min: 2, max: 9 }),
        (seed, height, width) => {
          const rng = createRng(seed);
          const real = Array.from({ length: height }, () => Array.from({ length: width }, () => 3 * rng.uniform()));
          for (let r = 0; r < height - 1; r++) {
            const sum = real[r]!.slice(0, -1).reduce((a, b) => a + b, 0);
            real[r]![width - 1] = Math.ceil(sum) - sum;
          }
          for (let c = 0; c < width; c++) {
            let sum = 0;
            for (let r = 0; r < height - 1; r++) sum += real[r]![c]!;
            real[height - 1]![c] = Math.ceil(sum) - sum;
          }
          const rows = Int32Array.from({ length: height * width }, (_, i) => Math.floor(i / width));
          const cols = Int32Array.from({ length: height * width }, (_, i) => i % width);
          const values = Float64Array.from(rows, (r, i) => real[r]![cols[i]!]!);
          const before = values.slice();
          controlledRounding({ rows, cols, values }, [height, width], rng);
          const sum = (axis: Int32Array, at: number, list: Float64Array) =>
            list.reduce((total, v, i) => total + (axis[i] === at ? v : 0), 0);
          for (let r = 0; r < height; r++) expect(sum(rows, r, values)).toBeCloseTo(sum(rows, r, before), 5);
          for (let c = 0; c < width; c++) expect(sum(cols, c, values)).toBeCloseTo(sum(cols, c, before), 5);
          values.forEach((v, i) => {
            expect(Number.isInteger(v)).toBe(true);
            expect(Math.abs(v - before[i]!)).toBeLessThan(1);
          });
        },
      ),
    );
    const rng = createRng(9);
    const totals = [0, 0, 0, 0];
    for (let trial = 0; trial < 4000; trial++) {
      const values = Float64Array.of(0.3, 0.7, 0.7, 0.3);
      controlledRounding({ rows: Int32Array.of(0, 0, 1, 1), cols: Int32Array.of(0, 1, 0, 1), values }, [2, 2], rng);
      values.forEach((v, i) => {
        totals[i]! += v;
      });
    }
    // Standard deviation 29: four of them.
    expect(Math.abs(totals[0]! - 1200)).toBeLessThan(116);
    expect(totals[1]! + totals[0]!).toBe(4000);
  });
});

describe("degree levels", () => {
  it("meet the wanted stubs exactly and no cumulative count moves by a node, inside the slack", () => {
    fc.assert(
      fc.property(
        digraphs(200),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (graph, ratio, at) => {
          const degrees = histogram(outDegrees(graph));
          const nodes = Math.round(ratio * graph.nodes);
          const levels = scaleLevels(degrees, ratio, nodes, graph.nodes);
          const stubs = Math.round(levels.slack.low + at * (levels.slack.high - levels.slack.low));
          const { histogram: rounded, deviation } = roundLevels(levels, stubs);
          const total = rounded.counts.reduce((a, b) => a + b, 0);
          expect(total).toBe(nodes);
          expect(rounded.degrees.reduce((sum, d, i) => sum + d * rounded.counts[i]!, 0)).toBe(stubs);
          // Where n' = round(p n) is below p n itself, the lowest level may have to give way to it by half a node more.
          expect(deviation).toBeLessThan(1);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("meet any total that fits the nodes, however far", () => {
    fc.assert(
      fc.property(digraphs(20), fc.double({ min: 0, max: 1, noNaN: true }), (graph, at) => {
        const levels = scaleLevels(histogram(inDegrees(graph)), 0.5, 8, 7);
        const stubs = Math.round(at * 56);
        const { histogram: rounded } = roundLevels(levels, stubs);
        expect(rounded.degrees.reduce((sum, d, i) => sum + d * rounded.counts[i]!, 0)).toBe(stubs);
      }),
    );
  });
});

describe("residual fill", () => {
  it("meets the sums whenever any matrix does, which brute force decides", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(3), { minLength: 2, maxLength: 2 }),
        fc.array(fc.nat(3), { minLength: 3, maxLength: 3 }),
        fc.array(fc.nat(2), { minLength: 6, maxLength: 6 }),
        fc.array(fc.nat(3), { minLength: 6, maxLength: 6 }),
        (rowSums, colSums, caps, start) => {
          const wanted = rowSums.reduce((a, b) => a + b, 0);
          const have = colSums.reduce((a, b) => a + b, 0);
          if (have < wanted) rowSums = [Math.min(rowSums[0]!, have), Math.max(0, have - Math.min(rowSums[0]!, have))];
          else if (have > wanted) rowSums = [rowSums[0]! + have - wanted, rowSums[1]!];
          // The largest total that fits: all matrices of six cells within their caps.
          let best = 0;
          const total = rowSums.reduce((a, b) => a + b, 0);
          const cells = [0, 0, 0, 0, 0, 0];
          const search = (i: number, sum: number): void => {
            if (i === 6) {
              best = Math.max(best, sum);
              return;
            }
            for (let v = 0; v <= caps[i]!; v++) {
              cells[i] = v;
              const row = i < 3 ? cells.slice(0, i + 1) : cells.slice(3, i + 1);
              const col = i < 3 ? v : cells[i - 3]! + v;
              if (row.reduce((a, b) => a + b, 0) > rowSums[i < 3 ? 0 : 1]! || col > colSums[i % 3]!) break;
              search(i + 1, sum + v);
            }
            cells[i] = 0;
          };
          search(0, 0);
          const matrix = integerMatrix(2, 3);
          start.forEach((v, i) => {
            if (v > 0) addTo(matrix, Math.floor(i / 3), i % 3, v);
          });
          const { unmet } = fillResidual(matrix, rowSums, colSums, (r, c) => caps[r * 3 + c]!);
          expect(unmet).toBe(total - best);
          let sum = 0;
          matrix.cells.forEach((row, r) => {
            for (const [c, v] of row) {
              sum += v;
              expect(v).toBeLessThanOrEqual(caps[r * 3 + c]!);
            }
          });
          expect(sum).toBe(best);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("construction", () => {
  it("rebuilds the matrices of any simple graph, entry by entry", () => {
    fc.assert(
      fc.property(digraphs(40), fc.nat(1000), (graph, seed) => {
        const c = degreeCorrelationMatrix(graph);
        const j = jointDegreeMatrix(graph);
        expect(realisabilityProblems(c, j)).toEqual([]);
        const built = constructDigraph(c, j, createRng(seed));
        requireSimple(built);
        expect(degreeCorrelationMatrix(built)).toEqual(c);
        expect(jointDegreeMatrix(built)).toEqual(j);
      }),
      { numRuns: 400 },
    );
  });

  it("rebuilds graphs with no room to spare", () => {
    for (const graph of [complete(7), cycle(9), complete(1), complete(2), cycle(2), skewedDigraph(0, 0)]) {
      const built = constructDigraph(degreeCorrelationMatrix(graph), jointDegreeMatrix(graph), createRng(1));
      expect(jointDegreeMatrix(built)).toEqual(jointDegreeMatrix(graph));
    }
    expect(constructDigraph(degreeCorrelationMatrix(complete(7)), jointDegreeMatrix(complete(7)), createRng(1))).toEqual(
      complete(7),
    );
  });

  it("says what stands in the way instead of spinning", () => {
    const c = degreeMatrix([1], [1], [1]);
    expect(realisabilityProblems(c, degreeMatrix([1], [1], [1]))).toEqual(["J[1][1] = 1, but only 0 arcs fit between those nodes"]);
    expect(() => constructDigraph(c, degreeMatrix([1], [1], [1]), createRng(0))).toThrow(InputError);
    expect(realisabilityProblems(c, degreeMatrix([], [], []))).toEqual([
      "out-degree 1: 1 nodes have 1 stubs, J gives them 0 arcs",
      "in-degree 1: 1 nodes have 1 stubs, J gives them 0 arcs",
    ]);
    expect(realisabilityProblems(degreeMatrix([0], [0], [1.5]), degreeMatrix([], [], []))).toEqual([
      "C[0][0] = 1.5 is no whole number",
    ]);
  });

  it("swaps keep both matrices and change the arcs", () => {
    const graph = powerLawDigraph({ nodes: 300, arcs: 2000 }, createRng(3));
    const table = constructTable(degreeCorrelationMatrix(graph), jointDegreeMatrix(graph), createRng(4));
    const before = table.toDigraph();
    const made = swapTargets(table, 4000, createRng(5));
    const after = table.toDigraph();
    expect(made).toBeGreaterThan(500);
    requireSimple(after);
    expect(jointDegreeMatrix(after)).toEqual(jointDegreeMatrix(before));
    expect(degreeCorrelationMatrix(after)).toEqual(degreeCorrelationMatrix(before));
    expect(arcList(after)).not.toEqual(arcList(before));
    expect(swapTargets(new ArcTable(Uint32Array.of(1, 0), Uint32Array.of(0, 1)), 10, createRng(0))).toBe(0);
  });
});

describe("sampling", () => {
  it("realises its own matrices, obeys its bounds, and reproduces at ratio 1, on any graph", () => {
    fc.assert(
      fc.property(digraphs(40), fc.double({ min: 0.02, max: 1, noNaN: true }), fc.nat(1000), (graph, ratio, seed) => {
        for (const p of [ratio, 1]) {
          const { graph: sample, rescaled } = sampleDigraph(graph, { ratio: p, rng: createRng(seed) });
          requireSimple(sample);
          expect(sample.nodes).toBe(Math.round(p * graph.nodes));
          expect(degreeCorrelationMatrix(sample)).toEqual(rescaled.correlation);
          expect(jointDegreeMatrix(sample)).toEqual(rescaled.joint);
          const far = degreeDistances(graph, sample);
          if (sample.nodes > 0) {
            expect(far.ksIn).toBeLessThanOrEqual((Math.max(1, rescaled.levelDeviationIn) + 0.5) / sample.nodes + 1e-9);
            expect(far.ksOut).toBeLessThanOrEqual((Math.max(1, rescaled.levelDeviationOut) + 0.5) / sample.nodes + 1e-9);
            expect(far.tvCorrelation).toBeLessThanOrEqual(rescaled.correlationStep.bound + 1e-6);
          }
          if (sample.arcs > 0) expect(far.tvJoint).toBeLessThanOrEqual(rescaled.jointStep.bound + 1e-6);
          if (p === 1) {
            expect(rescaled.correlation).toEqual(degreeCorrelationMatrix(graph));
            expect(rescaled.joint).toEqual(jointDegreeMatrix(graph));
            expect(rescaled.repairs).toEqual([]);
          }
        }
      }),
      { numRuns: 400 },
    );
  });

  it("keeps the degree distributions of a large heavy-tailed graph within a node and a half", () => {
    const graph = powerLawDigraph({ nodes: 8000, arcs: 60_000, spread: 50 }, createRng(1));
    for (const ratio of [0.1, 0.3, 0.5]) {
      const { graph: sample, rescaled } = sampleDigraph(graph, { ratio, rng: createRng(2) });
      expect(rescaled.repairs).toEqual([]);
      const far = degreeDistances(graph, sample);
      expect(far.ksIn).toBeLessThanOrEqual(1.5 / sample.nodes);
      expect(far.ksOut).toBeLessThanOrEqual(1.5 / sample.nodes);
      const node = degreeDistances(graph, baselineSample("random-node", graph, ratio, createRng(2)));
      expect(node.ksIn).toBeGreaterThan(5 * far.ksIn);
      expect(node.tvJoint).toBeGreaterThan(far.tvJoint);
    }
  });

  it("samples a cycle as cycles", () => {
    const { graph } = sampleDigraph(cycle(100), { ratio: 0.3, rng: createRng(0) });
    expect(graph.nodes).toBe(30);
    expect([...inDegrees(graph), ...outDegrees(graph)].every((d) => d === 1)).toBe(true);
  });

  it("caps what cannot fit, and says so", () => {
    const { graph, rescaled } = sampleDigraph(complete(10), { ratio: 0.5, rng: createRng(0) });
    expect(graph).toEqual(complete(5));
    expect([rescaled.capIn, rescaled.capOut, rescaled.cappedIn]).toEqual([4, 4, 50]);
    expect(rescaled.repairs).toEqual(["20 arcs instead of 45: degrees are capped at 4 out, 4 in"]);
    // A star: one hub that points at 100 leaves.
    const star = digraphFromArcs({
      nodes: 101,
      from: new Array(100).fill(0),
      to: Array.from({ length: 100 }, (_, i) => i + 1),
    }).graph;
    const small = sampleDigraph(star, { ratio: 0.1, rng: createRng(0) });
    expect(Math.max(...outDegrees(small.graph))).toBe(9);
    expect(small.rescaled.repairs.length).toBeGreaterThan(0);
  });

  it("handles graphs with nothing in them, and tiny samples", () => {
    const empty = digraphFromArcs({ nodes: 0, from: [], to: [] }).graph;
    expect(sampleDigraph(empty, { ratio: 0.5, rng: createRng(0) }).graph.nodes).toBe(0);
    const isolated = digraphFromArcs({ nodes: 9, from: [], to: [] }).graph;
    expect(sampleDigraph(isolated, { ratio: 0.34, rng: createRng(0) }).graph).toEqual(
      digraphFromArcs({ nodes: 3, from: [], to: [] }).graph,
    );
    expect(sampleDigraph(cycle(10), { ratio: 0.04, rng: createRng(0) }).graph.nodes).toBe(0);
    const single = sampleDigraph(cycle(10), { ratio: 0.1, rng: createRng(0) });
    expect([single.graph.nodes, single.graph.arcs]).toEqual([1, 0]);
    expect(single.rescaled.repairs.length).toBeGreaterThan(0);
  });

  it("refuses ratios outside (0, 1] and matrices of different graphs", () => {
    for (const ratio of [0, -0.1, 1.01, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => sampleDigraph(cycle(5), { ratio, rng: createRng(0) })).toThrow(OptionError);
      expect(() => baselineSample("snowball", cycle(5), ratio, createRng(0))).toThrow(OptionError);
    }
    expect(() => sampleDigraph(cycle(5), { ratio: 1, rng: createRng(0), swapsPerArc: -1 })).toThrow(OptionError);
    expect(() => rescaleDegreeMatrices(degreeCorrelationMatrix(cycle(5)), jointDegreeMatrix(cycle(6)), 0.5, createRng(0))).toThrow(
      /not of one graph: nodes of in-degree 1 have 5 stubs in the degree correlation matrix and 6 in the joint degree matrix/,
    );
  });

  it("is a function of the seed", () => {
    const graph = skewedDigraph(77, 60);
    const run = (seed: number) => arcList(sampleDigraph(graph, { ratio: 0.6, rng: createRng(seed) }).graph);
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
  });
});

describe("baselines", () => {
  it.each(baselineNames)("%s: a simple graph of round(p n) nodes, by seed", (name) => {
    fc.assert(
      fc.property(digraphs(30), fc.double({ min: 0.02, max: 1, noNaN: true }), fc.nat(1000), (graph, ratio, seed) => {
        const sample = baselineSample(name, graph, ratio, createRng(seed));
        expect(sample.nodes).toBe(Math.round(ratio * graph.nodes));
        requireSimple(sample);
        expect(baselineSample(name, graph, ratio, createRng(seed))).toEqual(sample);
        if (name !== "random-edge" && name !== "configuration" && ratio === 1) expect(sample.arcs).toBe(graph.arcs);
      }),
      { numRuns: 60 },
    );
  });

  it("walk and fire along arcs: each new node is reached from the visited ones until the fire dies", () => {
    const graph = cycle(20);
    const walk = randomWalk(graph, 20, createRng(1), 0);
    for (let i = 1; i < 20; i++) expect(hasArc(graph, walk[i - 1]!, walk[i]!)).toBe(true);
    expect(new Set(forestFire(graph, 20, createRng(1), 0, 0)).size).toBe(20);
    expect(() => randomWalk(graph, 5, createRng(1), 2)).toThrow(OptionError);
    expect(() => baselineSample("none" as "snowball", graph, 0.5, createRng(1))).toThrow(OptionError);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng } from "../core/index.js";
import { assemble, toMemory } from "./assemble.js";
import { type BuildOptions, buildParts } from "./build.js";
import { rowOf, type SparseMatrix } from "./csr.js";
import { buildInverted } from "./inverted.js";
import { blockScores, referenceExact, referenceSearch } from "./reference.js";
import { createSearcher } from "./searcher.js";
import { openStore } from "./store.js";
import { storedVector } from "./stored.js";
import { bruteForce, small, unstructured } from "./testing/collections.js";

async function open(m: SparseMatrix, options: BuildOptions, seed = 3) {
  const store = openStore(toMemory(assemble(buildParts(m, options, createRng(seed)))));
  return { store, searcher: await createSearcher(store) };
}

const everything: BuildOptions = { postingsPerList: 1_000_000, values: "f32" };

describe("the kernels equal the reference bit for bit", () => {
  for (const values of ["f16", "u8", "f32"] as const) {
    for (const dim of [2000, 70_000]) {
      it(`${values}, ${dim} coordinates`, async () => {
        const { documents, queries } = small(300);
        const m = { ...documents, cols: dim };
        const { store, searcher } = await open(m, { postingsPerList: 30, centroidFraction: 0.2, values });
        expect(store.header.wideCoords).toBe(dim > 65536);
        for (let q = 0; q < queries.rows; q++) {
          for (const options of [
            { queryCut: 3, heapFactor: 0.9 },
            { queryCut: 12, heapFactor: 0.5, sortedLists: 0, k: 25 },
            { k: 400, heapFactor: 1 },
          ]) {
            const { stats, ...expected } = referenceSearch(store, rowOf(queries, q), options);
            expect(searcher.search(rowOf(queries, q), options)).toEqual(expected);
            expect(searcher.stats()).toEqual(stats);
          }
          if (q < 5) expect(searcher.exact(rowOf(queries, q))).toEqual(referenceExact(store, rowOf(queries, q)));
        }
      });
    }
  }

  it("with more than 256 blocks in a list", async () => {
    const m = unstructured(1500, 12, 8, 5);
    const { store, searcher } = await open(m, { ...everything, centroidFraction: 1, minClusterSize: 0, maxClusterSize: 1 });
    expect(store.header.wideBlocks).toBe(true);
    for (let q = 0; q < 10; q++) {
      const { stats, ...expected } = referenceSearch(store, rowOf(m, q + 100), { k: 7 });
      expect(searcher.search(rowOf(m, q + 100), { k: 7 })).toEqual(expected);
      expect(searcher.stats()).toEqual(stats);
    }
  });
});

describe("exact search", () => {
  it("equals brute force over all documents", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 0, max: 1e6 }),
        fc.integer({ min: 1, max: 70 }),
        async (rows, cols, seed, k) => {
          const m = unstructured(rows, cols, Math.min(cols, 9), seed);
          const q = rowOf(unstructured(1, cols, Math.min(cols, 6), seed + 1), 0);
          const { searcher } = await open(m, everything);
          const inverted = await buildInverted(m);
          // Weights are quarters, so sums are exact and ties are real.
          const scores = bruteForce(m, q);
          const expected = Array.from(scores.keys())
            .filter((d) => scores[d]! > 0)
            .sort((a, b) => scores[b]! - scores[a]! || a - b)
            .slice(0, k);
          for (const got of [searcher.exact(q, k), inverted.termAtATime(q, k), inverted.maxScore(q, k)]) {
            expect(Array.from(got.documents)).toEqual(expected);
            expect(Array.from(got.scores)).toEqual(expected.map((d) => scores[d]));
          }
          // Nothing pruned, no coordinate cut, nothing skipped: the approximate search is exhaustive.
          expect(Array.from(searcher.search(q, { k, queryCut: cols, heapFactor: 0 }).documents)).toEqual(expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("is what skipping gives when summaries keep everything and round up", async () => {
    const { documents, queries } = small(800, 40);
    for (const values of ["f16", "u8"] as const) {
      const { searcher } = await open(documents, { postingsPerList: 1e6, summaryEnergy: 1, summaryRounding: "up", values });
      for (let q = 0; q < queries.rows; q++) {
        const got = searcher.search(rowOf(queries, q), { queryCut: 100, heapFactor: 0.99999 });
        const want = searcher.exact(rowOf(queries, q));
        expect(got.scores).toEqual(want.scores);
        expect(searcher.stats().scored).toBeLessThan(800);
      }
    }
  });
});

describe("block scores", () => {
  it("bound every inner product in the block when alpha is 1 and codes round up", async () => {
    const { documents, queries } = small(400, 10);
    const { store } = await open(documents, { postingsPerList: 1e6, summaryEnergy: 1, summaryRounding: "up" });
    const a = store.arrays();
    let checked = 0;
    for (let q = 0; q < queries.rows; q++) {
      const { indices, values } = rowOf(queries, q);
      for (const c of indices) {
        const scores = blockScores(store, c, indices, values);
        scores.forEach((bound, b) => {
          const block = a.listBlocks[c]! + b;
          for (let p = a.blockStarts[block]!; p < a.blockStarts[block + 1]!; p++) {
            const v = storedVector(store, a.postings[p]!);
            let s = 0;
            v.indices.forEach((i, at) => {
              const j = indices.indexOf(i);
              if (j >= 0) s += values[j]! * v.values[at]!;
            });
            expect(bound).toBeGreaterThanOrEqual(s * (1 - 1e-5));
            checked++;
          }
        });
      }
    }
    expect(checked).toBeGreaterThan(1000);
  });
});

describe("accuracy", () => {
  it("grows with queryCut and falls with heapFactor", async () => {
    const { documents, queries } = small(4000, 80);
    const { searcher } = await open(documents, { postingsPerList: 60, centroidFraction: 0.2 });
    const run = (options: object) => {
      let found = 0;
      let scored = 0;
      for (let q = 0; q < queries.rows; q++) {
        const truth = new Set(searcher.exact(rowOf(queries, q)).documents);
        for (const d of searcher.search(rowOf(queries, q), options).documents) found += truth.has(d) ? 1 : 0;
        scored += searcher.stats().scored;
      }
      return { accuracy: found / queries.rows / 10, scored: scored / queries.rows };
    };
    const byCut = [1, 2, 4, 8].map((queryCut) => run({ queryCut, heapFactor: 0.8 }));
    for (let i = 1; i < byCut.length; i++) {
      expect(byCut[i]!.accuracy).toBeGreaterThanOrEqual(byCut[i - 1]!.accuracy);
      expect(byCut[i]!.scored).toBeGreaterThan(byCut[i - 1]!.scored);
    }
    const byFactor = [0, 0.7, 1, 1.3].map((heapFactor) => run({ queryCut: 8, heapFactor }));
    for (let i = 1; i < byFactor.length; i++) {
      expect(byFactor[i]!.accuracy).toBeLessThanOrEqual(byFactor[i - 1]!.accuracy);
      expect(byFactor[i]!.scored).toBeLessThan(byFactor[i - 1]!.scored);
    }
    expect(byCut[3]!.accuracy).toBeGreaterThan(0.95);
    expect(byCut[3]!.scored).toBeLessThan(800);
  });
});

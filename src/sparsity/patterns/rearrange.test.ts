/** Kernel groups and their rearrangement: worked by hand, then laws. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng } from "../../core/index.js";
import { kernelGroups, orderBySize, type Producer, rearrange, retained, selectMask } from "./index.js";

/** Rows (1,0,2), (3,1,0), (0,5,1), (2,2,2); groups of 2; half of the six blocks goes. */
const producer: Producer = { scores: Float32Array.of(1, 0, 2, 3, 1, 0, 0, 5, 1, 2, 2, 2), inputs: 3, rowOf: [0, 1, 2, 3] };
const half = { sparsity: 0.5, filters: 2 };

describe("retained score, by hand", () => {
  it("blocks 4, 1, 2 and 2, 7, 3 keep 14 of 19", () => {
    expect(retained([producer], [0, 1, 2, 3], half)).toBe(14);
    expect(retained([producer], [0, 1, 2, 3], { sparsity: 0, filters: 2 })).toBe(19);
  });
  it("swapping rows 0 and 3 gives 5, 3, 2 and 1, 5, 3 and keeps 13: the search does not take it", () => {
    expect(retained([producer], [3, 1, 2, 0], half)).toBe(13);
    expect(rearrange([producer], { ...half, rng: createRng(1) }).after).toBeGreaterThanOrEqual(14);
  });
  it("sorting by size leaves these rows where they are: sizes 3, 4, 6, 6", () => {
    expect([...orderBySize([producer])]).toEqual([0, 1, 2, 3]);
  });
});

describe("rearrangement", () => {
  it("finds planted groups: rows that read the same inputs come together", () => {
    // Rows 0, 2 read input 0 and rows 1, 3 read input 1: together, half of the blocks keep everything.
    const planted: Producer = { scores: Float32Array.of(5, 0, 0, 5, 5, 0, 0, 5), inputs: 2, rowOf: [0, 1, 2, 3] };
    expect(retained([planted], [0, 1, 2, 3], half)).toBe(10);
    const found = rearrange([planted], { ...half, rng: createRng(1) });
    expect(found.after).toBe(20);
  });
  it("gives a permutation, never keeps less than the given order or the sorted one, and says what it keeps", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 4 }),
        fc.double({ min: 0, max: 0.9, noNaN: true }),
        fc.nat(999),
        (units, inputs, filters, sparsity, seed) => {
          const rng = createRng(seed);
          const rows = units + 2;
          const scores = Float32Array.from({ length: rows * inputs }, () => rng.uniform());
          // Two producers; in the second the units lie behind two rows that do not move.
          const producers: Producer[] = [
            { scores: scores.slice(0, units * inputs), inputs, rowOf: Array.from({ length: units }, (_, u) => u) },
            { scores, inputs, rowOf: Array.from({ length: units }, (_, u) => u + 2) },
          ];
          const found = rearrange(producers, { sparsity, filters, rng, budget: 200 });
          expect([...found.order].sort((a, b) => a - b)).toEqual([...Array(units).keys()]);
          expect(found.after).toBeGreaterThanOrEqual(Math.max(found.before, found.sorted) - 1e-6);
          expect(retained(producers, found.order, { sparsity, filters })).toBeCloseTo(found.after, 6);
        },
      ),
      { numRuns: 60 },
    );
  });
  it("refuses producers that do not fit", () => {
    expect(() => rearrange([producer, { ...producer, rowOf: [0] }], { ...half, rng: createRng(1) })).toThrow("one row per unit");
    expect(() => rearrange([producer], { sparsity: 0.5, filters: 0, rng: createRng(1) })).toThrow("rearrange.filters");
  });
});

describe("kernel groups", () => {
  it("are whole kernels of neighbouring filters", () => {
    expect(kernelGroups(4, [8, 3, 3, 3])).toEqual({ kind: "block", rows: 4, cols: 9, pool: "mean" });
    expect(kernelGroups(2, [4, 3])).toEqual({ kind: "block", rows: 2, cols: 1, pool: "mean" });
    const mask = selectMask(kernelGroups(2, [4, 3]), producer.scores, [4, 3], 0.5);
    // Kept: input 0 of the first group; inputs 1 and 2 of the second.
    expect([...mask.data]).toEqual([1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 1, 1]);
    expect(() => kernelGroups(0, [4, 3])).toThrow("kernelGroups.filters");
    expect(() => kernelGroups(2, [4])).toThrow("kernelGroups.shape");
  });
});

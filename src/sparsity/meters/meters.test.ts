import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng, InputError, OptionError, tensor } from "../../core/index.js";
import { bernoulliMask, fullMask, maskOf, randomMask } from "../masks.js";
import { masks } from "../testing/arbitraries.js";
import {
  chanceOverlap,
  collapsedLayers,
  compressionRatio,
  densityOf,
  everActive,
  itopRate,
  maskOverlap,
  naturalZeros,
  nominalCompression,
  realisedSparsity,
  storedBytes,
  theoreticalFlops,
  trainingFlops,
} from "./index.js";

const a = maskOf([2, 2], [1, 0, 0, 0]);
const b = maskOf([2, 3], [1, 1, 0, 0, 0, 1]);

describe("sparsity and density", () => {
  it("match hand-worked values and sum to 1", () => {
    const d = densityOf({ a, b });
    expect(d).toEqual({ sparsity: 1 - 0.4, density: 0.4, kept: 4, total: 10, perTensor: { a: 0.75, b: 0.5 } });
    expect(d.sparsity + d.density).toBe(1);
  });
  it("count a shared mask once", () => expect(densityOf({ a, tied: a, b }).total).toBe(10));
  it("raise where sparsity is undefined", () => {
    expect(() => densityOf({})).toThrow(InputError);
    expect(() => realisedSparsity({ bias: { shape: [3], prunable: false, kind: "bias" } }, {})).toThrow(InputError);
  });
  it("tell s over prunable weights from zeros over all parameters", () => {
    const infos = {
      a: { shape: [2, 2], prunable: true, kind: "linear" as const },
      b: { shape: [2, 3], prunable: true, kind: "linear" as const },
      open: { shape: [1, 2], prunable: true, kind: "linear" as const },
      bias: { shape: [8], prunable: false, kind: "bias" as const },
    };
    expect(realisedSparsity(infos, { a, b })).toEqual({
      sparsity: 6 / 12,
      globalSparsity: 6 / 20,
      kept: 6,
      prunable: 12,
      parameters: 20,
    });
  });
  it("natural zeros are not sparsity", () => {
    expect(naturalZeros(tensor([2, 3], [0, 5, 0, 0, 0, 0]), b)).toBe(2);
  });
  it("a collapsed layer is found", () => expect(collapsedLayers({ a, dead: maskOf([2], [0, 0]) })).toEqual(["dead"]));
});

describe("bytes", () => {
  it("match hand-worked values", () => {
    expect(storedBytes(10, 100, 100)).toEqual({ dense: 4000, bitmap: 525, csr: 844, best: 525, form: "bitmap" });
    expect(storedBytes(10, 1000, 100, 2)).toEqual({ dense: 40000, bitmap: 1650, csr: 644, best: 644, form: "csr" });
    expect(storedBytes(2, 3, 6).form).toBe("dense");
  });
  it("compression with indices is at most the nominal one, and below 1 at s = 0 with a mask stored", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 500 }),
        fc.double({ min: 0.001, max: 1, noNaN: true }),
        (rows, cols, d) => {
          const kept = Math.max(1, Math.round(d * rows * cols));
          const { dense, bitmap, csr } = storedBytes(rows, cols, kept);
          for (const stored of [bitmap, csr])
            expect(compressionRatio(dense, stored)).toBeLessThanOrEqual(nominalCompression(kept / (rows * cols)) + 1e-9);
          const full = storedBytes(rows, cols, rows * cols);
          expect(compressionRatio(full.dense, full.bitmap)).toBeLessThan(1);
        },
      ),
    );
  });
  it("refuse nonsense", () => {
    expect(() => storedBytes(2, 2, 5)).toThrow(OptionError);
    expect(() => storedBytes(2, 70_000, 5, 2)).toThrow(OptionError);
    expect(() => nominalCompression(0)).toThrow(InputError);
    expect(() => compressionRatio(4, 0)).toThrow(InputError);
  });
});

describe("theoretical FLOPs", () => {
  it("are 2 x non-zeros x uses, and equal dense at d = 1", () => {
    const uses = [
      { path: "conv", uses: 28 * 28 },
      { path: "fc", uses: 1 },
      { path: "fc", uses: 1 },
    ];
    expect(theoreticalFlops(uses, { conv: 144, fc: 100 })).toBe(2 * 144 * 784 + 2 * 2 * 100);
    expect(() => theoreticalFlops(uses, { conv: 1 })).toThrow("no count of non-zeros for fc");
  });
  it("of training: three passes; RigL pays one dense gradient per update", () => {
    expect(trainingFlops(100)).toBe(300);
    expect(trainingFlops(100, { forward: 1000, every: 99 })).toBeCloseTo((300 * 99 + 200 + 1000) / 100, 9);
    expect(trainingFlops(100, { forward: 100, every: 7 })).toBeCloseTo((3 * 7 + 3) * (100 / 8), 9);
  });
});

describe("overlap and exploration", () => {
  it("Jaccard by hand, with the chance level", () => {
    const x = maskOf([4], [1, 1, 0, 0]);
    const y = maskOf([4], [0, 1, 1, 0]);
    expect(maskOverlap({ w: x }, { w: y })).toEqual({ jaccard: 1 / 3, chance: 0.5 / 1.5 });
    expect(() => maskOverlap({ w: x }, { v: y })).toThrow("masked on one side only");
  });
  it("is 1 with itself and symmetric", () => {
    fc.assert(
      fc.property(masks, fc.integer(), (m, seed) => {
        const other = bernoulliMask(m.shape, 0.4, createRng(seed));
        expect(maskOverlap({ m }, { m }).jaccard).toBe(1);
        expect(maskOverlap({ m }, { m: other })).toEqual(maskOverlap({ m: other }, { m }));
      }),
    );
  });
  it("independent random masks tend to d / (2 - d)", () => {
    for (const d of [0.05, 0.2, 0.5]) {
      const n = 40_000;
      const { jaccard, chance } = maskOverlap(
        { w: randomMask([n], d * n, createRng(1)) },
        { w: randomMask([n], d * n, createRng(2)) },
      );
      expect(chance).toBeCloseTo(chanceOverlap(d), 12);
      expect(Math.abs(jaccard - chance)).toBeLessThan(0.01);
    }
  });
  it("ITOP rate counts every weight ever active once", () => {
    const first = everActive(undefined, { w: maskOf([4], [1, 0, 0, 0]) });
    const second = everActive(first, { w: maskOf([4], [0, 1, 0, 0]) });
    expect([itopRate(first), itopRate(second), itopRate(everActive(second, { w: maskOf([4], [1, 0, 0, 0]) }))]).toEqual([
      0.25, 0.5, 0.5,
    ]);
    expect(itopRate({ w: fullMask([3]) })).toBe(1);
    expect(() => itopRate({})).toThrow(InputError);
  });
});

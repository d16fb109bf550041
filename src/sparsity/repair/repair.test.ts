/** Repair against brute force: no other values of the kept weights fit the data better. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng } from "../../core/index.js";
import {
  cholesky,
  invertCholesky,
  type LayerMoments,
  leastSquaresRepair,
  solveCholesky,
  sparseGpt,
  upperOfInverse,
} from "./index.js";

/** Random correlated data, the weight, and their moments. */
function layer(seed: number, rows: number, columns: number, samples = 40) {
  const rng = createRng(seed);
  const mix = Float64Array.from({ length: columns * columns }, () => rng.normal());
  const x: number[][] = [];
  for (let s = 0; s < samples; s++) {
    const z = Array.from({ length: columns }, () => rng.normal());
    x.push(z.map((_, i) => z.reduce((sum, v, j) => sum + v * mix[i * columns + j]!, 0)));
  }
  const gram = new Float64Array(columns * columns);
  for (const v of x) for (let i = 0; i < columns; i++) for (let j = 0; j < columns; j++) gram[i * columns + j]! += v[i]! * v[j]!;
  const weight = Float32Array.from({ length: rows * columns }, () => rng.normal());
  const mask = Uint8Array.from({ length: rows * columns }, () => (rng.uniform() < 0.5 ? 1 : 0));
  const moments: LayerMoments = { columns, gram, samples };
  return { x, weight, mask, moments, rng };
}

/** Sum of squared differences between the outputs of two weights over the data. */
function loss(x: readonly number[][], a: ArrayLike<number>, b: ArrayLike<number>, rows: number, columns: number): number {
  let total = 0;
  for (const v of x) {
    for (let r = 0; r < rows; r++) {
      let d = 0;
      for (let c = 0; c < columns; c++) d += (a[r * columns + c]! - b[r * columns + c]!) * v[c]!;
      total += d * d;
    }
  }
  return total;
}

const masked = (weight: Float32Array, mask: Uint8Array) => weight.map((w, i) => (mask[i] ? w : 0));

describe("the linear algebra", () => {
  it("factors, solves and inverts", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.nat(1000), (n, seed) => {
        const { gram } = layer(seed, 1, n, 3 * n).moments;
        const lower = cholesky(gram.slice(), n);
        const scale = Math.max(...gram.map(Math.abs));
        for (let i = 0; i < n; i++) {
          for (let j = 0; j < n; j++) {
            let sum = 0;
            for (let k = 0; k < n; k++) sum += lower[i * n + k]! * lower[j * n + k]!;
            expect(Math.abs(sum - gram[i * n + j]!)).toBeLessThan(1e-9 * scale);
          }
        }
        const want = Float64Array.from({ length: n }, (_, i) => i + 1);
        const b = Float64Array.from({ length: n }, (_, i) => want.reduce((s, v, j) => s + gram[i * n + j]! * v, 0));
        solveCholesky(lower, n, b);
        const inverse = invertCholesky(lower, n);
        const upper = upperOfInverse(gram.slice(), n);
        const condition = scale * Math.max(...inverse.map(Math.abs));
        for (let i = 0; i < n; i++) expect(Math.abs(b[i]! - want[i]!)).toBeLessThan(1e-11 * condition * n);
        for (let i = 0; i < n; i++) {
          for (let j = 0; j < n; j++) {
            let [unit, again] = [0, 0];
            for (let k = 0; k < n; k++) {
              unit += gram[i * n + k]! * inverse[k * n + j]!;
              again += upper[k * n + i]! * upper[k * n + j]!;
            }
            expect(Math.abs(unit - (i === j ? 1 : 0))).toBeLessThan(1e-11 * condition * n);
            expect(Math.abs(again - inverse[i * n + j]!)).toBeLessThan(1e-10 * condition * Math.max(...inverse.map(Math.abs)));
          }
        }
      }),
      { numRuns: 30 },
    );
    expect(() => cholesky(Float64Array.of(1, 2, 2, 1), 2)).toThrow("not positive definite at position 1");
  });
});

describe("least-squares repair", () => {
  it("is better than the masked weights and than every small change of its own", () => {
    fc.assert(
      fc.property(fc.nat(10_000), (seed) => {
        const [rows, columns] = [3, 6];
        const { x, weight, mask, moments, rng } = layer(seed, rows, columns);
        const fixed = leastSquaresRepair(weight, mask, moments, 0);
        expect(fixed.findIndex((w, i) => mask[i] === 0 && w !== 0)).toBe(-1);
        const best = loss(x, fixed, weight, rows, columns);
        expect(best).toBeLessThanOrEqual(loss(x, masked(weight, mask), weight, rows, columns) * (1 + 1e-5));
        for (let t = 0; t < 5; t++) {
          const other = fixed.map((w, i) => (mask[i] ? w + 0.1 * rng.normal() : 0));
          expect(best).toBeLessThanOrEqual(loss(x, other, weight, rows, columns) * (1 + 1e-5) + 1e-6);
        }
      }),
      { numRuns: 40 },
    );
  });
  it("by hand: two equal inputs, one dropped, the other takes both weights", () => {
    const moments = { columns: 2, gram: Float64Array.of(5, 5, 5, 5), samples: 5 };
    const [kept, gone] = leastSquaresRepair(Float32Array.of(2, 3), Uint8Array.of(1, 0), moments, 0);
    expect(kept).toBeCloseTo(5, 5);
    expect(gone).toBe(0);
  });
  it("aims at the dense outputs when they are given", () => {
    // The pruned network feeds x = 1 where the dense one fed 2: the weight must double.
    const moments = { columns: 1, gram: Float64Array.of(10), cross: Float64Array.of(3 * 2 * 10), samples: 10 };
    expect(leastSquaresRepair(Float32Array.of(3), Uint8Array.of(1), moments, 0)[0]).toBeCloseTo(6, 5);
  });
  it("gives up the weight of an input that is always 0", () => {
    const moments = { columns: 2, gram: new Float64Array(4), samples: 0 };
    expect(
      [...leastSquaresRepair(Float32Array.of(2, 3), Uint8Array.of(1, 0), moments)].map((v) => Math.round(v * 1e6) / 1e6),
    ).toEqual([0, 0]);
  });
  it("refuses moments that do not fit or are not finite", () => {
    expect(() =>
      leastSquaresRepair(new Float32Array(4), new Uint8Array(4), { columns: 2, gram: new Float64Array(3), samples: 1 }),
    ).toThrow("moments of 2 inputs");
    expect(() =>
      leastSquaresRepair(new Float32Array(1), new Uint8Array(1), { columns: 1, gram: Float64Array.of(Number.NaN), samples: 1 }),
    ).toThrow("must be finite");
  });
});

describe("SparseGPT", () => {
  it("under a fixed mask of the last columns equals least squares (nothing to the right is lost)", () => {
    const [rows, columns] = [2, 6];
    const { weight, moments } = layer(5, rows, columns);
    const mask = Uint8Array.from({ length: rows * columns }, (_, i) => (i % columns < 2 ? 0 : 1));
    const swept = sparseGpt(weight, moments, { sparsity: 0.5, damping: 0 }, mask).weight;
    const exact = leastSquaresRepair(weight, mask, moments, 0);
    for (let i = 0; i < swept.length; i++) expect(swept[i]).toBeCloseTo(exact[i]!, 3);
  });
  it("loses less than magnitude pruning at the same sparsity, on average", () => {
    let [better, runs] = [0, 0];
    for (let seed = 0; seed < 30; seed++) {
      const [rows, columns] = [6, 12];
      const { x, weight, moments } = layer(seed, rows, columns, 60);
      const gpt = sparseGpt(weight, moments, { sparsity: 0.5, blockSize: 4 });
      expect(gpt.mask.reduce((a, b) => a + b, 0)).toBe(36);
      const order = [...weight.keys()].sort((a, b) => Math.abs(weight[b]!) - Math.abs(weight[a]!));
      const small = new Uint8Array(weight.length);
      for (const i of order.slice(0, 36)) small[i] = 1;
      better += Number(loss(x, gpt.weight, weight, rows, columns) < loss(x, masked(weight, small), weight, rows, columns));
      runs++;
    }
    expect(better / runs).toBeGreaterThan(0.9);
  });
  it("keeps patterns: 2 of 4, and blocks of 2 rows", () => {
    const { weight, moments } = layer(9, 4, 8);
    const nm = sparseGpt(weight, moments, { sparsity: 0.5, pattern: { kind: "nm", keep: 2, of: 4 }, blockSize: 6 }).mask;
    for (let g = 0; g < 8; g++) expect(nm.subarray(4 * g, 4 * g + 4).reduce((a, b) => a + b, 0)).toBe(2);
    const block = sparseGpt(weight, moments, { sparsity: 0.5, pattern: { kind: "block", rows: 2, cols: 1 } }).mask;
    for (let r = 0; r < 4; r += 2) for (let c = 0; c < 8; c++) expect(block[r * 8 + c]).toBe(block[(r + 1) * 8 + c]);
  });
});

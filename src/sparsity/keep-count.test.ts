import fc from "fast-check";
import { expect, it } from "vitest";
import { OptionError } from "../core/index.js";
import { keepCount, keepCounts } from "./keep-count.js";
import { sparsities } from "./testing/arbitraries.js";

it("keepCount rounds to the nearest, halves in favour of keeping, never to nothing", () => {
  expect(keepCount(100, 0.9)).toBe(10);
  expect(keepCount(10, 0.95)).toBe(1); // 0.5 -> 1
  expect(keepCount(30, 0.1)).toBe(27); // 0.1 * 30 = 3.0000000000000004
  expect(keepCount(50, 0.07)).toBe(47); // 46.5, although 0.07 * 50 = 3.5000000000000004
  expect(keepCount(50, 0.29)).toBe(36); // 35.5, although 0.29 * 50 = 14.499999999999998
  expect(keepCount(3, 0.99)).toBe(1);
  expect(keepCount(7, 0)).toBe(7);
  expect(keepCount(1_000_000_000, 0.999)).toBe(1_000_000);
});

it("keepCount refuses what leaves nothing or has nothing", () => {
  for (const s of [1, -0.1, 1.5, Number.NaN]) expect(() => keepCount(10, s)).toThrow(OptionError);
  for (const n of [0, -1, 2.5, Number.NaN]) expect(() => keepCount(n, 0.5)).toThrow(OptionError);
});

it("keepCount is within half a unit, and falls as sparsity rises", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e7 }), sparsities, sparsities, (n, s, t) => {
      const kept = keepCount(n, s);
      expect(kept >= 1 && kept <= n).toBe(true);
      if (kept > 1) expect(Math.abs(kept - (1 - s) * n)).toBeLessThanOrEqual(0.5 + 1e-6);
      expect(keepCount(n, Math.max(s, t))).toBeLessThanOrEqual(keepCount(n, Math.min(s, t)));
    }),
  );
});

it("keepCounts repairs the total by largest remainder, first listed on ties", () => {
  const info = (n: number) => ({ shape: [n], prunable: true, kind: "other" as const });
  // 2.5 + 2.5 + 2.4 = 7.4 -> 7: floors 2 + 2 + 2, one more for the first of the largest remainders.
  expect(keepCounts({ a: info(5), b: info(5), c: info(6) }, { a: 0.5, b: 0.5, c: 0.6 })).toEqual({ a: 3, b: 2, c: 2 });
  expect(keepCounts({ a: info(5), b: info(5), c: info(6) }, { a: 0.5, b: 0.5, c: 0.6 }, 8)).toEqual({ a: 3, b: 3, c: 2 });
  // Tiny tensors keep one each although their share is less; the larger one pays.
  expect(keepCounts({ a: info(2), b: info(2), c: info(20) }, { a: 0.9, b: 0.9, c: 0.75 }, 5)).toEqual({ a: 1, b: 1, c: 3 });
  expect(() => keepCounts({ a: info(2), b: info(2) }, { a: 0.5, b: 0.5 }, 1)).toThrow(OptionError);
  expect(() => keepCounts({ a: info(2), b: info(2) }, { a: 0.5, b: 0.5 }, 5)).toThrow(OptionError);
});

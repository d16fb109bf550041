import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng, InputError, OptionError, ShapeError, tensor } from "../core/index.js";
import {
  and,
  applyMask,
  applyMasks,
  bernoulliMask,
  bornOf,
  countKept,
  fullMask,
  indicesOf,
  isNested,
  maskHash,
  maskOf,
  maskOfNonZeros,
  minus,
  or,
  randomMask,
} from "./masks.js";
import { masks } from "./testing/arbitraries.js";

const a = maskOf([2, 3], [1, 1, 0, 0, 1, 0]);
const b = maskOf([2, 3], [1, 0, 0, 1, 1, 0]);

describe("mask algebra", () => {
  it("matches hand-worked values", () => {
    expect([...and(a, b).data]).toEqual([1, 0, 0, 0, 1, 0]);
    expect([...or(a, b).data]).toEqual([1, 1, 0, 1, 1, 0]);
    expect([...minus(a, b).data]).toEqual([0, 1, 0, 0, 0, 0]);
    expect(countKept(a)).toBe(3);
    expect([...indicesOf(a)]).toEqual([0, 1, 4]);
    expect([...indicesOf(a, 0)]).toEqual([2, 3, 5]);
    expect([...bornOf({ w: b }, { w: a }).w!.data]).toEqual([0, 0, 0, 1, 0, 0]);
    expect(isNested(and(a, b), a)).toBe(true);
    expect(isNested(b, a)).toBe(false);
    expect(() => and(a, fullMask([3, 2]))).toThrow(ShapeError);
  });

  it("has minus, and, or that partition", () => {
    fc.assert(
      fc.property(masks, fc.integer(), (m, seed) => {
        const other = bernoulliMask(m.shape, 0.5, createRng(seed));
        expect(countKept(minus(m, other)) + countKept(and(m, other))).toBe(countKept(m));
        expect(countKept(or(m, other))).toBe(countKept(m) + countKept(minus(other, m)));
      }),
    );
  });

  it("refuses bytes that are not 0 or 1, and wrong lengths", () => {
    expect(() => maskOf([2], [1, 2])).toThrow(InputError);
    expect(() => maskOf([2], [1])).toThrow(ShapeError);
  });
});

describe("applying", () => {
  it("gives exact zeros outside the mask, also over NaN and infinity, and leaves its input", () => {
    const w = tensor([2, 3], [1, -2, Number.NaN, Number.POSITIVE_INFINITY, 5, -0.5]);
    expect([...applyMask(w, a).data]).toEqual([1, -2, 0, 0, 5, 0]);
    expect(w.data[3]).toBe(Number.POSITIVE_INFINITY);
    expect(() => applyMask(tensor([6]), a)).toThrow(ShapeError);
    expect([...maskOfNonZeros(applyMask(w, a)).data]).toEqual([...a.data]);
    const bias = tensor([1], [7]);
    expect(applyMasks({ w, bias }, { w: a }).bias).toBe(bias);
  });
});

describe("hash", () => {
  it("is equal for equal masks and tells bits and shapes apart", () => {
    expect(maskHash(a)).toBe(maskHash(maskOf([2, 3], [...a.data])));
    expect(maskHash(a)).not.toBe(maskHash(b));
    expect(maskHash(a)).not.toBe(maskHash(maskOf([3, 2], [...a.data])));
    expect(maskHash(a)).toMatch(/^[0-9a-f]{16}$/);
  });
  it("has no collision among all 4096 masks of 12 bits", () => {
    const seen = new Set<string>();
    for (let bits = 0; bits < 4096; bits++)
      seen.add(maskHash({ shape: [3, 4], data: Uint8Array.from({ length: 12 }, (_, i) => (bits >> i) & 1) }));
    expect(seen.size).toBe(4096);
  });
});

describe("samplers", () => {
  it("randomMask keeps exactly what was asked and repeats by seed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.integer(), (n, share, seed) => {
        const keep = Math.round(share * n);
        const mask = randomMask([n], keep, createRng(seed));
        expect(countKept(mask)).toBe(keep);
        expect(maskHash(randomMask([n], keep, createRng(seed)))).toBe(maskHash(mask));
      }),
    );
    expect(() => randomMask([3], 4, createRng(1))).toThrow(OptionError);
  });

  it("randomMask chooses every set equally often (chi-square over the 10 masks of 2 in 5, and of 3 in 5)", () => {
    for (const keep of [2, 3]) {
      const counts = new Map<string, number>();
      const rng = createRng(11);
      for (let i = 0; i < 5000; i++) {
        const key = randomMask([5], keep, rng).data.join("");
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      expect(counts.size).toBe(10);
      const chi = [...counts.values()].reduce((s, c) => s + (c - 500) ** 2 / 500, 0);
      expect(chi).toBeLessThan(27.9); // 9 degrees of freedom, p = 0.001
    }
  });

  it("bernoulliMask lands within 4 standard errors", () => {
    const n = 40_000;
    for (const density of [0.05, 0.5, 0.9]) {
      const kept = countKept(bernoulliMask([n], density, createRng(5)));
      expect(Math.abs(kept / n - density)).toBeLessThan(4 * Math.sqrt((density * (1 - density)) / n));
    }
    expect(() => bernoulliMask([3], 1.2, createRng(1))).toThrow(OptionError);
  });
});

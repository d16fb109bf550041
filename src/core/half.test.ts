import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromBfloat, fromHalf, toBfloat, toHalf } from "./half.js";

/** Every finite non-negative f16 value in increasing order: the brute-force oracle rounds by searching it. */
const halves = Array.from({ length: 0x7c00 }, (_, bits) => fromHalf(bits));

function nearestHalf(x: number): number {
  let lo = 0;
  let hi = halves.length - 1;
  while (hi - lo > 1) {
    const mid = (lo + hi) >> 1;
    if (halves[mid]! <= x) lo = mid;
    else hi = mid;
  }
  const next = hi === halves.length - 1 && x >= halves[hi]! ? 65536 : halves[hi]!;
  const low = next === 65536 ? halves.length - 1 : lo;
  const [below, above] = [x - halves[low]!, next - x];
  return below < above || (below === above && low % 2 === 0) ? low : low + 1;
}

describe("half floats", () => {
  it("widens known f16 bits", () => {
    expect([0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x3555].map(fromHalf)).toEqual([
      1,
      -2,
      65504,
      2 ** -24,
      2 ** -14,
      0.333251953125,
    ]);
    expect(Object.is(fromHalf(0x8000), -0)).toBe(true);
  });

  it("round-trips all 65,536 patterns of f16 and of bf16 (NaN stays NaN)", () => {
    let wrong = 0;
    for (let bits = 0; bits < 65536; bits++) {
      const half = fromHalf(bits);
      if (Number.isNaN(half) ? !Number.isNaN(fromHalf(toHalf(half))) : toHalf(half) !== bits) wrong++;
      const brain = fromBfloat(bits);
      if (Number.isNaN(brain) ? !Number.isNaN(fromBfloat(toBfloat(brain))) : toBfloat(brain) !== bits) wrong++;
    }
    expect(wrong).toBe(0);
  });

  it("rounds to the nearest f16, ties to even, as the search over all values does", () => {
    for (let i = 0; i + 1 < halves.length; i++) {
      const tie = (halves[i]! + halves[i + 1]!) / 2;
      expect(toHalf(tie)).toBe(i % 2 === 0 ? i : i + 1);
    }
    fc.assert(
      fc.property(fc.float({ min: 0, max: 65504, noNaN: true }), (x) => {
        expect(toHalf(x)).toBe(nearestHalf(x));
        expect(toHalf(-x)).toBe(nearestHalf(x) | 0x8000);
      }),
      { numRuns: 3000 },
    );
    expect(toHalf(65519.99)).toBe(0x7bff);
    expect(toHalf(65520)).toBe(0x7c00);
  });

  it("rounds to the nearest bf16, ties to even", () => {
    expect([1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, 3.5e38].map(toBfloat)).toEqual([
      0x3f80, 0x3f80, 0x3f82, 0x3f81, 0x7f80,
    ]);
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(-1e38), max: Math.fround(1e38) }), (x) => {
        const bits = toBfloat(x);
        const error = Math.abs(fromBfloat(bits) - x);
        for (const near of [bits - 1, bits + 1]) {
          const other = fromBfloat(near);
          if (Number.isFinite(other) && Math.sign(other) === Math.sign(x)) expect(error).toBeLessThanOrEqual(Math.abs(other - x));
        }
      }),
      { numRuns: 2000 },
    );
  });
});

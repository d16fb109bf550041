/**
 * Golden values from scipy 1.17.1:
 *
 *     x = [88.1, 88.9, 87.6, 88.4, 89.2]; y = [87.2, 88.3, 87.5, 87.1, 88.8]; d = np.array(x) - np.array(y)
 *     stats.t.cdf(t, n); stats.t.ppf(p, n)
 *     stats.ttest_1samp(x, 0).confidence_interval(0.95); the same with d
 *     stats.ttest_1samp(d, -m, alternative="greater").pvalue; stats.ttest_1samp(d, m, alternative="less").pvalue
 *     stats.spearmanr([1,2,3,4,5,5,7], [2,1,4,3,7,7,6]).statistic
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { equivalence, interval, mean, median, pairedDifference, spearman, standardDeviation } from "./statistics.js";
import { studentCdf, studentQuantile } from "./student.js";

const x = [88.1, 88.9, 87.6, 88.4, 89.2];
const y = [87.2, 88.3, 87.5, 87.1, 88.8];

describe("Student's t", () => {
  it.each([
    [0.5, 1, 0.6475836176504333],
    [2, 4, 0.9419417382415922],
    [-1.3, 7, 0.11738391769618862],
    [4.5, 2, 0.976999046002862],
    [0, 3, 0.5],
    [1.96, 1000, 0.9748634075221256],
  ])("cdf(%f, %d) as scipy", (t, degrees, golden) => expect(studentCdf(t, degrees)).toBeCloseTo(golden, 12));

  it.each([
    [0.975, 1, 12.706204736174694],
    [0.975, 4, 2.7764451051977934],
    [0.95, 9, 1.833112932656237],
    [0.01, 3, -4.5407028585681335],
    [0.995, 120, 2.6174211451068654],
  ])("quantile(%f, %d) as scipy", (p, degrees, golden) => expect(studentQuantile(p, degrees)).toBeCloseTo(golden, 9));

  it("quantile undoes cdf", () => {
    fc.assert(
      fc.property(fc.double({ min: -20, max: 20, noNaN: true }), fc.integer({ min: 1, max: 200 }), (t, degrees) => {
        const p = studentCdf(t, degrees);
        if (p <= 1e-12 || p >= 1 - 1e-12) return;
        expect(studentCdf(studentQuantile(p, degrees), degrees)).toBeCloseTo(p, 12);
      }),
      { numRuns: 100 },
    );
  });
});

describe("intervals", () => {
  it("mean as scipy", () => {
    const { value, low, high } = interval(x);
    expect([value, low, high].map((v) => v.toFixed(9))).toEqual(["88.440000000", "87.651763372", "89.228236628"]);
  });
  it("paired difference as scipy", () => {
    const { value, low, high } = pairedDifference(x, y);
    expect(value).toBeCloseTo(0.66, 12);
    expect(low).toBeCloseTo(0.08694818717263142, 10);
    expect(high).toBeCloseTo(1.233051812827373, 10);
  });
  it("a single seed has no interval and says so", () =>
    expect(interval([3])).toEqual({ value: 3, low: 3, high: 3, note: "one value, no interval" }));
  it("small helpers, by hand", () => {
    expect(mean([1, 2, 6])).toBe(3);
    expect(standardDeviation([1, 3])).toBeCloseTo(Math.SQRT2, 15);
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });
  it("refuses NaN, nothing, and uneven pairs", () => {
    expect(() => mean([])).toThrow("expected at least 1 value, got 0");
    expect(() => interval([1, Number.NaN])).toThrow("value 1 is NaN");
    expect(() => pairedDifference([1, 2], [1])).toThrow("got 2 values against 1");
  });
});

describe("equivalence", () => {
  it.each([
    [0.5, 0.0024636989623821807, 0.7592514513234264, false, true],
    [1.5, 0.0002355815983062062, 0.007612642741497057, true, true],
  ])("margin %f as scipy", (margin, lower, upper, equivalent, noWorse) => {
    const found = equivalence(x, y, margin);
    expect(found.pLower).toBeCloseTo(lower, 12);
    expect(found.pUpper).toBeCloseTo(upper, 12);
    expect(found.equivalent).toBe(equivalent);
    expect(found.noWorse).toBe(noWorse);
  });
  it("agrees with its interval: equivalent exactly when the 90 % interval lies inside the margin", () => {
    const values = fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 3, maxLength: 8 });
    fc.assert(
      fc.property(values, fc.double({ min: 0.05, max: 4, noNaN: true }), (differences, margin) => {
        fc.pre(standardDeviation(differences) > 1e-6);
        const { difference, equivalent } = equivalence(
          differences,
          differences.map(() => 0),
          margin,
        );
        if (Math.abs(Math.max(Math.abs(difference.low), Math.abs(difference.high)) - margin) < 1e-9) return;
        expect(equivalent).toBe(difference.low > -margin && difference.high < margin);
      }),
      { numRuns: 100 },
    );
  });
  it("identical runs are equivalent", () => expect(equivalence([1, 2], [1, 2], 0.1).equivalent).toBe(true));
});

describe("spearman", () => {
  it("as scipy, with ties", () => {
    expect(spearman([1, 2, 3, 4, 5, 5, 7], [2, 1, 4, 3, 7, 7, 6])).toBeCloseTo(0.8181818181818182, 14);
    expect(spearman([1, 2, 3, 4, 5, 5, 7], [-1, -2, -3, -4, -5, -5, -7])).toBe(-1);
  });
  it("sees ranks only", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: -40, max: 40 }), { minLength: 3, maxLength: 9 }), (values) => {
        const other = values.map((_, i) => i);
        expect(
          spearman(
            values.map((v) => Math.exp(v / 10)),
            other,
          ),
        ).toBeCloseTo(spearman(values, other), 12);
      }),
    );
  });
  it("refuses a constant side", () => expect(() => spearman([1, 1], [1, 2])).toThrow("constant"));
});

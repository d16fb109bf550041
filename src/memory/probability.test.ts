import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../core/index.js";
import { exactBinomial, exactHypergeometricTail, rationalLog, rationalToNumber } from "./exact.js";
import {
  classificationError,
  exactFalseMatch,
  falseMatch,
  falseMatchApproximations,
  falseMiss,
  logCapacity,
  logFalseMatch,
  logFalseMiss,
  logOverlapCount,
  logOverlapProbability,
  noiseTolerance,
} from "./probability.js";
import { logBinomial, logFactorial, logHypergeometricPmf, logSumExp, stirlingError } from "./stable.js";

const segment = (cells: number, active: number, synapses: number, threshold: number) => ({ cells, active, synapses, threshold });

/** Active cells, synapses and a threshold that fit a population of up to `most` cells. */
const segments = (most: number) =>
  fc
    .integer({ min: 1, max: most })
    .chain((cells) =>
      fc.tuple(
        fc.constant(cells),
        fc.integer({ min: 0, max: cells }),
        fc.integer({ min: 0, max: cells }),
        fc.integer({ min: 0, max: cells + 2 }),
      ),
    )
    .map(([cells, active, synapses, threshold]) => segment(cells, active, synapses, threshold));

describe("stable arithmetic", () => {
  it("has Stirling's error of exact factorials, and of the series beyond 15", () => {
    let factorial = 1n;
    for (let n = 1; n <= 170; n++) {
      factorial *= BigInt(n);
      const log = rationalLog({ numerator: factorial, denominator: 1n });
      expect(Math.abs(logFactorial(n) - log)).toBeLessThan(1e-13 * Math.max(1, log));
    }
    // log(10!) from exact arithmetic: 3628800.
    expect(stirlingError(10)).toBeCloseTo(Math.log(3628800) - (10.5 * Math.log(10) - 10 + 0.5 * Math.log(2 * Math.PI)), 14);
    expect(stirlingError(16)).toBeCloseTo(0.00520765591960964, 15);
  });

  it("has log-binomials that match exact ones", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 600 }), fc.integer({ min: -3, max: 603 }), (n, k) => {
        const exact = rationalLog({ numerator: exactBinomial(n, k), denominator: 1n });
        if (exact === Number.NEGATIVE_INFINITY) expect(logBinomial(n, k)).toBe(exact);
        else expect(Math.abs(logBinomial(n, k) - exact)).toBeLessThan(1e-12 * Math.max(1, exact));
      }),
    );
  });

  it("adds exponentials without overflow", () => {
    expect(logSumExp([1000, 1000])).toBeCloseTo(1000 + Math.LN2, 12);
    expect(logSumExp([-1e5, -1e5 - 1])).toBeCloseTo(-1e5 + Math.log1p(Math.exp(-1)), 9);
    expect(logSumExp([])).toBe(Number.NEGATIVE_INFINITY);
    expect(logSumExp([Number.NEGATIVE_INFINITY])).toBe(Number.NEGATIVE_INFINITY);
  });

  it("has hypergeometric probabilities that sum to 1", () => {
    for (const [n, s, a] of [
      [10, 4, 5],
      [1000, 20, 40],
      [100_000, 2000, 500],
      [7, 7, 3],
      [5, 0, 2],
    ] as const) {
      const logs = Array.from({ length: Math.min(s, a) + 1 }, (_, b) => logHypergeometricPmf(b, n, s, a));
      expect(logSumExp(logs)).toBeCloseTo(0, 11);
    }
  });

  it("turns fractions of any size into the nearest doubles", () => {
    expect(rationalToNumber({ numerator: 1n, denominator: 3n })).toBe(1 / 3);
    expect(rationalToNumber({ numerator: 0n, denominator: 3n })).toBe(0);
    expect(rationalToNumber({ numerator: 10n ** 400n, denominator: 10n ** 399n })).toBe(10);
    expect(rationalLog({ numerator: 1n, denominator: 10n ** 5000n })).toBeCloseTo(-5000 * Math.LN10, 8);
  });
});

describe("false matches", () => {
  // Values printed by the code that accompanies the paper, and exact rational arithmetic.
  it.each([
    [10000, 300, 24, 12, 8.375845227098e-13],
    [10000, 64, 24, 12, 4.041597122777e-21],
    [2000, 40, 20, 10, 4.943631201732e-13],
    [1000, 200, 25, 15, 1.001403152408e-5],
    [10000, 200, 25, 15, 5.303524190252e-20],
    [20000, 200, 25, 15, 1.758263287383e-24],
    [1000, 200, 49, 15, 4.738945302929e-2],
    [200000, 2000, 10, 10, 9.77936337103e-21],
  ])("n %i, a %i, s %i, theta %i: %d", (n, a, s, theta, expected) => {
    expect(falseMatch(segment(n, a, s, theta)) / expected).toBeCloseTo(1, 11);
    if (n <= 20000)
      expect(Math.abs(logFalseMatch(segment(n, a, s, theta)) - rationalLog(exactFalseMatch(segment(n, a, s, theta))))).toBeLessThan(
        2e-14 * 60,
      );
  });

  it("equals exact rational arithmetic for every small segment", () => {
    fc.assert(
      fc.property(segments(60), (given) => {
        const exact = rationalToNumber(exactFalseMatch(given));
        if (exact === 0) expect(logFalseMatch(given)).toBe(Number.NEGATIVE_INFINITY);
        else expect(falseMatch(given) / exact).toBeCloseTo(1, 11);
      }),
      { numRuns: 500 },
    );
  });

  it("falls with the threshold, rises with synapses and activity, and does not care which is which", () => {
    fc.assert(
      fc.property(segments(5000), (given) => {
        const log = logFalseMatch(given);
        const slack = 1e-10;
        expect(log).toBeLessThanOrEqual(0);
        expect(logFalseMatch({ ...given, threshold: given.threshold + 1 })).toBeLessThanOrEqual(log + slack);
        if (given.synapses < given.cells)
          expect(logFalseMatch({ ...given, synapses: given.synapses + 1 })).toBeGreaterThanOrEqual(log - slack);
        if (given.active < given.cells)
          expect(logFalseMatch({ ...given, active: given.active + 1 })).toBeGreaterThanOrEqual(log - slack);
        const mirrored = logFalseMatch({ ...given, active: given.synapses, synapses: given.active });
        if (log === Number.NEGATIVE_INFINITY) expect(mirrored).toBe(log);
        else expect(Math.abs(mirrored - log)).toBeLessThan(1e-9);
        expect(logFalseMatch({ ...given, threshold: 0 })).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it("is certain where overlap is forced and impossible beyond the smaller set", () => {
    expect(falseMatch(segment(10, 7, 6, 3))).toBe(1);
    expect(falseMatch(segment(10, 7, 6, 4))).toBeLessThan(1);
    expect(logFalseMatch(segment(10, 7, 6, 7))).toBe(Number.NEGATIVE_INFINITY);
    expect(logFalseMatch(segment(100, 5, 5, 5))).toBeCloseTo(-logCapacity(100, 5), 11);
  });

  it("stays finite and exact to many digits at 100,000 cells", () => {
    const large = segment(100_000, 2000, 400, 60);
    const exact = rationalLog(exactHypergeometricTail(60, 100_000, 400, 2000));
    expect(Math.abs(logFalseMatch(large) / exact - 1)).toBeLessThan(1e-13);
    expect(Number.isFinite(logFalseMatch(segment(100_000, 50_000, 50_000, 49_999)))).toBe(true);
    expect(Number.isFinite(logFalseMatch(segment(100_000, 1000, 1000, 1000)))).toBe(true);
  });

  it("needs sparsity and dimension: falls like n^-theta at fixed a, not at all at half activity", () => {
    const at = (n: number, a: number) => logFalseMatch(segment(n, a, 20, 10));
    const slope = (at(80_000, 40) - at(40_000, 40)) / Math.LN2;
    expect(slope).toBeGreaterThan(-10.05);
    expect(slope).toBeLessThan(-9.9);
    expect(Math.abs(at(80_000, 40_000) - at(1000, 500))).toBeLessThan(0.02);
    const limit = falseMatchApproximations(segment(100_000, 2000, 20, 10)).binomial;
    expect(Math.abs(at(100_000, 2000) - limit)).toBeLessThan(0.03);
  });

  it("lies between its leading term and its approximations", () => {
    const given = segment(4000, 128, 24, 12);
    const { leadingTerm, binomial, chernoff } = falseMatchApproximations(given);
    expect(leadingTerm).toBeLessThan(logFalseMatch(given));
    expect(logFalseMatch(given) - leadingTerm).toBeLessThan(0.05);
    expect(binomial).toBeLessThanOrEqual(chernoff);
    expect(falseMatchApproximations(segment(100, 50, 10, 3)).chernoff).toBe(0);
    expect(falseMatchApproximations(segment(100, 0, 10, 3)).chernoff).toBe(Number.NEGATIVE_INFINITY);
    // theta = s: (a / n)^s exactly.
    expect(falseMatchApproximations(segment(100, 10, 4, 4)).chernoff).toBeCloseTo(4 * Math.log(0.1), 12);
  });

  it("counts overlaps: all of them together are all patterns", () => {
    const logs = Array.from({ length: 6 }, (_, b) => logOverlapCount(20, 8, 5, b));
    expect(logSumExp(logs)).toBeCloseTo(logCapacity(20, 8), 12);
    // C(5, 2) C(15, 6) = 10 * 5005.
    expect(Math.exp(logOverlapCount(20, 8, 5, 2))).toBeCloseTo(50050, 6);
    expect(Math.exp(logOverlapProbability(20, 8, 5, 2))).toBeCloseTo(50050 / 125970, 12);
  });
});

describe("misses under noise", () => {
  it.each([
    [64, 24, 12, 16, 5.372215e-5],
    [64, 24, 12, 32, 0.3982992],
    [200, 24, 12, 100, 0.4141053],
    [200, 20, 10, 60, 1.258099e-2],
  ])("a %i, s %i, theta %i, c %i: %d", (active, synapses, threshold, silenced, expected) => {
    expect(falseMiss({ active, synapses, threshold, silenced }) / expected).toBeCloseTo(1, 6);
  });

  it("is 0 up to the tolerance, 1 beyond all synapses, and agrees with exact sums between", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }).chain((active) =>
          fc.record({
            active: fc.constant(active),
            synapses: fc.integer({ min: 0, max: active }),
            threshold: fc.integer({ min: 0, max: active + 1 }),
            silenced: fc.integer({ min: 0, max: active }),
          }),
        ),
        (given) => {
          const { active, synapses, threshold, silenced } = given;
          const miss = falseMiss(given);
          if (threshold > synapses || (silenced === active && threshold >= 1)) expect(miss).toBe(1);
          else if (silenced <= noiseTolerance(synapses, threshold)) expect(miss).toBe(0);
          else
            expect(miss).toBeCloseTo(
              rationalToNumber(exactHypergeometricTail(synapses - threshold + 1, active, synapses, silenced)),
              12,
            );
        },
      ),
      { numRuns: 400 },
    );
  });

  it("refuses what cannot be", () => {
    for (const bad of [
      { active: 10, synapses: 11, threshold: 3, silenced: 2 },
      { active: 10, synapses: 5, threshold: 3, silenced: 11 },
      { active: 10, synapses: 5, threshold: -1, silenced: 2 },
      { active: 10, synapses: 5.5, threshold: 3, silenced: 2 },
    ]) {
      expect(() => logFalseMiss(bad)).toThrow(InputError);
    }
    for (const bad of [
      segment(10, 11, 5, 3),
      segment(10, 5, 11, 3),
      segment(0, 0, 0, 0),
      segment(10, 5, 5, Number.NaN),
      segment(2e8, 5, 5, 1),
    ]) {
      expect(() => logFalseMatch(bad)).toThrow(InputError);
    }
  });
});

describe("classification of many patterns", () => {
  it.each([
    [5, 2.826477e-3],
    [4, 0.144691],
    [6, 2.0365e-5],
  ])("n 100, a = s = 7, 500 patterns, theta %i: bound %d", (threshold, bound) => {
    const error = classificationError(logFalseMatch(segment(100, 7, 7, threshold)), 500);
    expect(error.bound / bound).toBeCloseTo(1, 4);
    expect(error.exact).toBeLessThanOrEqual(error.bound);
  });

  it("keeps its digits when a single match is far below one in 10^16", () => {
    const { exact } = classificationError(-100, 1000);
    expect(exact / (1000 * Math.exp(-100))).toBeCloseTo(1, 12);
    expect(classificationError(-1, 0)).toEqual({ exact: 0, bound: 0 });
    expect(classificationError(0, 3)).toEqual({ exact: 1, bound: 1 });
  });
});

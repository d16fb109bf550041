/** Contract of schedules: total, exact at both ends, monotone; and the curves by hand. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OptionError } from "../../core/index.js";
import { cadence, cosine, cosineDecay, cubic, exponential, iterative, linear, oneShot, polynomial, schedules } from "./index.js";

const ramps = fc
  .tuple(
    fc.double({ min: 0, max: 0.98, noNaN: true }),
    fc.double({ min: 0, max: 0.98, noNaN: true }),
    fc.nat(50),
    fc.integer({ min: 1, max: 200 }),
  )
  .map(([a, b, begin, length]) => ({ from: Math.min(a, b), to: Math.max(a, b), begin, end: begin + length }));

describe.each(Object.entries(schedules))("schedule %s", (_, make) => {
  it("is total, exact at both ends, monotone, constant outside", () => {
    fc.assert(
      fc.property(ramps, (options) => {
        const schedule = make(options);
        const { from, to, begin, end } = options;
        for (const step of [Number.NEGATIVE_INFINITY, -1, 0, begin]) expect(schedule(step)).toBe(from);
        for (const step of [end, end + 1, Number.POSITIVE_INFINITY]) expect(schedule(step)).toBe(to);
        expect(Number.isNaN(schedule(Number.NaN))).toBe(false);
        let before = from;
        for (let step = begin; step <= end; step++) {
          const value = schedule(step);
          expect(value).toBeGreaterThanOrEqual(before - 1e-12);
          expect(value).toBeLessThanOrEqual(to + 1e-12);
          before = value;
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe("the curves", () => {
  it("cubic at half time is s_f - (s_f - s_i) / 8", () => {
    expect(cubic({ from: 0, to: 0.9, begin: 10, end: 30 })(20)).toBeCloseTo(0.9 * (1 - 1 / 8), 12);
    expect(cubic({ from: 0.5, to: 0.9, begin: 0, end: 100 })(50)).toBeCloseTo(0.85, 12);
  });
  it("the others at chosen points", () => {
    expect(linear({ from: 0.2, to: 0.6, end: 4 })(1)).toBeCloseTo(0.3, 12);
    expect(polynomial({ from: 0, to: 1, end: 4, exponent: 2 })(1)).toBeCloseTo(1 - 0.75 ** 2, 12);
    expect(exponential({ from: 0, to: 0.99, end: 2 })(1)).toBeCloseTo(0.9, 12);
    expect(cosine({ from: 1, to: 0, end: 4 })(1)).toBeCloseTo(0.5 * (1 + Math.SQRT1_2), 12);
    expect(oneShot({ to: 0.9, at: 5 })(4)).toBe(0);
    const imp = iterative({ from: 0, to: 0.99, end: 20, rounds: 2 });
    expect([imp(9), imp(10), imp(19), imp(20)].map((v) => Math.round(v * 1e9) / 1e9)).toEqual([0, 0.9, 0.9, 0.99]);
  });
  it("cosineDecay is alpha at 0, alpha / 2 half way, 0 from T_end on", () => {
    const f = cosineDecay(0.3, 100);
    expect(f(0)).toBe(0.3);
    expect(f(50)).toBeCloseTo(0.15, 12);
    expect([f(100), f(1000)]).toEqual([0, 0]);
  });
  it("refuses bad ends", () => {
    expect(() => cubic({ from: 0, to: 0.9, begin: 10, end: 10 })).toThrow(OptionError);
    expect(() => cubic({ from: 0, to: Number.NaN, end: 10 })).toThrow(OptionError);
    expect(() => polynomial({ from: 0, to: 0.9, end: 10, exponent: 0 })).toThrow(OptionError);
    expect(() => exponential({ from: 0, to: 1, end: 10 })).toThrow(OptionError);
    expect(() => iterative({ from: 0, to: 0.9, end: 10, rounds: 0 })).toThrow(OptionError);
    expect(() => cosineDecay(1.2, 10)).toThrow(OptionError);
  });
});

describe("cadence", () => {
  const due = (f: (step: number) => boolean, last = 20) => [...Array(last + 1).keys()].filter(f);
  it("is never due at step 0, and counts from begin to before until", () => {
    expect(due(cadence({ every: 5 }))).toEqual([5, 10, 15, 20]);
    expect(due(cadence({ begin: 3, every: 5, until: 18 }))).toEqual([3, 8, 13]);
    expect(due(cadence({ begin: 3, every: 5, until: 18, also: 18 }))).toEqual([3, 8, 13, 18]);
  });
  it("is total", () => {
    const f = cadence({ every: 1 });
    for (const step of [Number.NaN, -1, 0, 1.5, Number.POSITIVE_INFINITY]) expect(f(step)).toBe(false);
    expect(() => cadence({ every: 0 })).toThrow(OptionError);
  });
});

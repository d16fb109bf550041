import { describe, expect, it } from "vitest";
import { createRng, InputError } from "../core/index.js";
import { sdrFigures, sdrSummary } from "./figures.js";
import { randomCells, simulateClassification, simulateFalseMatch, simulateFalseMiss, wilson } from "./monte-carlo.js";
import { classificationError, falseMatch, falseMiss, logFalseMatch } from "./probability.js";
import { medianFalseMatch, optimalThreshold, thresholdForRange, thresholdTable } from "./threshold.js";
import { logUnionFalseMatch, logUnionMembership, unionCapacity, unionDensity, unionSynapses } from "./union.js";

describe("unions", () => {
  it("expects the published numbers of distinct synapses", () => {
    expect(unionSynapses(1000, 25, 2)).toBeCloseTo(49.375, 10);
    expect(unionSynapses(1000, 25, 3)).toBeCloseTo(73.140625, 10);
    expect(unionSynapses(1000, 25, 10)).toBeCloseTo(223.67, 3);
    expect(unionSynapses(10000, 25, 10)).toBeCloseTo(247.206, 3);
    expect(Math.exp(logUnionFalseMatch({ cells: 10000, active: 200, synapses: 25, threshold: 15 }, 10))).toBeCloseTo(
      1.270804e-4,
      10,
    );
  });

  it("starts at s, grows, and stays below both n and s M", () => {
    let last = 0;
    for (let m = 1; m <= 200; m++) {
      const now = unionSynapses(500, 20, m);
      expect(now).toBeGreaterThan(last);
      expect(now).toBeLessThanOrEqual(Math.min(500, 20 * m));
      last = now;
    }
    expect(unionSynapses(500, 20, 1)).toBe(20);
    expect(unionSynapses(500, 20, 0)).toBe(0);
    expect(logUnionFalseMatch({ cells: 500, active: 40, synapses: 20, threshold: 5 }, 0)).toBe(Number.NEGATIVE_INFINITY);
    expect(unionDensity(100, 100, 3)).toBe(1);
  });

  it("holds as many patterns as its membership errors allow", () => {
    const limit = Math.log(1e-9);
    const most = unionCapacity(2048, 40, limit);
    expect(logUnionMembership(2048, 40, most)).toBeLessThanOrEqual(limit);
    expect(logUnionMembership(2048, 40, most + 1)).toBeGreaterThan(limit);
    expect(logUnionMembership(2048, 40, 0)).toBe(Number.NEGATIVE_INFINITY);
    expect(logUnionMembership(2048, 0, 5)).toBe(0);
    expect(() => unionSynapses(10, 11, 2)).toThrow(InputError);
  });
});

describe("thresholds", () => {
  it("finds the published optimum, which exhaustive search confirms", () => {
    const question = { cells: 4000, active: 128, synapses: 24, silenced: 64 };
    const best = optimalThreshold(question);
    expect(best.threshold).toBe(5);
    expect(best.total).toBeCloseTo(1.046e-3, 6);
    const table = thresholdTable(question);
    expect(table.map((row) => row.total).indexOf(Math.min(...table.map((row) => row.total)))).toBe(4);
    expect(table[3]!.total).toBeCloseTo(6.497e-3, 6);
    expect(table[5]!.total).toBeCloseTo(1.42e-3, 6);
    expect(table[6]!.total).toBeCloseTo(5.821e-3, 6);
    expect(table).toHaveLength(24);
  });

  it("puts the median over the paper's conditions where the paper's plot has it", () => {
    const rows = medianFalseMatch([3, 6, 9, 12]);
    // The repository prints 1.8e-2, 1.6e-5, 2.0e-9, 7.6e-14 on a slightly different grid: the same orders of magnitude.
    const printed = [1.8e-2, 1.6e-5, 2e-9, 7.6e-14];
    rows.forEach((row, i) => {
      expect(Math.abs(Math.log10(row.median / printed[i]!))).toBeLessThan(0.5);
    });
    expect(thresholdForRange(1e-9)).toBe(10);
    expect(thresholdForRange(1e-300, { cells: [100], densities: [0.5], synapses: [5] })).toBe(undefined);
    expect(() => medianFalseMatch([3], { cells: [], densities: [0.1], synapses: [5] })).toThrow(InputError);
  });
});

describe("simulation", () => {
  it("has Wilson intervals as worked by hand", () => {
    // 5 of 10 at z = 1.96: centre 0.5, half-width 0.2634 (textbook).
    const { low, high } = wilson(5, 10, 1.96);
    expect(low).toBeCloseTo(0.2366, 4);
    expect(high).toBeCloseTo(0.7634, 4);
    expect(wilson(0, 100).low).toBe(0);
    expect(wilson(100, 100).high).toBe(1);
    expect(() => wilson(3, 2)).toThrow(InputError);
  });

  it("draws every subset equally often", () => {
    const rng = createRng(5);
    const counts = new Map<string, number>();
    const seen = new Uint8Array(5);
    for (let i = 0; i < 10_000; i++) {
      const key = [...randomCells(rng, 5, 2, new Int32Array(2), seen)].sort().join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(10);
    // Chi-squared with 9 degrees of freedom: 27.9 is the 99.9 % point.
    const chi = [...counts.values()].reduce((sum, c) => sum + (c - 1000) ** 2 / 1000, 0);
    expect(chi).toBeLessThan(27.9);
    expect(seen.every((x) => x === 0)).toBe(true);
  });

  it("puts every closed form inside its 99 % interval", () => {
    const rng = createRng(11);
    for (const [cells, active, synapses, threshold] of [
      [100, 20, 10, 5],
      [200, 30, 20, 7],
      [1000, 200, 25, 9],
      [60, 30, 12, 9],
    ] as const) {
      const given = { cells, active, synapses, threshold };
      const { low, high } = simulateFalseMatch(given, 20_000, rng);
      expect(falseMatch(given)).toBeGreaterThan(low);
      expect(falseMatch(given)).toBeLessThan(high);
    }
    for (const [active, synapses, threshold, silenced] of [
      [64, 24, 12, 32],
      [40, 20, 10, 16],
      [30, 10, 8, 9],
    ] as const) {
      const given = { active, synapses, threshold, silenced };
      const { low, high } = simulateFalseMiss(given, 20_000, rng);
      expect(falseMiss(given)).toBeGreaterThan(low);
      expect(falseMiss(given)).toBeLessThan(high);
    }
    const given = { cells: 100, active: 7, synapses: 7, threshold: 4 };
    const { low, high } = simulateClassification(given, 100, 3000, rng);
    const { exact } = classificationError(logFalseMatch(given), 100);
    expect(exact).toBeGreaterThan(low);
    expect(exact).toBeLessThan(high);
  });

  it("agrees with the union formula where the spread of distinct synapses is small", () => {
    const given = { cells: 400, active: 40, synapses: 10, threshold: 5 };
    const { rate } = simulateFalseMatch(given, 20_000, createRng(3), 4);
    // The formula replaces a random number of synapses by its mean: close, not exact.
    expect(Math.exp(logUnionFalseMatch(given, 4)) / rate).toBeCloseTo(1, 0);
  });

  it("is a function of the seed", () => {
    const given = { cells: 100, active: 20, synapses: 10, threshold: 5 };
    expect(simulateFalseMatch(given, 500, createRng(1))).toEqual(simulateFalseMatch(given, 500, createRng(1)));
  });
});

describe("figures", () => {
  it("hold finite points and the values of the formulas", () => {
    const setting = { cells: 2048, active: 40, synapses: 20, threshold: 10 };
    const figures = sdrFigures(setting);
    expect(figures.map(({ name }) => name)).toEqual(["match", "scaling", "noise", "union", "threshold", "capacity"]);
    for (const figure of figures) {
      expect(figure.series.some(({ points }) => points.length > 1)).toBe(true);
      for (const { points } of figure.series)
        for (const { x, y } of points) expect(Number.isFinite(x) && Number.isFinite(y)).toBe(true);
    }
    const match = figures[0]!.series.find(({ name }) => name === "s = 20")!;
    expect(match.points[9]).toEqual({ x: 10, y: logFalseMatch(setting) / Math.LN10 });
    const half = figures[1]!.series.find(({ name }) => name === "a = 50 % of n")!.points;
    expect(Math.abs(half.at(-1)!.y - half[5]!.y)).toBeLessThan(0.05);
    expect(sdrSummary(setting, 13, 10).optimal.threshold).toBe(7);
  });
});

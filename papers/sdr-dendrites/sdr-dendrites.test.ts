/** The short form: invariants of the formulas, simulation beside them, and the direction of the finding on real codes. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { falseMatch, falseMiss, logFalseMatch, unionSynapses } from "../../src/memory/index.js";
import { checkPaper } from "../harness/index.js";
import { images } from "../sparsey/images.js";
import { closedForms, realCodes, simulations, unionRatios } from "./experiments.js";
import { paper } from "./run.js";

const dataFolder = process.env["SPARSELAND_DATA"] ?? join(fileURLToPath(new URL("../..", import.meta.url)), "..", "shared", "data");

describe("sdr-dendrites, in short", { timeout: 300_000 }, () => {
  it("has the published values, digits kept, and the scaling laws", () => {
    const found = closedForms();
    expect(found.published).toBeCloseTo(8.37584522709849e-13, 24);
    expect(found.worstRelativeError).toBeLessThan(1e-12);
    expect(Math.abs(found.slopeFixedActive + 12)).toBeLessThan(0.2);
    expect(Math.abs(found.slopeHalfActive)).toBeLessThan(0.01);
    expect([found.optimal, found.exhaustive]).toEqual([5, 5]);
    expect(found.rangeThreshold).toBeGreaterThanOrEqual(9);
    expect(found.unionOfTen / 1.270804e-4).toBeCloseTo(1, 5);
  });

  it("obeys the invariants of the formulas", () => {
    const segment = { cells: 500, active: 30, synapses: 20, threshold: 6 };
    expect(logFalseMatch(segment)).toBeCloseTo(logFalseMatch({ ...segment, active: 20, synapses: 30 }), 10);
    expect(falseMatch({ ...segment, threshold: 0 })).toBe(1);
    expect(falseMatch({ ...segment, threshold: 21 })).toBe(0);
    for (let threshold = 1; threshold <= 20; threshold++)
      expect(logFalseMatch({ ...segment, threshold })).toBeLessThan(logFalseMatch({ ...segment, threshold: threshold - 1 }));
    const noise = { active: 40, synapses: 20, threshold: 10 };
    expect(falseMiss({ ...noise, silenced: 10 })).toBe(0);
    expect(falseMiss({ ...noise, silenced: 40 })).toBe(1);
    expect([unionSynapses(1000, 25, 0), unionSynapses(1000, 25, 1)]).toEqual([0, 25]);
  });

  it("is borne out by simulation", () => {
    const rows = simulations(7, 20_000);
    expect(rows).toHaveLength(14);
    // 99 % intervals: of 14 one may miss by chance (probability of more: 0.8 %).
    expect(rows.filter(({ inside }) => inside).length).toBeGreaterThanOrEqual(13);
    for (const { formula, simulated } of unionRatios(7, 50_000)) expect(Math.abs(formula / simulated - 1)).toBeLessThan(0.2);
  });

  it("codes of real images match far more often than random ones", async () => {
    const { train } = await images("mnist", dataFolder, 200, 1);
    const rows = realCodes(train.pixels, 784, 50, 150, 1);
    const at = rows.find(({ threshold }) => threshold === 8)!;
    expect(at.rate / at.formula).toBeGreaterThan(1000);
    expect(at.effectiveCells!).toBeLessThan(2000);
    rows.forEach(({ rate }, i) => {
      if (i > 0) expect(rate).toBeLessThanOrEqual(rows[i - 1]!.rate);
    });
  });

  it("is well formed", () => checkPaper(paper as never, "sdr-dendrites"));
});

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { matchFigure } from "../../src/memory/index.js";
import { exitBadInput, exitOk, runCommandLine } from "../program.js";
import { testTerminal } from "../testing/terminal.js";
import { power, register, textPlot } from "./sdr.js";

const all = [{ name: "sdr", summary: "sdr", load: async () => ({ register }) }];
let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "sparseland-sdr-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function run(...args: string[]) {
  const terminal = testTerminal(folder);
  const code = await runCommandLine(["sdr", ...args], terminal, all);
  return { code, out: terminal.stdout(), err: terminal.stderr() };
}

describe("sparseland sdr", () => {
  it("prints the published probability, tables and plots", async () => {
    const { code, out } = await run("--cells", "10000", "--active", "300", "--synapses", "24", "--threshold", "12");
    expect(code).toBe(exitOk);
    expect(out).toContain("8.38e-13");
    expect(out).toContain("best");
    expect(out).toContain("Storing a union of patterns, n = 10000, a = 300");
  });

  it("writes figures and numbers, and simulates by seed", async () => {
    const args = [
      "--cells",
      "100",
      "--active",
      "20",
      "--synapses",
      "10",
      "--threshold",
      "4",
      "--trials",
      "2000",
      "--json",
      "--seed",
      "5",
    ];
    const { code, out } = await run(...args, "--out", "figures");
    expect(code).toBe(exitOk);
    const document = JSON.parse(out);
    expect(document.simulated.falseMatch.low).toBeLessThan(10 ** document.log10FalseMatch);
    expect(document.simulated.falseMatch.high).toBeGreaterThan(10 ** document.log10FalseMatch);
    expect(readdirSync(join(folder, "figures")).sort()).toEqual([
      "sdr-capacity.svg",
      "sdr-match.svg",
      "sdr-noise.svg",
      "sdr-scaling.svg",
      "sdr-threshold.svg",
      "sdr-union.svg",
      "sdr.json",
    ]);
    expect(JSON.parse(readFileSync(join(folder, "figures", "sdr.json"), "utf8"))).toEqual(document);
    expect(readFileSync(join(folder, "figures", "sdr-match.svg"), "utf8")).toContain("<svg");
    expect((await run(...args)).out).toBe(out);
  });

  it.each([
    [["--cells", "0"], /--cells: expected an integer in \[1, 1000000\]/],
    [["--cells", "10", "--active", "11"], /--active: expected an integer in \[1, 10\], got 11/],
    [["--synapses", "41"], /--synapses/],
    [["--threshold", "x"], /--threshold: expected an integer/],
    [["--silenced", "41"], /--silenced/],
    [["--trials", "1e3"], /--trials/],
  ])("refuses %j with exit code 2", async (args, message) => {
    const { code, err } = await run(...args);
    expect(code).toBe(exitBadInput);
    expect(err).toMatch(message);
  });

  it("writes powers of ten that doubles cannot hold", () => {
    expect([power(-400), power(Math.log10(0.25)), power(Number.NEGATIVE_INFINITY), power(-9.00001), power(84.375)]).toEqual([
      "1.00e-400",
      "0.25",
      "0",
      "1.00e-9",
      "2.37e84",
    ]);
  });

  it("draws the ends of a figure where they belong", () => {
    const plot = textPlot(matchFigure({ cells: 2048, active: 40, synapses: 20, threshold: 10 }), 100).split("\n");
    expect(plot[1]).toContain("-0.3 |");
    expect(plot[12]!.endsWith("c")).toBe(true);
  });
});

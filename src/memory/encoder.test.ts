import { describe, expect, it } from "vitest";
import { createRng, OptionError, ShapeError } from "../core/index.js";
import { createKWinnerEncoder } from "./encoder.js";
import { logFalseMatch } from "./probability.js";

describe("the k-winner encoder", () => {
  it("keeps exactly a winners, ignores scale, and depends on the seed alone", () => {
    const options = { inputs: 30, cells: 200, active: 12 };
    const input = Array.from({ length: 30 }, (_, i) => Math.sin(i * i));
    const code = createKWinnerEncoder(options, createRng(1)).encode(input);
    expect(code).toHaveLength(12);
    expect([...code]).toEqual([...new Set(code)].sort((a, b) => a - b));
    expect(createKWinnerEncoder(options, createRng(1)).encode(input.map((x) => 7 * x))).toEqual(code);
    expect(createKWinnerEncoder(options, createRng(2)).encode(input)).not.toEqual(code);
  });

  it("picks the cells that a dense layer would: one cell per input, by hand", () => {
    // Each cell sees one input with weight w: responses are w_i x_i, and the mean is taken away first.
    const encoder = createKWinnerEncoder({ inputs: 1, cells: 4, active: 2 }, createRng(3));
    const up = [...encoder.encode([1])];
    const down = [...encoder.encode([-1])];
    expect(up.filter((cell) => down.includes(cell))).toEqual([]);
    expect([...createKWinnerEncoder({ inputs: 1, cells: 4, active: 2 }, createRng(3), [2]).encode([1])]).toEqual(down);
    // All responses equal: ties go to the lowest cells.
    expect([...encoder.encode([0])]).toEqual([0, 1]);
  });

  it("gives unrelated inputs codes that overlap by chance", () => {
    const rng = createRng(4);
    const encoder = createKWinnerEncoder({ inputs: 200, cells: 500, active: 25, connected: 0.5 }, rng);
    const codes = Array.from({ length: 60 }, () => encoder.encode(Array.from({ length: 200 }, () => rng.normal())));
    let overlap = 0;
    for (let i = 1; i < 60; i++) overlap += codes[i]!.filter((cell) => codes[i - 1]!.includes(cell)).length / 59;
    // Chance: 25 * 25 / 500 = 1.25.
    expect(Math.abs(overlap - 1.25)).toBeLessThan(0.5);
    expect(Math.exp(logFalseMatch({ cells: 500, active: 25, synapses: 25, threshold: 8 }))).toBeLessThan(1e-4);
  });

  it("refuses bad options and lengths", () => {
    expect(() => createKWinnerEncoder({ inputs: 3, cells: 4, active: 5 }, createRng(0))).toThrow(OptionError);
    expect(() => createKWinnerEncoder({ inputs: 3, cells: 4, active: 2, connected: 0 }, createRng(0))).toThrow(OptionError);
    expect(() => createKWinnerEncoder({ inputs: 3, cells: 4, active: 2 }, createRng(0), [1])).toThrow(ShapeError);
    expect(() => createKWinnerEncoder({ inputs: 3, cells: 4, active: 2 }, createRng(0)).encode([1, 2])).toThrow(ShapeError);
  });
});

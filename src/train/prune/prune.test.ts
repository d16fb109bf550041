/** Which layers are pruned, and one-shot masks. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, tensor } from "../../core/index.js";
import { makeDataset } from "../../data/index.js";
import { createEngine, type Engine } from "../../engine/index.js";
import { anyBatch, linear, relu, trace } from "../../program/index.js";
import { countKept } from "../../sparsity/index.js";
import { calibrationOf } from "./calibration.js";
import { pruneProgram } from "./index.js";
import { pruneLayers } from "./layers.js";
import { expectKept, expectZeros, network, pictures, small } from "./testing/networks.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

describe("which layers are pruned", () => {
  it("the first convolution, depthwise convolutions and the last layer stay dense, with the reason", () => {
    const { program } = network("mobilenetV1", { inputShape: [3, 8, 8], width: 0.125, classes: 4 });
    const layers = pruneLayers(program.one);
    expect(layers.find(({ path }) => path === "stem.conv.weight")?.dense).toContain("first convolution");
    expect(layers.find(({ path }) => path === "block1.depth.conv.weight")?.dense).toContain("depthwise");
    expect(layers.find(({ path }) => path === "fc.weight")?.dense).toContain("last layer");
    expect(layers.filter(({ dense }) => dense === undefined).map(({ kind }) => kind)).toEqual(new Array(13).fill("conv"));
    // A perceptron's first layer holds most of its weights: it is pruned.
    expect(
      pruneLayers(network("mlp", { inputShape: [8], hidden: [6, 5], classes: 3 }).program.one).map(({ path, dense }) => [
        path,
        dense === undefined,
      ]),
    ).toEqual([
      ["fc1.weight", true],
      ["fc2.weight", true],
      ["fc3.weight", false],
    ]);
  });
  it("rules and exclusions by name; what matches nothing is refused", () => {
    const { program, params } = network("convnet", small);
    const base = { engine, program, params, method: "magnitude", sparsity: 0.5, rng: createRng(1) } as const;
    const { layers } = pruneProgram({
      ...base,
      rules: [
        { match: "conv*", sparsity: 0.75 },
        { match: "conv1.weight", sparsity: 0 },
        { match: "fc.weight", sparsity: 0.5 },
      ],
    });
    expect(layers.map(({ path, sparsity }) => [path, sparsity])).toEqual([
      ["conv1.weight", 0],
      ["conv2.weight", 0.75],
      ["conv3.weight", 0.75],
      ["fc.weight", 0.5],
    ]);
    expect(pruneProgram({ ...base, exclude: ["conv3*"] }).layers.find(({ path }) => path === "conv3.weight")?.note).toBe(
      "excluded",
    );
    expect(() => pruneProgram({ ...base, exclude: ["nothing"] })).toThrow("prune.exclude");
    expect(() => pruneProgram({ ...base, exclude: ["conv*"] })).toThrow("no layer is left to prune");
    expect(() => pruneProgram({ ...base, method: "wanda" })).toThrow("wanda needs calibration data");
    expect(() => pruneProgram({ ...base, sparsity: 1 })).toThrow("prune.sparsity");
  });
});

describe("one-shot masks", () => {
  const { program, params } = network("convnet", small);
  const data = pictures([1, 8, 8], 64);
  it.each(["magnitude", "random", "wanda", "sparsegpt"] as const)("%s keeps the promised number, zeros the rest", (method) => {
    const { params: next, masks } = pruneProgram({
      engine,
      program,
      params,
      method,
      sparsity: 0.75,
      calibration: calibrationOf(program, data, 64, createRng(2), 16),
      rng: createRng(1),
    });
    expect(Object.keys(masks)).toEqual(["conv2.weight", "conv3.weight"]);
    for (const [path, mask] of Object.entries(masks)) {
      expect(countKept(mask)).toBe(mask.data.length / 4);
      expectZeros(next[path]!.data, mask);
      if (method === "magnitude" || method === "random") expectKept(next[path]!.data, params[path]!.data, mask);
    }
    for (const path of Object.keys(params)) if (!masks[path]) expect(next[path]).toBe(params[path]);
  });
  it("wanda weighs by the norm of what a weight reads", () => {
    const p = trace(({ params: v, inputs }) => ({ outputs: { y: linear(relu(linear(inputs["x"]!, v["a"]!)), v["b"]!) } }), {
      inputs: { x: { shape: [1, 2] } },
      params: { a: { shape: [2, 2] }, b: { shape: [2, 2] } },
    });
    const batches = anyBatch((n) => ({ ...p, values: p.values.map((t, i) => (i === 1 || i === 2 ? t : { ...t, shape: [n, 2] })) }));
    const twoInputs = makeDataset({
      name: "two",
      shape: [2],
      classes: 2,
      inputs: Float32Array.of(1, 10, 1, 10),
      labels: Int32Array.of(0, 1),
      normalisation: { scale: 1, mean: [0], std: [1] },
      source: "made",
    });
    // |w| x norm: 3 x sqrt 2 against 1 x 10 sqrt 2.
    const { masks } = pruneProgram({
      engine,
      program: batches,
      params: { a: tensor([2, 2], [3, 1, 3, 1]), b: tensor([2, 2], [1, 1, 1, 1]) },
      method: "wanda",
      sparsity: 0.5,
      calibration: calibrationOf(batches, twoInputs, 2, createRng(1), 2),
      rng: createRng(1),
    });
    expect([...masks["a"]!.data]).toEqual([0, 1, 0, 1]);
  });
  it("patterns: 2 of 4, blocks of rows, whole kernels; distributions meet the budget", () => {
    const base = { engine, program, params, method: "magnitude", rng: createRng(1) } as const;
    const nm = pruneProgram({ ...base, sparsity: 0.5, pattern: { kind: "nm", keep: 2, of: 4 } }).masks["conv3.weight"]!;
    for (let g = 0; g < nm.data.length; g += 4) expect(nm.data.subarray(g, g + 4).reduce((a, b) => a + b, 0)).toBe(2);
    const block = pruneProgram({ ...base, sparsity: 0.5, pattern: { kind: "block", rows: 2, cols: 1 } }).masks["conv3.weight"]!;
    for (let r = 0; r < 8; r += 2) for (let c = 0; c < 72; c++) expect(block.data[r * 72 + c]).toBe(block.data[(r + 1) * 72 + c]);
    const kernels = pruneProgram({ ...base, sparsity: 0.5, pattern: { kind: "kernels", filters: 4 } }).masks["conv3.weight"]!;
    for (let g = 0; g < 2; g++) {
      for (let c = 0; c < 8; c++) {
        const bits = new Set<number>();
        for (let r = 4 * g; r < 4 * g + 4; r++) for (let k = 0; k < 9; k++) bits.add(kernels.data[r * 72 + c * 9 + k]!);
        expect(bits.size).toBe(1);
      }
    }
    const erk = pruneProgram({ ...base, sparsity: 0.8, distribution: "erk" });
    const [kept, all] = Object.values(erk.masks).reduce(([k, n], mask) => [k + countKept(mask), n + mask.data.length], [0, 0]);
    expect(Math.abs(kept - 0.2 * all)).toBeLessThanOrEqual(2);
    expect(() => pruneProgram({ ...base, sparsity: 0.7, pattern: { kind: "nm", keep: 2, of: 4 } })).toThrow(
      "which 2 kept of 4 fixes",
    );
  });
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, InputError, mapTree, type Tensor, tensor } from "../../src/core/index.js";
import { createEngine, type Engine } from "../../src/engine/index.js";
import { mutate } from "../../src/formats/testing/mutate.js";
import { countMultiplies, countParams, createModel, models } from "../../src/models/index.js";
import { initParams } from "../../src/nn/index.js";
import { type ModelFile, writeModel } from "../../src/runtime/index.js";
import { type Mask, maskOf } from "../../src/sparsity/index.js";
import { runCommandLine } from "../program.js";
import { testTerminal } from "../testing/terminal.js";
import { against } from "./against.js";
import { countsOf, fillersOf, layersOfFile, packNetwork, totalsOf, unpackNetwork } from "./file.js";
import { crossing, forecast } from "./forecast.js";
import { timeInTurns } from "./timing.js";

/** A random network, its prunable weights masked at random. */
function randomNetwork(name: string, options: object, sparsity: number): ModelFile {
  const model = createModel(name, { ...options });
  const rng = createRng(1);
  const params: Record<string, Tensor> = { ...initParams(model.module, rng.split("init")) };
  const masks: Record<string, Mask> = {};
  for (const [path, { shape, prunable }] of Object.entries(model.module.params)) {
    if (!prunable || sparsity === 0) continue;
    masks[path] = maskOf(
      shape,
      params[path]!.data.map(() => Number(rng.uniform() >= sparsity)),
    );
    params[path] = tensor(
      shape,
      params[path]!.data.map((x, i) => x * masks[path]!.data[i]!),
    );
  }
  return packNetwork(model, params, masks, { name: "test" });
}

const convnet = randomNetwork("convnet", { channels: [4, 8], inputShape: [1, 12, 12] }, 0.9);
let engine: Engine;
beforeAll(async () => void (engine = await createEngine({ threads: 1 })));
afterAll(() => engine.close());

describe("model files", () => {
  it.each(Object.keys(models))("of %s count parameters and multiplications as the model does", (name) => {
    const options = name === "mlp" ? { hidden: [8] } : name === "convnet" ? { channels: [4] } : { width: 0.125 };
    const model = createModel(name, options);
    const dense = packNetwork(model, initParams(model.module, createRng(1)), {}, {});
    expect(totalsOf(dense)).toEqual({ params: countParams(model), nonZeros: countParams(model) });
    expect(layersOfFile(dense).reduce((sum, { params, uses }) => sum + params * uses, 0)).toBe(countMultiplies(model));
  });
  it("count what masks keep", () => {
    const counts = mapTree(convnet.params, countsOf);
    expect(counts["conv1.weight"]!.params).toBe(36);
    for (const { path, compressed, nonZeros, params } of layersOfFile(convnet)) {
      expect(compressed).toBe(true);
      expect(nonZeros).toBeLessThan(0.5 * params);
      expect(counts[path]).toEqual({ params, nonZeros });
    }
    expect(fillersOf(convnet, 2)).toEqual({ x: new Float32Array(288).fill(0.5) });
  });
  it("that are cut off or changed are refused with an InputError that names the file", () => {
    const bytes = writeModel(convnet);
    for (let length = 0; length < bytes.length; length += 97)
      expect(() => unpackNetwork(bytes.subarray(0, length), "m.safetensors")).toThrow(/^m\.safetensors: /);
    const rng = createRng(12);
    const small = writeModel(randomNetwork("mlp", { inputShape: [6], hidden: [5], classes: 3 }, 0.8));
    let refused = 0;
    for (let i = 0; i < 10_000; i++) {
      try {
        unpackNetwork(mutate(small, rng), "m");
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(5000);
  });
  it("with weights that are not finite are refused", () => {
    const params = {
      ...convnet.params,
      "fc.bias": { kind: "dense", value: tensor([10], new Float32Array(10).fill(Number.NaN)) } as const,
    };
    expect(() => unpackNetwork(writeModel({ ...convnet, params }), "m")).toThrow("m: fc.bias holds NaN at position 0");
  });
});

describe("timing", () => {
  it("is the least and the median of turns, short work repeated", () => {
    let now = 0;
    const clock = () => now;
    const costs = [0.05, 3];
    const calls = [0, 0];
    const found = timeInTurns(
      costs.map((cost, i) => ({
        run: () => {
          now += calls[i] === 4 ? cost / 2 : cost;
          calls[i]!++;
        },
      })),
      5,
      clock,
    );
    expect(found[0]!.median).toBeCloseTo(0.05, 9);
    expect(found[1]!.median).toBeCloseTo(3, 9);
    expect(found[1]!.least).toBeCloseTo(1.5, 9);
    expect(calls[0]).toBeGreaterThan(5 * 3);
    // One warm-up, one calibration, five turns.
    expect(calls[1]).toBe(7);
  });
  it("of a model against a dense one gives a row per batch, and the memory back", async () => {
    const once = () =>
      against(
        engine,
        convnet,
        convnet,
        [1, 4].map((batch) => ({ batch, runs: 3 })),
        () => performance.now(),
      );
    const { times, layers } = await once();
    expect(times.map(({ batch }) => batch)).toEqual([1, 4]);
    for (const { ms, denseMs, medianMs, denseMedianMs } of times) {
      expect(Math.min(ms, denseMs)).toBeGreaterThan(0);
      expect([medianMs >= ms, denseMedianMs >= denseMs]).toEqual([true, true]);
    }
    expect(layers.map(({ path }) => path).sort()).toEqual(["conv1.weight", "conv2.weight", "fc.weight"]);
    const { used } = engine.memory();
    await once();
    expect(engine.memory().used).toBe(used);
  });
});

describe("the forecast", () => {
  it("finds where a line crosses the dense time", () => {
    // ms = 1 + 10 d: at dense 4 ms the crossing is at d = 0.3.
    const line = [0.5, 0.8, 0.9].map((sparsity) => ({ sparsity, ms: 1 + 10 * (1 - sparsity) }));
    expect(crossing(line, 4)).toBeCloseTo(0.7, 12);
    expect(crossing(line, 0.5)).toBeNull();
    expect(crossing(line, 100)).toBe(0);
  });
  it("covers the layers that it is asked for, dense ones too", () => {
    const dense = randomNetwork("mlp", { hidden: [32], inputShape: [20] }, 0);
    const paths = layersOfFile(dense).map(({ path }) => path);
    const seen = forecast(engine, dense, 1, () => performance.now());
    expect(seen.map(({ path }) => path)).toEqual(paths);
    for (const { breakEven, sparseMs } of seen) {
      expect(sparseMs.map(({ sparsity }) => sparsity)).toEqual([0.5, 0.8, 0.9, 0.95]);
      if (breakEven !== null) expect(breakEven >= 0 && breakEven < 1).toBe(true);
    }
  });
});

describe("sparseland inspect and bench", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "sparseland-model-"));
    writeFileSync(join(folder, "m.safetensors"), writeModel(convnet));
    writeFileSync(join(folder, "not.safetensors"), "not a model");
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const run = async (...args: string[]) => {
    const terminal = testTerminal(folder);
    const code = await runCommandLine(args, terminal);
    return { code, out: terminal.stdout(), err: terminal.stderr() };
  };

  it("inspect names every layer with its sparsity, kernel and break-even", async () => {
    const { code, out } = await run("inspect", "m.safetensors", "--json");
    expect(code).toBe(0);
    const document = JSON.parse(out) as {
      layers: { name: string; nonZeros: number; kernel: string; reason: string }[];
      params: number;
      nonZeros: number;
    };
    expect(document.layers.map(({ name }) => name)).toEqual(["conv1.weight", "conv2.weight", "fc.weight"]);
    for (const { name, nonZeros, kernel, reason } of document.layers) {
      expect(nonZeros).toBe(countsOf(convnet.params[name]!).nonZeros);
      expect(reason).toContain(`${kernel} is `);
    }
    expect({ params: document.params, nonZeros: document.nonZeros }).toEqual(totalsOf(convnet));
    expect((await run("inspect", "m.safetensors")).out).toMatch(/conv2\.weight +8x4x3x3/);
  });
  it("bench has a row per batch and thread count", async () => {
    const { code, out } = await run("bench", "m.safetensors", "--json", "--runs", "2", "--batch", "1,4", "--threads", "1");
    expect(code).toBe(0);
    const { rows } = JSON.parse(out) as {
      rows: { batch: number; threads: number; ms: number; denseMs: number; speedup: number }[];
    };
    expect(rows.map(({ batch, threads }) => [batch, threads])).toEqual([
      [1, 1],
      [4, 1],
    ]);
    for (const { ms, denseMs, speedup } of rows) expect(speedup).toBeCloseTo(denseMs / ms, 9);
  });
  it.each([
    [["inspect", "missing.safetensors"], "missing.safetensors: no such file"],
    [["inspect", "not.safetensors"], "not.safetensors: safetensors: "],
    [["bench", "not.safetensors"], "not.safetensors: safetensors: "],
    [["bench", "."], "is no file"],
    [["bench", "m.safetensors", "--batch", "0"], "Expected an integer from 1"],
    [["inspect", "m.safetensors", "--batch", "x"], "Expected an integer from 1"],
  ])("%j is refused with exit code 2", async (args, message) => {
    const { code, out, err } = await run(...args);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(message);
  });
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, InputError, type Tensor, tensor } from "../../src/core/index.js";
import { createEngine, type Engine } from "../../src/engine/index.js";
import { createModel, models } from "../../src/models/index.js";
import { initParams } from "../../src/nn/index.js";
import { runCommandLine } from "../program.js";
import { testTerminal } from "../testing/terminal.js";
import { chooseKernels, chooseNetwork } from "./choose.js";
import { compileNetwork, programOf } from "./compiled.js";
import { crossing, forecast } from "./forecast.js";
import { decodeNetwork, encodeNetwork, type Network, nonZerosOf } from "./model-file.js";
import { timeInTurns } from "./timing.js";

/** A random network, its prunable weights thinned out. */
function randomNetwork(name: string, options: object, sparsity: number): Network {
  const model = createModel(name, { ...options });
  const rng = createRng(1);
  const params: Record<string, Tensor> = { ...initParams(model.module, rng.split("init")) };
  const masked = Object.keys(model.module.params).filter((path) => sparsity > 0 && model.module.params[path]!.prunable);
  for (const path of masked) params[path] = tensor(params[path]!.shape, params[path]!.data.map((x) => (rng.uniform() < sparsity ? 0 : x)));
  return { model, params, masked, notes: { method: "test" } };
}

const convnet = randomNetwork("convnet", { channels: [4, 8], inputShape: [1, 12, 12] }, 0.9);
let engine: Engine;
beforeAll(async () => void (engine = await createEngine({ threads: 1 })));
afterAll(() => engine.close());

describe("model files", () => {
  it.each(Object.keys(models))("keep %s exactly", (name) => {
    const options = name === "mlp" ? { hidden: [8] } : name === "convnet" ? { channels: [4] } : { width: 0.125 };
    const network = randomNetwork(name, options, 0.8);
    const again = decodeNetwork(encodeNetwork(network), "x");
    expect([again.model.name, again.masked, again.notes]).toEqual([network.model.name, network.masked, network.notes]);
    const bytes = (tensor: Tensor) => Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
    for (const [path, value] of Object.entries(network.params)) expect(bytes(again.params[path]!).equals(bytes(value))).toBe(true);
    expect(Buffer.from(encodeNetwork(again)).equals(encodeNetwork(decodeNetwork(encodeNetwork(again), "y")))).toBe(true);
  });
  it("of sparse networks are small", () => {
    const dense = randomNetwork("mlp", { hidden: [300, 100] }, 0);
    const sparse = randomNetwork("mlp", { hidden: [300, 100] }, 0.9);
    expect(encodeNetwork(sparse).length / encodeNetwork(dense).length).toBeLessThan(0.15);
  });
  it("that are cut off or changed are refused with an InputError", () => {
    const bytes = encodeNetwork(convnet);
    for (let length = 0; length < bytes.length; length += 97) expect(() => decodeNetwork(bytes.subarray(0, length), "x")).toThrow(InputError);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bad = bytes.slice();
        bad[at]! ^= change;
        try {
          decodeNetwork(bad, "x");
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
        }
      }),
      { numRuns: 2000 },
    );
  });
  it("without weights that the model needs, or with weights that are not finite, are refused", () => {
    const { "fc.bias": _, ...fewer } = convnet.params;
    expect(() => decodeNetwork(encodeNetwork({ ...convnet, params: fewer }), "m")).toThrow("m: has no tensor fc.bias, which convnet needs");
    const more = { ...convnet.params, extra: tensor([1]) };
    expect(() => decodeNetwork(encodeNetwork({ ...convnet, params: more }), "m")).toThrow("m: holds a tensor extra");
    const broken = { ...convnet.params, "fc.bias": tensor([10], new Float32Array(10).fill(Number.NaN)) };
    expect(() => decodeNetwork(encodeNetwork({ ...convnet, params: broken }), "m")).toThrow("fc.bias holds NaN at position 0");
  });
});

describe("compiled networks", () => {
  it("give the same bits dense and sparse, and the sparse path runs", () => {
    const inputs = Float32Array.from({ length: 3 * 144 }, (_, i) => Math.sin(i));
    const dense = compileNetwork(engine, convnet, 3, { sparse: [], winograd: false });
    const sparse = compileNetwork(engine, convnet, 3, { sparse: convnet.masked });
    expect(Array.from(sparse.run(inputs))).toEqual(Array.from(dense.run(inputs)));
    for (const path of convnet.masked) {
      expect(sparse.decisions.find(({ param }) => param === path)?.kernel).toMatch(/^sp/);
      expect(dense.decisions.find(({ param }) => param === path)?.reason).not.toMatch(/sparse/);
    }
    dense.close();
    sparse.close();
  });
  it("give their memory back", () => {
    const once = () => compileNetwork(engine, convnet, 2, { sparse: convnet.masked }).close();
    once();
    const { used } = engine.memory();
    once();
    expect(engine.memory().used).toBe(used);
  });
});

describe("the choice of kernels", () => {
  it("measures every masked layer and gives a reason", () => {
    const choices = chooseKernels(engine, convnet, 1, 3, () => performance.now());
    expect(choices.map(({ path }) => path)).toEqual(convnet.masked);
    for (const { kernel, sparseMs, denseMs, reason } of choices) {
      expect(kernel).toBe(sparseMs < denseMs ? "sparse" : "dense");
      expect(reason).toMatch(/^measured .+ sparse, .+ dense: /);
    }
  });
  it("keeps compressed exactly what it calls sparse", () => {
    const { layers, sparse } = chooseNetwork(engine, convnet, 4, 3, () => performance.now());
    expect(layers).toHaveLength(convnet.masked.length);
    for (const { path, kernel } of layers) expect(sparse.includes(path)).toBe(kernel === "sparse");
  });
  it("goes by the clock: where all turns take equally long, nothing is called faster by itself", () => {
    let reading = 0;
    for (const { kernel, denseMs, sparseMs } of chooseKernels(engine, convnet, 1, 3, () => reading++)) expect([kernel, denseMs]).toEqual(["dense", sparseMs]);
  });
  it("has nothing to choose for a dense network", () => {
    expect(chooseNetwork(engine, randomNetwork("mlp", { hidden: [8] }, 0), 1, 1, () => performance.now())).toEqual({ layers: [], sparse: [] });
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
  it("covers every prunable layer", () => {
    const seen = forecast(engine, convnet, 1, 2, () => performance.now());
    expect(seen.map(({ path }) => path)).toEqual(Object.keys(convnet.model.module.params).filter((path) => convnet.model.module.params[path]!.prunable));
    for (const { breakEven, sparseMs } of seen) {
      expect(sparseMs).toHaveLength(4);
      if (breakEven !== null) expect(breakEven >= 0 && breakEven < 1).toBe(true);
    }
  });
});

describe("timing", () => {
  it("is the median of turns, short work repeated", () => {
    let now = 0;
    const clock = () => now;
    const costs = [0.05, 3];
    const calls = [0, 0];
    const found = timeInTurns(
      costs.map((cost, i) => ({
        run: () => {
          now += cost;
          calls[i]!++;
        },
      })),
      5,
      clock,
    );
    expect(found[0]).toBeCloseTo(0.05, 9);
    expect(found[1]).toBeCloseTo(3, 9);
    expect(calls[0]).toBeGreaterThan(5 * 3);
    // One warm-up, one calibration, five turns.
    expect(calls[1]).toBe(7);
  });
});

describe("sparseland inspect and bench", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "sparseland-model-"));
    writeFileSync(join(folder, "m.safetensors"), encodeNetwork(convnet));
    writeFileSync(join(folder, "not.safetensors"), "not a model");
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const run = async (...args: string[]) => {
    const terminal = testTerminal(folder);
    const code = await runCommandLine(args, terminal);
    return { code, out: terminal.stdout(), err: terminal.stderr() };
  };

  it("inspect names every layer with its sparsity, kernel and break-even", async () => {
    const { code, out } = await run("inspect", "m.safetensors", "--json", "--runs", "2");
    expect(code).toBe(0);
    const document = JSON.parse(out) as { layers: { name: string; nonZeros: number; kernel: string }[]; model: string };
    expect(document.model).toBe("convnet");
    expect(document.layers.map(({ name }) => name)).toEqual(["conv1.weight", "conv2.weight", "fc.weight"]);
    for (const { name, nonZeros } of document.layers) expect(nonZeros).toBe(nonZerosOf(convnet.params[name]!));
    const text = await run("inspect", "m.safetensors", "--runs", "2");
    expect(text.out).toMatch(/conv2\.weight +8x4x3x3/);
  });
  it("bench has a row per batch and thread count", async () => {
    const { code, out } = await run("bench", "m.safetensors", "--json", "--runs", "2", "--batch", "1,4", "--threads", "1");
    expect(code).toBe(0);
    const { rows } = JSON.parse(out) as { rows: { batch: number; threads: number; ms: number; denseMs: number; speedup: number }[] };
    expect(rows.map(({ batch, threads }) => [batch, threads])).toEqual([
      [1, 1],
      [4, 1],
    ]);
    for (const { ms, denseMs, speedup } of rows) expect(speedup).toBeCloseTo(denseMs / ms, 9);
  });
  it.each([
    [["inspect", "missing.safetensors"], "missing.safetensors: no such model file"],
    [["inspect", "not.safetensors"], "safetensors: "],
    [["bench", "not.safetensors"], "safetensors: "],
    [["bench", "."], "is a folder"],
    [["bench", "m.safetensors", "--batch", "0"], "Expected an integer from 1"],
    [["inspect", "m.safetensors", "--runs", "x"], "Expected an integer from 1"],
  ])("%j is refused with exit code 2", async (args, message) => {
    const { code, out, err } = await run(...args);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(message);
  });
});

it("programs take the batch size they are told", () => expect(programOf(convnet.model, 5).values[programOf(convnet.model, 5).inputs["x"]!]!.shape).toEqual([5, 1, 12, 12]));

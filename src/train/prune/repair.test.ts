/** Moments against brute force, repair against the dense network, batch-norm statistics by hand. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, type Tensor, type Tree, tensor } from "../../core/index.js";
import { createEngine, type Engine } from "../../engine/index.js";
import { anyBatch, atBatch, conv2d as convOf, linear, matmul, relu, trace } from "../../program/index.js";
import { calibrationOf, createProbe } from "./calibration.js";
import { pruneProgram, reestimateBatchNorm } from "./index.js";
import { pruneLayers } from "./layers.js";
import { momentsOf } from "./moments.js";
import { expectClose, network, outputs, pictures, small } from "./testing/networks.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

const conv = (x: Parameters<typeof relu>[0], w: Parameters<typeof relu>[0]) =>
  convOf(x, w, { stride: [2, 1], padding: [1, 0, 1, 0], groups: 2 });

describe("moments", () => {
  it("of a convolution with stride, padding and groups are those of its patches", () => {
    const program = trace(({ params: p, inputs }) => ({ outputs: { y: relu(conv(inputs["x"]!, p["w"]!)) } }), {
      inputs: { x: { shape: [2, 4, 5, 6] } },
      params: { w: { shape: [6, 2, 3, 2] } },
    });
    const batch = { one: program, grows: [] };
    const rng = createRng(4);
    const x = Float32Array.from({ length: 2 * 4 * 5 * 6 }, () => rng.normal());
    const w = tensor(
      [6, 2, 3, 2],
      Float32Array.from({ length: 72 }, () => rng.normal()),
    );
    const calibration = { batchSize: 1, batches: [{ x }] };
    const [layer] = pruneLayers(program, { keepDense: { first: false, last: false } });
    const probe = createProbe(engine, batch, { w }, calibration);
    const moments = momentsOf(engine, layer!, calibration, probe, probe);
    probe.close();
    expect(moments).toHaveLength(2);
    // Brute force over output pixels.
    for (let g = 0; g < 2; g++) {
      const gram = new Float64Array(144);
      const cross = new Float64Array(36);
      for (let n = 0; n < 2; n++) {
        for (let i = 0; i < 3; i++) {
          for (let j = 0; j < 5; j++) {
            const patch: number[] = [];
            for (let c = 0; c < 2; c++)
              for (let u = 0; u < 3; u++)
                for (let v = 0; v < 2; v++) {
                  const [row, col] = [2 * i - 1 + u, j + v];
                  patch.push(row < 0 || row >= 5 ? 0 : x[((n * 4 + 2 * g + c) * 5 + row) * 6 + col]!);
                }
            for (let a = 0; a < 12; a++) for (let b = 0; b < 12; b++) gram[a * 12 + b]! += patch[a]! * patch[b]!;
            for (let o = 0; o < 3; o++) {
              const y = patch.reduce((sum, v, k) => sum + v * w.data[(3 * g + o) * 12 + k]!, 0);
              for (let a = 0; a < 12; a++) cross[o * 12 + a]! += y * patch[a]!;
            }
          }
        }
      }
      expectClose(moments[g]!.gram, gram, 3);
      expectClose(moments[g]!.cross!, cross, 3);
    }
  });
});

describe("repair", () => {
  const { program, params } = network("convnet", small);
  const data = pictures([1, 8, 8], 96);
  const calibration = calibrationOf(program, data, 96, createRng(2), 32);
  /** Mean squared difference of the logits to the dense network's. */
  const error = (next: Tree<Tensor>) => {
    const sized = atBatch(program, 4);
    const [a, b] = [outputs(sized, params), outputs(sized, next)];
    return a.reduce((sum, v, i) => sum + (v - b[i]!) ** 2, 0) / a.length;
  };
  it.each(["least-squares", "obs"] as const)("%s brings the outputs nearer to the dense network's", (repair) => {
    const base = { engine, program, params, method: "magnitude", sparsity: 0.6, calibration, rng: createRng(1) } as const;
    const plain = pruneProgram(base);
    const fixed = pruneProgram({ ...base, repair });
    for (const path of Object.keys(plain.masks)) expect(fixed.masks[path]!.data).toEqual(plain.masks[path]!.data);
    expect(error(fixed.params)).toBeLessThan(0.6 * error(plain.params));
  });
  it("works on weights stored [in, out], and gives the same network", () => {
    const build = (flip: boolean) =>
      anyBatch((n) =>
        trace(
          ({ params: p, inputs }) => ({
            outputs: { y: linear(relu(flip ? matmul(inputs["x"]!, p["a"]!) : linear(inputs["x"]!, p["a"]!)), p["b"]!) },
          }),
          { inputs: { x: { shape: [n, 5] } }, params: { a: { shape: flip ? [5, 6] : [6, 5] }, b: { shape: [3, 6] } } },
        ),
      );
    const rng = createRng(5);
    const a = Float32Array.from({ length: 30 }, () => rng.normal());
    const b = tensor(
      [3, 6],
      Float32Array.from({ length: 18 }, () => rng.normal()),
    );
    const flipped = Float32Array.from({ length: 30 }, (_, i) => a[(i % 6) * 5 + Math.floor(i / 6)]!);
    const set = pictures([5], 32, 2);
    const run = (flip: boolean) => {
      const p = build(flip);
      return pruneProgram({
        engine,
        program: p,
        params: { a: flip ? tensor([5, 6], flipped) : tensor([6, 5], a), b },
        method: "magnitude",
        repair: "least-squares",
        sparsity: 0.5,
        calibration: calibrationOf(p, set, 32, createRng(1), 32),
        rng: createRng(1),
      }).params["a"]!.data;
    };
    const [plain, turned] = [run(false), run(true)];
    expectClose(
      turned,
      turned.map((_, i) => plain[(i % 6) * 5 + Math.floor(i / 6)]!),
      4,
    );
  });
});

describe("batch-norm re-estimation", () => {
  it("gives the statistics of the data", () => {
    const { program, params } = network("convnet", small);
    const data = pictures([1, 8, 8], 64);
    const { params: next, count } = reestimateBatchNorm(
      engine,
      program,
      params,
      calibrationOf(program, data, 64, createRng(1), 64),
    );
    expect(count).toBe(3);
    // The first convolution's results over all pixels of all pictures, by hand.
    const w = params["conv1.weight"]!.data;
    const sums = [0, 0];
    for (let n = 0; n < 64; n++)
      for (let i = 0; i < 8; i++)
        for (let j = 0; j < 8; j++) {
          let y = 0;
          for (let u = 0; u < 3; u++)
            for (let v = 0; v < 3; v++) {
              const [row, col] = [i + u - 1, j + v - 1];
              if (row >= 0 && row < 8 && col >= 0 && col < 8) y += w[u * 3 + v]! * (data.inputs[n * 64 + row * 8 + col] as number);
            }
          sums[0]! += y;
          sums[1]! += y * y;
        }
    const mean = sums[0]! / 4096;
    expect(next["bn1.running_mean"]!.data[0]).toBeCloseTo(mean, 4);
    expect(next["bn1.running_var"]!.data[0]).toBeCloseTo(((sums[1]! / 4096 - mean * mean) * 4096) / 4095, 3);
    expect(next["conv1.weight"]).toBe(params["conv1.weight"]);
  });

  it("moves the statistics as those of the data move, given the params before the change", () => {
    const { program, params } = network("convnet", small);
    const data = calibrationOf(program, pictures([1, 8, 8], 64), 64, createRng(1), 32);
    const since = (now: typeof params) => reestimateBatchNorm(engine, program, now, data, params).params;
    // Nothing has changed: the statistics of the training data stay, whatever these data's are.
    for (const [path, { data: was }] of Object.entries(params)) expectClose(since(params)[path]!.data, was, 5);
    const twice = tensor(
      params["conv1.weight"]!.shape,
      params["conv1.weight"]!.data.map((w) => 2 * w),
    );
    const changed = { ...params, "conv1.weight": twice };
    const [fresh, moved] = [reestimateBatchNorm(engine, program, changed, data).params, since(changed)];
    const at = (from: typeof params, name: string) => from[`bn1.running_${name}`]!.data[0]!;
    expect(at(moved, "mean")).toBeCloseTo(at(params, "mean") + at(fresh, "mean") / 2, 4);
    expect(at(moved, "var")).toBeCloseTo(at(params, "var") * 4, 3);
  });
});

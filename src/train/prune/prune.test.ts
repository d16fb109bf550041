/** One-shot pruning on small trained-like networks: masks, rules, repair against brute force, structured cuts, fine-tuning. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, type Tensor, type Tree, tensor } from "../../core/index.js";
import { type Dataset, makeDataset } from "../../data/index.js";
import { createEngine, type Engine } from "../../engine/index.js";
import { createModel, inferenceProgram, type ModelOptions } from "../../models/index.js";
import { initParams } from "../../nn/index.js";
import {
  anyBatch,
  atBatch,
  type BatchProgram,
  channelGraph,
  conv2d as convOf,
  cutChannels,
  cutParams,
  interpret,
  linear,
  maskChannels,
  matmul,
  type Program,
  relu,
  trace,
} from "../../program/index.js";
import { countKept, type Mask } from "../../sparsity/index.js";
import { calibrationOf, createProbe } from "./calibration.js";
import {
  accuracyOf,
  fineTune,
  modelOfProgram,
  pruneChannels,
  pruneProgram,
  rearrangeChannels,
  reestimateBatchNorm,
} from "./index.js";
import { pruneLayers } from "./layers.js";
import { momentsOf } from "./moments.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

/** A built-in network with random values: statistics away from 0 and 1 so that batch norm does something. */
function network(name: string, options: ModelOptions, seed = 1): { program: BatchProgram; params: Tree<Tensor> } {
  const model = createModel(name, options);
  const rng = createRng(seed);
  const params = Object.fromEntries(
    Object.entries(initParams(model.module, rng)).map(([path, value]) => {
      if (/running_var|bn\d?\.weight|norm.*weight/.test(path))
        return [
          path,
          tensor(
            value.shape,
            value.data.map(() => 0.5 + rng.uniform()),
          ),
        ];
      if (/running_mean|bias/.test(path))
        return [
          path,
          tensor(
            value.shape,
            value.data.map(() => 0.3 * rng.normal()),
          ),
        ];
      return [path, value];
    }),
  );
  return { program: anyBatch((batch) => inferenceProgram(model, batch)), params };
}

/** Pictures of classes: a class's own pattern with noise. */
function pictures(shape: readonly number[], count: number, classes = 4, seed = 7): Dataset {
  const rng = createRng(seed);
  const size = shape.reduce((a, b) => a * b, 1);
  const means = Array.from({ length: classes }, () => Float32Array.from({ length: size }, () => rng.normal()));
  const draw = rng.split("draw");
  const labels = Int32Array.from({ length: count }, () => draw.below(classes));
  const inputs = new Float32Array(count * size);
  for (let i = 0; i < inputs.length; i++) inputs[i] = means[labels[Math.floor(i / size)]!]![i % size]! + draw.normal();
  return makeDataset({
    name: "pictures",
    shape,
    classes,
    inputs,
    labels,
    normalisation: { scale: 1, mean: [0], std: [1] },
    source: "made",
  });
}

const small = { inputShape: [1, 8, 8], channels: [6, 8, 8], classes: 4 };
const outputs = (program: Program, params: Tree<Tensor>, seed = 3) => {
  const rng = createRng(seed);
  const inputs = Object.fromEntries(
    Object.entries(program.inputs).map(([name, id]) => [
      name,
      tensor(
        program.values[id]!.shape,
        Float32Array.from({ length: program.values[id]!.shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
      ),
    ]),
  );
  return Object.values(interpret(program, { params, inputs }).outputs)[0]!.data as Float32Array;
};

const expectClose = (got: ArrayLike<number>, want: ArrayLike<number>, digits: number) => {
  for (let i = 0; i < want.length; i++) expect(got[i]).toBeCloseTo(want[i]!, digits);
};
const expectZeros = (weights: Float32Array, mask: Mask) =>
  expect(weights.findIndex((w, i) => mask.data[i] === 0 && w !== 0)).toBe(-1);
const expectKept = (weights: Float32Array, given: Float32Array, mask: Mask) =>
  expect(weights.findIndex((w, i) => mask.data[i] === 1 && w !== given[i])).toBe(-1);

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

const conv = (x: Parameters<typeof relu>[0], w: Parameters<typeof relu>[0]) =>
  convOf(x, w, { stride: [2, 1], padding: [1, 0, 1, 0], groups: 2 });

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
});

describe("structured cuts of whole networks", () => {
  it.each([
    ["mlp", { inputShape: [12], hidden: [10, 8], classes: 3, batchNorm: true }],
    ["convnet", small],
    ["resnet20", { inputShape: [3, 8, 8], width: 0.25 }],
    ["mobilenetV1", { inputShape: [3, 8, 8], width: 0.125, classes: 5 }],
    ["mobilenetV2", { inputShape: [3, 8, 8], width: 0.1, classes: 5, firstStride: 1 }],
  ] as [string, ModelOptions][])(
    "%s: the cut network computes what the masked one does, bit for bit",
    (name, options) => {
      const { program, params } = network(name, options);
      const cut = pruneChannels({ engine, program, params, method: "magnitude", sparsity: 0.5, rng: createRng(1) });
      expect(cut.removed.length).toBeGreaterThan(0);
      const count = (tree: Tree<Tensor>) => Object.values(tree).reduce((n, { data }) => n + data.length, 0);
      expect(count(cut.params)).toBeLessThan(0.6 * count(params));
      for (const batch of [1, 2]) {
        expect(Array.from(outputs(atBatch(cut.program, batch), cut.params))).toEqual(
          Array.from(outputs(atBatch(program, batch), maskChannels(params, cut.removed))),
        );
      }
    },
    30_000,
  );
  it("the padding shortcuts of ResNet-20 tie its stages", () => {
    const { groups } = channelGraph(network("resnet20", {}).program.one);
    const stem = groups.find(({ name }) => name === "conv1.weight")!;
    expect(stem.units).toHaveLength(16);
    const rows = stem.units[3]!.members.filter(({ axis, path }) => axis === 0 && path.endsWith("conv2.weight"));
    expect(rows.find(({ path }) => path === "layer1.0.conv2.weight")?.indices).toEqual([3]);
    expect(rows.find(({ path }) => path === "layer2.0.conv2.weight")?.indices).toEqual([3 + 8]);
    expect(rows.find(({ path }) => path === "layer3.2.conv2.weight")?.indices).toEqual([3 + 8 + 16]);
    expect(stem.why.some((why) => why.startsWith("pad shifts positions"))).toBe(true);
  });
  it("readers of cut channels are fitted: nearer to the dense outputs than without", () => {
    const { program, params } = network("convnet", small);
    const calibration = calibrationOf(program, pictures([1, 8, 8], 96), 96, createRng(2), 32);
    const error = (repair: "none" | "least-squares") => {
      const cut = pruneChannels({
        engine,
        program,
        params,
        method: "wanda",
        repair,
        sparsity: 0.4,
        calibration,
        rng: createRng(1),
      });
      const [a, b] = [outputs(atBatch(program, 4), params), outputs(atBatch(cut.program, 4), cut.params)];
      return a.reduce((sum, v, i) => sum + (v - b[i]!) ** 2, 0);
    };
    expect(error("least-squares")).toBeLessThan(0.8 * error("none"));
  });
  it("an excluded layer keeps its channels; a network without channels is refused with the reason", () => {
    const { program, params } = network("convnet", small);
    const { groups } = pruneChannels({
      engine,
      program,
      params,
      method: "random",
      sparsity: 0.5,
      exclude: ["conv1.weight"],
      rng: createRng(1),
    });
    expect(groups.map(({ group, units, kept }) => [group, units, kept])).toEqual([
      ["conv1.weight", 6, 6],
      ["conv2.weight", 8, 4],
      ["conv3.weight", 8, 4],
    ]);
    const one = anyBatch((n) =>
      trace(({ params: p, inputs }) => ({ outputs: { y: linear(inputs["x"]!, p["w"]!) } }), {
        inputs: { x: { shape: [n, 3] } },
        params: { w: { shape: [2, 3] } },
      }),
    );
    expect(() =>
      pruneChannels({ engine, program: one, params: { w: tensor([2, 3]) }, method: "magnitude", sparsity: 0.5, rng: createRng(1) }),
    ).toThrow(
      'no channel of this network can be cut: w, axis 0: the output "y" is promised to the caller; w, axis 1: the input "x"',
    );
    expect(() => cutChannels(program.one, channelGraph(program.one).groups[0]!.units)).toThrow("nothing would be left");
    const all = cutParams(params, cutChannels(program.one, []));
    for (const path of Object.keys(params)) expect(Array.from(all[path]!.data)).toEqual(Array.from(params[path]!.data));
  });
});

describe("rearrangement", () => {
  it("keeps the function and never keeps less", () => {
    const { program, params } = network("resnet20", { inputShape: [3, 8, 8], width: 0.5 });
    const found = rearrangeChannels({ program, params, sparsity: 0.5, filters: 4, rng: createRng(1), budget: 300 });
    expect(found.after).toBeGreaterThan(found.before * 1.005);
    expect(found.after).toBeGreaterThanOrEqual(found.sorted * 0.999);
    const [a, b] = [outputs(program.one, params), outputs(program.one, found.params)];
    expectClose(b, a, 3);
  });
});

describe("fine-tuning", () => {
  it("trains a program under its masks, updates statistics, and gains accuracy", async () => {
    const train = pictures([1, 8, 8], 256);
    const { program, params } = network("convnet", small);
    const pruned = pruneProgram({ engine, program, params, method: "magnitude", sparsity: 0.5, rng: createRng(1) });
    const run = fineTune({
      engine,
      program,
      params: pruned.params,
      masks: pruned.masks,
      train,
      test: train,
      epochs: 10,
      batchSize: 32,
      rate: 0.05,
      seed: 1,
      now: () => 0,
    });
    let next = await run.next();
    while (!next.done) next = await run.next();
    const { params: tuned, accuracy } = next.value;
    expect(accuracy).toBeGreaterThan(accuracyOf(engine, program, pruned.params, train) + 0.3);
    expect(accuracyOf(engine, program, tuned, train)).toBeCloseTo(accuracy, 6);
    for (const [path, mask] of Object.entries(pruned.masks)) expectZeros(tuned[path]!.data, mask);
    expect(Array.from(tuned["bn1.running_mean"]!.data)).not.toEqual(Array.from(params["bn1.running_mean"]!.data));
  });
  it("refuses programs that are no classifiers", () => {
    const { program } = network("convnet", small);
    expect(() => modelOfProgram({ ...program, one: { ...program.one, outputs: { a: 0, b: 1 } } })).toThrow(
      "expected one input and one output",
    );
  });
});

/** Models: sizes that the papers print, shapes, names, meters, and that they learn. */
import { describe, expect, it } from "vitest";
import { type AnyTensor, createRng, InputError, intTensor, OptionError, sizeOf, type Tree, tensor } from "../core/index.js";
import { initParams, paramSpecs, trainable } from "../nn/index.js";
import { crossEntropy, interpret, operationNamed, sgdStep, trace, type Value, valueAndGrad } from "../program/index.js";
import * as models from "./index.js";

describe("sizes", () => {
  // Params: He et al. 2016 table 6 (0.27, 0.46, 0.85 M); torchvision's MobileNetV2 (3,504,872); Howard et al. 2017 table 1 (4.2 M, 569 M multiplies).
  it.each([
    ["mlp", 266610, 266200],
    ["lenet", 61706, 416520],
    ["resnet20", 269722, 40551040],
    ["resnet32", 464154, undefined],
    ["resnet56", 853018, undefined],
    ["mobilenetV1", 4231976, 568740352],
    ["mobilenetV2", 3504872, 300774272],
  ] as const)("%s has %i params", (name, params, multiplies) => {
    const model = models.createModel(name);
    expect(models.countParams(model)).toBe(params);
    if (multiplies !== undefined) expect(models.countMultiplies(model)).toBe(multiplies);
  });

  it("of LeNet-5-Caffe are those of the pruning papers", () => {
    expect(models.countParams(models.lenet({ channels: [20, 50], hidden: [500], padding: 0 }))).toBe(431080);
  });

  it("find the widest twin within a number of params", () => {
    const build = (width: number) => models.convnet({ width });
    const { model, width } = models.twinOfSize(build, 10000);
    expect(models.countParams(model)).toBeLessThanOrEqual(10000);
    expect(models.countParams(model)).toBeGreaterThan(9000);
    expect(models.countParams(build(width + 0.05))).toBeGreaterThan(10000);
    expect(() => models.twinOfSize(build, 10)).toThrow(InputError);
  });
});

describe("layersOf", () => {
  it("counts output pixels as uses of a convolution weight, 1 of a linear one, 0 of the rest", () => {
    const found = Object.fromEntries(
      models.layersOf(models.convnet({ inputShape: [1, 8, 8], channels: [2, 3] })).map(({ path, uses }) => [path, uses]),
    );
    expect(found["conv1.weight"]).toBe(64);
    expect(found["conv2.weight"]).toBe(16);
    expect(found["fc.weight"]).toBe(1);
    expect(found["fc.bias"]).toBe(0);
    expect(found["bn1.weight"]).toBe(0);
  });
});

const small: [string, models.Model][] = [
  ["mlp", models.mlp({ inputShape: [2, 3, 3], hidden: [8], classes: 3, batchNorm: true })],
  ["convnet", models.convnet({ inputShape: [2, 8, 8], channels: [4, 6], classes: 3 })],
  ["lenet", models.lenet({ inputShape: [2, 12, 12], channels: [3, 4], hidden: [6], classes: 3 })],
  ["resnet8", models.resnet({ depth: 8, inputShape: [2, 8, 8], classes: 3, width: 0.25 })],
  ["mobilenetV1", models.mobilenetV1({ inputShape: [2, 8, 8], classes: 3, width: 0.02 })],
  ["mobilenetV2", models.mobilenetV2({ inputShape: [2, 8, 8], classes: 3, width: 0.02 })],
];

describe.each(small)("%s", (_, model) => {
  const batch = 6;
  const rng = createRng(4);
  const start = initParams(model.module, rng.split("init"));
  const labels = intTensor([batch], [0, 1, 2, 0, 1, 2]);
  const x = tensor(
    [batch, ...model.inputShape],
    Float32Array.from({ length: batch * sizeOf(model.inputShape) }, () => rng.normal()),
  );
  const paths = trainable(model.module);
  const step = trace(
    ({ params, inputs }) => {
      const { logits, updates } = models.forward(model, params, inputs["x"]!, true);
      const loss = crossEntropy(logits, inputs["labels"]!);
      const { grads } = valueAndGrad(loss, Object.fromEntries(paths.map((path) => [path, params[path]!])));
      const next: Record<string, Value> = { ...updates };
      for (const path of paths) next[path] = sgdStep({ w: params[path]!, g: grads[path]!, lr: inputs["lr"]! }).w;
      return { outputs: { loss, logits }, updates: next };
    },
    {
      inputs: { x: { shape: x.shape }, labels: { shape: [batch], dtype: "i32" }, lr: { shape: [] } },
      params: paramSpecs(model.module),
    },
  );

  it("maps pictures to logits, and a small step along the gradient lowers the loss as much as its length says", () => {
    const run = (lr: number, params: Tree<AnyTensor>) =>
      interpret(step, { params, inputs: { x, labels, lr: tensor([], [lr]) }, double: true });
    const lossOf = (r: ReturnType<typeof run>) => r.outputs["loss"]!.data[0]!;
    const whole = run(1, start);
    expect(whole.outputs["logits"]!.shape).toEqual([batch, 3]);
    expect(Object.keys(whole.updates).sort()).toEqual(Object.keys(model.module.params).sort());
    let squares = 0;
    for (const path of paths) {
      const [before, after] = [start[path]!.data, whole.updates[path]!.data];
      const length = before.reduce((total, v, i) => total + (v - after[i]!) ** 2, 0);
      expect(length, `squared gradient of ${path}`).toBeGreaterThan(0);
      squares += length;
    }
    const lr = Math.fround(1e-8 / Math.sqrt(squares));
    const moved = run(lr, start);
    expect((lossOf(whole) - lossOf(run(0, { ...start, ...moved.updates }))) / (lr * squares)).toBeCloseTo(1, 2);
  });

  it("gives an inference program of known operations", () => {
    const program = models.inferenceProgram(model, 2);
    expect(program.values[program.outputs["logits"]!]!.shape).toEqual([2, 3]);
    for (const { op } of program.operations) expect(operationNamed(op).name).toBe(op);
    expect(program.operations.some(({ op }) => op === "batchNorm")).toBe(false);
    expect(JSON.parse(JSON.stringify(program)).operations.length).toBe(program.operations.length);
  });
});

describe("resnet", () => {
  it("shortcuts by picking every second pixel and padding channels with zeros", () => {
    const net = models.resnet({ depth: 8, inputShape: [1, 4, 4], width: 1 / 16, classes: 2 });
    expect(Object.keys(net.module.params).filter((path) => path.includes("shortcut"))).toEqual([]);
    expect(net.module.params["layer3.0.conv1.weight"]!.shape).toEqual([4, 2, 3, 3]);
  });
});

describe("the registry", () => {
  it("builds every model by name, with options by name", () => {
    for (const name of Object.keys(models.models)) expect(models.createModel(name).module.params).toBeDefined();
    expect(models.createModel("resnet20", { width: 0.5, inputShape: [1, 28, 28] }).module.params["conv1.weight"]!.shape).toEqual([
      8, 1, 3, 3,
    ]);
  });

  it("refuses unknown names and options", () => {
    expect(() => models.createModel("resnet21")).toThrow(/unknown model "resnet21"; models are mlp/);
    expect(() => models.createModel("toString")).toThrow(InputError);
    expect(() => models.createModel("mlp", { depth: 3 })).toThrow(/mlp has no option "depth"/);
    expect(() => models.resnet({ depth: 21 })).toThrow(OptionError);
    expect(() => models.lenet({ inputShape: [1, 11, 28] })).toThrow(/needs at least 12 pixels/);
    expect(() => models.convnet({ inputShape: [784] })).toThrow(/\[channels, height, width\]/);
    expect(() => models.convnet({ inputShape: [1, 2, 2], channels: [4, 4, 4] })).toThrow(/poolings leave nothing/);
  });
});

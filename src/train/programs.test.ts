/** Training steps of every model, dense, masked and csr: the engine equals the interpreter. Second derivatives too. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AnyTensor, createRng, sizeOf, type Tree, tensor } from "../core/index.js";
import { createEngine, type Engine } from "../engine/index.js";
import { differences, type Rounding, randomLabels, randomTensor, roundings } from "../engine/testing/agree.js";
import { createModel, forward, type Model, models } from "../models/index.js";
import { initParams, paramSpecs, trainable } from "../nn/index.js";
import { adam, type Optimizer, sgd } from "../optim/index.js";
import { add, crossEntropy, gradients, type Mask, mul, type ParamLayout, sum, tanh, trace, type Value } from "../program/index.js";
import { evaluationProgram, maskPath, type ProgramSpec, type Storage, trainingProgram, trainingSpecs } from "./programs.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

/** The smallest instance of each model that still has all of its parts. */
const tiny: Readonly<Record<string, () => Model>> = {
  mlp: () => createModel("mlp", { inputShape: [1, 5, 5], hidden: [12, 9], classes: 4, batchNorm: true, dropout: 0.25 }),
  convnet: () => createModel("convnet", { inputShape: [2, 9, 9], channels: [5, 6], classes: 4 }),
  lenet: () => createModel("lenet", { inputShape: [2, 12, 12], channels: [3, 4], hidden: [7], classes: 4 }),
  resnet: () => createModel("resnet", { depth: 8, inputShape: [3, 8, 8], width: 0.25, classes: 4 }),
  mobilenetV1: () => createModel("mobilenetV1", { inputShape: [3, 16, 16], width: 0.03, classes: 4, firstStride: 1 }),
  mobilenetV2: () => createModel("mobilenetV2", { inputShape: [3, 16, 16], width: 0.05, classes: 4, firstStride: 1 }),
};
/** Registry names that are one family at other depths. */
const SAME: Readonly<Record<string, string>> = {
  resnet20: "resnet",
  resnet32: "resnet",
  resnet44: "resnet",
  resnet56: "resnet",
  resnet110: "resnet",
};

/**
 * Batch norms of few values amplify rounding, so the engine is held to what float32 itself costs: against float64 its error is at most
 * a few times the worst that the interpreter makes in float32 on the same program, which must itself be small.
 */
function expectRounding(found: readonly Rounding[]): void {
  const noise = Math.max(...found.map(({ float32 }) => float32));
  expect(noise).toBeLessThan(2e-3);
  for (const { name, error } of found) expect(error, name).toBeLessThan(1e-5 + 20 * noise);
}
const OPTIMISERS: Readonly<Record<string, () => Optimizer>> = {
  sgd: () => sgd({ momentum: 0.9, decay: 1e-3, nesterov: true }),
  adam: () => adam({}),
};

function setting(model: Model, batch: number, storage: Storage | "dense", seed: number) {
  const rng = createRng(seed).split(model.name);
  const values: Record<string, AnyTensor> = { ...initParams(model.module, rng) };
  const masks: Record<string, Mask> = {};
  const live: Record<string, number> = {};
  if (storage !== "dense") {
    for (const [path, def] of Object.entries(model.module.params)) {
      if (!def.prunable) continue;
      const data = Uint8Array.from({ length: sizeOf(def.shape) }, () => (rng.uniform() < 0.4 ? 1 : 0));
      data[0] = 1;
      masks[path] = { shape: def.shape, data };
      live[path] = data.reduce((a, b) => a + b, 0);
      values[path] = { ...values[path]!, data: (values[path]!.data as Float32Array).map((v, i) => (data[i] ? v : 0)) } as AnyTensor;
    }
  }
  const spec: ProgramSpec = { model, batch, live, storage: storage === "dense" ? "masked" : storage };
  return { rng, values, masks, spec };
}

describe.each(Object.keys(models).filter((name) => !SAME[name]))("%s", (name) => {
  it.each([
    ["dense", 8, "sgd"],
    ["masked", 10, "sgd"],
    ["csr", 8, "sgd"],
    ["csr", 11, "adam"],
  ] as const)("a training step, %s, batch %i, %s", (storage, batch, optimiser) => {
    const model = tiny[name]!();
    const { rng, values, masks, spec } = setting(model, batch, storage, 3);
    const optimizer = OPTIMISERS[optimiser]!();
    const specs = trainingSpecs(spec, optimizer);
    const params: Record<string, AnyTensor> = {};
    for (const [path, { shape }] of Object.entries(specs)) {
      params[path] = values[path] ?? randomTensor(shape, rng, 0.1);
      // Slots as in the midst of training; Adam's second one is positive.
      if (!values[path])
        params[path]!.data.forEach((v, i) => {
          params[path]!.data[i] = 0.01 + Math.abs(v);
        });
    }
    if (storage === "masked")
      for (const [path, mask] of Object.entries(masks)) params[maskPath(path)] = tensor(mask.shape, Float32Array.from(mask.data));
    const program = trainingProgram(spec, optimizer);
    const inputs: Tree<AnyTensor> = {
      x: randomTensor([batch, ...model.inputShape], rng),
      y: randomLabels(batch, 4, rng),
      key: { shape: [2], dtype: "i32", data: Int32Array.of(5, 9) },
      ...optimizer.feed(3, 0.1),
    };
    const found = roundings(engine, program, { params, inputs, masks: storage === "csr" ? masks : {} }, { winograd: false });
    expect(found.length).toBeGreaterThan(Object.keys(model.module.params).length);
    expectRounding(found);
  });

  it("evaluation with frozen params, masked and csr", () => {
    for (const storage of ["masked", "csr"] as const) {
      const model = tiny[name]!();
      const { rng, values, masks, spec } = setting(model, 6, storage, 4);
      if (storage === "masked")
        for (const [path, mask] of Object.entries(masks)) values[maskPath(path)] = tensor(mask.shape, Float32Array.from(mask.data));
      const inputs = { x: randomTensor([6, ...model.inputShape], rng), y: randomLabels(6, 4, rng) };
      const given = { params: values, inputs, masks: storage === "csr" ? masks : {} };
      for (const { name: what, error } of differences(engine, evaluationProgram(spec), given, { frozen: true, winograd: false }))
        expect(error, what).toBeLessThan(1e-5);
    }
  });
});

describe("Hessian-vector products", () => {
  it.each([
    ["mlp", "dense"],
    ["mlp", "csr"],
    ["convnet", "dense"],
    ["convnet", "csr"],
    ["resnet", "dense"],
  ] as const)("of %s, %s, equal the interpreter's", (name, storage) => {
    const model = tiny[name]!();
    const { rng, values, masks, spec } = setting(model, 4, storage, 5);
    const layouts: Record<string, ParamLayout> = {};
    for (const [path, capacity] of Object.entries(spec.live)) layouts[path] = { kind: "csr", capacity };
    const paths = trainable(model.module);
    const specs: Record<string, ReturnType<typeof paramSpecs>[string]> = { ...paramSpecs(model.module, layouts) };
    const params = { ...values };
    for (const path of paths) {
      specs[`v:${path}`] = { shape: specs[path]!.shape, ...(layouts[path] ? { pattern: path } : {}) };
      const v = randomTensor(specs[path]!.shape, rng);
      if (masks[path]) for (let i = 0; i < v.data.length; i++) if (!masks[path]!.data[i]) v.data[i] = 0;
      params[`v:${path}`] = v;
    }
    const program = trace(
      ({ params: p, inputs }) => {
        const { logits } = forward(model, p, inputs["x"]!, true, inputs["key"]!);
        const loss = crossEntropy(tanh(logits), inputs["y"]!);
        const wrt = paths.map((path) => p[path]!);
        const slope = gradients(loss, wrt)
          .map((g, i) => sum(mul(g, p[`v:${paths[i]}`]!)))
          .reduce((a: Value, b: Value) => add(a, b));
        const found = gradients(slope, wrt);
        return { outputs: { loss, slope, ...Object.fromEntries(paths.map((path, i) => [`Hv ${path}`, found[i]!])) } };
      },
      {
        params: specs,
        inputs: { x: { shape: [4, ...model.inputShape] }, y: { shape: [4], dtype: "i32" }, key: { shape: [2], dtype: "i32" } },
      },
    );
    const inputs = {
      x: randomTensor([4, ...model.inputShape], rng),
      y: randomLabels(4, 4, rng),
      key: { shape: [2], dtype: "i32" as const, data: Int32Array.of(5, 9) },
    };
    const found = roundings(engine, program, { params, inputs, masks: storage === "csr" ? masks : {} }, { winograd: false });
    expect(found.filter(({ name: what }) => what.startsWith("Hv")).length).toBe(paths.length);
    expectRounding(found);
  });
});

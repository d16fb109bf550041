/** The programs of training: one step, dense gradients, evaluation. All are traced from the model; none knows a method. */
import { sizeOf, type Tree } from "../core/index.js";
import { forward, type Model } from "../models/index.js";
import { paramSpecs, trainable } from "../nn/index.js";
import type { Optimizer } from "../optim/index.js";
import {
  argmax,
  cast,
  crossEntropy,
  equal,
  gradients,
  logSoftmax,
  mean,
  mul,
  neg,
  type ParamLayout,
  type ParamSpec,
  type Program,
  pick,
  trace,
  type Value,
} from "../program/index.js";

/** How masked weights are held: `masked` keeps a dense weight and multiplies it by its mask; `csr` keeps live values only. */
export type Storage = "masked" | "csr";

/** Path of the mask of a weight, in `masked` storage. */
export const maskPath = (path: string): string => `${path}:mask`;

/** What the programs are made for. */
export interface ProgramSpec {
  readonly model: Model;
  readonly batch: number;
  /** Masked paths with their live positions' number, which is the capacity in csr storage. */
  readonly live: Tree<number>;
  readonly storage: Storage;
}

/** Specs of the model's params in this storage, masks included. */
export function modelSpecs({ model, live, storage }: ProgramSpec): Tree<ParamSpec> {
  const layouts: Record<string, ParamLayout> = {};
  if (storage === "csr") for (const [path, capacity] of Object.entries(live)) layouts[path] = { kind: "csr", capacity };
  const specs: Record<string, ParamSpec> = { ...paramSpecs(model.module, layouts) };
  if (storage === "masked") for (const path of Object.keys(live)) specs[maskPath(path)] = { shape: specs[path]!.shape };
  return specs;
}

/** The weights that the forward pass multiplies. */
const effective = (params: Tree<Value>, { live, storage }: ProgramSpec): Tree<Value> => {
  if (storage === "csr") return params;
  const out: Record<string, Value> = { ...params };
  for (const path of Object.keys(live)) out[path] = mul(params[path]!, params[maskPath(path)]!);
  return out;
};

const batchInputs = ({ model, batch }: ProgramSpec) => ({
  x: { shape: [batch, ...model.inputShape] },
  y: { shape: [batch], dtype: "i32" as const },
});

/** Params and slots of a training step. */
export function trainingSpecs(spec: ProgramSpec, optimizer: Optimizer): Tree<ParamSpec> {
  const specs = modelSpecs(spec);
  const trained = Object.fromEntries(trainable(spec.model.module).map((path) => [path, specs[path]!]));
  return { ...specs, ...optimizer.slots(trained) };
}

/**
 * One training step. Inputs x [batch, ...], y i32 [batch], key i32 [2], and the optimiser's numbers; outputs loss [] and accuracy [];
 * params, slots and statistics are updated in place.
 */
export function trainingProgram(spec: ProgramSpec, optimizer: Optimizer): Program {
  const { model } = spec;
  const params = trainingSpecs(spec, optimizer);
  const paths = trainable(model.module);
  return trace(
    ({ params: p, inputs }) => {
      const { logits, updates } = forward(model, effective(p, spec), inputs["x"]!, true, inputs["key"]!);
      const loss = crossEntropy(logits, inputs["y"]!);
      const found = gradients(
        loss,
        paths.map((path) => p[path]!),
      );
      const pickTree = (values: readonly Value[]) => Object.fromEntries(paths.map((path, i) => [path, values[i]!]));
      const next = optimizer.update({ params: pickTree(paths.map((path) => p[path]!)), grads: pickTree(found), slots: p, inputs });
      const right = equal(cast(argmax(logits, 1), "f32"), cast(inputs["y"]!, "f32"));
      return { outputs: { loss, accuracy: mean(right) }, updates: { ...updates, ...next } };
    },
    { params, inputs: { ...batchInputs(spec), key: { shape: [2], dtype: "i32" }, ...optimizer.inputs } },
  );
}

/** Dense gradients of the loss at given weights: outputs `grad:<path>`. The weights come in already masked. */
export function gradientProgram(model: Model, batch: number, paths: readonly string[]): Program {
  return trace(
    ({ params: p, inputs }) => {
      const { logits } = forward(model, p, inputs["x"]!, true, inputs["key"]!);
      const loss = crossEntropy(logits, inputs["y"]!);
      const found = gradients(
        loss,
        paths.map((path) => p[path]!),
      );
      return { outputs: Object.fromEntries(paths.map((path, i) => [`grad:${path}`, found[i]!])) };
    },
    {
      params: paramSpecs(model.module),
      inputs: { ...batchInputs({ model, batch, live: {}, storage: "masked" }), key: { shape: [2], dtype: "i32" } },
    },
  );
}

/** Evaluation with running statistics: outputs predictions i32 [batch] and losses [batch]. */
export function evaluationProgram(spec: ProgramSpec): Program {
  return trace(
    ({ params: p, inputs }) => {
      const { logits } = forward(spec.model, effective(p, spec), inputs["x"]!, false);
      return { outputs: { predictions: argmax(logits, 1), losses: neg(pick(logSoftmax(logits, 1), inputs["y"]!)) } };
    },
    { params: modelSpecs(spec), inputs: batchInputs(spec) },
  );
}

/** Elements of a model's weight. */
export const elementsOf = (model: Model, path: string): number => sizeOf(model.module.params[path]!.shape);

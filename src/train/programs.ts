/** The programs of training: one step, dense gradients, evaluation. All are traced from the model; none knows a method. */
import { InputError, mapTree, ShapeError, sameShape, sizeOf, type Tree } from "../core/index.js";
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
import type { Updater } from "../sparsity/index.js";

/**
 * How masked weights are held: `masked` keeps a dense weight and multiplies it by its mask; `csr` keeps live values only, in blocks of
 * two or four rows where the mask is made of such blocks.
 */
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
  /** Rows of the blocks that the live positions of a path form, in csr storage; default 1. */
  readonly blocks?: Tree<1 | 2 | 4>;
  /** What a method does to the forward weights and to the gradients, in masked storage. */
  readonly hooks?: Pick<Updater, "forwardParams" | "gradients"> | undefined;
}

/** Specs of the model's params in this storage, masks included. */
export function modelSpecs({ model, live, storage, blocks = {} }: ProgramSpec): Tree<ParamSpec> {
  const layouts: Record<string, ParamLayout> = {};
  if (storage === "csr") {
    for (const [path, capacity] of Object.entries(live)) {
      const rows = blocks[path] ?? 1;
      layouts[path] = rows === 1 ? { kind: "csr", capacity } : { kind: "block", rows, capacity };
    }
  }
  const specs: Record<string, ParamSpec> = { ...paramSpecs(model.module, layouts) };
  if (storage === "masked") for (const path of Object.keys(live)) specs[maskPath(path)] = { shape: specs[path]!.shape };
  return specs;
}

/** The weights that the forward pass multiplies. */
const effective = (params: Tree<Value>, { model, live, storage, hooks }: ProgramSpec): Tree<Value> => {
  if (storage === "csr") return params;
  const out: Record<string, Value> = { ...params };
  const masks = masksIn(params, live);
  for (const path of Object.keys(live)) out[path] = mul(params[path]!, masks[path]!);
  const changed = hooks?.forwardParams?.(weightsIn(params, model), masks) ?? {};
  return { ...out, ...requireOwn("forwardParams", changed, params) };
};

const masksIn = (params: Tree<Value>, live: Tree<number>): Tree<Value> => mapTree(live, (_, path) => params[maskPath(path)]!);
const weightsIn = (params: Tree<Value>, model: Model): Tree<Value> => mapTree(model.module.params, (_, path) => params[path]!);

/** What a hook of a method returned. @throws InputError for a path that is no param, ShapeError for another shape */
function requireOwn(hook: string, changed: Tree<Value>, params: Tree<Value>): Tree<Value> {
  for (const [path, { shape }] of Object.entries(changed)) {
    const param = params[path];
    if (!param) throw new InputError(`train: the method's ${hook} returned "${path}", which is no param`);
    if (!sameShape(shape, param.shape))
      throw new ShapeError(
        `train: the method's ${hook} of "${path}"`,
        { param: param.shape, returned: shape },
        "the param's shape",
      );
  }
  return changed;
}

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
      const grads = pickTree(found);
      const changed = spec.hooks?.gradients?.(grads, weightsIn(p, model), masksIn(p, spec.live)) ?? {};
      const next = optimizer.update({
        params: pickTree(paths.map((path) => p[path]!)),
        grads: { ...grads, ...requireOwn("gradients", changed, grads) },
        slots: p,
        inputs,
      });
      const right = equal(cast(argmax(logits, 1), "f32"), cast(inputs["y"]!, "f32"));
      return { outputs: { loss, accuracy: mean(right) }, updates: { ...updates, ...next } };
    },
    { params, inputs: { ...batchInputs(spec), key: { shape: [2], dtype: "i32" }, ...optimizer.inputs } },
  );
}

/**
 * Dense gradients of the loss at the weights that the forward pass multiplies: outputs `grad:<path>`. Without `hooks` the weights come
 * in already masked; with them masks are params too.
 */
export function gradientProgram(
  model: Model,
  batch: number,
  paths: readonly string[],
  { live = {}, hooks }: Partial<Pick<ProgramSpec, "live" | "hooks">> = {},
): Program {
  const spec: ProgramSpec = { model, batch, live: hooks?.forwardParams ? live : {}, storage: "masked", hooks };
  return trace(
    ({ params: p, inputs }) => {
      const seen = effective(p, spec);
      const { logits } = forward(model, seen, inputs["x"]!, true, inputs["key"]!);
      const loss = crossEntropy(logits, inputs["y"]!);
      const found = gradients(
        loss,
        paths.map((path) => seen[path]!),
      );
      return { outputs: Object.fromEntries(paths.map((path, i) => [`grad:${path}`, found[i]!])) };
    },
    {
      params: modelSpecs(spec),
      inputs: { ...batchInputs(spec), key: { shape: [2], dtype: "i32" } },
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

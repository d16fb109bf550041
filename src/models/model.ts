/** A model: a module with the shape of its input, and the meters that walk it. */
import { InputError, sizeOf, type Tree } from "../core/index.js";
import { createContext, type Module, type ParamDef, type ParamKind, type ParamRole, paramSpecs } from "../nn/index.js";
import { type Program, trace, type Value } from "../program/index.js";

/** A network that a recipe can name. */
export interface Model {
  /** Name in the registry, such as `resnet20`. */
  readonly name: string;
  /** Shape of one example, without the batch: [784] or [3, 32, 32]. */
  readonly inputShape: readonly number[];
  /** Number of outputs. */
  readonly classes: number;
  /** Maps x [N, ...inputShape] to logits [N, classes]. */
  readonly module: Module;
  /** What it was built with, plain JSON. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** One param as meters see it. */
export interface LayerInfo {
  readonly path: string;
  readonly shape: readonly number[];
  readonly kind: ParamKind;
  readonly role: ParamRole;
  readonly prunable: boolean;
  /** Multiplications per weight and example: output pixels of a convolution, 1 of a linear layer, 0 of a bias. */
  readonly uses: number;
}

/** Logits of a batch: x [N, ...inputShape] -> [N, classes]. Convenience over `model.module.apply`. */
export function forward(
  model: Model,
  p: Tree<Value>,
  x: Value,
  training: boolean,
  key?: Value,
): { logits: Value; updates: Tree<Value> } {
  const context = createContext(key ? { training, key } : { training });
  return { logits: model.module.apply(p, x, context), updates: context.updates };
}

/** The model as a program for inference: input `x` [batch, ...inputShape], output `logits` [batch, classes]. */
export const inferenceProgram = (model: Model, batch = 1): Program =>
  trace(({ params, inputs }) => ({ outputs: { logits: forward(model, params, inputs["x"]!, false).logits } }), {
    inputs: { x: { shape: [batch, ...model.inputShape] } },
    params: paramSpecs(model.module),
  });

/**
 * Number of elements of all params that pass `which` (default: all but statistics).
 */
export const countParams = (
  model: Model,
  which: (def: ParamDef, path: string) => boolean = (def) => def.kind !== "statistic",
): number =>
  Object.entries(model.module.params).reduce((total, [path, def]) => total + (which(def, path) ? sizeOf(def.shape) : 0), 0);

/** Operations that multiply each element of their weight operand, with the multiplications of one of them. */
const multipliers: Readonly<Record<string, (result: readonly number[]) => number>> = {
  conv2d: (y) => y[0]! * y[2]! * y[3]!,
  matmul: (y) => sizeOf(y.slice(0, -1)),
};

/**
 * Every param with its uses per example, found by tracing the model on one example: the ground of FLOPs meters.
 * Multiplications of a dense pass = sum of uses * elements over weights.
 */
export function layersOf(model: Model): LayerInfo[] {
  const program = inferenceProgram(model);
  const uses = new Map<number, number>();
  for (const { op, inputs, outputs } of program.operations) {
    const count = multipliers[op]?.(program.values[outputs[0]!]!.shape);
    if (count === undefined) continue;
    for (const id of inputs) uses.set(id, (uses.get(id) ?? 0) + count);
  }
  return Object.entries(model.module.params).map(([path, { shape, kind, role, prunable }]) => ({
    path,
    shape,
    kind,
    role,
    prunable,
    uses: kind === "weight" ? (uses.get(program.params[path]!.value) ?? 0) : 0,
  }));
}

/** Multiplications of one dense inference of one example. */
export const countMultiplies = (model: Model): number =>
  layersOf(model).reduce((total, { shape, uses }) => total + uses * sizeOf(shape), 0);

/**
 * The widest model with at most `most` params: the small dense twin of a sparse network.
 *
 * @param build model by width multiplier; params must not fall as it grows
 * @param most  largest allowed `countParams`
 * @param range widths to search, default [0.01, 8]
 * @returns the model and its width, found by bisection to 1e-4
 * @throws InputError when even the narrowest has more params
 */
export function twinOfSize(
  build: (width: number) => Model,
  most: number,
  { low = 0.01, high = 8 }: { low?: number; high?: number } = {},
): { width: number; model: Model } {
  let best = { width: low, model: build(low) };
  if (countParams(best.model) > most) {
    throw new InputError(
      `twinOfSize: the narrowest ${best.model.name} has ${countParams(best.model)} params, more than the ${most} allowed; allow more or take another family`,
    );
  }
  for (let [from, to] = [low, high]; to - from > 1e-4; ) {
    const width = (from + to) / 2;
    const model = build(width);
    if (countParams(model) <= most) {
      best = { width, model };
      from = width;
    } else {
      to = width;
    }
  }
  return best;
}

/** Channels scaled by a width multiplier: the nearest integer, at least 1. */
export const scaled = (channels: number, width: number): number => Math.max(1, Math.round(channels * width));

/** @throws InputError unless the input is a picture [channels, height, width] */
export function requirePicture(model: string, inputShape: readonly number[]): [number, number, number] {
  if (inputShape.length !== 3 || inputShape.some((d) => !Number.isInteger(d) || d < 1)) {
    throw new InputError(`${model}.inputShape: expected [channels, height, width], got [${inputShape.join(", ")}]`);
  }
  return inputShape as unknown as [number, number, number];
}

/** What an optimiser is: the slots that it keeps beside params, the numbers that it takes each step, and its step as operations. */
import { filterTree, OptionError, type Tensor, type Tree, tensor } from "../core/index.js";
import { type InputSpec, isSparse, type ParamSpec, type Value } from "../program/index.js";

/** What a step is given, by path. */
export interface StepValues {
  /** Weights to train. */
  readonly params: Tree<Value>;
  /** Gradients of the same paths. */
  readonly grads: Tree<Value>;
  /** All slots, `path:name`. */
  readonly slots: Tree<Value>;
  /** The values of `inputs`. */
  readonly inputs: Tree<Value>;
}

/** An optimiser: pure functions, no state of its own. */
export interface Optimizer {
  readonly name: string;
  /** Slots of trained params: `path:name`, starting at zero, of the shape and pattern of their param. */
  slots(params: Tree<ParamSpec>): Tree<ParamSpec>;
  /** Inputs of the step besides values of params: `lr` [] and, for Adam, `corrections` [2]. */
  readonly inputs: Tree<InputSpec>;
  /** The values of `inputs` at a step. @param step counts from 0  @param lr learning rate, at least 0 */
  feed(step: number, lr: number): Tree<Tensor>;
  /** New params and slots, as values of the same trace: the `updates` of a training step. */
  update(values: StepValues): Tree<Value>;
}

/** Slot specs of given names for each param: a slot of a sparse param has its pattern. */
export function slotSpecs(params: Tree<ParamSpec>, names: readonly string[]): Tree<ParamSpec> {
  const out: Record<string, ParamSpec> = {};
  for (const [path, spec] of Object.entries(params)) {
    const pattern = spec.pattern ?? (isSparse(spec.layout) ? path : undefined);
    for (const name of names) out[slotPath(path, name)] = { shape: spec.shape, ...(pattern === undefined ? {} : { pattern }) };
  }
  return out;
}

/** The path of a param's slot. */
export const slotPath = (path: string, name: string): string => `${path}:${name}`;

/** The slots of one param, whatever the optimiser. */
export const slotsOf = <T>(tree: Tree<T>, path: string): Tree<T> => filterTree(tree, (_, key) => key.startsWith(`${path}:`));

/** Slots at their start: zeros. */
export const initSlots = (optimizer: Optimizer, params: Tree<ParamSpec>): Tree<Tensor> =>
  Object.fromEntries(Object.entries(optimizer.slots(params)).map(([path, { shape }]) => [path, tensor(shape)]));

/** @throws OptionError unless the learning rate is a finite number of at least 0 */
export function requireRate(optimizer: string, lr: number): number {
  if (!Number.isFinite(lr) || lr < 0) throw new OptionError(`${optimizer}.lr`, "a finite learning rate of at least 0", lr);
  return lr;
}

/** The oracle: runs a program with the reference of every operation. Slow, plain, and the definition of what a plan computes. */
import { type AnyTensor, InputError, mapTree, ShapeError, sameShape, type Tree } from "../core/index.js";
import { operationNamed } from "./ops/index.js";
import type { Program, ValueType } from "./types.js";

/** Live positions of a sparse param: 1 lives, 0 is dead. */
export interface Mask {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** What a run is given. */
export interface Run {
  readonly params?: Tree<AnyTensor>;
  readonly inputs?: Tree<AnyTensor>;
  /** By path of the sparse param; a path that is missing is not masked. */
  readonly masks?: Tree<Mask>;
  /** Compute in float64 throughout, for checking gradients. Results then hold Float64Array. Default false. */
  readonly double?: boolean;
}

const asDouble = (t: AnyTensor): AnyTensor =>
  t.dtype === "f32" ? { ...t, data: Float64Array.from(t.data) as unknown as Float32Array } : t;

/**
 * Runs a program.
 * @returns outputs and the new values of updated params, by name
 * @throws InputError when an input or param is missing or has another dtype; ShapeError when it has another shape
 */
export function interpret(
  program: Program,
  { params = {}, inputs = {}, masks = {}, double = false }: Run,
): { outputs: Tree<AnyTensor>; updates: Tree<AnyTensor> } {
  const held: AnyTensor[] = [];
  const keep = (id: number, value: AnyTensor): void => {
    const { pattern } = program.values[id]!;
    const whole = double ? asDouble(value) : value;
    held[id] = pattern === undefined ? whole : masked(whole, pattern, masks);
  };
  const bind = (kind: string, name: string, id: number, given: AnyTensor | undefined): void => {
    if (!given) throw new InputError(`interpret: no tensor is given for the ${kind} "${name}"`);
    const type: ValueType = program.values[id]!;
    if (given.dtype !== type.dtype)
      throw new InputError(`interpret: expected the ${kind} "${name}" to be ${type.dtype}, got ${given.dtype}`);
    if (!sameShape(given.shape, type.shape))
      throw new ShapeError(`interpret, ${kind} "${name}"`, { given: given.shape }, `[${type.shape.join(", ")}]`);
    keep(id, given);
  };
  for (const [name, id] of Object.entries(program.inputs)) bind("input", name, id, inputs[name]);
  for (const [path, param] of Object.entries(program.params)) bind("param", path, param.value, params[path]);
  for (const { op, inputs: from, outputs, attrs } of program.operations) {
    const results = operationNamed(op).reference(
      from.map((id) => held[id]!),
      attrs,
      outputs.map((id) => program.values[id]!),
    );
    outputs.forEach((id, i) => {
      keep(id, results[i]!);
    });
  }
  return { outputs: mapTree(program.outputs, (id) => held[id]!), updates: mapTree(program.updates, (id) => held[id]!) };
}

function masked(value: AnyTensor, pattern: string, masks: Tree<Mask>): AnyTensor {
  const mask = masks[pattern];
  if (!mask) return value;
  if (!sameShape(mask.shape, value.shape))
    throw new ShapeError(`interpret, mask "${pattern}"`, { mask: mask.shape, value: value.shape }, "equal shapes");
  const data = value.data.slice();
  for (let i = 0; i < data.length; i++) if (!mask.data[i]) data[i] = 0;
  return { ...value, data } as AnyTensor;
}

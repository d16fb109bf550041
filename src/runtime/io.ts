/** What goes into a model and what comes out: names, element types, shapes, and the batch size that given inputs make. */
import { type AnyTensor, type DType, InputError, sizeOf, type Tree } from "../core/index.js";
import type { BatchProgram } from "../program/index.js";

/** An input or output of a model. */
export interface TensorSpec {
  readonly dtype: DType;
  /** Sizes at batch 1; see `batch`. */
  readonly shape: readonly number[];
  /** How much each size grows for each further example: 0 = it does not depend on the batch. A batch axis has shape 1, growth 1. */
  readonly batch: readonly number[];
}

/** All inputs and outputs of a model by name. */
export interface ModelSpecs {
  readonly inputs: Tree<TensorSpec>;
  readonly outputs: Tree<TensorSpec>;
}

/**
 * Data of an input: a tensor, whose type and shape are checked; or the elements in row-major order, whose number says the batch size.
 * Elements may come in any of these arrays, as long as they are values of the input's type.
 */
export type InputValue = AnyTensor | Float32Array | Int32Array | Uint8Array | readonly number[];

/** Inputs by name. */
export type Inputs = Readonly<Record<string, InputValue>>;

/** Names, types and shapes of a model's inputs and outputs. */
export function specsOf({ one, grows }: BatchProgram): ModelSpecs {
  const growth = new Map<string, number>();
  for (const { at, by } of grows) if (at[0] === "values" && at[2] === "shape") growth.set(`${at[1]} ${at[3]}`, by);
  const spec = (id: number): TensorSpec => {
    const { shape, dtype } = one.values[id]!;
    return { dtype, shape: [...shape], batch: shape.map((_, axis) => growth.get(`${id} ${axis}`) ?? 0) };
  };
  const all = (ids: Tree<number>) => Object.fromEntries(Object.entries(ids).map(([name, id]) => [name, spec(id)]));
  return { inputs: all(one.inputs), outputs: all(one.outputs) };
}

/** The shape at a batch size. */
export const shapeAt = ({ shape, batch }: TensorSpec, n: number): number[] => shape.map((d, i) => d + batch[i]! * (n - 1));

/** A type and shape as users read them: `f32 [batch, 3, 32, 32]`. */
export function describeSpec({ dtype, shape, batch }: TensorSpec): string {
  const size = (d: number, by: number) =>
    by === 0 ? `${d}` : d === by ? (by === 1 ? "batch" : `${by} batch`) : `${d - by} + ${by} batch`;
  return `${dtype} [${shape.map((d, i) => size(d, batch[i]!)).join(", ")}]`;
}

const isTensor = (value: InputValue): value is AnyTensor => "shape" in value && "data" in value;

/** The elements of an input in row-major order. */
export const elementsOf = (value: InputValue): Float32Array | Int32Array | Uint8Array | readonly number[] =>
  isTensor(value) ? value.data : value;

const isElements = (value: object): boolean =>
  Array.isArray(value) || value instanceof Float32Array || value instanceof Int32Array || value instanceof Uint8Array;

const listed = (names: readonly string[]): string => (names.length ? names.map((name) => `"${name}"`).join(", ") : "none");

/** The batch size at which `count` elements fill the spec, or undefined. */
function batchFor(spec: TensorSpec, count: number): number | undefined {
  const { shape, batch } = spec;
  const axes = batch.flatMap((by, axis) => (by === 0 ? [] : [axis]));
  if (axes.length === 0) return count === sizeOf(shape) ? 1 : undefined;
  if (axes.length === 1) {
    const [axis] = axes as [number];
    const size = count / sizeOf(shape.filter((_, i) => i !== axis));
    const n = (size - shape[axis]!) / batch[axis]! + 1;
    return Number.isInteger(n) && n >= 1 ? n : undefined;
  }
  for (let n = 1; ; n++) {
    const size = sizeOf(shapeAt(spec, n));
    if (size === count) return n;
    if (size > count || size === 0) return undefined;
  }
}

/** The batch size that makes `shape`, or undefined. */
function batchOf(spec: TensorSpec, shape: readonly number[]): number | undefined {
  const axis = spec.batch.findIndex((by) => by !== 0);
  if (shape.length !== spec.shape.length) return undefined;
  const n = axis < 0 ? 1 : (shape[axis]! - spec.shape[axis]!) / spec.batch[axis]! + 1;
  return Number.isInteger(n) && n >= 1 && shapeAt(spec, n).every((d, i) => d === shape[i]) ? n : undefined;
}

/**
 * Checks inputs before anything runs.
 * @returns the batch size that they make
 * @throws InputError that names the input, what was expected and what came
 */
export function checkInputs(specs: Tree<TensorSpec>, inputs: Inputs): number {
  const names = Object.keys(specs);
  const given = Object.keys(inputs ?? {});
  const unknown = given.find((name) => !Object.hasOwn(specs, name));
  if (unknown !== undefined) throw new InputError(`session.run: there is no input "${unknown}"; inputs are ${listed(names)}`);
  let batch: { readonly size: number; readonly name: string } | undefined;
  for (const name of names) {
    const spec = specs[name]!;
    const value = inputs[name];
    const fail = (came: string) => new InputError(`session.run: input "${name}": expected ${describeSpec(spec)}, got ${came}`);
    if (value === undefined || value === null) throw fail(`nothing; given are ${listed(given)}`);
    if (typeof value !== "object") throw fail(String(value));
    if (isTensor(value) ? value.dtype !== spec.dtype : !isElements(value))
      throw fail(isTensor(value) ? value.dtype : (Object.getPrototypeOf(value)?.constructor?.name ?? "an object"));
    const { length } = elementsOf(value);
    const size = isTensor(value) ? batchOf(spec, value.shape) : batchFor(spec, length);
    if (size === undefined) throw fail(isTensor(value) ? `${value.dtype} [${value.shape.join(", ")}]` : `${length} elements`);
    if (length !== sizeOf(shapeAt(spec, size))) throw fail(`${length} elements for [${shapeAt(spec, size).join(", ")}]`);
    if (
      spec.dtype !== "f32" &&
      !(spec.dtype === "i32" ? elementsOf(value) instanceof Int32Array : elementsOf(value) instanceof Uint8Array)
    ) {
      const [low, high] = spec.dtype === "u8" ? [0, 255] : [-2147483648, 2147483647];
      const odd = (elementsOf(value) as readonly number[]).find((v) => !Number.isInteger(v) || v < low || v > high);
      if (odd !== undefined) throw fail(`${odd}, which is no integer in [${low}, ${high}]`);
    }
    if (spec.batch.every((by) => by === 0)) continue;
    if (batch && batch.size !== size)
      throw new InputError(
        `session.run: input "${name}" holds ${size} examples, input "${batch.name}" holds ${batch.size}; a run takes one batch size`,
      );
    batch ??= { size, name };
  }
  return batch?.size ?? 1;
}

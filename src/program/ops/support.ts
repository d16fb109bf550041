/** What all operations share: type checks, broadcasting, buffers of references. */
import { type AnyTensor, type DType, InputError, ShapeError, sameShape, sizeOf, stridesOf, type Tensor } from "../../core/index.js";
import type { Value } from "../graph.js";
import type { ValueType } from "../types.js";

/** A Value, or a number that stands for a constant. */
export type Operand = Value | number;

/** A dense f32 type. */
export const f32 = (shape: readonly number[], pattern?: string): ValueType => ({
  shape,
  dtype: "f32",
  ...(pattern === undefined ? {} : { pattern }),
});

/** Shapes by argument name, for messages. */
export const named = (names: readonly string[], inputs: readonly ValueType[]): Record<string, readonly number[]> =>
  Object.fromEntries(inputs.map((t, i) => [names[i] ?? `operand ${i}`, t.shape]));

/** @throws InputError unless operand `i` has one of the dtypes */
export function requireDType(op: string, inputs: readonly ValueType[], i: number, ...allowed: DType[]): void {
  const { dtype } = inputs[i]!;
  if (!allowed.includes(dtype)) {
    throw new InputError(
      `${op}: expected operand ${i} to be ${allowed.join(" or ")}, got ${dtype} [${inputs[i]!.shape.join(", ")}]; use cast first`,
    );
  }
}

/** @throws InputError when one of the operands has a pattern: the operation needs values that exist everywhere */
export function requireDense(op: string, inputs: readonly ValueType[], which = inputs.map((_, i) => i)): void {
  for (const i of which) {
    const { pattern, shape } = inputs[i]!;
    if (pattern !== undefined) {
      throw new InputError(
        `${op}: operand ${i} [${shape.join(", ")}] exists only at the live positions of "${pattern}"; expected a dense value. ` +
          "Sparse values go through elementwise operations, full reductions, matmul and conv2d; declare the param dense to use it here",
      );
    }
  }
}

/** All operands f32 and dense, or an error. */
export function requireDenseF32(op: string, inputs: readonly ValueType[]): void {
  for (let i = 0; i < inputs.length; i++) requireDType(op, inputs, i, "f32");
  requireDense(op, inputs);
}

/** The numpy broadcast of shapes. @throws ShapeError */
export function broadcastShape(
  op: string,
  shapes: readonly (readonly number[])[],
  names: readonly string[] = ["a", "b", "c"],
): number[] {
  const rank = Math.max(...shapes.map((s) => s.length));
  const out = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    for (let i = 0; i < shape.length; i++) {
      const at = rank - shape.length + i;
      const d = shape[i]!;
      if (d === 1) continue;
      if (out[at] !== 1 && out[at] !== d) {
        throw new ShapeError(op, Object.fromEntries(shapes.map((s, k) => [names[k]!, s])), "shapes that broadcast");
      }
      out[at] = d;
    }
  }
  return out;
}

/**
 * The result type of an elementwise operation. A pattern is kept: the other operands must share it or be single elements.
 * @throws ShapeError, InputError
 */
export function elementwiseType(op: string, inputs: readonly ValueType[], names: readonly string[] = ["a", "b", "c"]): ValueType {
  const shape = broadcastShape(
    op,
    inputs.map((t) => t.shape),
    names,
  );
  const pattern = inputs.find((t) => t.pattern !== undefined)?.pattern;
  if (pattern === undefined) return f32(shape);
  inputs.forEach((t, i) => {
    const fits = t.pattern === pattern ? sameShape(t.shape, shape) : t.pattern === undefined && sizeOf(t.shape) === 1;
    if (fits) return;
    throw new ShapeError(
      op,
      named(names, inputs),
      `operands of the pattern of "${pattern}" or single elements, but ${names[i]} is ${t.pattern === undefined ? "dense" : `of the pattern of "${t.pattern}"`}`,
    );
  });
  return f32(shape, pattern);
}

/**
 * A zeroed float result. Its precision follows the operands: float32, or float64 where an operand holds float64
 * (the interpreter's double mode, in which tests check gradients).
 */
export function floats(shape: readonly number[], operands: readonly AnyTensor[]): Tensor {
  const double = operands.some((t) => (t.data as unknown) instanceof Float64Array);
  const data = double ? (new Float64Array(sizeOf(shape)) as unknown as Float32Array) : new Float32Array(sizeOf(shape));
  return { shape, dtype: "f32", data };
}

/** For each element of `out`, the flat index of the element of `shape` that broadcasting puts there. */
export function broadcastIndex(shape: readonly number[], out: readonly number[]): Int32Array {
  const index = new Int32Array(sizeOf(out));
  const lead = out.length - shape.length;
  const own = stridesOf(shape);
  const strides = out.map((_, i) => (i < lead || shape[i - lead] === 1 ? 0 : own[i - lead]!));
  const steps = stridesOf(out);
  for (let i = 0; i < index.length; i++) {
    let rest = i;
    let at = 0;
    for (let d = 0; d < out.length; d++) {
      const step = steps[d]!;
      const c = Math.floor(rest / step);
      rest -= c * step;
      at += c * strides[d]!;
    }
    index[i] = at;
  }
  return index;
}

/** Axes as sorted non-negative numbers without repeats. @throws InputError */
export function normaliseAxes(op: string, rank: number, axes: number | readonly number[] | undefined): number[] {
  const list = axes === undefined ? Array.from({ length: rank }, (_, i) => i) : typeof axes === "number" ? [axes] : [...axes];
  const out = list.map((a) => {
    const axis = a < 0 ? a + rank : a;
    if (!Number.isInteger(axis) || axis < 0 || axis >= rank) {
      throw new InputError(`${op}: expected axes in [${-rank}, ${rank - 1}] for a value of rank ${rank}, got ${a}`);
    }
    return axis;
  });
  const sorted = [...new Set(out)].sort((a, b) => a - b);
  if (sorted.length !== out.length) throw new InputError(`${op}: axis repeated in [${list.join(", ")}]`);
  return sorted;
}

/** One axis as a non-negative number. @throws InputError */
export const normaliseAxis = (op: string, rank: number, axis: number): number => normaliseAxes(op, rank, axis)[0]!;

/** The shape that a reduction leaves. */
export function reducedShape(shape: readonly number[], axes: readonly number[], keepDims: boolean): number[] {
  return keepDims ? shape.map((d, i) => (axes.includes(i) ? 1 : d)) : shape.filter((_, i) => !axes.includes(i));
}

/** Splits a shape around one axis: elements before, along and after it. */
export function around(shape: readonly number[], axis: number): { before: number; along: number; after: number } {
  return { before: sizeOf(shape.slice(0, axis)), along: shape[axis]!, after: sizeOf(shape.slice(axis + 1)) };
}

/** Plain host tensors: a shape and row-major data. The engine keeps its own physical layouts; this is what users see. */
import { ShapeError } from "./errors.js";

/** Element types of values in a Program. f32 for everything that is differentiated. */
export type DType = "f32" | "i32" | "u8";

/** The typed array of each element type. */
export type DataOf = { f32: Float32Array; i32: Int32Array; u8: Uint8Array };

/** A dense host tensor, row-major. */
export interface Tensor<D extends DType = "f32"> {
  readonly shape: readonly number[];
  readonly dtype: D;
  readonly data: DataOf[D];
}

/** Any tensor, whatever its element type. */
export type AnyTensor = Tensor<"f32"> | Tensor<"i32"> | Tensor<"u8">;

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}

/** Row-major strides in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let s = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = s;
    s *= shape[i]!;
  }
  return strides;
}

/** True when both shapes are the same list of numbers. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/**
 * A float32 tensor over `data` (zeros when omitted).
 * @throws ShapeError when `data` has not one element per position of `shape`
 */
export function tensor(shape: readonly number[], data?: ArrayLike<number>): Tensor<"f32"> {
  const n = sizeOf(shape);
  if (data !== undefined && data.length !== n) throw new ShapeError("tensor", { shape, data: [data.length] }, `${n} elements`);
  const held = data instanceof Float32Array ? data : data === undefined ? new Float32Array(n) : Float32Array.from(data);
  return { shape: [...shape], dtype: "f32", data: held };
}

/** An int32 tensor. @throws ShapeError when the number of elements differs from the shape's */
export function intTensor(shape: readonly number[], data?: ArrayLike<number>): Tensor<"i32"> {
  const n = sizeOf(shape);
  if (data !== undefined && data.length !== n) throw new ShapeError("intTensor", { shape, data: [data.length] }, `${n} elements`);
  const held = data instanceof Int32Array ? data : data === undefined ? new Int32Array(n) : Int32Array.from(data);
  return { shape: [...shape], dtype: "i32", data: held };
}

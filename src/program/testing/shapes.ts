/** Random shapes and values that fit together, size-1 axes included. */
import { type AnyTensor, type DType, intTensor, type Rng, sizeOf } from "../../core/index.js";
import type { Attrs } from "../types.js";

/** Uniform values in [low, high), as float32. */
export const uniform = (rng: Rng, shape: readonly number[], low = -1.5, high = 1.5): AnyTensor => ({
  shape,
  dtype: "f32" as DType & "f32",
  data: Float32Array.from({ length: sizeOf(shape) }, () => low + (high - low) * rng.uniform()),
});
/** Integers in [0, below). */
export const ints = (rng: Rng, shape: readonly number[], below: number): AnyTensor =>
  intTensor(
    shape,
    Array.from({ length: sizeOf(shape) }, () => rng.below(below)),
  );
/** A size in [1, most]. */
export const size = (rng: Rng, most = 4): number => 1 + rng.below(most);
/** A shape of a rank, sizes in [1, most]. */
export const shapeOf = (rng: Rng, rank: number, most = 4): number[] => Array.from({ length: rank }, () => size(rng, most));
/** True half of the time. */
export const chance = (rng: Rng): boolean => rng.below(2) === 1;

/** Two shapes that broadcast: axes shrunk to 1 or dropped from one of them. */
export function broadcastPair(rng: Rng): [number[], number[]] {
  const whole = shapeOf(rng, 1 + rng.below(3));
  const shrunk = whole.map((d) => (rng.below(3) === 0 ? 1 : d)).slice(rng.below(2));
  return chance(rng) ? [whole, shrunk] : [shrunk, whole];
}

/** A convolution that fits, with its output shape. */
export function convolution(rng: Rng): { x: number[]; w: number[]; y: number[]; attrs: Attrs } {
  const groups = size(rng, 2);
  const [kh, kw, dy, dx, sy, sx] = [size(rng, 3), size(rng, 3), size(rng, 2), size(rng, 2), size(rng, 2), size(rng, 2)];
  const padding = Array.from({ length: 4 }, () => rng.below(3));
  const [rows, cols] = [dy * (kh - 1) + 1 + rng.below(4), dx * (kw - 1) + 1 + rng.below(4)];
  const [cg, og, n] = [size(rng, 2), size(rng, 2), size(rng, 2)];
  const y = [
    n,
    og * groups,
    Math.floor((rows + padding[0]! + padding[2]! - dy * (kh - 1) - 1) / sy) + 1,
    Math.floor((cols + padding[1]! + padding[3]! - dx * (kw - 1) - 1) / sx) + 1,
  ];
  return {
    x: [n, cg * groups, rows, cols],
    w: [og * groups, cg, kh, kw],
    y,
    attrs: { stride: [sy, sx], padding, dilation: [dy, dx], groups },
  };
}

/** A pooling that fits, with its output shape; every window touches the input. */
export function pooling(rng: Rng): { x: number[]; y: number[]; attrs: Attrs } {
  const kernel = [size(rng, 3), size(rng, 3)];
  const stride = [size(rng, 3), size(rng, 3)];
  const padding = [0, 1, 2, 3].map((i) => Math.min(rng.below(2), kernel[i % 2]! - 1));
  const plane = kernel.map((k) => k + rng.below(3));
  const [n, c] = [size(rng, 2), size(rng, 2)];
  const y = plane.map((d, i) => Math.floor((d + padding[i]! + padding[i + 2]! - kernel[i]!) / stride[i]!) + 1);
  return { x: [n, c, ...plane], y: [n, c, ...y], attrs: { kernel, stride, padding } };
}

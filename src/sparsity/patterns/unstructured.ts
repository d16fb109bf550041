import { OptionError, requireInteger, ShapeError, sizeOf, type Tree } from "../../core/index.js";
import { keepCount } from "../keep-count.js";
import { topK } from "../top-k.js";
import type { Mask } from "../types.js";

/** Keeps the `keepCount` highest scores of the tensor. Ties go to the lowest flat index. */
export function selectTensor(score: Float32Array, shape: readonly number[], sparsity: number): Mask {
  return { shape: [...shape], data: topK(score, keepCount(score.length, sparsity)) };
}

/**
 * Keeps the same number in every row, the highest scores of each.
 *
 * @param score row-major, [rows, ...rest]
 * @param shape at least rank 2: a row is everything that feeds one output
 * @throws ShapeError when the shape has no rows of more than zero weights
 */
export function selectRows(score: Float32Array, shape: readonly number[], sparsity: number): Mask {
  const [rows, cols] = asMatrix("pattern row", shape);
  const keep = keepCount(cols, sparsity);
  const data = new Uint8Array(score.length);
  for (let r = 0; r < rows; r++) data.set(topK(score.subarray(r * cols, (r + 1) * cols), keep), r * cols);
  return { shape: [...shape], data };
}

/** A weight as a matrix: its first dimension, and the product of the others. @throws ShapeError below rank 2 or when empty */
export function asMatrix(place: string, shape: readonly number[]): [rows: number, cols: number] {
  const n = sizeOf(shape);
  if (shape.length < 2 || n === 0) throw new ShapeError(place, { shape }, "a tensor of rank 2 or more with at least one element");
  return [shape[0]!, n / shape[0]!];
}

/** A tensor's scores with its shape. */
export interface Scored {
  readonly shape: readonly number[];
  readonly score: Float32Array;
}

/**
 * One ranking over all tensors.
 *
 * @param scored scores comparable across tensors, higher = keep
 * @param keep   kept weights in all, at least `atLeast` per tensor
 * @param atLeast the best of each tensor that stay whatever the rest, default 1: no layer collapse
 * @returns      masks with exactly `keep` positions in all; ties go to the earlier tensor, then to the lowest flat index
 * @throws OptionError when `keep` is out of range
 */
export function selectGlobal(scored: Tree<Scored>, keep: number, atLeast = 1): Tree<Mask> {
  const entries = Object.entries(scored);
  const n = entries.reduce((total, [, { score }]) => total + score.length, 0);
  const reserved = entries.map(([, { score }]) => topK(score, Math.min(atLeast, score.length)));
  const floor = reserved.reduce((total, mask) => total + mask.reduce((a, b) => a + b, 0), 0);
  requireInteger("selectGlobal.keep", keep, 0, n);
  if (keep < floor) throw new OptionError("selectGlobal.keep", `at least ${floor} (${atLeast} per tensor)`, keep);
  const all = new Float32Array(n);
  let at = 0;
  for (const [, { score }] of entries) {
    all.set(score, at);
    at += score.length;
  }
  // Reserved positions leave the race; what is left of the budget goes to the others.
  const open = new Int32Array(n - floor);
  let o = 0;
  at = 0;
  for (const mask of reserved) {
    for (let i = 0; i < mask.length; i++) if (mask[i] === 0) open[o++] = at + i;
    at += mask.length;
  }
  const compact = Float32Array.from(open, (i) => all[i]!);
  const chosen = topK(compact, keep - floor);
  const flat = new Uint8Array(n);
  for (let i = 0; i < open.length; i++) flat[open[i]!] = chosen[i]!;
  at = 0;
  return Object.fromEntries(
    entries.map(([path, { shape }], l) => {
      const data = flat.slice(at, at + reserved[l]!.length);
      at += data.length;
      for (let i = 0; i < data.length; i++) data[i]! |= reserved[l]![i]!;
      return [path, { shape: [...shape], data }];
    }),
  );
}

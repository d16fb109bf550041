/** Masks as values: make, combine, count, compare, apply. Nothing here changes its arguments except `applyMaskInPlace`. */
import {
  InputError,
  type Rng,
  requireFraction,
  requireInteger,
  ShapeError,
  sameShape,
  sizeOf,
  type Tensor,
  type Tree,
} from "../core/index.js";
import type { Mask } from "./types.js";

/** A mask that keeps everything. */
export function fullMask(shape: readonly number[]): Mask {
  return { shape: [...shape], data: new Uint8Array(sizeOf(shape)).fill(1) };
}

/** A mask over `data` (bytes 0 or 1). @throws ShapeError on a wrong length, InputError on another byte */
export function maskOf(shape: readonly number[], data: ArrayLike<number>): Mask {
  const n = sizeOf(shape);
  if (data.length !== n) throw new ShapeError("mask", { shape, data: [data.length] }, `${n} elements`);
  const bytes = Uint8Array.from(data);
  const bad = bytes.findIndex((b) => b > 1);
  if (bad >= 0) throw new InputError(`mask: element ${bad} is ${bytes[bad]}; masks hold 1 = kept and 0 = pruned`);
  return { shape: [...shape], data: bytes };
}

/** The mask of non-zero weights. Natural zeros count as pruned: use it on weights that a mask was applied to. */
export function maskOfNonZeros(weight: Tensor): Mask {
  return { shape: [...weight.shape], data: Uint8Array.from(weight.data, (w) => (w === 0 ? 0 : 1)) };
}

/** Number of kept positions. */
export function countKept(mask: Mask): number {
  let kept = 0;
  for (let i = 0; i < mask.data.length; i++) kept += mask.data[i]!;
  return kept;
}

/** Flat indices where the mask holds `value` (1 = kept), ascending. */
export function indicesOf(mask: Mask, value: 0 | 1 = 1): Int32Array {
  const kept = countKept(mask);
  const out = new Int32Array(value === 1 ? kept : mask.data.length - kept);
  for (let i = 0, at = 0; i < mask.data.length; i++) if (mask.data[i] === value) out[at++] = i;
  return out;
}

function combine(name: string, a: Mask, b: Mask, f: (x: number, y: number) => number): Mask {
  if (!sameShape(a.shape, b.shape)) throw new ShapeError(name, { a: a.shape, b: b.shape }, "masks of one shape");
  const data = new Uint8Array(a.data.length);
  for (let i = 0; i < data.length; i++) data[i] = f(a.data[i]!, b.data[i]!);
  return { shape: a.shape, data };
}

/** Kept in both. @throws ShapeError */
export const and = (a: Mask, b: Mask): Mask => combine("masks.and", a, b, (x, y) => x & y);
/** Kept in either. @throws ShapeError */
export const or = (a: Mask, b: Mask): Mask => combine("masks.or", a, b, (x, y) => x | y);
/** Kept in `a` and not in `b`. @throws ShapeError */
export const minus = (a: Mask, b: Mask): Mask => combine("masks.minus", a, b, (x, y) => x & (y ^ 1));

/** What became active, path by path: new minus old. */
export function bornOf(next: Tree<Mask>, old: Tree<Mask>): Tree<Mask> {
  return Object.fromEntries(Object.entries(next).map(([path, mask]) => [path, minus(mask, old[path]!)]));
}

/** True when every position kept in `inner` is kept in `outer`. */
export function isNested(inner: Mask, outer: Mask): boolean {
  return countKept(minus(inner, outer)) === 0;
}

/** The weight with exact zeros outside the mask (also where it held NaN or infinity). @throws ShapeError */
export function applyMask(weight: Tensor, mask: Mask): Tensor {
  const out: Tensor = { shape: weight.shape, dtype: "f32", data: weight.data.slice() };
  applyMaskInPlace(out, mask);
  return out;
}

/** Writes exact zeros outside the mask. @throws ShapeError */
export function applyMaskInPlace(weight: Tensor, mask: Mask): void {
  if (!sameShape(weight.shape, mask.shape))
    throw new ShapeError("applyMask", { weight: weight.shape, mask: mask.shape }, "one shape");
  for (let i = 0; i < mask.data.length; i++) if (mask.data[i] === 0) weight.data[i] = 0;
}

/** The tree of params with masks applied; a path without a mask passes through unchanged. */
export function applyMasks(params: Tree<Tensor>, masks: Tree<Mask>): Tree<Tensor> {
  return Object.fromEntries(Object.entries(params).map(([path, p]) => [path, masks[path] ? applyMask(p, masks[path]) : p]));
}

/**
 * A short hash of shape and bits: equal masks have equal hashes in every run and on every machine.
 * FNV-1a in two lanes of 32 bits, 16 hexadecimal digits.
 */
export function maskHash(mask: Mask): string {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  const eat = (byte: number) => {
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ (byte + 1), 0x85ebca6b) ^ (b >>> 13);
  };
  for (const d of mask.shape) for (let s = 0; s < 32; s += 8) eat((d >>> s) & 255);
  for (let i = 0; i < mask.data.length; i++) eat(mask.data[i]!);
  return (a >>> 0).toString(16).padStart(8, "0") + (b >>> 0).toString(16).padStart(8, "0");
}

/**
 * Exactly `keep` positions, every such mask equally likely.
 * @param keep in [0, number of positions]
 * @throws OptionError
 */
export function randomMask(shape: readonly number[], keep: number, rng: Rng): Mask {
  const n = sizeOf(shape);
  requireInteger("randomMask.keep", keep, 0, n);
  // Mark the rarer value by rejection: fewer than two draws per mark on average.
  const rare = keep <= n - keep ? 1 : 0;
  const data = new Uint8Array(n).fill(1 - rare);
  for (let left = rare === 1 ? keep : n - keep; left > 0; ) {
    const at = rng.below(n);
    if (data[at] === rare) continue;
    data[at] = rare;
    left--;
  }
  return { shape: [...shape], data };
}

/**
 * Each position kept independently with probability `density`: the realised density only tends to it.
 * Liu et al. 2022, arXiv:2202.02643, official code. Prefer `randomMask` for exact budgets.
 * @throws OptionError when `density` is outside [0, 1]
 */
export function bernoulliMask(shape: readonly number[], density: number, rng: Rng): Mask {
  requireFraction("bernoulliMask.density", density);
  const data = new Uint8Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = rng.uniform() < density ? 1 : 0;
  return { shape: [...shape], data };
}

import { filterTree, InputError, ShapeError, sameShape, type Tree } from "../../core/index.js";
import { countKept, or } from "../masks.js";
import type { Mask } from "../types.js";

/** Mask overlap with what chance would give. */
export interface Overlap {
  /** |A and B| / |A or B|, in [0, 1]; 1 when both are empty. */
  readonly jaccard: number;
  /** d / (2 - d) for two independent random masks of the mean density d. */
  readonly chance: number;
}

/** Jaccard index that independent random masks of density d tend to. @param density in [0, 1] */
export const chanceOverlap = (density: number): number => density / (2 - density);

/**
 * Overlap of two sets of masks, counted over all their positions.
 * @throws InputError when the paths differ or the masks cover nothing; ShapeError when shapes differ
 */
export function maskOverlap(a: Tree<Mask>, b: Tree<Mask>): Overlap {
  let both = 0;
  let either = 0;
  let kept = 0;
  let total = 0;
  const odd = Object.keys({ ...filterTree(a, (_, p) => !(p in b)), ...filterTree(b, (_, p) => !(p in a)) });
  if (odd.length > 0) throw new InputError(`maskOverlap: ${odd[0]} is masked on one side only`);
  for (const [path, x] of Object.entries(a)) {
    const y = b[path]!;
    if (!sameShape(x.shape, y.shape)) throw new ShapeError(`maskOverlap ${path}`, { a: x.shape, b: y.shape }, "one shape");
    for (let i = 0; i < x.data.length; i++) {
      both += x.data[i]! & y.data[i]!;
      either += x.data[i]! | y.data[i]!;
    }
    kept += (countKept(x) + countKept(y)) / 2;
    total += x.data.length;
  }
  if (total === 0) throw new InputError("maskOverlap: the masks cover no weight");
  return { jaccard: either === 0 ? 1 : both / either, chance: chanceOverlap(kept / total) };
}

/**
 * Weights ever active: fold each new set of masks into what was active before.
 * @param ever  undefined at the start
 */
export function everActive(ever: Tree<Mask> | undefined, masks: Tree<Mask>): Tree<Mask> {
  return Object.fromEntries(Object.entries(masks).map(([path, mask]) => [path, ever?.[path] ? or(ever[path], mask) : mask]));
}

/**
 * ITOP rate: share of the masked weights that were ever active, in [density, 1].
 * Liu et al. 2021, arXiv:2102.02887, section 3.
 * @throws InputError when the masks cover nothing
 */
export function itopRate(ever: Tree<Mask>): number {
  let active = 0;
  let total = 0;
  for (const mask of Object.values(ever)) {
    active += countKept(mask);
    total += mask.data.length;
  }
  if (total === 0) throw new InputError("itopRate: the masks cover no weight");
  return active / total;
}

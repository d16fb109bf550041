import { filterTree, InputError, type Tree } from "../../core/index.js";
import { keepCount } from "../keep-count.js";
import { countKept } from "../masks.js";
import { selectGlobal } from "../patterns/unstructured.js";
import type { Distribution, Mask } from "../types.js";

/** The sparsity of each mask: the layer-wise ratios without the positions (SNIP ratio, GraSP ratio). */
export function ratiosOf(masks: Tree<Mask>): Tree<number> {
  return Object.fromEntries(Object.entries(masks).map(([path, mask]) => [path, 1 - countKept(mask) / mask.data.length]));
}

/**
 * One ranking over the whole network decides how many stay in each tensor (at least one each).
 *
 * @param scores a score per weight of every prunable tensor, comparable across tensors, higher = keep
 * @returns      a distribution whose sparsities are exact counts: selecting per tensor by the same scores gives the same masks
 *               as one global selection
 * @throws InputError when a prunable tensor has no scores
 */
export const globalBy =
  (scores: Tree<Float32Array>): Distribution =>
  (params, sparsity) => {
    const prunable = filterTree(params, (info) => info.prunable);
    const listed = Object.keys(prunable).map((path) => {
      const score = scores[path];
      if (!score) throw new InputError(`global distribution: no scores for ${path}`);
      return [path, { shape: prunable[path]!.shape, score }] as const;
    });
    const n = listed.reduce((total, [, { score }]) => total + score.length, 0);
    return ratiosOf(selectGlobal(Object.fromEntries(listed), keepCount(n, sparsity)));
  };

import { mapTree, type Rng, sizeOf, type Tree } from "../core/index.js";
import { keepCount, keepCounts } from "./keep-count.js";
import { randomMask } from "./masks.js";
import type { Distribution, Mask, ParamInfo } from "./types.js";

/**
 * Kept weights of every prunable tensor under a distribution, with the exact total keepCount(all prunable, sparsity).
 * @throws OptionError when the budget is infeasible
 */
export function countsFor(params: Tree<ParamInfo>, distribution: Distribution, sparsity: number): Tree<number> {
  const ratios = distribution(params, sparsity);
  const n = Object.keys(ratios).reduce((total, path) => total + sizeOf(params[path]!.shape), 0);
  return keepCounts(params, ratios, keepCount(n, sparsity));
}

/**
 * Uniformly random masks with the given counts. Each tensor draws from its own stream, so adding a layer leaves the others' masks.
 */
export function randomMasks(params: Tree<ParamInfo>, counts: Tree<number>, rng: Rng): Tree<Mask> {
  return mapTree(counts, (keep, path) => randomMask(params[path]!.shape, keep, rng.split(path)));
}

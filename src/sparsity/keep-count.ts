import { requireInteger, requireSparsity, sizeOf, type Tree } from "../core/index.js";
import type { ParamInfo } from "./types.js";

/**
 * How many of `n` units stay at a sparsity. The one rounding rule of the project.
 *
 *     kept = max(1, round((1 - s) n)), halves up (in favour of keeping)
 *
 * @param n        number of units, at least 1
 * @param sparsity share of zeros, in [0, 1)
 * @throws OptionError when `n` is not a positive integer or `sparsity` is outside [0, 1)
 */
export function keepCount(n: number, sparsity: number): number {
  requireInteger("keepCount.n", n, 1);
  requireSparsity("keepCount.sparsity", sparsity);
  // s * n is meant exactly: a rounding error of the product must not decide a half.
  const zeros = Math.ceil(sparsity * n - 0.5 - n * 1e-14 - 1e-12);
  return Math.max(1, n - Math.max(0, zeros));
}

/**
 * Whole counts for a distribution's sparsities, repaired to an exact total by largest remainder.
 *
 * Each tensor gets the floor of (1 - s_l) N_l, at least 1; the weights still missing go one each to the tensors with the
 * largest fractional parts, the first listed when they tie.
 *
 * @param params     every parameter; those without an entry in `sparsities` are ignored
 * @param sparsities sparsity of each tensor, in [0, 1)
 * @param total      kept weights in all; default: the nearest whole number to the sum of (1 - s_l) N_l
 * @returns          kept weights of each tensor, in [1, N_l], with the exact sum `total`
 * @throws OptionError when `total` is less than one per tensor or more than all weights
 */
export function keepCounts(params: Tree<ParamInfo>, sparsities: Tree<number>, total?: number): Tree<number> {
  const paths = Object.keys(sparsities);
  const sizes = paths.map((path) => sizeOf(params[path]!.shape));
  const exact = paths.map((path, l) => (1 - requireSparsity(`keepCounts.sparsities.${path}`, sparsities[path])) * sizes[l]!);
  const sum = exact.reduce((a, b) => a + b, 0);
  const most = sizes.reduce((a, b) => a + b, 0);
  const goal = requireInteger("keepCounts.total", total ?? Math.round(sum), paths.length, most);
  const counts = exact.map((e, l) => Math.min(sizes[l]!, Math.max(1, Math.floor(e + 1e-9))));
  let missing = goal - counts.reduce((a, b) => a + b, 0);
  const byNeed = paths.map((_, l) => l);
  while (missing !== 0) {
    const sign = Math.sign(missing);
    byNeed.sort((a, b) => sign * (exact[b]! - counts[b]! - (exact[a]! - counts[a]!)) || a - b);
    for (const l of byNeed) {
      const next = counts[l]! + sign;
      if (missing === 0 || next < 1 || next > sizes[l]!) continue;
      counts[l] = next;
      missing -= sign;
    }
  }
  return Object.fromEntries(paths.map((path, l) => [path, counts[l]!]));
}

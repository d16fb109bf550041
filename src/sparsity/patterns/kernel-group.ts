import { OptionError, requireInteger } from "../../core/index.js";
import type { Pattern } from "../types.js";

/**
 * SparseByteNN's kernel groups: whole kernels of `filters` consecutive filters that read one input channel stay or go together,
 * as a block pattern on the weight seen as [out, in kh kw].
 *
 *     1x1 and linear: filters x 1 blocks;   k x k: filters x (k k) blocks
 *
 * Blocks rank by the mean of their scores, so a short last group is not pruned for being short.
 *
 * @param filters G, the filters of a group, at least 1; the SIMD width or a multiple (4, 8, 16)
 * @param shape   [out, in] or [out, in, kh, kw]
 * @throws OptionError when `filters` is out of range, or the shape has no kernels
 *
 * Xu et al. 2023, arXiv:2310.19509; 1xN: Lin et al. 2022, arXiv:2105.14713.
 */
export function kernelGroups(filters: number, shape: readonly number[]): Extract<Pattern, { kind: "block" }> {
  requireInteger("kernelGroups.filters", filters, 1);
  if (shape.length !== 2 && shape.length !== 4)
    throw new OptionError("kernelGroups.shape", "[out, in] or [out, in, kh, kw]", shape);
  return { kind: "block", rows: filters, cols: shape.length === 4 ? shape[2]! * shape[3]! : 1, pool: "mean" };
}

import { OptionError, requireInteger } from "../../core/index.js";
import { topK } from "../top-k.js";
import type { Mask } from "../types.js";
import { asMatrix } from "./unstructured.js";

/** Kept weights of a group of `length` (a tail is shorter than `of`): the same share, rounded up, so never 0. */
export function nmKeep(keep: number, of: number, length: number): number {
  return Math.ceil((keep * length) / of);
}

/**
 * N:M: in every group of `of` consecutive weights of a row, the `keep` highest scores stay.
 *
 * A row is everything that feeds one output (for a convolution: input channel, kernel row, kernel column, in that order).
 * A row's tail of r < of weights keeps ceil(keep r / of).
 *
 * @param keep     kept per group, in [1, of]: "2:4" is keep 2 of 4. Never a bare pair: the literature disagrees on what N counts
 * @param sparsity must be 1 - keep / of, or omitted: the pattern fixes it
 * @throws OptionError, ShapeError
 *
 * Zhou et al. 2021, arXiv:2102.04010, section 3.
 */
export function selectNM(
  score: Float32Array,
  shape: readonly number[],
  options: { keep: number; of: number },
  sparsity?: number,
): Mask {
  const of = requireInteger("pattern nm.of", options.of, 1);
  const keep = requireInteger("pattern nm.keep", options.keep, 1, of);
  if (sparsity !== undefined && Math.abs(sparsity - (1 - keep / of)) > 1e-9) {
    throw new OptionError("pattern nm.sparsity", `${1 - keep / of}, which ${keep} kept of ${of} fixes`, sparsity);
  }
  const [rows, cols] = asMatrix("pattern nm", shape);
  const data = new Uint8Array(score.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c += of) {
      const start = r * cols + c;
      const group = score.subarray(start, start + Math.min(of, cols - c));
      data.set(topK(group, nmKeep(keep, of, group.length)), start);
    }
  }
  return { shape: [...shape], data };
}

import { requireFraction, requireInteger } from "../../core/index.js";
import { selectMask } from "../patterns/index.js";
import type { Pattern } from "../types.js";
import { upperOfInverse } from "./cholesky.js";
import { dampedGram, type LayerMoments, requireMoments } from "./types.js";

/** Options of `sparseGpt`. */
export interface SparseGptOptions {
  /** In [0, 1). With a pattern of N:M it must be 1 - keep / of. */
  readonly sparsity: number;
  /** Default unstructured. Blocks and N:M groups must divide `blockSize`. */
  readonly pattern?: Pattern;
  /** Columns whose masks are chosen at once (B_s); default 128. */
  readonly blockSize?: number;
  /** Share of the mean second moment added to the diagonal (lambda); default 0.01. */
  readonly damping?: number;
}

/**
 * SparseGPT: prunes one layer column by column; each pruned weight's error is spread over the columns to its right.
 *
 *     U^T U = (gram + lambda I)^-1;   for each block of columns: scores w_c^2 / U_cc^2, the pattern keeps the highest
 *     for each column c of the block, pruned entries q = w_c:   w_{c..} -= (q / U_cc) U_{c, c..}
 *
 * @param weight [rows, columns], row-major
 * @param mask   fixed mask: then only the weights change
 * @returns      new weights (exactly 0 where pruned) and the mask
 * @throws ShapeError, OptionError, InputError when moments are not finite
 *
 * Frantar and Alistarh 2023, arXiv:2301.00774, algorithm 1. The elimination is optimal brain surgery (Hassibi and Stork 1993).
 */
export function sparseGpt(
  weight: Float32Array,
  moments: LayerMoments,
  options: SparseGptOptions,
  mask?: Uint8Array,
): { weight: Float32Array; mask: Uint8Array } {
  const { sparsity, pattern = { kind: "unstructured", scope: "tensor" }, damping = 0.01 } = options;
  requireFraction("sparseGpt.damping", damping);
  const { columns } = moments;
  const rows = weight.length / columns;
  requireMoments("sparseGpt", rows, moments, mask?.length ?? weight.length);
  const unit = pattern.kind === "nm" ? pattern.of : pattern.kind === "block" ? pattern.cols : 1;
  const wanted = requireInteger("sparseGpt.blockSize", options.blockSize ?? 128, 1);
  const block = Math.max(unit, Math.floor(wanted / unit) * unit);
  const upper = upperOfInverse(dampedGram(moments, damping).damped, columns);
  const w = Float64Array.from(weight);
  const out = mask?.slice() ?? new Uint8Array(weight.length);
  for (let from = 0; from < columns; from += block) {
    const to = Math.min(columns, from + block);
    if (!mask) choose(w, upper, out, { rows, columns, from, to }, pattern, sparsity);
    for (let r = 0; r < rows; r++) {
      for (let c = from; c < to; c++) {
        const at = r * columns + c;
        if (out[at] === 1) continue;
        const error = w[at]! / upper[c * columns + c]!;
        if (error !== 0) for (let k = c; k < columns; k++) w[r * columns + k]! -= error * upper[c * columns + k]!;
        w[at] = 0;
      }
    }
  }
  for (let i = 0; i < w.length; i++) if (out[i] === 0) w[i] = 0;
  return { weight: Float32Array.from(w), mask: out };
}

interface Columns {
  readonly rows: number;
  readonly columns: number;
  readonly from: number;
  readonly to: number;
}

/** Chooses the masks of a block of columns by the error that removing each weight costs. */
function choose(
  w: Float64Array,
  upper: Float64Array,
  out: Uint8Array,
  { rows, columns, from, to }: Columns,
  pattern: Pattern,
  sparsity: number,
): void {
  const width = to - from;
  const score = new Float32Array(rows * width);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < width; c++) score[r * width + c] = (w[r * columns + from + c]! / upper[(from + c) * (columns + 1)]!) ** 2;
  const { data } = selectMask(pattern, score, [rows, width], sparsity);
  for (let r = 0; r < rows; r++) out.set(data.subarray(r * width, (r + 1) * width), r * columns + from);
}

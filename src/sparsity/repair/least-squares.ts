import { requireFraction } from "../../core/index.js";
import { cholesky, solveCholesky } from "./cholesky.js";
import { dampedGram, type LayerMoments, requireMoments } from "./types.js";

/**
 * The best values of the kept weights, row by row: least squares on the calibration data.
 *
 *     v_S = argmin over v of  sum |v x_S - y|^2 + ridge |v - w_S|^2  =  (G_SS + ridge I)^-1 (B_S + ridge w_S)
 *
 * S = the row's kept columns, G = gram, B = cross (W gram when there is none). The ridge pulls towards the given weights, so with
 * little data little changes.
 *
 * @param weight  [rows, columns], row-major; the dense weights
 * @param mask    1 = kept, same size
 * @param damping ridge as a share of the mean second moment, in [0, 1]; default 0.01
 * @returns       new weights, exactly 0 outside the mask
 * @throws ShapeError, OptionError, InputError when moments are not finite
 *
 * He et al. 2017, arXiv:1707.06168, eq. 3 (for channels); Hubara et al. 2021, arXiv:2102.08124, section 3 (AdaPrune, by gradient).
 */
export function leastSquaresRepair(weight: Float32Array, mask: Uint8Array, moments: LayerMoments, damping = 0.01): Float32Array {
  requireFraction("leastSquaresRepair.damping", damping);
  const { columns, gram, cross } = moments;
  const rows = weight.length / columns;
  requireMoments("leastSquaresRepair", rows, moments, mask.length);
  const { damped, ridge } = dampedGram(moments, damping);
  const out = new Float32Array(weight.length);
  let last: { key: string; lower: Float64Array } | undefined;
  for (let r = 0; r < rows; r++) {
    const row = mask.subarray(r * columns, (r + 1) * columns);
    const kept: number[] = [];
    for (let c = 0; c < columns; c++) if (row[c] === 1) kept.push(c);
    const n = kept.length;
    if (n === 0) continue;
    const key = kept.join();
    if (last?.key !== key) last = { key, lower: cholesky(submatrix(damped, columns, kept), n) };
    const right = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      const at = r * columns + kept[i]!;
      right[i] = (cross ? cross[at]! : product(weight, r, gram, columns, kept[i]!)) + ridge * weight[at]!;
    }
    solveCholesky(last.lower, n, right);
    for (let i = 0; i < n; i++) out[r * columns + kept[i]!] = right[i]!;
  }
  return out;
}

function submatrix(a: Float64Array, n: number, kept: readonly number[]): Float64Array {
  const out = new Float64Array(kept.length * kept.length);
  for (let i = 0; i < kept.length; i++)
    for (let j = 0; j < kept.length; j++) out[i * kept.length + j] = a[kept[i]! * n + kept[j]!]!;
  return out;
}

/** Element c of row r of W gram. */
function product(weight: Float32Array, r: number, gram: Float64Array, columns: number, c: number): number {
  let sum = 0;
  for (let k = 0; k < columns; k++) sum += weight[r * columns + k]! * gram[c * columns + k]!;
  return sum;
}

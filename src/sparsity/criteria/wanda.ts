import { ShapeError, sizeOf } from "../../core/index.js";
import type { Criterion } from "../types.js";

/** Evidence of `wanda`. */
export interface WandaEvidence {
  /** L2 norm of each input over all calibration positions, at least 0; one per column of the weight seen as [out, rest]. */
  readonly inputNorm: ArrayLike<number>;
}

/**
 * Weight magnitude times the norm of the input that it multiplies.
 *
 *     S[o, i] = |W[o, i]| * ||X[:, i]||
 *
 * The paper compares scores within one output row: select with `scope: "row"`.
 *
 * @param weight   [out, ...rest]
 * @param evidence inputNorm, one per position of rest; for a convolution the input channel and tap
 * @returns        one score per weight, at least 0, higher = keep
 * @throws ShapeError when the norms do not fit
 *
 * Sun et al. 2024, arXiv:2306.11695, eq. 1.
 */
export const wanda: Criterion<WandaEvidence> = (weight, { inputNorm }) => {
  const columns = sizeOf(weight.shape.slice(1));
  if (weight.shape.length < 2 || inputNorm.length !== columns)
    throw new ShapeError("wanda", { weight: weight.shape, inputNorm: [inputNorm.length] }, `${columns} norms`);
  const score = new Float32Array(weight.data.length);
  for (let i = 0; i < score.length; i++) score[i] = Math.abs(weight.data[i]!) * inputNorm[i % columns]!;
  return score;
};

import { InputError, mapTree, ShapeError, sameShape, type Tensor, type Tree } from "../../core/index.js";
import type { Criterion } from "../types.js";

/**
 * Gradient signal preservation: what removing a weight does to the squared norm of the gradient. Scores have a sign, and
 * compare across tensors: select over the whole network.
 *
 *     S = w * (H g)
 *
 * Removing w changes |g|^2 by about -2 w (H g): weights whose removal lowers it stay.
 *
 * @param weight   any shape
 * @param evidence gradient = H g (Hessian times gradient), of the weight's shape, on calibration data
 * @returns        one score per weight, any sign, higher = keep
 * @throws ShapeError when the shapes differ
 *
 * Wang et al. 2020, arXiv:2002.07376, eq. 8 (with the sign turned: higher = keep).
 */
export const grasp: Criterion<{ readonly gradient: Tensor }> = (weight, { gradient }) => {
  if (!sameShape(weight.shape, gradient.shape))
    throw new ShapeError("grasp", { weight: weight.shape, gradient: gradient.shape }, "one shape");
  const score = new Float32Array(weight.data.length);
  for (let i = 0; i < score.length; i++) score[i] = weight.data[i]! * gradient.data[i]!;
  return score;
};

/**
 * GraSP scores of a whole network, over |sum| as the official code divides them.
 *
 *     s_j = w_j (H g)_j / |sum_k w_k (H g)_k|
 *
 * @param weights           the prunable weights
 * @param hessianGradients  H g for each of them
 * @throws InputError when one is missing, or the sum is zero or not finite
 *
 * Wang et al. 2020, arXiv:2002.07376, algorithm 1.
 */
export function graspScores(weights: Tree<Tensor>, hessianGradients: Tree<Tensor>): Tree<Float32Array> {
  const raw = mapTree(weights, (weight, path) => {
    const gradient = hessianGradients[path];
    if (!gradient) throw new InputError(`grasp: no Hessian-gradient product for ${path}; it must cover every prunable weight`);
    return grasp(weight, { gradient });
  });
  let total = 0;
  for (const score of Object.values(raw)) for (let i = 0; i < score.length; i++) total += score[i]!;
  const scale = Math.abs(total);
  if (!(scale > 0 && Number.isFinite(scale)))
    throw new InputError(
      `grasp: the scores sum to ${total}; expected a finite number other than 0 (check the batch, the loss and the initial weights)`,
    );
  return mapTree(raw, (score) => score.map((s) => s / scale));
}

import { InputError, mapTree, ShapeError, sameShape, type Tensor, type Tree } from "../../core/index.js";
import type { Criterion } from "../types.js";

/**
 * Connection sensitivity: how fast the loss changes as the connection's mask leaves 1. Not normalised: see `snipScores`.
 *
 *     S = |w * dL/dw|
 *
 * Scores compare across tensors: select over the whole network.
 *
 * @param weight   any shape
 * @param evidence gradient, of the weight's shape, on one calibration batch
 * @returns        one score per weight, at least 0, higher = keep
 * @throws ShapeError when the shapes differ
 *
 * Lee et al. 2019, arXiv:1810.02340, eq. 5 and 6.
 */
export const snip: Criterion<{ readonly gradient: Tensor }> = (weight, { gradient }) => {
  if (!sameShape(weight.shape, gradient.shape))
    throw new ShapeError("snip", { weight: weight.shape, gradient: gradient.shape }, "one shape");
  const score = new Float32Array(weight.data.length);
  for (let i = 0; i < score.length; i++) score[i] = Math.abs(weight.data[i]! * gradient.data[i]!);
  return score;
};

/**
 * Connection sensitivities of a whole network, normalised to sum 1.
 *
 *     s_j = |g_j(w)| / sum_k |g_k(w)|,   g(w) = w * dL/dw
 *
 * @param weights   the prunable weights
 * @param gradients a gradient of the same shape for each of them
 * @throws InputError when a gradient is missing, or when every sensitivity is 0 or one is not finite
 *
 * Lee et al. 2019, arXiv:1810.02340, eq. 6.
 */
export function snipScores(weights: Tree<Tensor>, gradients: Tree<Tensor>): Tree<Float32Array> {
  const raw = mapTree(weights, (weight, path) => {
    const gradient = gradients[path];
    if (!gradient)
      throw new InputError(`snip: no gradient for ${path}; the calibration gradients must cover every prunable weight`);
    return snip(weight, { gradient });
  });
  let total = 0;
  for (const score of Object.values(raw)) for (let i = 0; i < score.length; i++) total += score[i]!;
  if (!(total > 0 && Number.isFinite(total))) {
    throw new InputError(
      `snip: the sensitivities sum to ${total}; expected a positive finite number (check the batch, the loss and the initial weights)`,
    );
  }
  return mapTree(raw, (score) => score.map((s) => s / total));
}

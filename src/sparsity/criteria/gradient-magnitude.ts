import { ShapeError, sameShape, type Tensor } from "../../core/index.js";
import type { Criterion } from "../types.js";

/**
 * Magnitude of the dense gradient.
 *
 *     S = |dL/dw|
 *
 * @param weight   any shape; only its shape is looked at
 * @param evidence gradient, of the weight's shape
 * @returns        one score per weight, at least 0, higher = keep (or grow)
 * @throws ShapeError when the shapes differ
 *
 * Evci et al. 2020, arXiv:1911.11134, section 3, "Grow criterion".
 */
export const gradientMagnitude: Criterion<{ readonly gradient: Tensor }> = (weight, { gradient }) => {
  if (!sameShape(weight.shape, gradient.shape)) {
    throw new ShapeError("gradientMagnitude", { weight: weight.shape, gradient: gradient.shape }, "one shape");
  }
  const score = new Float32Array(weight.data.length);
  for (let i = 0; i < score.length; i++) score[i] = Math.abs(gradient.data[i]!);
  return score;
};

import { InputError } from "../../core/index.js";
import { topKAmong } from "../top-k.js";
import type { Grower } from "../types.js";

/**
 * Growth where the loss would fall fastest: the candidates of greatest |dL/dw|, ties to the lowest flat index.
 *
 * @throws InputError when no gradient is given or one is NaN
 *
 * Evci et al. 2020, arXiv:1911.11134, section 3, "Grow criterion".
 */
export const gradientGrower: Grower = ({ candidates, count, gradient }) => {
  if (!gradient)
    throw new InputError("gradient grower: no dense gradient was given; the trainer must compute one at steps that are due");
  const score = new Float32Array(gradient.length);
  for (let i = 0; i < score.length; i++) score[i] = Math.abs(gradient[i]!);
  return topKAmong(score, count, candidates);
};

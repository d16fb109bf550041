import type { Rng } from "../../core/index.js";
import type { Criterion } from "../types.js";

/**
 * Uniform random scores in [0, 1): the baseline that every criterion must beat.
 * Scores have 24 bits; where exact uniformity over masks matters use `randomMask`.
 *
 * @param weight   any shape; only its size is looked at
 * @param evidence rng, advanced by one draw per weight
 */
export const random: Criterion<{ readonly rng: Rng }> = (weight, { rng }) => {
  const score = new Float32Array(weight.data.length);
  for (let i = 0; i < score.length; i++) score[i] = rng.uniform();
  return score;
};

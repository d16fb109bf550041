import type { Criterion } from "../types.js";

/**
 * Weight magnitude.
 *
 *     S = |w|
 *
 * @param weight any shape
 * @returns      one score per weight, at least 0, higher = keep
 *
 * Han et al. 2015, arXiv:1506.02626; Zhu & Gupta 2017, arXiv:1710.01878.
 */
export const magnitude: Criterion = (weight) => {
  const score = new Float32Array(weight.data.length);
  for (let i = 0; i < score.length; i++) score[i] = Math.abs(weight.data[i]!);
  return score;
};

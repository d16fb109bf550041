import type { Grower } from "../types.js";

/**
 * Random growth: `count` of the candidates, every choice equally likely.
 *
 * Mocanu et al. 2018, arXiv:1707.04780, algorithm 1.
 */
export const randomGrower: Grower = ({ candidates, count, rng }) => {
  const pool = candidates.slice();
  for (let i = 0; i < count; i++) {
    const j = i + rng.below(pool.length - i);
    const t = pool[i]!;
    pool[i] = pool[j]!;
    pool[j] = t;
  }
  return pool.slice(0, count).sort();
};

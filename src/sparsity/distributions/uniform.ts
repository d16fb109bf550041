import type { Distribution } from "../types.js";
import { proportional } from "./proportional.js";

/**
 * The same density in every tensor (a tensor too small for that keeps one weight).
 *
 *     d_l = d
 *
 * Zhu & Gupta 2017, arXiv:1710.01878, section 3.
 */
export const uniform: Distribution = (params, sparsity) => proportional("uniform", params, sparsity, () => 1);

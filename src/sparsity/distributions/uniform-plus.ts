import type { Distribution } from "../types.js";
import { proportional } from "./proportional.js";

/** Density that the last linear tensor keeps at least: Gale et al. 2019, arXiv:1902.09574, section 4. */
const LAST_DENSITY = 0.2;

/**
 * Uniform, with the first convolution dense and the last linear tensor at density 0.2 when d < 0.2; the rest share one density.
 * "First" and "last" are by the order of `params`; a network without convolutions has no dense first tensor.
 *
 * Differs from the official code: solved exactly, so the total matches (the code divides by all weights and lands below).
 *
 * @throws OptionError when the fixed parts exceed the budget (names the minimum density)
 *
 * Liu et al. 2022, arXiv:2202.02643, section 3; Gale et al. 2019, arXiv:1902.09574.
 */
export const uniformPlus: Distribution = (params, sparsity) => {
  const prunable = Object.entries(params).filter(([, info]) => info.prunable);
  const first = prunable.find(([, info]) => info.kind === "conv");
  const last = prunable.findLast(([, info]) => info.kind === "linear");
  const fixed: Record<string, number> = {};
  if (first) fixed[first[0]] = 1;
  if (last && 1 - sparsity < LAST_DENSITY) fixed[last[0]] = LAST_DENSITY;
  return proportional("uniform+", params, sparsity, () => 1, fixed);
};

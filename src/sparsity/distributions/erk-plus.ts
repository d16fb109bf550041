import type { Distribution } from "../types.js";
import { erkRaw } from "./er.js";
import { proportional } from "./proportional.js";

/**
 * ERK with the last linear tensor dense, the rest restored to the same total.
 *
 * @throws OptionError when the dense classifier exceeds the budget (names the minimum density)
 *
 * Liu et al. 2022, arXiv:2202.02643, section 4 (ImageNet setting).
 */
export const erkPlus: Distribution = (params, sparsity) => {
  const last = Object.entries(params).findLast(([, info]) => info.prunable && info.kind === "linear");
  return proportional("erk+", params, sparsity, erkRaw, last && sparsity > 0 ? { [last[0]]: 1 } : {});
};

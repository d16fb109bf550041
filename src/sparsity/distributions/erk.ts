import type { Distribution } from "../types.js";
import { erkRaw } from "./er.js";
import { proportional } from "./proportional.js";

/**
 * Erdős-Rényi-kernel: as ER, with the kernel's sides counted. Saves parameters, not FLOPs, compared with uniform.
 *
 *     d_l = eps (c_in + c_out + k_h + k_w) / (c_in c_out k_h k_w)
 *
 * @throws OptionError when the budget is below one weight per tensor
 *
 * Evci et al. 2020, arXiv:1911.11134, section 3, "Sparsity distribution".
 */
export const erk: Distribution = (params, sparsity) => proportional("erk", params, sparsity, erkRaw);

import { sizeOf } from "../../core/index.js";
import type { Distribution, ParamInfo } from "../types.js";
import { proportional } from "./proportional.js";

/** Raw Erdős-Rényi density of a tensor: (c_in + c_out) / (c_in c_out); 1 for a vector. */
export function erRaw({ shape }: ParamInfo): number {
  const [out = 1, input = 1] = shape;
  return shape.length < 2 ? 1 : (out + input) / (out * input);
}

/**
 * Erdős-Rényi: small tensors denser, kernel sizes ignored.
 *
 *     d_l = eps (c_in + c_out) / (c_in c_out)
 *
 * @throws OptionError when the budget is below one weight per tensor
 *
 * Mocanu et al. 2018, arXiv:1707.04780, eq. 3; dense set as in Evci et al. 2020, arXiv:1911.11134.
 */
export const er: Distribution = (params, sparsity) => proportional("er", params, sparsity, erRaw);

/** Raw Erdős-Rényi-kernel density: sum of the dimensions over their product; equals `erRaw` for matrices. */
export function erkRaw({ shape }: ParamInfo): number {
  return shape.length < 2 ? 1 : shape.reduce((a, b) => a + b, 0) / sizeOf(shape);
}

import { requireInteger, requireSparsity } from "../../core/index.js";
import type { Schedule } from "../types.js";
import { type Ramp, ramp } from "./ramp.js";

/**
 * The density decays by the same factor every step.
 *
 *     1 - s_t = (1 - s_i) ((1 - s_f) / (1 - s_i))^x,   x = (t - t_0) / (t_f - t_0)
 *
 * @param options from and to are sparsities in [0, 1)
 * @throws OptionError when a sparsity is outside [0, 1) or `end` is not after `begin`
 */
export function exponential(options: Ramp): Schedule {
  const from = requireSparsity("exponential.from", options.from);
  const to = requireSparsity("exponential.to", options.to);
  return ramp("exponential", options, (x) => 1 - (1 - from) * Math.pow((1 - to) / (1 - from), x));
}

/**
 * Iterative pruning: `rounds` equal cuts, each removing the same share of what is left; constant between cuts.
 *
 *     1 - s after round r = (1 - s_i) ((1 - s_f) / (1 - s_i))^(r / R);  round r at t_0 + r (t_f - t_0) / R
 *
 * @param options from and to are sparsities in [0, 1); rounds = R, at least 1
 * @throws OptionError
 *
 * Frankle & Carbin 2019, arXiv:1803.03635, section 1.
 */
export function iterative({ rounds, ...options }: Ramp & { readonly rounds: number }): Schedule {
  const count = requireInteger("iterative.rounds", rounds, 1);
  const smooth = exponential(options);
  const { begin = 0, end } = options;
  return (step) => {
    if (!(step > begin) || step >= end) return smooth(step);
    const round = Math.floor(((step - begin) * count) / (end - begin) + 1e-9);
    return smooth(begin + (round * (end - begin)) / count);
  };
}

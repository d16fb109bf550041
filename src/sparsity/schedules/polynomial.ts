import { requireNumber } from "../../core/index.js";
import type { Schedule } from "../types.js";
import { type Ramp, ramp } from "./ramp.js";

/**
 * Polynomial in the remaining time: most of the change comes early.
 *
 *     s_t = s_f + (s_i - s_f) (1 - (t - t_0) / (n dt))^e
 *
 * @param options from = s_i, to = s_f, begin = t_0, end = t_0 + n dt (steps); exponent = e, above 0, default 3
 * @throws OptionError when `end` is not after `begin`, or the exponent is not positive
 *
 * Zhu & Gupta 2017, arXiv:1710.01878, eq. 1 (e = 3).
 */
export function polynomial({ exponent = 3, ...options }: Ramp & { readonly exponent?: number }): Schedule {
  requireNumber("polynomial.exponent", exponent, Number.MIN_VALUE);
  const { from, to } = options;
  return ramp("polynomial", options, (x) => to + (from - to) * Math.pow(1 - x, exponent));
}

/** The polynomial of exponent 3: at half time s_f - (s_f - s_i) / 8. Zhu & Gupta 2017, arXiv:1710.01878, eq. 1. */
export const cubic = (options: Ramp): Schedule => polynomial({ ...options, exponent: 3 });

/** A straight line from `from` to `to`. */
export const linear = (options: Ramp): Schedule => polynomial({ ...options, exponent: 1 });

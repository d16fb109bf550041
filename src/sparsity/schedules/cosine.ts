import { requireInteger, requireNumber } from "../../core/index.js";
import type { Schedule } from "../types.js";
import { type Ramp, ramp } from "./ramp.js";

/**
 * Half a cosine wave from `from` to `to`.
 *
 *     v_t = to + (from - to) / 2 (1 + cos(pi x)),   x = (t - begin) / (end - begin)
 */
export function cosine(options: Ramp): Schedule {
  const { from, to } = options;
  return ramp("cosine", options, (x) => to + ((from - to) / 2) * (1 + Math.cos(Math.PI * x)));
}

/**
 * The drop fraction of dynamic sparse training, annealed to 0.
 *
 *     f(t) = alpha / 2 (1 + cos(pi t / T_end)) before T_end, 0 from there on
 *
 * @param alpha drop fraction at step 0, in [0, 1]
 * @param until T_end, in steps, at least 1
 *
 * Evci et al. 2020, arXiv:1911.11134, eq. 1 (from Dettmers & Zettlemoyer 2019, arXiv:1907.04840).
 */
export function cosineDecay(alpha: number, until: number): Schedule {
  requireNumber("cosineDecay.alpha", alpha, 0, 1);
  requireInteger("cosineDecay.until", until, 1);
  return cosine({ from: alpha, to: 0, begin: 0, end: until });
}

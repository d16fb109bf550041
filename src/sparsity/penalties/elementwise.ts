import { requireNumber } from "../../core/index.js";
import type { Penalty } from "../types.js";

/**
 * L1: lambda sum |w|. Its prox is soft thresholding: sign(w) max(0, |w| - step lambda).
 * @param lambda strength, at least 0
 */
export function l1(lambda: number): Penalty {
  requireNumber("l1.lambda", lambda, 0);
  return {
    value: ({ data }) => lambda * data.reduce((total, w) => total + Math.abs(w), 0),
    gradient: ({ data }) => data.map((w) => lambda * Math.sign(w)),
    prox: ({ data }, step) => data.map((w) => Math.sign(w) * Math.max(0, Math.abs(w) - step * lambda)),
  };
}

/**
 * L2: lambda / 2 sum w^2. Its prox is w / (1 + step lambda); it never makes an exact zero.
 * @param lambda strength, at least 0
 */
export function l2(lambda: number): Penalty {
  requireNumber("l2.lambda", lambda, 0);
  return {
    value: ({ data }) => (lambda / 2) * data.reduce((total, w) => total + w * w, 0),
    gradient: ({ data }) => data.map((w) => lambda * w),
    prox: ({ data }, step) => data.map((w) => w / (1 + step * lambda)),
  };
}

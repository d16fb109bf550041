/**
 * Distributions: how a sparsity is split over tensors. A member meets the global count within one weight per tensor, stays
 * in [0, 1), never empties a tensor, ignores what is not prunable, and refuses an infeasible budget by naming the minimum.
 * `globalBy` and `ratiosOf` make distributions from scores and masks.
 */
import type { Distribution } from "../types.js";
import { er } from "./er.js";
import { erk } from "./erk.js";
import { erkPlus } from "./erk-plus.js";
import { uniform } from "./uniform.js";
import { uniformPlus } from "./uniform-plus.js";

export * from "./er.js";
export * from "./erk.js";
export * from "./erk-plus.js";
export * from "./global.js";
export * from "./proportional.js";
export * from "./uniform.js";
export * from "./uniform-plus.js";

/** Names of the distributions that need no scores. */
export type DistributionName = "uniform" | "uniform+" | "er" | "erk" | "erk+";

/** Every distribution that needs no scores, by name. */
export const distributions: Readonly<Record<DistributionName, Distribution>> = {
  uniform,
  "uniform+": uniformPlus,
  er,
  erk,
  "erk+": erkPlus,
};

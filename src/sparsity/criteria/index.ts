/**
 * Criteria: a score per weight, HIGHER = keep. A member looks at the weight and its evidence, never changes them, and
 * gives one finite score per weight. What is not comparable across rows or tensors says so.
 */
import type { Rng, Tensor } from "../../core/index.js";
import type { Criterion } from "../types.js";
import { gradientMagnitude } from "./gradient-magnitude.js";
import { grasp } from "./grasp.js";
import { magnitude } from "./magnitude.js";
import { random } from "./random.js";
import { snip } from "./snip.js";

export * from "./gradient-magnitude.js";
export * from "./grasp.js";
export * from "./magnitude.js";
export * from "./random.js";
export * from "./snip.js";
export * from "./wanda.js";

/** Evidence that is enough for every member of the registry. */
export interface AnyEvidence {
  readonly gradient: Tensor;
  readonly rng: Rng;
}

/** Every criterion by name, taking the union of evidence. */
export const criteria: Readonly<Record<string, Criterion<AnyEvidence>>> = {
  magnitude: (weight) => magnitude(weight),
  random,
  "gradient-magnitude": gradientMagnitude,
  snip,
  grasp,
};

/**
 * Schedules: how many over time. A member is total (defined before its start and after its end), hits both ends exactly, and
 * is monotone between them.
 */
import type { Schedule } from "../types.js";
import { cosine } from "./cosine.js";
import { exponential, iterative } from "./exponential.js";
import { oneShot } from "./one-shot.js";
import { cubic, linear, polynomial } from "./polynomial.js";
import type { Ramp } from "./ramp.js";

export * from "./cadence.js";
export * from "./cosine.js";
export * from "./exponential.js";
export * from "./one-shot.js";
export * from "./polynomial.js";
export * from "./ramp.js";

/** Every schedule by name, as a ramp between two sparsities. */
export const schedules: Readonly<Record<string, (options: Ramp) => Schedule>> = {
  "one-shot": ({ from, to, end }) => oneShot({ from, to, at: end }),
  linear,
  cubic,
  polynomial: (options) => polynomial(options),
  exponential,
  cosine,
  iterative: (options) => iterative({ ...options, rounds: 5 }),
};

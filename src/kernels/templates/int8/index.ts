/**
 * The int8 kernels: a module of their own on the engine's memory, loaded when a program needs it. Their numbers start at INT8_FIRST;
 * the dispatcher hands such an instruction on to `int8`.
 */
import type { Template } from "../emit.js";
import { helpers, type Int8Flavor } from "./arithmetic.js";
import { int8Planes } from "./planes.js";
import { int8Products } from "./products.js";

/** Number of the first int8 kernel. */
export const INT8_FIRST = 1000;

export const int8Templates: readonly ((flavor: Int8Flavor) => Template)[] = [
  (flavor) => ({ helpers: helpers(flavor), kernels: [] }),
  int8Products,
  int8Planes,
];

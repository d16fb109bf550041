/** Growers: which pruned positions become active. A member returns exactly `count` distinct candidates, ascending. */
import type { Grower } from "../types.js";
import { gradientGrower } from "./gradient.js";
import { randomGrower } from "./random.js";

export * from "./gradient.js";
export * from "./random.js";

/** Every grower by name. */
export const growers: Readonly<Record<string, Grower>> = { random: randomGrower, gradient: gradientGrower };

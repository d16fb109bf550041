/** Penalties: terms added to the loss, each with value, (sub)gradient and proximal step. */
import type { Penalty } from "../types.js";
import { l1, l2 } from "./elementwise.js";
import { groupLasso } from "./group-lasso.js";

export * from "./elementwise.js";
export * from "./group-lasso.js";

/** Every penalty by name, of its strength. */
export const penalties: Readonly<Record<string, (lambda: number) => Penalty>> = { l1, l2, "group-lasso": groupLasso };

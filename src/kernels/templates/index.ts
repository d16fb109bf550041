/** Every kernel template of the engine's module, in the order that numbers the kernels. */
import type { Flavor, Template } from "./emit.js";
import { copies } from "./copy.js";

export const templates: readonly ((flavor: Flavor) => Template)[] = [copies];

/** Layers as records: params with their first values, and a function that applies them in a trace. */
export * from "./attention.js";
export * from "./dense.js";
export * from "./initialise.js";
export * from "./module.js";
export * from "./norm.js";
export * from "./plain.js";
export * from "./recurrent.js";

/** Errors, seeded random numbers, shapes, trees, option checks: what every layer may import. */
export * from "./checks.js";
export * from "./errors.js";
export * from "./half.js";
export * from "./rng.js";
export * from "./tensor.js";
export * from "./tree.js";

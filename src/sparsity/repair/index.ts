/** Repair: new values for the weights that stay, from second moments of calibration activations. */
export * from "./cholesky.js";
export * from "./least-squares.js";
export * from "./sparse-gpt.js";
export type { LayerMoments } from "./types.js";

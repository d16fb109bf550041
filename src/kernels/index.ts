/** The WebAssembly kernels: loading, memory, plans, threads. What each kernel computes stands in reference/. */
export { chooseInt8 } from "./choose-int8.js";
export * from "./clock.js";
export { build as kernelBuild, signatures } from "./generated/signatures.js";
export * from "./kinds.js";
export * from "./loader.js";
export * from "./memory.js";
export * from "./plan-writer.js";
export type { Views } from "./reference/views.js";
export type { Flavor } from "./templates/emit.js";
export { GEMM_TILES } from "./templates/gemm.js";
export { type Int8Flavor, MADD_SUM } from "./templates/int8/arithmetic.js";
export { PEAK_SUMS } from "./templates/misc.js";
export { GEMM_SCRATCH, MOST_TILES, PACKED_ROWS, WINOGRAD_SCRATCH, WINOGRAD_SINGLE_SCRATCH } from "./templates/sizes.js";
export { SPMM_TILES } from "./templates/spmm.js";
export { WALKING_TILES } from "./templates/walk.js";
export * from "./threads.js";
export * from "./tune.js";

/** The WebAssembly kernels: loading, memory, plans, threads. What each kernel computes stands in reference/. */
export { chooseInt8 } from "./choose-int8.js";

export { build as kernelBuild, signatures } from "./generated/signatures.js";

export * from "./kinds.js";
export * from "./loader.js";
export * from "./memory.js";
export * from "./plan-writer.js";
export type { Views } from "./reference/views.js";
export type { Flavor } from "./templates/emit.js";
export { GEMM_SCRATCH, GEMM_TILES } from "./templates/gemm.js";
export { PACKED_ROWS } from "./templates/gemv-packed.js";
export { type Int8Flavor, MADD_SUM } from "./templates/int8/arithmetic.js";
export { PEAK_CHAINS } from "./templates/misc.js";
export { SPMM_TILES, WALKING_TILES } from "./templates/spmm.js";
export * from "./templates/winograd-scratch.js";
export * from "./threads.js";
export * from "./tune.js";

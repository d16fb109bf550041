/** The IR: values, operations, tracing, differentiation, and the interpreter that defines what programs compute. */
export * from "./export/index.js";
export * from "./grad.js";
export * from "./graph.js";
export * from "./import/index.js";
export * from "./interpret.js";
export * from "./ops/index.js";
export * from "./passes/batch.js";
export * from "./passes/channel-groups.js";
export * from "./passes/check.js";
export * from "./passes/cut-channels.js";
export * from "./passes/fold-batch-norm.js";
export * from "./passes/layouts.js";
export * from "./passes/permute-channels.js";
export * from "./passes/products.js";
export * from "./passes/taps.js";
export * from "./trace.js";
export * from "./types.js";

/** `sparseland/runtime/int8`: in Node the same as `sparseland/runtime`; in a page the bundle that runs int8 models too. */
export * from "./index.js";

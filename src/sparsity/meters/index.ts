/** Meters: sparsity, bytes with index overhead, theoretical FLOPs, overlap, exploration. Fractions, never percents. */
export * from "./bytes.js";
export * from "./density.js";
export * from "./flops.js";
export * from "./overlap.js";

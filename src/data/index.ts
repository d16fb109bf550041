/** Datasets and loaders; files and network are arguments. What touches them in Node is exported by `index.node.ts`. */
export * from "./augment.js";
export * from "./dataset.js";
export * from "./loader.js";
export * from "./prefetch.js";
export * from "./resize.js";
export * from "./sources.js";
export * from "./tables.js";

/** Load a model file and run it: dense or sparse per layer by measured time. */

export type { Int8Stored } from "./int8-file.js";
export * from "./layer-times.js";
export { type LayerTiming, leastMs, timeLayers } from "./layers.js";
export * from "./model-file.js";
export * from "./session.js";

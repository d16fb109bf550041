/** Optimisers as init + update over traced values, learning-rate schedules, gradient clipping. */
export * from "./adam.js";
export * from "./clip.js";
export * from "./optimizer.js";
export * from "./schedules.js";
export * from "./sgd.js";

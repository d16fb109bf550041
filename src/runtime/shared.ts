/** What both entries export: Node's and the browser's. */
export type { Effort } from "./duel.js";
export { SessionError, SourceError } from "./errors.js";
export type { Int8Stored } from "./int8-file.js";
export type { Inputs, InputValue, ModelSpecs, TensorSpec } from "./io.js";
export * from "./layer-times.js";
export { type LayerTiming, leastMs, timeLayers } from "./layers.js";
export type { AsyncSession, LoadOptions, Runtime, RuntimeOptions } from "./load.js";
export * from "./model-file.js";
export type { EngineFacts, KernelChoice, Outputs } from "./protocol.js";
export * from "./session.js";
export type { LoadProgress, ModelSource, SourceOptions } from "./source.js";
export type { LayerTimes, MeasuredTimings, TimingStore } from "./timings.js";

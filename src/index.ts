/**
 * Sparseland: find, train, prune and run sparse neural networks.
 *
 * This entry is the main road: a model, a method, training, a file, a session. Everything else is in the subpaths:
 * `sparseland/core`, `/formats`, `/kernels`, `/program`, `/engine`, `/nn`, `/optim`, `/sparsity`, `/data`, `/models`, `/train`,
 * `/methods`, `/runtime`, and what reads files or the network in Node under `sparseland/data/node`.
 */
export { createRng, InputError, type Rng, type Tensor, type Tree, tensor } from "./core/index.js";
export { createEngine, type Engine, type EngineOptions } from "./engine/index.js";
export { methods } from "./methods/index.js";
export { createModel, inferenceProgram, type Model, models } from "./models/index.js";
export { adam, adamW, constantRate, cosineRate, type Optimizer, sgd, warmUp } from "./optim/index.js";
export { anyBatch, type Program, trace, type Value } from "./program/index.js";
export { createSession, type ModelFile, packModel, readModel, type Session, writeModel } from "./runtime/index.js";
export type { Mask, MethodCard, Updater } from "./sparsity/index.js";
export { type TrainEvent, type Trained, type TrainOptions, train } from "./train/index.js";

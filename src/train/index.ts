/** The loop joining model, optimiser and method; evaluation; checkpoints. */
export * from "./checkpoint.js";
export * from "./hessian-gradient.js";
export {
  CSR_DENSITY,
  createHolder,
  type Evaluation,
  type Holder,
  type HolderOptions,
  type Snapshot,
  type StorageChoice,
} from "./holder.js";
export * from "./metrics/index.js";
export {
  evaluationProgram,
  gradientProgram,
  maskPath,
  type ProgramSpec,
  type Storage,
  trainingProgram,
  trainingSpecs,
} from "./programs.js";
export * from "./prune/index.js";
export * from "./quantise.js";
export { type EncoderBags, type EncoderTraining, trainSparseEncoder } from "./sparse-encoder.js";
export { paramInfos, requireFit, sparsityOf, type TrainEvent, type Trained, type TrainOptions, train } from "./train.js";

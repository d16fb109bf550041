/** One-shot pruning of trained programs: weights, channels, repair, batch-norm re-estimation, fine-tuning. */
export { reestimateBatchNorm } from "./batch-norm.js";
export { type Calibration, calibrationOf, storeOf } from "./calibration.js";
export { type CutChannelsOptions, type CutProgram, type CutUnit, pruneChannels } from "./channels.js";
export { accuracyOf } from "./evaluate.js";
export { type FineTuneOptions, fineTune, fixedMasks } from "./fine-tune.js";
export { type LayerChoice, type LayerRule, type PruneLayer, pruneLayers } from "./layers.js";
export type { PruneMethod, PrunePattern } from "./masks.js";
export { modelOfProgram } from "./program-model.js";
export { type PrunedLayer, type PrunedProgram, type PruneProgramOptions, pruneProgram, type Repair } from "./prune-program.js";
export { type RearrangeChannelsOptions, type RearrangedProgram, rearrangeChannels } from "./rearrange-channels.js";

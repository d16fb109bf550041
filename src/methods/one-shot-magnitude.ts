import { mapTree, OptionError, type Tensor, type Tree } from "../core/index.js";
import {
  bornOf,
  cadence,
  fullMask,
  type MethodCard,
  magnitude,
  oneShot,
  type ParamInfo,
  type Pattern,
  prunableOf,
  type SplitName,
  scoresOf,
  selectMasks,
  splitSparsity,
  type Updater,
} from "../sparsity/index.js";
import { type OptionsSchema, readOptions, shared } from "./options.js";

/** Options of `oneShotMagnitude`. */
export interface OneShotMagnitudeOptions {
  /** In [0, 1). With a pattern of N:M it must be 1 - keep / of. */
  readonly sparsity: number;
  /** Step at which to prune. 0 (default) prunes at initialisation: for weights that are trained already. */
  readonly at?: number;
  /** Default `uniform`. */
  readonly distribution?: SplitName;
  readonly pattern?: Pattern;
  readonly exclude?: readonly string[];
}

/** The options of `oneShotMagnitude` as data. */
export const oneShotMagnitudeSchema: OptionsSchema = {
  sparsity: shared.sparsity,
  at: {
    type: "integer",
    doc: "step at which to prune; 0 = before the first step (weights already trained)",
    default: 0,
    minimum: 0,
  },
  distribution: shared.distributionOrGlobal("uniform"),
  pattern: shared.pattern,
  exclude: shared.exclude,
};

/** The card of `oneShotMagnitude`. */
export const oneShotMagnitudeCard: MethodCard = {
  name: "one-shot-magnitude",
  title: "prunes the smallest weights once, then retrains under the mask",
  paper: {
    citation: "Han et al. 2015, Learning both Weights and Connections for Efficient Neural Networks",
    id: "arXiv:1506.02626",
  },
  axes: {
    sparse: "weights",
    pattern: "any",
    decided: "after training",
    path: "dense-to-sparse",
    overTime: "static",
    criterion: "magnitude",
    distribution: "uniform (option: uniform+, er, erk, erk+, global)",
    schedule: "one-shot, at a stated step",
    ranking: "by distribution",
    information: "trained weights",
  },
  excluded: "biases, normalisation, and what the option exclude names",
  optimiserState: "masked entries stay 0 after pruning: weights are masked after every step",
};

/**
 * One-shot magnitude pruning, with whatever training follows as retraining.
 *
 *     at step T, per tensor: keep the (1 - s_l) N_l weights of greatest |w|
 *
 * Differs from the paper: exact counts instead of a threshold of the standard deviation.
 *
 * Han et al. 2015, arXiv:1506.02626, section 3.
 * @throws OptionError when an option is outside its range, or `at` is not before the last step
 */
export function oneShotMagnitude(options: OneShotMagnitudeOptions): Updater<undefined> {
  const read = readOptions<Required<OneShotMagnitudeOptions>>("one-shot-magnitude", oneShotMagnitudeSchema, options);
  const { sparsity, at, distribution, pattern, exclude } = read;
  const prune = (params: Tree<Tensor>, infos: Tree<ParamInfo>) => {
    const scores = scoresOf(params, infos, magnitude);
    return selectMasks(pattern, scores, infos, splitSparsity(distribution, pattern, infos, sparsity, scores));
  };
  return {
    name: "one-shot-magnitude",
    card: oneShotMagnitudeCard,
    needsGradients: false,
    maskedValues: "zero",
    targetSparsity: oneShot({ to: sparsity, at }),
    init({ params, infos, steps }) {
      if (steps !== undefined && at >= steps)
        throw new OptionError("one-shot-magnitude.at", `a step before the last one (there are ${steps})`, at);
      const prunable = prunableOf("one-shot-magnitude", infos, exclude);
      return { masks: at > 0 ? mapTree(prunable, ({ shape }) => fullMask(shape)) : prune(params, prunable) };
    },
    isDue: cadence({ every: Number.MAX_SAFE_INTEGER, also: at }),
    update({ params, infos, masks }) {
      const next = prune(params, prunableOf("one-shot-magnitude", infos, exclude));
      return { masks: next, born: bornOf(next, masks) };
    },
  };
}

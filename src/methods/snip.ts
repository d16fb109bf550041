import { filterTree, InputError, mapTree } from "../core/index.js";
import {
  countKept,
  keepCount,
  type MethodCard,
  prunableOf,
  randomMasks,
  selectGlobal,
  snipScores,
  staticMasks,
  type Updater,
} from "../sparsity/index.js";
import { type OptionsSchema, readOptions, shared } from "./options.js";

/** Options of `snip`. */
export interface SnipOptions {
  /** s, in [0, 1). */
  readonly sparsity: number;
  /**
   * `scored` (default): the mask that SNIP chooses. `random`: keeps only its layer-wise ratios and draws the positions anew
   * (SNIP ratio of Liu et al. 2022), so the data says nothing about positions.
   */
  readonly positions?: "scored" | "random";
  readonly exclude?: readonly string[];
}

/** The options of `snip` as data. */
export const snipSchema: OptionsSchema = {
  sparsity: shared.sparsity,
  positions: {
    type: "choice",
    doc: "scored: the highest sensitivities; random: the same number per tensor at random positions (SNIP ratio)",
    default: "scored",
    choices: ["scored", "random"],
  },
  exclude: shared.exclude,
};

/** The card of `snip`. */
export const snipCard: MethodCard = {
  name: "snip",
  title: "pruning at initialisation by connection sensitivity on one batch",
  paper: { citation: "Lee et al. 2019, SNIP: Single-shot Network Pruning based on Connection Sensitivity", id: "arXiv:1810.02340" },
  axes: {
    sparse: "weights",
    pattern: "unstructured",
    decided: "before training",
    path: "sparse-to-sparse",
    overTime: "static",
    criterion: "snip",
    distribution: "global",
    schedule: "one-shot, before the first step",
    ranking: "global",
    information: "gradients",
  },
  excluded: "biases, normalisation, and what the option exclude names",
  optimiserState: "masked entries stay 0: weights are masked after every step",
};

/**
 * SNIP: a static mask from one calibration batch.
 *
 *     s_j = |w_j dL/dw_j| / sum_k |w_k dL/dw_k|;  keep the (1 - s) N greatest over the whole network
 *
 * Differs from the paper: at least one weight of every tensor stays (no layer collapse).
 *
 * Lee et al. 2019, arXiv:1810.02340, algorithm 1.
 * @throws OptionError when an option is outside its range
 * @throws InputError (from init) when no calibration gradients are given or all are zero
 */
export function snip(options: SnipOptions): Updater<undefined> {
  const { sparsity, positions, exclude } = readOptions<Required<SnipOptions>>("snip", snipSchema, options);
  return {
    name: "snip",
    card: snipCard,
    needsGradients: false,
    maskedValues: "zero",
    targetSparsity: () => sparsity,
    async init({ params, infos, rng, gradients }) {
      if (!gradients)
        throw new InputError("snip: init needs `gradients`, a function that gives dense gradients on a calibration batch");
      const prunable = prunableOf("snip", infos, exclude);
      const weights = filterTree(params, (_, path) => path in prunable);
      const missing = Object.keys(prunable).find((path) => !(path in weights));
      if (missing) throw new InputError(`snip: there is no parameter ${missing}`);
      const scores = snipScores(weights, await gradients());
      const n = Object.values(scores).reduce((total, score) => total + score.length, 0);
      const masks = selectGlobal(
        mapTree(prunable, ({ shape }, path) => ({ shape, score: scores[path]! })),
        keepCount(n, sparsity),
      );
      return { masks: positions === "scored" ? masks : randomMasks(prunable, mapTree(masks, countKept), rng) };
    },
    ...staticMasks,
  };
}

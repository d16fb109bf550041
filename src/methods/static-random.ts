import { mapTree, sizeOf, type Tree } from "../core/index.js";
import {
  bernoulliMask,
  countsFor,
  type DistributionName,
  distributions,
  type MethodCard,
  type ParamInfo,
  prunableOf,
  randomMasks,
  staticMasks,
  type Updater,
} from "../sparsity/index.js";
import { type OptionsSchema, readOptions, shared } from "./options.js";

/** Options of `staticRandom`. */
export interface StaticRandomOptions {
  /** s = 1 - d, in [0, 1). */
  readonly sparsity: number;
  /** Default `erk`. */
  readonly distribution?: DistributionName;
  /** `exact` draws exactly the counted positions (default); `bernoulli` each one by chance, as the official code does. */
  readonly sampler?: "exact" | "bernoulli";
  readonly exclude?: readonly string[];
}

/** The options of `staticRandom` as data. */
export const staticRandomSchema: OptionsSchema = {
  sparsity: shared.sparsity,
  distribution: shared.distribution("erk"),
  sampler: {
    type: "choice",
    doc: "exact: the counted positions; bernoulli: each position by chance",
    default: "exact",
    choices: ["exact", "bernoulli"],
  },
  exclude: shared.exclude,
};

/** The card of `staticRandom`. */
export const staticRandomCard: MethodCard = {
  name: "static-random",
  title: "a random mask drawn once before training and never changed",
  paper: { citation: "Liu et al. 2022, The Unreasonable Effectiveness of Random Pruning", id: "arXiv:2202.02643" },
  axes: {
    sparse: "weights",
    pattern: "unstructured",
    decided: "before training",
    path: "sparse-to-sparse",
    overTime: "static",
    criterion: "random",
    distribution: "erk (option: uniform, uniform+, er, erk+)",
    schedule: "one-shot, before the first step",
    ranking: "by distribution",
    information: "none",
  },
  excluded: "biases, normalisation, and what the option exclude names",
  optimiserState: "masked entries stay 0: weights are masked after every step",
};

/**
 * Static sparse training under a random mask.
 *
 *     d_l from the distribution; draw round(d_l N_l) positions of each tensor (total exact); train under that mask
 *
 * The dense initialisation scale is kept. Differs from the official code: exact counts by default.
 *
 * Liu et al. 2022, arXiv:2202.02643, section 3.
 * @throws OptionError when an option is outside its range
 */
export function staticRandom(options: StaticRandomOptions): Updater<undefined> {
  const { sparsity, distribution, sampler, exclude } = readOptions<Required<StaticRandomOptions>>(
    "static-random",
    staticRandomSchema,
    options,
  );
  const counts = (infos: Tree<ParamInfo>) =>
    countsFor(prunableOf("static-random", infos, exclude), distributions[distribution], sparsity);
  return {
    name: "static-random",
    card: staticRandomCard,
    needsGradients: false,
    maskedValues: "zero",
    targetSparsity: () => sparsity,
    init({ infos, rng }) {
      if (sampler === "exact") return { masks: randomMasks(infos, counts(infos), rng) };
      return {
        masks: mapTree(counts(infos), (keep, path) => {
          const { shape } = infos[path]!;
          return bernoulliMask(shape, keep / sizeOf(shape), rng.split(path));
        }),
      };
    },
    counts,
    ...staticMasks,
  };
}

import { mapTree, type Tree } from "../core/index.js";
import {
  cadence,
  countsFor,
  type DistributionName,
  distributions,
  dropAndGrow,
  dropLeast,
  dropLeastPerSign,
  type MethodCard,
  type ParamInfo,
  prunableOf,
  randomGrower,
  randomMasks,
  rewireRandom,
  type Updater,
} from "../sparsity/index.js";
import { type OptionsSchema, readOptions, shared } from "./options.js";

/** Options of `set`. */
export interface SetOptions {
  /** s, in [0, 1). */
  readonly sparsity: number;
  /** Steps between topology updates (the paper: one epoch). Default 100. */
  readonly every?: number;
  /** Step before which updates stop. Default: never. */
  readonly until?: number;
  /** zeta: share of active weights replaced per update, in [0, 1]. Default 0.3. */
  readonly dropFraction?: number;
  /** `per sign` (default, the paper's): smallest positive and largest negative apart. `magnitude`: least |w|. */
  readonly drop?: "per sign" | "magnitude";
  /** Default `er`. */
  readonly distribution?: DistributionName;
  readonly exclude?: readonly string[];
}

/** The options of `set` as data. */
export const setSchema: OptionsSchema = {
  sparsity: shared.sparsity,
  every: { type: "integer", doc: "steps between topology updates (the paper: one epoch)", default: 100, minimum: 1 },
  until: { type: "integer", doc: "step before which updates stop; omitted = never", minimum: 1, optional: true },
  dropFraction: { type: "number", doc: "share of active weights replaced per update (zeta)", default: 0.3, minimum: 0, maximum: 1 },
  drop: {
    type: "choice",
    doc: "per sign: the fraction of the smallest positive and of the largest negative weights; magnitude: of least |w|",
    default: "per sign",
    choices: ["per sign", "magnitude"],
  },
  distribution: shared.distribution("er"),
  exclude: shared.exclude,
};

/** The card of `set`. */
export const setCard: MethodCard = {
  name: "set",
  title: "sparse training that drops the weights nearest zero and grows random ones",
  paper: {
    citation: "Mocanu et al. 2018, Scalable training of artificial neural networks with adaptive sparse connectivity",
    id: "arXiv:1707.04780",
  },
  axes: {
    sparse: "weights",
    pattern: "unstructured",
    decided: "during training",
    path: "sparse-to-sparse",
    overTime: "dynamic",
    criterion: "drop: nearest zero per sign (option: magnitude); grow: random",
    distribution: "er (option: uniform, uniform+, erk, erk+)",
    schedule: "constant sparsity; every given number of steps, constant drop fraction",
    ranking: "per layer",
    information: "weights",
  },
  excluded: "biases, normalisation, and what the option exclude names",
  optimiserState: "masked entries stay 0; slots of newly active weights are cleared",
};

/**
 * SET: sparse evolutionary training.
 *
 *     start from Erdos-Renyi random masks; every epoch, per tensor:
 *       drop the fraction zeta of the smallest positive and of the largest negative weights
 *       grow as many at random pruned positions, starting from zero
 *
 * Differs from the paper: newly active weights start at zero (the official code draws them at random); weights dropped in an
 * update are not grown in the same update; the sparsity is given directly (the paper's epsilon follows from it).
 *
 * Mocanu et al. 2018, arXiv:1707.04780, algorithm 1.
 * @throws OptionError when an option is outside its range
 */
export function set(options: SetOptions): Updater<undefined> {
  const read = readOptions<Required<Omit<SetOptions, "until">> & Pick<SetOptions, "until">>("set", setSchema, options);
  const { sparsity, every, until = Number.POSITIVE_INFINITY, dropFraction, distribution, exclude } = read;
  const drop = read.drop === "magnitude" ? dropLeast : dropLeastPerSign;
  const counts = (infos: Tree<ParamInfo>) => countsFor(prunableOf("set", infos, exclude), distributions[distribution], sparsity);
  return {
    name: "set",
    card: setCard,
    needsGradients: false,
    maskedValues: "zero",
    targetSparsity: () => sparsity,
    init: ({ infos, rng }) => ({ masks: randomMasks(infos, counts(infos), rng) }),
    counts,
    isDue: cadence({ every, until }),
    update({ step, params, masks, rng }) {
      const stream = rng.split(step);
      const done = mapTree(masks, (mask, path) =>
        dropAndGrow({ mask, weight: params[path]!, fraction: dropFraction, drop, grow: randomGrower, rng: stream.split(path) }),
      );
      return { masks: mapTree(done, ({ mask }) => mask), born: mapTree(done, ({ born }) => born) };
    },
    rewire: ({ step, path, csr, values, rng }) =>
      rewireRandom({ csr, values, fraction: dropFraction, drop, rng: rng.split(step).split(path) }),
  };
}

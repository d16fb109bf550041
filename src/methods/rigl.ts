import { InputError, mapTree } from "../core/index.js";
import {
  cadence,
  cosineDecay,
  countsFor,
  type DistributionName,
  distributions,
  dropAndGrow,
  gradientGrower,
  type MethodCard,
  prunableOf,
  randomMasks,
  type Updater,
} from "../sparsity/index.js";
import { type OptionsSchema, readOptions, shared } from "./options.js";

/** Options of `rigl`. */
export interface RigLOptions {
  /** s, in [0, 1). */
  readonly sparsity: number;
  /** T_end: step before which the topology changes (the paper: 75 % of training). */
  readonly until: number;
  /** dT: steps between topology updates. Default 100. */
  readonly every?: number;
  /** alpha: drop fraction at step 0, annealed to 0 by a cosine, in [0, 1]. Default 0.3. */
  readonly dropFraction?: number;
  /** Default `erk`. */
  readonly distribution?: DistributionName;
  readonly exclude?: readonly string[];
}

/** The options of `rigl` as data. */
export const riglSchema: OptionsSchema = {
  sparsity: shared.sparsity,
  until: { type: "integer", doc: "step before which the topology changes (T_end; the paper: 75 % of training)", minimum: 1 },
  every: { type: "integer", doc: "steps between topology updates (dT)", default: 100, minimum: 1 },
  dropFraction: { type: "number", doc: "drop fraction at step 0, annealed to 0 (alpha)", default: 0.3, minimum: 0, maximum: 1 },
  distribution: shared.distribution("erk"),
  exclude: shared.exclude,
};

/** The card of `rigl`. */
export const riglCard: MethodCard = {
  name: "rigl",
  title: "sparse training that drops by magnitude and grows by dense gradient",
  paper: { citation: "Evci et al. 2020, Rigging the Lottery: Making All Tickets Winners", id: "arXiv:1911.11134" },
  axes: {
    sparse: "weights",
    pattern: "unstructured",
    decided: "during training",
    path: "sparse-to-sparse",
    overTime: "dynamic",
    criterion: "drop: magnitude; grow: gradient-magnitude",
    distribution: "erk (option: uniform, uniform+, er, erk+)",
    schedule: "constant sparsity; every dT steps until T_end, drop fraction by cosine decay",
    ranking: "per layer",
    information: "gradients",
  },
  excluded: "biases, normalisation, and what the option exclude names",
  optimiserState: "masked entries stay 0; slots of newly active weights are cleared",
};

/**
 * RigL: sparse training that drops by magnitude and grows by dense gradient.
 *
 *     every dT steps, per tensor, with f = alpha/2 * (1 + cos(pi * t / T_end)):
 *       drop the floor(f * live) live weights of least |w|
 *       grow as many dead weights of greatest |dL/dw|, starting from zero
 *
 * A weight dropped in an update may be grown back in it; it then keeps its value and is not born.
 *
 * Evci et al. 2020, arXiv:1911.11134, algorithm 1.
 * @throws OptionError when an option is outside its range
 * @throws InputError (from update) when a dense gradient is missing
 */
export function rigl(options: RigLOptions): Updater<undefined> {
  const { sparsity, until, every, dropFraction, distribution, exclude } = readOptions<Required<RigLOptions>>(
    "rigl",
    riglSchema,
    options,
  );
  const fractionAt = cosineDecay(dropFraction, until);
  return {
    name: "rigl",
    card: riglCard,
    needsGradients: true,
    maskedValues: "zero",
    targetSparsity: () => sparsity,
    init({ infos, rng }) {
      const prunable = prunableOf("rigl", infos, exclude);
      return { masks: randomMasks(prunable, countsFor(prunable, distributions[distribution], sparsity), rng) };
    },
    isDue: cadence({ every, until }),
    update({ step, params, grads, masks, rng }) {
      const done = mapTree(masks, (mask, path) => {
        const gradient = grads?.[path];
        if (!gradient)
          throw new InputError(`rigl: step ${step} has no dense gradient of ${path}; the trainer must compute one when isDue`);
        return dropAndGrow({
          mask,
          weight: params[path]!,
          gradient,
          fraction: fractionAt(step),
          grow: gradientGrower,
          rng,
          regrow: true,
        });
      });
      return { masks: mapTree(done, ({ mask }) => mask), born: mapTree(done, ({ born }) => born) };
    },
  };
}

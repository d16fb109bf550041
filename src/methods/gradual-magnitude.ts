import { mapTree, OptionError, type Tensor, type Tree } from "../core/index.js";
import {
  bornOf,
  cadence,
  type Mask,
  type MethodCard,
  magnitude,
  type ParamInfo,
  type Pattern,
  polynomial,
  prunableOf,
  type SplitName,
  scoresOf,
  selectMasks,
  splitSparsity,
  type Updater,
} from "../sparsity/index.js";
import { type OptionsSchema, readOptions, shared } from "./options.js";

/** Options of `gradualMagnitude`. Steps count from 0. */
export interface GradualMagnitudeOptions {
  /** s_f, in [0, 1). */
  readonly sparsity: number;
  /** s_i, in [0, sparsity]. Default 0. */
  readonly initialSparsity?: number;
  /** t0: step at which sparsity starts to rise. Default 0. */
  readonly begin?: number;
  /** t0 + n dt: step at which s_f is reached, whether or not `every` divides the interval. */
  readonly end: number;
  /** dt: steps between updates. Default 100. */
  readonly every?: number;
  /** Default 3 (cubic); 1 = linear. */
  readonly exponent?: number;
  /**
   * `stored values` (default, the paper's): pruned weights keep their value outside the forward pass and compete in every ranking,
   * so one can come back. `frozen`: pruned weights are zeroed and stay pruned, so masks are nested.
   */
  readonly ranking?: "frozen" | "stored values";
  /** Default `uniform`. */
  readonly distribution?: SplitName;
  readonly pattern?: Pattern;
  readonly exclude?: readonly string[];
}

/** The options of `gradualMagnitude` as data. */
export const gradualMagnitudeSchema: OptionsSchema = {
  sparsity: shared.sparsity,
  initialSparsity: { type: "number", doc: "sparsity before begin (s_i)", default: 0, minimum: 0, maximum: 1, belowMaximum: true },
  begin: { type: "integer", doc: "step at which sparsity starts to rise (t0)", default: 0, minimum: 0 },
  end: { type: "integer", doc: "step at which the target is reached (t0 + n dt), after begin", minimum: 1 },
  every: { type: "integer", doc: "steps between mask updates (dt)", default: 100, minimum: 1 },
  exponent: { type: "number", doc: "exponent of the polynomial; 3 = cubic, 1 = linear", default: 3, minimum: 1e-3, maximum: 100 },
  ranking: {
    type: "choice",
    doc: "stored values: pruned weights keep their value and may come back; frozen: masks are nested",
    default: "stored values",
    choices: ["frozen", "stored values"],
  },
  distribution: shared.distributionOrGlobal("uniform"),
  pattern: shared.pattern,
  exclude: shared.exclude,
};

/** The card of `gradualMagnitude`. */
export const gradualMagnitudeCard: MethodCard = {
  name: "gradual-magnitude",
  title: "raises sparsity along a cubic curve during training, pruning the smallest weights",
  paper: { citation: "Zhu & Gupta 2017, To prune, or not to prune", id: "arXiv:1710.01878" },
  axes: {
    sparse: "weights",
    pattern: "any",
    decided: "during training",
    path: "dense-to-sparse",
    overTime: "static",
    criterion: "magnitude",
    distribution: "uniform (option: uniform+, er, erk, erk+, global)",
    schedule: "cubic (option: another exponent), every dt steps from begin to end, then constant",
    ranking: "per layer",
    information: "weights",
  },
  excluded: "biases, normalisation, and what the option exclude names (the paper: first convolution and depthwise of MobileNet)",
  optimiserState: "masked entries get no gradient; slots of weights that come back are cleared",
};

/**
 * Gradual magnitude pruning.
 *
 *     s_t = s_f + (s_i - s_f) (1 - (t - t0) / (n dt))^3      at t = t0, t0 + dt, ..., and at the end step
 *     per tensor: keep the (1 - s_t) N weights of greatest |w|
 *
 * With a distribution other than uniform each tensor's sparsity rises in proportion to its final one; `global` ranks anew each time.
 * Differs from the contrib code: an exact k-th value instead of a smoothed histogram threshold.
 *
 * Zhu & Gupta 2017, arXiv:1710.01878, eq. 1 and section 3.
 * @throws OptionError when an option is outside its range, `end` is not after `begin`, or not before the number of steps
 */
export function gradualMagnitude(options: GradualMagnitudeOptions): Updater<undefined> {
  const read = readOptions<Required<GradualMagnitudeOptions>>("gradual-magnitude", gradualMagnitudeSchema, options);
  const { sparsity, initialSparsity, begin, end, every, exponent, ranking, distribution, pattern, exclude } = read;
  if (end <= begin) throw new OptionError("gradual-magnitude.end", `a step after begin (${begin})`, end);
  if (initialSparsity > sparsity)
    throw new OptionError("gradual-magnitude.initialSparsity", `at most sparsity (${sparsity})`, initialSparsity);
  if (pattern.kind === "nm")
    throw new OptionError("gradual-magnitude.pattern", "a pattern whose sparsity can rise (N:M fixes it)", pattern);
  const curve = polynomial({ from: initialSparsity, to: sparsity, begin, end, exponent });
  const isDue = cadence({ begin, every, until: end, also: end });
  /** The sparsity of the last update at or before a step. */
  const reached = (step: number) =>
    step >= end ? sparsity : step < begin ? initialSparsity : curve(step - ((step - begin) % every));

  const prune = (step: number, params: Tree<Tensor>, infos: Tree<ParamInfo>, masks?: Tree<Mask>) => {
    const prunable = prunableOf("gradual-magnitude", infos, exclude);
    const scores = scoresOf(params, prunable, magnitude, ranking === "frozen" ? masks : undefined);
    const now = reached(step);
    const global = distribution === "global";
    const ratios = splitSparsity(distribution, pattern, prunable, global ? now : sparsity, scores);
    const share = global || sparsity === 0 ? 1 : now / sparsity;
    return selectMasks(
      pattern,
      scores,
      prunable,
      mapTree(ratios, (s) => s * share),
    );
  };
  return {
    name: "gradual-magnitude",
    card: gradualMagnitudeCard,
    needsGradients: false,
    maskedValues: ranking === "frozen" ? "zero" : "stored",
    targetSparsity: reached,
    init({ params, infos, steps }) {
      if (steps !== undefined && end >= steps) {
        throw new OptionError(
          "gradual-magnitude.end",
          `a step before the last one (there are ${steps}), or the target is never reached`,
          end,
        );
      }
      return { masks: prune(0, params, infos) };
    },
    isDue,
    update({ step, params, infos, masks }) {
      const next = prune(step, params, infos, masks);
      return { masks: next, born: bornOf(next, masks) };
    },
  };
}

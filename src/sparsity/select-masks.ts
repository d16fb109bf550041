import { InputError, mapTree, ShapeError, sameShape, type Tensor, type Tree } from "../core/index.js";
import { globalBy } from "./distributions/global.js";
import { type DistributionName, distributions } from "./distributions/index.js";
import { selectMask } from "./patterns/index.js";
import type { Criterion, Mask, ParamInfo, Pattern } from "./types.js";

/** A distribution by name, or one ranking over the whole network. */
export type SplitName = DistributionName | "global";

/**
 * Scores of every listed weight.
 *
 * @param weights   must hold every path of `infos`, with the same shape
 * @param criterion higher = keep
 * @param within    masks: positions outside rank last, so that what is selected is nested in them
 * @throws InputError when a weight is missing or NaN, ShapeError when one has another shape
 */
export function scoresOf(
  weights: Tree<Tensor>,
  infos: Tree<ParamInfo>,
  criterion: Criterion,
  within?: Tree<Mask>,
): Tree<Float32Array> {
  return mapTree(infos, ({ shape }, path) => {
    const weight = weights[path];
    if (!weight) throw new InputError(`scoresOf: there is no parameter ${path}`);
    if (!sameShape(weight.shape, shape))
      throw new ShapeError(`scoresOf ${path}`, { weight: weight.shape, info: shape }, "one shape");
    const score = criterion(weight);
    const bad = score.findIndex(Number.isNaN);
    if (bad >= 0)
      throw new InputError(
        `scoresOf: ${path} has a NaN score at flat index ${bad}; check the weights for NaN (a smaller learning rate, or clipping)`,
      );
    const live = within?.[path];
    return live ? score.map((s, i) => (live.data[i] === 1 ? s : Number.NEGATIVE_INFINITY)) : score;
  });
}

/**
 * The sparsity of each tensor: by a named distribution, or `global` by one ranking of the scores
 * (a pattern of scope `global` asks for the same).
 * @throws OptionError when the budget is infeasible
 */
export function splitSparsity(
  split: SplitName,
  pattern: Pattern,
  infos: Tree<ParamInfo>,
  sparsity: number,
  scores: Tree<Float32Array>,
): Tree<number> {
  const global = split === "global" || (pattern.kind === "unstructured" && pattern.scope === "global");
  return (global ? globalBy(scores) : distributions[split])(infos, sparsity);
}

/** The masks of every tensor under a pattern, each at its own sparsity. @throws what `selectMask` throws */
export function selectMasks(
  pattern: Pattern,
  scores: Tree<Float32Array>,
  infos: Tree<ParamInfo>,
  ratios: Tree<number>,
): Tree<Mask> {
  return mapTree(ratios, (sparsity, path) => selectMask(pattern, scores[path]!, infos[path]!.shape, sparsity));
}

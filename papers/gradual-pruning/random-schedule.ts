/** Random positions on the paper's schedule: what magnitude adds beyond pruning slowly. */
import { mapTree, type Tree } from "../../src/core/index.js";
import { type GradualMagnitudeOptions, gradualMagnitude } from "../../src/methods/index.js";
import { bornOf, keepCount, type Mask, type ParamInfo, prunableOf, topK, type Updater } from "../../src/sparsity/index.js";

/**
 * Every weight draws a fixed random rank at the start; at each update the lowest ranks are pruned, so masks are nested and the
 * training says nothing about positions. Counts and cadence are those of `gradualMagnitude` with the same options.
 */
export function randomOnSchedule(
  options: Pick<GradualMagnitudeOptions, "sparsity" | "begin" | "end" | "every" | "exclude">,
): Updater<Tree<number[]>> {
  const schedule = gradualMagnitude(options);
  const select = (step: number, infos: Tree<ParamInfo>, ranks: Tree<number[]>): Tree<Mask> =>
    mapTree(prunableOf("random-schedule", infos, options.exclude), ({ shape }, path) => {
      const score = Float32Array.from(ranks[path]!);
      return { shape, data: topK(score, keepCount(score.length, schedule.targetSparsity(step))) };
    });
  return {
    ...schedule,
    name: "random-schedule",
    card: {
      ...schedule.card,
      name: "random-schedule",
      title: "raises sparsity along a cubic curve during training, pruning random weights",
      paper: null,
      axes: { ...schedule.card.axes, criterion: "random", ranking: "per layer", information: "none" },
    },
    maskedValues: "zero",
    init({ infos, rng }) {
      const state = mapTree(prunableOf("random-schedule", infos, options.exclude), ({ shape }, path) =>
        Array.from(rng.split(path).permutation(shape.reduce((a, b) => a * b, 1))),
      );
      return { masks: select(0, infos, state), state };
    },
    update({ step, infos, masks, state }) {
      const next = select(step, infos, state!);
      return { masks: next, born: bornOf(next, masks), state: state! };
    },
  };
}

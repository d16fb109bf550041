/** A static mask that something else has chosen: the way to train under any set of positions. */
import type { Tree } from "../../src/core/index.js";
import type { Mask, MethodCard, Updater } from "../../src/sparsity/index.js";
import { fixedMasks } from "../../src/train/index.js";

/** What a paper says of the masks it made. */
export type GivenCard = Pick<MethodCard, "name" | "title" | "paper"> &
  Pick<MethodCard["axes"], "criterion" | "distribution" | "ranking" | "information">;

/** Trains under the given masks; they never change. */
export function givenMasks(masks: Tree<Mask>, { name, title, paper, ...axes }: GivenCard): Updater<undefined> {
  return {
    ...fixedMasks(masks),
    name,
    card: {
      name,
      title,
      paper,
      axes: {
        sparse: "weights",
        pattern: "unstructured",
        decided: "before training",
        path: "sparse-to-sparse",
        overTime: "static",
        schedule: "one-shot, before the first step",
        ...axes,
      },
      excluded: "biases, normalisation",
      optimiserState: "masked entries stay 0: weights are masked after every step",
    },
  };
}

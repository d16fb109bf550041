/** A static mask that something else has chosen: the way to train under any set of positions. */
import { mapTree, type Tree } from "../../src/core/index.js";
import { densityOf, type Mask, type MethodCard, type Updater } from "../../src/sparsity/index.js";

/** What a paper says of the masks it made. */
export type GivenCard = Pick<MethodCard, "name" | "title" | "paper"> &
  Pick<MethodCard["axes"], "criterion" | "distribution" | "ranking" | "information">;

/** Trains under the given masks; they never change. */
export function givenMasks(masks: Tree<Mask>, { name, title, paper, ...axes }: GivenCard): Updater<undefined> {
  const { sparsity } = densityOf(masks);
  return {
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
    needsGradients: false,
    maskedValues: "zero",
    targetSparsity: () => sparsity,
    init: () => ({ masks }),
    isDue: () => false,
    update: ({ masks: held }) => ({
      masks: held,
      born: mapTree(held, ({ shape, data }) => ({ shape, data: new Uint8Array(data.length) })),
    }),
  };
}

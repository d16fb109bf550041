import { type MethodCard, staticMasks, type Updater } from "../sparsity/index.js";
import { type OptionsSchema, readOptions } from "./options.js";

/** The card of `dense`. */
export const denseCard: MethodCard = {
  name: "dense",
  title: "no mask: the baseline that every comparison needs",
  paper: null,
  axes: {
    sparse: "none",
    pattern: "none",
    decided: "never",
    path: "dense",
    overTime: "none",
    criterion: "none",
    distribution: "none",
    schedule: "none",
    ranking: "none",
    information: "none",
  },
  excluded: "everything",
  optimiserState: "untouched",
};

/** The options of `dense`: none. */
export const denseSchema: OptionsSchema = {};

/**
 * Dense training: no masks, nothing ever due.
 * @throws OptionError when an option is given
 */
export function dense(options: Readonly<Record<string, never>> = {}): Updater<undefined> {
  readOptions("dense", denseSchema, options);
  return {
    name: "dense",
    card: denseCard,
    needsGradients: false,
    maskedValues: "zero",
    targetSparsity: () => 0,
    init: () => ({ masks: {} }),
    ...staticMasks,
  };
}

/** From a recipe to what the training loop takes: model, optimiser, rate, method, data. */
import { OptionError, sizeOf } from "../../src/core/index.js";
import { type Augmentation, type Dataset, type DatasetSplits, horizontalFlip, padCrop, take } from "../../src/data/index.js";
import { loadDataset } from "../../src/data/index.node.js";
import { methods } from "../../src/methods/index.js";
import { createModel, type Model, twinOfSize } from "../../src/models/index.js";
import {
  adam,
  adamW,
  constantRate,
  cosineRate,
  type Optimizer,
  type RateSchedule,
  sgd,
  stepRate,
  warmUp,
} from "../../src/optim/index.js";
import type { Updater } from "../../src/sparsity/index.js";
import { methodOptions, smallDense } from "../recipe/method.js";
import type { PlannedEntry, Recipe } from "../recipe/recipe.js";

/** The recipe's data, cut to what it asks for. @throws InputError when the data are missing, broken, or too few for one batch */
export async function dataOf({ data, train }: Recipe, env: Readonly<Record<string, string | undefined>>): Promise<DatasetSplits> {
  const splits = await loadDataset({ name: data.set, source: data.source }, { env });
  const cut = (set: Dataset, limit: number | undefined) => (limit === undefined ? set : take(set, limit));
  const out = { train: cut(splits.train, data.train), test: cut(splits.test, data.test) };
  if (out.train.count < train.batch)
    throw new OptionError("train.batch", `at most the ${out.train.count} training examples`, train.batch);
  return out;
}

/** The recipe's network. @throws InputError when the family refuses the options */
export const modelOf = ({ model }: Recipe, data: Dataset, width?: number): Model =>
  createModel(model.family, {
    inputShape: data.shape,
    classes: data.classes,
    ...model.options,
    ...(width === undefined ? {} : { width }),
  });

/** Parameters that a network of this density has besides zeros: all that cannot be pruned, and the share of what can. */
export function nonZerosAt(model: Model, density: number): number {
  let count = 0;
  for (const { shape, kind, prunable } of Object.values(model.module.params)) {
    if (kind !== "statistic") count += prunable ? density * sizeOf(shape) : sizeOf(shape);
  }
  return Math.round(count);
}

/** The network of an entry: the recipe's, or its small dense twin. */
export function modelOfEntry(recipe: Recipe, entry: PlannedEntry, data: Dataset): Model {
  const whole = modelOf(recipe, data);
  if (entry.method !== smallDense) return whole;
  return twinOfSize((width) => modelOf(recipe, data, width), nonZerosAt(whole, entry.density ?? 1)).model;
}

/** Steps of one training. */
export const stepsOf = ({ train }: Recipe, data: Dataset): number => train.epochs * Math.floor(data.count / train.batch);

/** The optimiser; weight decay acts on weights alone, not on biases and norms. */
export function optimizerOf({ train }: Recipe, model: Model): Optimizer {
  const { name, momentum, nesterov, weightDecay: decay } = train.optimiser;
  const decays = (path: string) => model.module.params[path]?.kind === "weight";
  if (name === "sgd") return sgd({ momentum, nesterov, decay, decays });
  return name === "adam" ? adam({ decay, decays }) : adamW({ decay, decays });
}

/** The learning rate by step. `steps` falls tenfold at 50 % and 75 % of the training. */
export function rateOf({ train }: Recipe, steps: number): RateSchedule {
  const { name, rate, warmup } = train.schedule;
  const rise = Math.round(warmup * steps);
  const rest = steps - rise;
  const after =
    name === "constant"
      ? constantRate(rate)
      : name === "cosine"
        ? cosineRate(rate, { steps: rest })
        : stepRate(rate, { milestones: [Math.round(rest / 2), Math.round(0.75 * rest)] });
  return rise === 0 ? after : warmUp(rise, after);
}

/** The method of an entry; undefined for dense ones. */
export function updaterOf(entry: PlannedEntry, steps: number): Updater | undefined {
  if (entry.method === smallDense || entry.method === "dense") return undefined;
  return methods[entry.method]!.create(methodOptions(entry.method, entry.sparsity, entry.options, steps));
}

/** What is done to each training image. */
export function augmentationsOf({ data }: Recipe): Augmentation[] {
  return [...(data.shift > 0 ? [padCrop(data.shift)] : []), ...(data.flip ? [horizontalFlip()] : [])];
}

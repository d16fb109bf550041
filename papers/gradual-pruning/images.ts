/** Networks for pictures: trains one arm and measures it. */

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { InputError, sizeOf } from "../../src/core/index.js";
import { type DatasetSplits, horizontalFlip, imageFolder, padCrop } from "../../src/data/index.node.js";
import { createEngine, type Engine } from "../../src/engine/index.js";
import { gradualMagnitude, oneShotMagnitude, staticRandom } from "../../src/methods/index.js";
import { countParams, type Model, mobilenetV1 } from "../../src/models/index.js";
import { cosineRate, sgd } from "../../src/optim/index.js";
import { countKept, keepCount, prunableOf, type Updater } from "../../src/sparsity/index.js";
import { createPredictor, logitAccuracy, paramInfos, type Trained } from "../../src/train/index.js";
import type { JobContext } from "../harness/index.js";
import { costOf } from "../shared/cost.js";
import { splitsOf } from "../shared/datasets.js";
import { trainToEnd } from "../shared/training.js";
import { type ImageConfig, type Result, spanOf } from "./config.js";
import { largeMlp, smallMlp, smallMobilenet } from "./equal-size.js";
import { randomOnSchedule } from "./random-schedule.js";

/** Largest set of pictures that is held in memory, in bytes. */
const MOST_BYTES = 2 ** 32 - 1;

/** ImageNet as class folders of 224 x 224 pictures. @throws InputError when it is absent or does not fit into memory */
async function imagenet(dataFolder: string): Promise<DatasetSplits> {
  const folder = join(dataFolder, "imagenet");
  let pictures = 0;
  try {
    for (const name of await readdir(join(folder, "train"))) pictures += (await readdir(join(folder, "train", name))).length;
  } catch (error) {
    throw new InputError(
      `gradual-pruning, full scale: expected ${folder}/train/<class>/*.jpg and ${folder}/val/<class>/*.jpg of 224 x 224 pixels (${(error as Error).message}). ` +
        "Set SPARSELAND_DATA to a folder that holds imagenet/, or run --scale small.",
    );
  }
  if (pictures * 224 * 224 * 3 > MOST_BYTES) {
    throw new InputError(
      `gradual-pruning, full scale: ${pictures} pictures take ${Math.round((pictures * 150528) / 2 ** 30)} GiB, and datasets are held in memory (at most 4 GiB, 28,000 pictures). ` +
        "Give a folder with fewer pictures per class; the whole of ImageNet needs a streaming loader, which this version does not have.",
    );
  }
  return { train: await imageFolder(join(folder, "train")), test: await imageFolder(join(folder, "val")) };
}

/** The large network, its data, and how to build a twin. */
async function setUp({ data, images }: ImageConfig, dataFolder: string) {
  if (data === "fashion-mnist")
    return { splits: await splitsOf("fashion-mnist", dataFolder, images), large: largeMlp(), small: smallMlp, exclude: [] };
  const splits = await imagenet(dataFolder);
  const { shape, classes } = splits.train;
  return {
    splits,
    large: mobilenetV1({ inputShape: shape, classes }),
    small: (target: number) => smallMobilenet(target, shape, classes),
    // The paper leaves the first convolution and the depthwise ones dense.
    exclude: ["stem.conv*", "kind:depthwise"],
  };
}

/** Weights kept in all, each tensor at the same sparsity. */
function keptAt(model: Model, sparsity: number, exclude: readonly string[]): number {
  return Object.values(prunableOf("gradual-pruning", paramInfos(model), exclude)).reduce(
    (sum, { shape }) => sum + keepCount(sizeOf(shape), sparsity),
    0,
  );
}

/** Trained parameters that are not zero at a uniform sparsity: the kept weights, and all that is never pruned. */
export function nonZerosAt(model: Model, sparsity: number, exclude: readonly string[] = []): number {
  return countParams(model) - keptAt(model, 0, exclude) + keptAt(model, sparsity, exclude);
}

/** Counts what an updater lets come back. */
function watched(updater: Updater, count: { returned: number }): Updater {
  return {
    ...updater,
    update(input) {
      const updated = updater.update(input);
      for (const mask of Object.values(updated.born)) count.returned += countKept(mask);
      return updated;
    },
  };
}

/** Rounds of iterative magnitude pruning: sparsities 1 - 0.8^k up to the target. */
export function roundsTo(sparsity: number): number[] {
  const rounds: number[] = [];
  for (let density = 0.8; density > 1 - sparsity + 1e-9; density *= 0.8) rounds.push(1 - density);
  return [...rounds, sparsity];
}

/** Trains one arm from its seed. @throws InputError when data are missing */
export async function measureImages(config: ImageConfig, context: JobContext): Promise<Result> {
  const { arm, sparsity, seed, epochs, batch, rate, every } = config;
  const { splits, large, small, exclude } = await setUp(config, context.dataFolder);
  const engine = await createEngine({ threads: context.threads });
  try {
    const model = arm === "small-dense" ? small(nonZerosAt(large, sparsity, exclude)) : large;
    const steps = epochs * Math.floor(splits.train.count / batch);
    const { begin, end } = spanOf(steps);
    const count = { returned: 0 };
    const schedule = { sparsity, begin, end, every, exclude };
    const updaters: Readonly<Record<typeof arm, () => Updater | undefined>> = {
      dense: () => undefined,
      "small-dense": () => undefined,
      iterative: () => undefined,
      gradual: () => gradualMagnitude(schedule),
      "gradual-frozen": () => gradualMagnitude({ ...schedule, ranking: "frozen" }),
      linear: () => gradualMagnitude({ ...schedule, exponent: 1 }),
      "one-shot": () => oneShotMagnitude({ sparsity, at: end, exclude }),
      "random-schedule": () => randomOnSchedule(schedule),
      "static-random": () => staticRandom({ sparsity, distribution: "uniform", exclude }),
    };
    const made = updaters[arm]();
    const updater = made && watched(made, count);
    const common = {
      model,
      ...splits,
      optimizer: sgd({ momentum: 0.9, nesterov: true, decay: 1e-4 }),
      batchSize: batch,
      seed,
      ...(config.data === "imagenet" ? { augment: [padCrop(16), horizontalFlip()] } : {}),
    };
    let scheduleError = -1;
    const gradual = ["gradual", "gradual-frozen", "linear", "random-schedule"].includes(arm);
    const total = keptAt(model, 0, exclude);
    // Equation 1, written out: what the method asks for must not be judged by the method.
    const asked = (step: number) => {
      const at = Math.min(Math.floor((step - begin) / every) * every, end - begin);
      return step < begin
        ? 0
        : step >= end
          ? sparsity
          : sparsity - sparsity * (1 - at / (end - begin)) ** (arm === "linear" ? 1 : 3);
    };
    const watch = gradual
      ? ({ step, sparsity: realised }: { step: number; sparsity: number }) => {
          // An event is told after its step, when `step` counts it already.
          if (step % every === 1 || step - 1 === end)
            scheduleError = Math.max(
              scheduleError,
              Math.abs(Math.round((1 - realised) * total) - keptAt(model, asked(step - 1), exclude)),
            );
        }
      : undefined;
    const trained =
      arm === "iterative"
        ? await iterate(engine, common, { sparsity, epochs, rate, exclude }, context)
        : await trainToEnd(
            engine,
            { ...common, epochs, rate: cosineRate(rate, { steps }), updater },
            context,
            watch ? { watch } : {},
          );
    return finish(engine, model, splits, trained, { scheduleError, returned: count.returned });
  } finally {
    engine.close();
  }
}

type Common = Omit<Parameters<typeof trainToEnd>[1], "epochs" | "rate" | "updater">;

/**
 * Train, prune, retrain in rounds. Half of the epochs train the dense network, the other half is shared by the rounds; where there are
 * more rounds than epochs left, several prunings fall into one.
 */
async function iterate(
  engine: Engine,
  common: Common,
  { sparsity, epochs, rate, exclude }: { sparsity: number; epochs: number; rate: number; exclude: readonly string[] },
  context: JobContext,
): Promise<Trained> {
  const left = Math.floor(epochs / 2);
  const rounds = roundsTo(sparsity).filter((_, i, all) => all.length - i <= left);
  const share = Math.floor(left / rounds.length);
  const perEpoch = Math.floor(common.train.count / common.batchSize);
  const lengths = [epochs - share * rounds.length, ...rounds.map(() => share)];
  const whole = cosineRate(rate, { steps: epochs * perEpoch });
  let trained: Trained | undefined;
  let before = 0;
  for (const [i, length] of lengths.entries()) {
    const from = before;
    const updater = i === 0 ? undefined : oneShotMagnitude({ sparsity: rounds[i - 1]!, exclude });
    // One cosine over the whole run; each part takes up where the last one stopped.
    const part = {
      ...common,
      epochs: length,
      rate: (step: number) => whole(from * perEpoch + step),
      updater,
      seed: common.seed + 7919 * i,
    };
    trained = await trainToEnd(engine, trained ? { ...part, initial: trained.params } : part, context, {
      span: [before / epochs, (before + length) / epochs],
    });
    before += length;
  }
  return trained!;
}

function finish(
  engine: Engine,
  model: Model,
  { test }: DatasetSplits,
  { params, masks }: Trained,
  more: Pick<Result, "scheduleError" | "returned">,
): Result {
  const predictor = createPredictor(engine, model, params);
  const metric = 100 * logitAccuracy(predictor.ofDataset(test), test.labels);
  predictor.close();
  let outside = 0;
  for (const [path, mask] of Object.entries(masks))
    mask.data.forEach((kept, i) => {
      if (!kept && params[path]!.data[i] !== 0) outside++;
    });
  return { metric, ...costOf(model, masks), outside, ...more };
}

/** Trains one network under one mask and measures it. */
import { createRng, InputError, mapTree, sizeOf } from "../../src/core/index.js";
import { createLoader, type DatasetSplits, horizontalFlip, padCrop, take } from "../../src/data/index.js";
import { createEngine, type Engine } from "../../src/engine/index.js";
import { oneShotMagnitude, rigl, set, snip, staticRandom } from "../../src/methods/index.js";
import { countParams, type Model } from "../../src/models/index.js";
import { initParams } from "../../src/nn/index.js";
import { oneCycle, sgd, stepRate } from "../../src/optim/index.js";
import { countKept, densityOf, keepCount, maskHash, prunableOf, randomMasks, type Updater } from "../../src/sparsity/index.js";
import {
  auroc,
  createPredictor,
  expectedCalibrationError,
  fgsmAccuracy,
  logitAccuracy,
  maxSoftmax,
  negativeLogLikelihood,
  paramInfos,
} from "../../src/train/index.js";
import type { JobContext } from "../harness/index.js";
import { costOf } from "../shared/cost.js";
import { mnistDigits, splitsOf } from "../shared/datasets.js";
import { givenMasks } from "../shared/given-masks.js";
import { trainToEnd } from "../shared/training.js";
import type { Config, Masking, Result } from "./config.js";
import { networkOf, smallTwin } from "./network.js";
import { graspMasks, synflowMasks } from "./scored.js";

/** Examples of the tests that need more than logits. */
const ATTACKED = 2000;

async function dataOf({ data, images }: Config, dataFolder: string): Promise<DatasetSplits> {
  const splits = await splitsOf(data, dataFolder, images);
  if (data === "cifar10" && splits.train.count < 50_000) {
    throw new InputError(
      `random-pruning, full scale: the paper trains on all 50,000 pictures of CIFAR-10, ${splits.train.source} has ${splits.train.count}. Put data_batch_1.bin to data_batch_5.bin and test_batch.bin into <data>/cifar10, or run --scale small.`,
    );
  }
  return splits;
}

/** Trained parameters that are not zero at a density. */
function nonZerosAt(model: Model, density: number): number {
  const prunable = Object.values(prunableOf("random-pruning", paramInfos(model))).reduce(
    (sum, { shape }) => sum + sizeOf(shape),
    0,
  );
  return countParams(model) - prunable + keepCount(prunable, 1 - density);
}

/** The updater of a masking; `steps` is the length of the run. */
function updaterOf(
  engine: Engine,
  model: Model,
  { masking, density, seed, batch }: Config,
  { train }: DatasetSplits,
  steps: number,
): Updater | undefined {
  const sparsity = 1 - density;
  // What the training loop will begin with: the same first weights and the same first batch.
  const rng = createRng(seed);
  const params = () => initParams(model.module, rng.split("init"));
  const first = () =>
    createLoader(train, { batchSize: batch, rng: rng.split("data"), remainder: "drop" })
      .epoch(0)
      .next().value!;
  const grasp = () => graspMasks(engine, model, params(), first(), sparsity);
  const cited = { distribution: "global", ranking: "global" } as const;
  const graspCard = {
    ...cited,
    title: "pruning at initialisation by gradient signal preservation",
    paper: { citation: "Wang et al. 2020", id: "arXiv:2002.07376" },
    criterion: "grasp",
    information: "second order",
  } as const;
  const made: Readonly<Record<Masking, () => Updater | undefined>> = {
    dense: () => undefined,
    "small-dense": () => undefined,
    uniform: () => staticRandom({ sparsity, distribution: "uniform" }),
    "uniform+": () => staticRandom({ sparsity, distribution: "uniform+" }),
    er: () => staticRandom({ sparsity, distribution: "er" }),
    erk: () => staticRandom({ sparsity, distribution: "erk" }),
    "erk+": () => staticRandom({ sparsity, distribution: "erk+" }),
    "snip-ratio": () => snip({ sparsity, positions: "random" }),
    "snip-mask": () => snip({ sparsity }),
    "grasp-ratio": () =>
      givenMasks(randomMasks(paramInfos(model), mapTree(grasp(), countKept), rng.split("masks")), {
        name: "grasp-ratio",
        ...graspCard,
      }),
    "grasp-mask": () => givenMasks(grasp(), { name: "grasp-mask", ...graspCard }),
    "synflow-mask": () =>
      givenMasks(synflowMasks(engine, model, params(), sparsity), {
        name: "synflow-mask",
        ...cited,
        title: "pruning at initialisation by synaptic flow",
        paper: { citation: "Tanaka et al. 2020", id: "arXiv:2006.05467" },
        criterion: "synflow",
        information: "weights",
      }),
    "magnitude-init": () => oneShotMagnitude({ sparsity, distribution: "global" }),
    "magnitude-trained": () => oneShotMagnitude({ sparsity, distribution: "global", at: Math.round(0.6 * steps) }),
    set: () => set({ sparsity, every: Math.max(1, Math.round(steps / 20)), until: Math.round(0.75 * steps) }),
    rigl: () => rigl({ sparsity, every: Math.max(1, Math.round(steps / 20)), until: Math.round(0.75 * steps) }),
  };
  return made[masking]();
}

/** Remembers the first masks, to see whether they stay. */
function remembered(updater: Updater, seen: { hash?: string }): Updater {
  return {
    ...updater,
    async init(input) {
      const started = await updater.init(input);
      seen.hash = Object.values(started.masks).map(maskHash).join();
      return started;
    },
  };
}

/** Trains and measures one configuration. @throws InputError when data are missing */
export async function measure(config: Config, context: JobContext): Promise<Result> {
  const { network, masking, density, seed, epochs, batch, rate, schedule, robustness } = config;
  const splits = await dataOf(config, context.dataFolder);
  const { shape, classes } = splits.train;
  const large = networkOf(network, shape, classes);
  const model = masking === "small-dense" ? smallTwin(network, nonZerosAt(large, density), shape, classes) : large;
  const engine = await createEngine({ threads: context.threads });
  try {
    const perEpoch = Math.floor(splits.train.count / batch);
    const steps = epochs * perEpoch;
    const made = updaterOf(engine, model, config, splits, steps);
    const seen: { hash?: string } = {};
    const { params, masks } = await trainToEnd(
      engine,
      {
        model,
        ...splits,
        optimizer: sgd({ momentum: 0.9, nesterov: true, decay: 5e-4 }),
        rate: schedule === "paper" ? stepRate(rate, { milestones: [steps / 2, (3 * steps) / 4] }) : oneCycle(rate, { steps }),
        epochs,
        batchSize: batch,
        seed,
        updater: made && remembered(made, seen),
        ...(config.data === "cifar10" ? { augment: [padCrop(4), horizontalFlip()] } : {}),
      },
      context,
    );
    const predictor = createPredictor(engine, model, params);
    const logits = predictor.ofDataset(splits.test);
    const { labels } = splits.test;
    let [ood, fgsm] = [-1, -1];
    if (robustness) {
      fgsm = 100 * fgsmAccuracy(engine, model, params, take(splits.test, ATTACKED), 8 / 255);
      if (config.data === "fashion-mnist") {
        // The network sees strange pictures as it sees its own: in the normalisation that it was trained with.
        const digits = { ...take(await mnistDigits(context.dataFolder), ATTACKED), normalisation: splits.train.normalisation };
        ood = 100 * auroc(maxSoftmax(logits), maxSoftmax(predictor.ofDataset(digits)));
      }
    }
    predictor.close();
    const masked = Object.keys(masks).length > 0;
    let outside = 0;
    for (const [path, mask] of Object.entries(masks)) {
      for (let i = 0; i < mask.data.length; i++) if (!mask.data[i] && params[path]!.data[i] !== 0) outside++;
    }
    const kept = masked ? densityOf(masks) : undefined;
    return {
      accuracy: 100 * logitAccuracy(logits, labels),
      nll: negativeLogLikelihood(logits, labels),
      ece: 100 * expectedCalibrationError(logits, labels),
      ood,
      fgsm,
      ...costOf(model, masks),
      fixed: Object.values(masks).map(maskHash).join() === (seen.hash ?? ""),
      budgetError: kept ? kept.kept - keepCount(kept.total, 1 - density) : 0,
      outside,
      densities: mapTree(kept?.perTensor ?? {}, (s) => 1 - s),
    };
  } finally {
    engine.close();
  }
}

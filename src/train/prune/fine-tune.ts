/** Fine-tuning of a pruned program: under a fixed mask pruned weights stay zero and the others learn. */
import { requireInteger, type Tensor, type Tree } from "../../core/index.js";
import type { Augmentation, Dataset } from "../../data/index.js";
import type { Engine } from "../../engine/index.js";
import { cosineRate, sgd, warmUp } from "../../optim/index.js";
import type { BatchProgram } from "../../program/index.js";
import { densityOf, type Mask, staticMasks, type Updater } from "../../sparsity/index.js";
import { type TrainEvent, type Trained, train } from "../train.js";
import { modelOfProgram } from "./program-model.js";

/**
 * Trains under given masks that never change.
 * @throws InputError when the masks cover no weight
 */
export function fixedMasks(masks: Tree<Mask>): Updater<undefined> {
  const { sparsity } = densityOf(masks);
  return {
    name: "fixed-masks",
    card: {
      name: "fixed-masks",
      title: "trains under masks that are given and never change",
      paper: {
        citation: "Han et al. 2015, Learning both Weights and Connections for Efficient Neural Networks",
        id: "arXiv:1506.02626",
      },
      axes: {
        sparse: "weights",
        pattern: "any",
        decided: "after training",
        path: "dense-to-sparse",
        overTime: "static",
        criterion: "given",
        distribution: "given",
        schedule: "one-shot, before the first step",
        ranking: "none",
        information: "trained weights",
      },
      excluded: "what the masks do not cover",
      optimiserState: "masked entries stay 0: weights are masked after every step",
    },
    needsGradients: false,
    maskedValues: "zero",
    targetSparsity: () => sparsity,
    init: () => ({ masks }),
    ...staticMasks,
  };
}

/** Options of `fineTune`. */
export interface FineTuneOptions {
  readonly engine: Engine;
  readonly program: BatchProgram;
  readonly params: Tree<Tensor>;
  /** Masks to keep. Omitted with `updater`; empty trains a dense (cut) network. */
  readonly masks?: Tree<Mask>;
  /** A method in place of fixed masks, such as gradual pruning. */
  readonly updater?: Updater;
  readonly train: Dataset;
  readonly test: Dataset;
  /** At least 1. */
  readonly epochs: number;
  /** Default 128. */
  readonly batchSize?: number;
  /** Highest learning rate of SGD with momentum 0.9 (cosine to 0 after a warm-up of one twentieth of the steps); default 0.02. */
  readonly rate?: number;
  /** L2 penalty; default 1e-4. */
  readonly decay?: number;
  readonly augment?: readonly Augmentation[];
  readonly seed: number;
  /** A checkpoint of this same fine-tuning to go on from. */
  readonly resume?: Uint8Array | undefined;
  /** Names the pruned network: a checkpoint with another label is refused. */
  readonly label?: string | undefined;
  readonly now: () => number;
}

/**
 * Fine-tunes through the training loop: what `train` yields and returns. Params that the loop does not train (none, usually) keep
 * their values.
 * @throws what `modelOfProgram` and `train` throw
 */
export async function* fineTune(options: FineTuneOptions): AsyncGenerator<TrainEvent, Trained> {
  const {
    engine,
    program,
    params,
    masks = {},
    train: data,
    test,
    batchSize = 128,
    rate = 0.02,
    decay = 1e-4,
    augment = [],
    seed,
    resume,
    label,
    now,
  } = options;
  const epochs = requireInteger("fineTune.epochs", options.epochs, 1);
  const steps = epochs * Math.max(1, Math.floor(data.count / batchSize));
  const warm = Math.floor(steps / 20);
  const updater = options.updater ?? (Object.keys(masks).length > 0 ? fixedMasks(masks) : undefined);
  return yield* train({
    engine,
    model: modelOfProgram(program),
    train: data,
    test,
    optimizer: sgd({ momentum: 0.9, nesterov: true, decay }),
    rate: warmUp(warm, cosineRate(rate, { steps: Math.max(1, steps - warm) })),
    epochs,
    batchSize,
    seed,
    updater,
    augment,
    initial: params,
    resume,
    label,
    now,
  });
}

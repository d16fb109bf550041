/** What tests of the loop share: a small problem, a small model, and a run to its end. */
import { createRng } from "../../core/index.js";
import { type Dataset, identity, makeDataset } from "../../data/index.js";
import type { Engine } from "../../engine/index.js";
import { convnet, type Model } from "../../models/index.js";
import { cosineRate, sgd } from "../../optim/index.js";
import { type Trained, type TrainOptions, train } from "../train.js";

/** Epochs of a run. */
export const EPOCHS = 4;
const BATCH = 12;
/** Steps of an epoch: 64 examples in whole batches. */
export const PER_EPOCH = 5;

/** Rows, columns, a chequerboard or a plain square in noise: the class. */
const PATTERNS = [
  (y: number, _: number) => y % 2,
  (_: number, x: number) => x % 2,
  (y: number, x: number) => (x + y) % 2,
  () => 0.5,
] as const;

/** Examples of four classes. */
export function pictures(count: number, seed: number): Dataset {
  const rng = createRng(seed);
  const labels = Int32Array.from({ length: count }, () => rng.below(4));
  const inputs = Float32Array.from(
    { length: count * 64 },
    (_, i) => PATTERNS[labels[Math.floor(i / 64)]!]!(Math.floor((i % 64) / 8), i % 8) + rng.normal() * 0.2 - 0.5,
  );
  return makeDataset({
    name: `patterns ${seed}`,
    shape: [1, 8, 8],
    classes: 4,
    inputs,
    labels,
    normalisation: identity,
    source: "made",
  });
}
/** 64 examples to learn from. */
export const training = pictures(64, 1);
const testing = pictures(30, 2);

/** Two convolutions and a linear layer. */
export const small = (): Model => convnet({ inputShape: [1, 8, 8], channels: [6, 8], classes: 4 });

/** Options of a short run on an engine. */
export function optionsOf(engine: Engine, more: Partial<TrainOptions>): TrainOptions {
  return {
    engine,
    model: small(),
    train: training,
    test: testing,
    optimizer: sgd({ momentum: 0.9, decay: 1e-3 }),
    rate: cosineRate(0.05, { steps: EPOCHS * PER_EPOCH }),
    epochs: EPOCHS,
    batchSize: BATCH,
    seed: 7,
    now: () => 0,
    ...more,
  };
}

/** Runs to the end; a checkpoint of every epoch, the loss of every step. */
export async function run(given: TrainOptions): Promise<{ trained: Trained; checkpoints: Uint8Array[]; losses: number[] }> {
  const checkpoints: Uint8Array[] = [];
  const losses: number[] = [];
  const events = train({ reportEvery: 1, ...given });
  for (;;) {
    const next = await events.next();
    if (next.done) return { trained: next.value, checkpoints, losses };
    if (next.value.kind === "epoch") checkpoints.push(next.value.checkpoint());
    else losses.push(next.value.loss);
  }
}

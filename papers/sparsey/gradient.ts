/** Networks trained by gradient on the same binary images: context for the accuracies of one pass. */
import { type Dataset, identity, makeDataset } from "../../src/data/index.js";
import { createEngine } from "../../src/engine/index.js";
import { mlp } from "../../src/models/index.js";
import { cosineRate, sgd } from "../../src/optim/index.js";
import { createPredictor, logitAccuracy } from "../../src/train/index.js";
import { trainToEnd } from "../shared/training.js";
import type { Images } from "./images.js";

const PIXELS = 196;
const EPOCHS = 10;
const BATCH = 100;

/** Items of active pixels (14 x 14) as a dataset of zeros and ones. */
export function binary({ labels }: Images, items: readonly Int32Array[]): Dataset {
  const inputs = new Uint8Array(items.length * PIXELS);
  items.forEach((item, i) => {
    for (const pixel of item) inputs[i * PIXELS + pixel] = 1;
  });
  return makeDataset({
    name: "binary images",
    shape: [PIXELS],
    classes: 10,
    inputs,
    labels: labels.slice(0, items.length),
    normalisation: identity,
    source: "made here",
  });
}

/** Test accuracy in points of a perceptron with these hidden sizes; none is softmax regression. */
export async function byGradient(
  hidden: readonly number[],
  train: Dataset,
  test: Dataset,
  seed: number,
  now: () => number,
): Promise<number> {
  const engine = await createEngine({ threads: 1 });
  try {
    const model = mlp({ inputShape: [PIXELS], hidden });
    const steps = EPOCHS * Math.floor(train.count / BATCH);
    const training = {
      model,
      train,
      test,
      optimizer: sgd({ momentum: 0.9 }),
      epochs: EPOCHS,
      batchSize: BATCH,
      rate: cosineRate(0.1, { steps }),
      seed,
    };
    const { params } = await trainToEnd(engine, training, { threads: 1, dataFolder: "", now, progress: () => {} });
    const predictor = createPredictor(engine, model, params);
    try {
      return 100 * logitAccuracy(predictor.ofDataset(test), test.labels);
    } finally {
      predictor.close();
    }
  } finally {
    engine.close();
  }
}

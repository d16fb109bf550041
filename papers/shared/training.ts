/** Training as a measurement: runs the loop to its end and tells the harness how far it is. */

import { take } from "../../src/data/index.js";
import type { Engine } from "../../src/engine/index.js";
import { cosineRate, sgd } from "../../src/optim/index.js";
import { type TrainEvent, type Trained, type TrainOptions, train } from "../../src/train/index.js";
import type { JobContext } from "../harness/index.js";

/** Everything `train` takes but the clock and the engine. */
export type Training = Omit<TrainOptions, "now" | "engine">;

/** What the papers on MobileNet train with: SGD with Nesterov momentum and a cosine over all steps. */
export const mobilenetTraining = ({
  train: data,
  epochs,
  batch,
  rate,
  ...rest
}: Pick<Training, "model" | "train" | "test" | "epochs" | "seed" | "updater"> & {
  readonly batch: number;
  readonly rate: number;
}): Training => ({
  ...rest,
  train: data,
  epochs,
  batchSize: batch,
  optimizer: sgd({ momentum: 0.9, nesterov: true, decay: 4e-5 }),
  rate: cosineRate(rate, { steps: epochs * Math.floor(data.count / batch) }),
});

/**
 * Trains to the end.
 * @param span  the part of the job's progress that this takes
 * @param watch called with every step event (asks for one after each step)
 */
export async function trainToEnd(
  engine: Engine,
  training: Training,
  { now, progress }: JobContext,
  {
    span = [0, 1],
    watch,
  }: { span?: readonly [number, number]; watch?: (event: Extract<TrainEvent, { kind: "step" }>) => void } = {},
): Promise<Trained> {
  // Each epoch's evaluation is for the curve alone; papers measure the final network themselves.
  const loop = train({ ...training, test: take(training.test, 512), engine, now, reportEvery: watch ? 1 : 20 });
  for (let event = await loop.next(); ; event = await loop.next()) {
    if (event.done) return event.value;
    if (event.value.kind !== "step") continue;
    watch?.(event.value);
    const { step, steps } = event.value;
    if (step % 20 === 0) progress(span[0] + ((span[1] - span[0]) * step) / steps, `step ${step} of ${steps}`);
  }
}

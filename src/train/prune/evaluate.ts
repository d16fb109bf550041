/** Accuracy of a program on a data set. */
import type { Tensor, Tree } from "../../core/index.js";
import { sizeOf } from "../../core/index.js";
import { createLoader, type Dataset } from "../../data/index.js";
import type { Engine } from "../../engine/index.js";
import { atBatch, type BatchProgram } from "../../program/index.js";
import { inputFor, storeOf } from "./calibration.js";

/**
 * Share of examples whose greatest output is their class, with dense kernels.
 * @throws InputError when the data set does not fit the program
 */
export function accuracyOf(
  engine: Engine,
  program: BatchProgram,
  params: Tree<Tensor>,
  dataset: Dataset,
  batch = Math.min(200, dataset.count),
): number {
  const input = inputFor(program.one, dataset);
  const [output] = Object.keys(program.one.outputs) as [string];
  const sized = atBatch(program, batch);
  const classes = sizeOf(sized.values[sized.outputs[output]!]!.shape) / batch;
  const store = storeOf(engine, sized, params);
  const plan = engine.compile(sized, store, { frozen: true });
  let right = 0;
  try {
    for (const { inputs, labels, count } of createLoader(dataset, { batchSize: batch }).epoch(0)) {
      const { data } = plan.run({ [input]: inputs })[output]!;
      for (let i = 0; i < count; i++) {
        let best = 0;
        for (let k = 1; k < classes; k++) if (data[i * classes + k]! > data[i * classes + best]!) best = k;
        if (best === labels[i]) right++;
      }
    }
  } finally {
    plan.close();
    store.close();
  }
  return right / dataset.count;
}

import { type Tensor, type Tree, tensor } from "../../core/index.js";
import { createLoader, type Dataset } from "../../data/index.js";
import type { Engine } from "../../engine/index.js";
import { inferenceProgram, type Model } from "../../models/index.js";
import { paramSpecs } from "../../nn/index.js";

const BATCH = 256;

/** Runs a model with given weights: logits of whole datasets or of raw batches. Close it after use. */
export interface Predictor {
  /** Logits of every example, in order: [count, classes]. */
  ofDataset(dataset: Dataset): Tensor;
  /** Logits of normalised inputs [count, ...inputShape]: [count, classes]. */
  ofInputs(inputs: Float32Array, count: number): Tensor;
  close(): void;
}

/**
 * A predictor over dense copies of the weights (pruned ones are zeros), with running statistics.
 * @throws InputError, ShapeError when the weights are not the model's
 */
export function createPredictor(engine: Engine, model: Model, params: Tree<Tensor>): Predictor {
  const store = engine.params(paramSpecs(model.module), params);
  const plan = engine.compile(inferenceProgram(model, BATCH), store, { frozen: true });
  const size = model.inputShape.reduce((a, b) => a * b, 1);
  const { classes } = model;
  return {
    ofDataset(dataset) {
      const out = tensor([dataset.count, classes]);
      let at = 0;
      for (const { inputs, count } of createLoader(dataset, { batchSize: BATCH }).epoch(0)) {
        const { data } = plan.run({ x: inputs })["logits"]!;
        out.data.set((data as Float32Array).subarray(0, count * classes), at * classes);
        at += count;
      }
      return out;
    },
    ofInputs(inputs, count) {
      const out = tensor([count, classes]);
      const padded = new Float32Array(BATCH * size);
      for (let at = 0; at < count; at += BATCH) {
        const here = Math.min(BATCH, count - at);
        padded.set(inputs.subarray(at * size, (at + here) * size));
        const { data } = plan.run({ x: padded })["logits"]!;
        out.data.set((data as Float32Array).subarray(0, here * classes), at * classes);
      }
      return out;
    },
    close() {
      plan.close();
      store.close();
    },
  };
}

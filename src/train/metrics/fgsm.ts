import { requireNumber, type Tensor, type Tree } from "../../core/index.js";
import { createLoader, type Dataset, type Normalisation } from "../../data/index.js";
import type { Engine } from "../../engine/index.js";
import { forward, type Model } from "../../models/index.js";
import { paramSpecs } from "../../nn/index.js";
import { crossEntropy, gradients, type Program, trace } from "../../program/index.js";
import { createPredictor } from "./logits.js";
import { logitAccuracy } from "./scores.js";

const BATCH = 128;

/** Gradient of the mean cross-entropy with respect to the inputs: output `grad` [batch, ...inputShape]. Running statistics. */
export const inputGradientProgram = (model: Model, batch: number): Program =>
  trace(
    ({ params, inputs }) => {
      const x = inputs["x"]!;
      const loss = crossEntropy(forward(model, params, x, false).logits, inputs["y"]!);
      return { outputs: { grad: gradients(loss, [x])[0]! } };
    },
    {
      params: paramSpecs(model.module),
      inputs: { x: { shape: [batch, ...model.inputShape] }, y: { shape: [batch], dtype: "i32" } },
    },
  );

/**
 * One step of the fast gradient sign method on normalised inputs, in place.
 *
 *     raw' = clip(raw + eps sign(dL/draw), 0, 1),   x = (raw - mean) / std
 *
 * @param inputs   normalised, examples of `size` values, channel after channel
 * @param gradient dL/dx, same length; only its sign is used, and sign 0 moves nothing
 * @param eps      in units of raw values scaled to [0, 1], such as 8 / 255
 * @param channels first dimension of an example
 *
 * Goodfellow et al. 2015, arXiv:1412.6572, section 4.
 */
export function fgsmStep(
  inputs: Float32Array,
  gradient: Float32Array,
  { eps, size, channels, normalisation }: { eps: number; size: number; channels: number; normalisation: Normalisation },
): void {
  requireNumber("fgsm.eps", eps, 0);
  const { mean, std } = normalisation;
  const area = size / channels;
  for (let i = 0; i < inputs.length; i++) {
    const c = mean.length === 1 ? 0 : Math.floor((i % size) / area);
    const [m, s] = [mean[c]!, std[c]!];
    const moved = inputs[i]! + (Math.sign(gradient[i]!) * eps) / s;
    inputs[i] = Math.min((1 - m) / s, Math.max(-m / s, moved));
  }
}

/**
 * Accuracy under the fast gradient sign method, the attacker knowing the network.
 *
 * @param dataset pictures whose raw values, times the normalisation's scale, lie in [0, 1]
 * @param eps     largest change of a pixel, pixels in [0, 1]; 0 gives the plain accuracy
 * @returns       in [0, 1]
 *
 * Goodfellow et al. 2015, arXiv:1412.6572.
 */
export function fgsmAccuracy(engine: Engine, model: Model, params: Tree<Tensor>, dataset: Dataset, eps: number): number {
  const store = engine.params(paramSpecs(model.module), params);
  const plan = engine.compile(inputGradientProgram(model, BATCH), store);
  const predictor = createPredictor(engine, model, params);
  try {
    const size = dataset.inputs.length / dataset.count;
    const channels = dataset.shape[0]!;
    let right = 0;
    for (const { inputs, labels, count } of createLoader(dataset, { batchSize: BATCH }).epoch(0)) {
      const grad = plan.run({ x: inputs, y: labels })["grad"]!.data as Float32Array;
      const attacked = inputs.slice();
      fgsmStep(attacked, grad, { eps, size, channels, normalisation: dataset.normalisation });
      right += logitAccuracy(predictor.ofInputs(attacked, count), labels.subarray(0, count)) * count;
    }
    return right / dataset.count;
  } finally {
    predictor.close();
    plan.close();
    store.close();
  }
}

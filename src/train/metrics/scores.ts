/** Scores of logits: softmax, accuracy, negative log-likelihood, largest probability. */
import { InputError, ShapeError, type Tensor } from "../../core/index.js";

/** Logits as [examples, classes]; `labels`, where given, must fit. @throws ShapeError, InputError */
export function checkLogits(place: string, logits: Tensor, labels?: ArrayLike<number>): [examples: number, classes: number] {
  const [n, classes] = logits.shape;
  if (logits.shape.length !== 2 || !n || !classes)
    throw new ShapeError(place, { logits: logits.shape }, "logits [examples, classes], neither 0");
  if (!labels) return [n, classes];
  if (labels.length !== n) throw new ShapeError(place, { logits: logits.shape, labels: [labels.length] }, "a label per example");
  for (let i = 0; i < n; i++) {
    if (!(Number.isInteger(labels[i]) && labels[i]! >= 0 && labels[i]! < classes))
      throw new InputError(`${place}: label ${i} is ${labels[i]}, expected an integer in [0, ${classes})`);
  }
  return [n, classes];
}

/** Place of the greatest of `classes` values from `at` on; the first when they tie. */
function best(data: Float32Array, at: number, classes: number): number {
  let top = 0;
  for (let c = 1; c < classes; c++) if (data[at + c]! > data[at + top]!) top = c;
  return top;
}

/** ln sum_c exp(logit_c) of one row, without overflow. */
function logSumExp(data: Float32Array, at: number, classes: number): number {
  const most = data[at + best(data, at, classes)]!;
  let sum = 0;
  for (let c = 0; c < classes; c++) sum += Math.exp(data[at + c]! - most);
  return most + Math.log(sum);
}

/** The predicted class of each example; the lowest index when logits tie. @throws ShapeError */
export function predictions(logits: Tensor): Int32Array {
  const [n, classes] = checkLogits("predictions", logits);
  return Int32Array.from({ length: n }, (_, i) => best(logits.data, i * classes, classes));
}

/** Share of examples whose greatest logit is their label's. In [0, 1]. @throws ShapeError, InputError */
export function logitAccuracy(logits: Tensor, labels: ArrayLike<number>): number {
  checkLogits("logitAccuracy", logits, labels);
  let right = 0;
  predictions(logits).forEach((predicted, i) => {
    if (predicted === labels[i]) right++;
  });
  return right / labels.length;
}

/**
 * Mean negative log-likelihood.
 *
 *     NLL = -1/N sum_i ln softmax(logits_i)[label_i]
 *
 * @returns nats per example, at least 0
 * @throws ShapeError, InputError
 */
export function negativeLogLikelihood(logits: Tensor, labels: ArrayLike<number>): number {
  const [n, classes] = checkLogits("negativeLogLikelihood", logits, labels);
  let sum = 0;
  for (let i = 0; i < n; i++) sum += logSumExp(logits.data, i * classes, classes) - logits.data[i * classes + labels[i]!]!;
  return sum / n;
}

/**
 * The largest softmax probability of each example: its confidence.
 * @returns values in [1 / classes, 1]
 * @throws ShapeError
 *
 * Hendrycks and Gimpel 2017, arXiv:1610.02136 (as a score of being in distribution).
 */
export function maxSoftmax(logits: Tensor): Float64Array {
  const [n, classes] = checkLogits("maxSoftmax", logits);
  return Float64Array.from({ length: n }, (_, i) => {
    const at = i * classes;
    return Math.exp(logits.data[at + best(logits.data, at, classes)]! - logSumExp(logits.data, at, classes));
  });
}

/** Multi-layer perceptron. */
import { requireInteger, requireNumber, sizeOf } from "../core/index.js";
import { batchNorm, dropout, flatten, kaimingNormal, linear, type Module, relu, sequential } from "../nn/index.js";
import { type Model, scaled } from "./model.js";

/** Options of `mlp`. */
export interface MlpOptions {
  /** Shape of one example; flattened. Default [784]. */
  readonly inputShape?: readonly number[];
  /** Sizes of the hidden layers, default [300, 100] (LeNet-300-100, LeCun et al. 1998). */
  readonly hidden?: readonly number[];
  /** Default 10. */
  readonly classes?: number;
  /** Multiplies hidden sizes; default 1. */
  readonly width?: number;
  /** Batch normalisation before each ReLU, in place of the hidden biases; default false. */
  readonly batchNorm?: boolean;
  /** Dropout after each ReLU, in [0, 1); default 0. */
  readonly dropout?: number;
}

/**
 * flatten, then for each hidden size: linear, (batchNorm,) ReLU, (dropout); then linear to the classes.
 * Params: fc1, fc2, ... with weight and bias (and bn1, ...).
 * @throws OptionError
 */
export function mlp(options: MlpOptions = {}): Model {
  const {
    inputShape = [784],
    hidden = [300, 100],
    classes = 10,
    width = 1,
    batchNorm: normalised = false,
    dropout: rate = 0,
  } = options;
  requireInteger("mlp.classes", classes, 1);
  requireNumber("mlp.width", width, 0);
  const children: Record<string, Module> = { flatten };
  let from = sizeOf(inputShape);
  hidden.forEach((size, i) => {
    requireInteger(`mlp.hidden[${i}]`, size, 1);
    const to = scaled(size, width);
    children[`fc${i + 1}`] = linear(from, to, { init: kaimingNormal(), bias: !normalised });
    if (normalised) children[`bn${i + 1}`] = batchNorm(to);
    children[`relu${i + 1}`] = relu;
    if (rate > 0) children[`drop${i + 1}`] = dropout(rate);
    from = to;
  });
  children[`fc${hidden.length + 1}`] = linear(from, classes);
  return { name: "mlp", inputShape, classes, module: sequential(children), options: { ...options } };
}

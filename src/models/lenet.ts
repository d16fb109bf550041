/** LeNet-5 in today's form: ReLU and max pooling. */
import { InputError, requireInteger, requireNumber } from "../core/index.js";
import { conv2d, flatten, kaimingNormal, linear, type Module, maxPool2d, relu, sequential } from "../nn/index.js";
import { type Model, requirePicture, scaled } from "./model.js";

/** Options of `lenet`. */
export interface LenetOptions {
  /** [channels, height, width]; default [1, 28, 28]. */
  readonly inputShape?: readonly number[];
  /** Channels of the two convolutions, default [6, 16]. The variant of most pruning papers (LeNet-5-Caffe) has [20, 50]. */
  readonly channels?: readonly [number, number];
  /** Sizes of the hidden linear layers, default [120, 84]; LeNet-5-Caffe has [500]. */
  readonly hidden?: readonly number[];
  /** Zeros around the picture, pixels at each side; default 2 (28 x 28 becomes the 32 x 32 of LeCun et al.); LeNet-5-Caffe has 0. */
  readonly padding?: number;
  /** Default 10. */
  readonly classes?: number;
  /** Multiplies channels and hidden sizes; default 1. */
  readonly width?: number;
}

/**
 * Twice: 5x5 convolution, ReLU, 2x2 max pooling; then for each hidden size linear and ReLU; then linear to the classes.
 * Params: conv1, conv2, fc1, fc2, ... with weight and bias.
 *
 * LeCun et al. 1998, Gradient-based learning applied to document recognition, section II.B. Differs: ReLU for tanh, max pooling
 * for averages with weights, all pairs of channels connected, a linear output.
 * @throws OptionError, InputError when the picture is too small
 */
export function lenet(options: LenetOptions = {}): Model {
  const { inputShape = [1, 28, 28], channels = [6, 16], hidden = [120, 84], padding = 2, classes = 10, width = 1 } = options;
  const [inputs, height, columns] = requirePicture("lenet", inputShape);
  requireInteger("lenet.classes", classes, 1);
  requireInteger("lenet.padding", padding, 0);
  requireNumber("lenet.width", width, 0);
  if (channels.length !== 2) throw new InputError(`lenet.channels: expected two numbers, got [${[...channels].join(", ")}]`);
  const after = (size: number) => (((size + 2 * padding - 4) >> 1) - 4) >> 1;
  if (Math.min(after(height), after(columns)) < 1)
    throw new InputError(
      `lenet: nothing is left of a picture of ${height} x ${columns}; it needs at least ${16 - 2 * padding} pixels`,
    );
  const children: Record<string, Module> = {};
  let from = inputs;
  channels.forEach((size, i) => {
    requireInteger(`lenet.channels[${i}]`, size, 1);
    const to = scaled(size, width);
    children[`conv${i + 1}`] = conv2d(from, to, 5, { padding: i === 0 ? padding : 0, init: kaimingNormal() });
    children[`relu${i + 1}`] = relu;
    children[`pool${i + 1}`] = maxPool2d({ kernel: 2 });
    from = to;
  });
  children["flatten"] = flatten;
  from *= after(height) * after(columns);
  hidden.forEach((size, i) => {
    requireInteger(`lenet.hidden[${i}]`, size, 1);
    const to = scaled(size, width);
    children[`fc${i + 1}`] = linear(from, to, { init: kaimingNormal() });
    children[`relu${i + 3}`] = relu;
    from = to;
  });
  children[`fc${hidden.length + 1}`] = linear(from, classes);
  return { name: "lenet", inputShape, classes, module: sequential(children), options: { ...options } };
}

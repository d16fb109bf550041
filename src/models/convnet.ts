/** A small convolutional network for small pictures. */
import { InputError, requireInteger, requireNumber } from "../core/index.js";
import {
  batchNorm,
  conv2d,
  globalAveragePool,
  kaimingNormal,
  linear,
  type Module,
  maxPool2d,
  relu,
  sequential,
} from "../nn/index.js";
import { type Model, requirePicture, scaled } from "./model.js";

/** Options of `convnet`. */
export interface ConvnetOptions {
  /** [channels, height, width]; default [1, 28, 28]. */
  readonly inputShape?: readonly number[];
  /** Output channels of each convolution, default [32, 64, 128]. */
  readonly channels?: readonly number[];
  /** Default 10. */
  readonly classes?: number;
  /** Multiplies the channels; default 1. */
  readonly width?: number;
}

/**
 * For each entry of `channels`: 3x3 convolution (stride 1, padding 1, no bias), batchNorm, ReLU, and between them 2x2 max
 * pooling; then the mean over the plane and a linear layer. Params: conv1, bn1, ..., fc.
 * @throws OptionError, InputError when the picture is too small for the poolings
 */
export function convnet(options: ConvnetOptions = {}): Model {
  const { inputShape = [1, 28, 28], channels = [32, 64, 128], classes = 10, width = 1 } = options;
  const [inputs, height, columns] = requirePicture("convnet", inputShape);
  requireInteger("convnet.classes", classes, 1);
  requireNumber("convnet.width", width, 0);
  const halvings = channels.length - 1;
  if (channels.length === 0) throw new InputError("convnet.channels: expected at least one convolution, got []");
  if (Math.min(height, columns) >> halvings < 1) {
    throw new InputError(
      `convnet: ${halvings} poolings leave nothing of a picture of ${height} x ${columns}; use fewer channels entries`,
    );
  }
  const children: Record<string, Module> = {};
  let from = inputs;
  channels.forEach((size, i) => {
    requireInteger(`convnet.channels[${i}]`, size, 1);
    const to = scaled(size, width);
    children[`conv${i + 1}`] = conv2d(from, to, 3, { padding: 1, bias: false, init: kaimingNormal() });
    children[`bn${i + 1}`] = batchNorm(to);
    children[`relu${i + 1}`] = relu;
    if (i < halvings) children[`pool${i + 1}`] = maxPool2d({ kernel: 2 });
    from = to;
  });
  children["mean"] = globalAveragePool;
  children["fc"] = linear(from, classes);
  return { name: "convnet", inputShape, classes, module: sequential(children), options: { ...options } };
}

/** MobileNetV1 and V2: depthwise-separable networks with a width multiplier. */
import { requireInteger, requireNumber } from "../core/index.js";
import {
  batchNorm,
  compose,
  conv2d,
  depthwise,
  dropout,
  globalAveragePool,
  kaimingNormal,
  linear,
  type Module,
  relu,
  relu6,
  sequential,
} from "../nn/index.js";
import { add } from "../program/index.js";
import { type Model, requirePicture } from "./model.js";

/** Options of `mobilenetV1` and `mobilenetV2`. */
export interface MobilenetOptions {
  /** [channels, height, width]; default [3, 224, 224]. */
  readonly inputShape?: readonly number[];
  /** Default 1000. */
  readonly classes?: number;
  /** Multiplies all channels; default 1. */
  readonly width?: number;
  /** Stride of the first convolution: 2 (default) for pictures of 64 and more, else 1. */
  readonly firstStride?: 1 | 2;
  /** Dropout before the classifier, in [0, 1); default 0. */
  readonly dropout?: number;
}

const init = kaimingNormal({ mode: "out" });

/** conv, bn, activation as one child. */
const convUnit = (conv: Module, channels: number, activation?: Module): Module =>
  sequential({ conv, bn: batchNorm(channels), ...(activation ? { relu: activation } : {}) });
const pointwise = (from: number, to: number): Module => conv2d(from, to, 1, { bias: false, init });
const spatial = (channels: number, stride: number): Module => depthwise(channels, 3, { stride, padding: 1, bias: false, init });

/** The nearest multiple of 8 that is at least 8 and not below 90 % of the value. Sandler et al. 2018, reference code. */
export function multipleOf8(value: number): number {
  const nearest = Math.max(8, Math.floor((value + 4) / 8) * 8);
  return nearest < 0.9 * value ? nearest + 8 : nearest;
}

function settings(
  name: string,
  { inputShape = [3, 224, 224], classes = 1000, width = 1, firstStride, dropout: rate = 0 }: MobilenetOptions,
) {
  const [inputs, height, columns] = requirePicture(name, inputShape);
  requireInteger(`${name}.classes`, classes, 1);
  requireNumber(`${name}.width`, width, 0);
  return { inputs, inputShape, classes, width, rate, stride: firstStride ?? (Math.min(height, columns) >= 64 ? 2 : 1) };
}

/** Output channels and stride of each separable block. Howard et al. 2017, table 1. */
const V1: readonly (readonly [number, number])[] = [
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  [256, 1],
  [512, 2],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [1024, 2],
  [1024, 1],
];

/**
 * Depthwise-separable blocks: depthwise 3x3, bn, ReLU, pointwise 1x1, bn, ReLU. Params: stem.conv, block1.depth.conv, block1.point.conv, ..., fc.
 * @throws OptionError
 *
 * Howard et al. 2017, arXiv:1704.04861, table 1. At width 1 with 1000 classes: 4,231,976 params besides statistics.
 */
export function mobilenetV1(options: MobilenetOptions = {}): Model {
  const { inputs, inputShape, classes, width, rate, stride } = settings("mobilenetV1", options);
  const channels = (c: number) => multipleOf8(c * width);
  let from = channels(32);
  const children: Record<string, Module> = {
    stem: convUnit(conv2d(inputs, from, 3, { stride, padding: 1, bias: false, init }), from, relu),
  };
  V1.forEach(([size, step], i) => {
    const to = channels(size);
    children[`block${i + 1}`] = sequential({
      depth: convUnit(spatial(from, step), from, relu),
      point: convUnit(pointwise(from, to), to, relu),
    });
    from = to;
  });
  return {
    name: "mobilenetV1",
    inputShape,
    classes,
    module: sequential({ ...children, ...head(from, classes, rate) }),
    options: { ...options },
  };
}

/** Expansion, channels, repeats, stride of each group of inverted residuals. Sandler et al. 2018, table 2. */
const V2: readonly (readonly [number, number, number, number])[] = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
];

/** Pointwise expansion, depthwise 3x3, linear pointwise projection; plus x where the shapes agree. */
function inverted(from: number, to: number, expansion: number, stride: number): Module {
  const inner = from * expansion;
  const body: Record<string, Module> = {
    ...(expansion === 1 ? {} : { expand: convUnit(pointwise(from, inner), inner, relu6) }),
    depth: convUnit(spatial(inner, stride), inner, relu6),
    project: convUnit(pointwise(inner, to), to),
  };
  const names = Object.keys(body);
  return compose(body, (run, x) => {
    const y = names.reduce((value, name) => run(name, value), x);
    return stride === 1 && from === to ? add(x, y) : y;
  });
}

/**
 * Inverted residuals with linear bottlenecks. Params: stem.conv, block1.depth.conv, ..., last.conv, fc.
 * @throws OptionError
 *
 * Sandler et al. 2018, arXiv:1801.04381, table 2. At width 1 with 1000 classes: 3,504,872 params besides statistics.
 */
export function mobilenetV2(options: MobilenetOptions = {}): Model {
  const { inputs, inputShape, classes, width, rate, stride } = settings("mobilenetV2", options);
  let from = multipleOf8(32 * width);
  const children: Record<string, Module> = {
    stem: convUnit(conv2d(inputs, from, 3, { stride, padding: 1, bias: false, init }), from, relu6),
  };
  let number = 0;
  for (const [expansion, size, repeats, step] of V2) {
    const to = multipleOf8(size * width);
    for (let i = 0; i < repeats; i++) {
      children[`block${++number}`] = inverted(from, to, expansion, i === 0 ? step : 1);
      from = to;
    }
  }
  const last = multipleOf8(1280 * Math.max(1, width));
  children["last"] = convUnit(pointwise(from, last), last, relu6);
  return {
    name: "mobilenetV2",
    inputShape,
    classes,
    module: sequential({ ...children, ...head(last, classes, rate) }),
    options: { ...options },
  };
}

/** Mean over the plane, dropout, classifier. */
const head = (from: number, classes: number, rate: number): Record<string, Module> => ({
  mean: globalAveragePool,
  ...(rate > 0 ? { drop: dropout(rate) } : {}),
  fc: linear(from, classes),
});

/** Residual networks for small pictures: ResNet-20, -32, -44, -56, -110. He et al. 2016, section 4.2. */
import { OptionError, requireInteger, requireNumber } from "../core/index.js";
import {
  batchNorm,
  compose,
  conv2d,
  globalAveragePool,
  kaimingNormal,
  lambda,
  linear,
  type Module,
  sequential,
} from "../nn/index.js";
import { add, pad, relu, slice } from "../program/index.js";
import { type Model, requirePicture, scaled } from "./model.js";

/** Options of `resnet`. */
export interface ResnetOptions {
  /** 6 n + 2 layers: 20 (default), 32, 44, 56, 110, ... */
  readonly depth?: number;
  /** [channels, height, width]; default [3, 32, 32]. */
  readonly inputShape?: readonly number[];
  /** Default 10. */
  readonly classes?: number;
  /** Multiplies the channels 16, 32, 64; default 1. */
  readonly width?: number;
}

const conv3 = (from: number, to: number, stride = 1): Module =>
  conv2d(from, to, 3, { stride, padding: 1, bias: false, init: kaimingNormal() });

/** Option A: every second pixel, and zeros for the missing channels; no params. */
const shortcutA = (from: number, to: number, stride: number): Module =>
  lambda((x) => {
    const picked = stride === 1 ? x : slice(x, [0, 0, 0, 0], x.shape, [1, 1, stride, stride]);
    if (from === to) return picked;
    const before = Math.floor((to - from) / 2);
    return pad(picked, [0, before, 0, 0], [0, to - from - before, 0, 0]);
  });

/** relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)). */
function block(from: number, to: number, stride: number): Module {
  const children = {
    conv1: conv3(from, to, stride),
    bn1: batchNorm(to),
    conv2: conv3(to, to),
    bn2: batchNorm(to),
    shortcut: shortcutA(from, to, stride),
  };
  return compose(children, (run, x) => {
    const inner = relu(run("bn1", run("conv1", x)));
    return relu(add(run("bn2", run("conv2", inner)), run("shortcut", x)));
  });
}

/**
 * conv1, bn1, ReLU; three stages of n blocks with 16, 32, 64 channels, the first block of stages 2 and 3 of stride 2; mean
 * over the plane; linear. Shortcuts are option A (strided slice, zero channels). Params: conv1, bn1, layer1.0.conv1, ..., linear.
 * @throws OptionError when depth is not 6 n + 2
 *
 * He et al. 2016, section 4.2. ResNet-20 with 10 classes has 269,722 params besides statistics.
 */
export function resnet(options: ResnetOptions = {}): Model {
  const { depth = 20, inputShape = [3, 32, 32], classes = 10, width = 1 } = options;
  if (!Number.isInteger(depth) || depth < 8 || (depth - 2) % 6 !== 0)
    throw new OptionError("resnet.depth", "6 n + 2 (20, 32, 44, 56, 110)", depth);
  requireInteger("resnet.classes", classes, 1);
  requireNumber("resnet.width", width, 0);
  const [inputs] = requirePicture("resnet", inputShape);
  const sizes = [16, 32, 64].map((c) => scaled(c, width)) as [number, number, number];
  const children: Record<string, Module> = { conv1: conv3(inputs, sizes[0]), bn1: batchNorm(sizes[0]), relu: lambda(relu) };
  let from = sizes[0];
  sizes.forEach((to, stage) => {
    const blocks: Record<string, Module> = {};
    for (let i = 0; i < (depth - 2) / 6; i++) {
      blocks[`${i}`] = block(from, to, i === 0 && stage > 0 ? 2 : 1);
      from = to;
    }
    children[`layer${stage + 1}`] = sequential(blocks);
  });
  children["mean"] = globalAveragePool;
  children["linear"] = linear(from, classes, { init: kaimingNormal() });
  return { name: `resnet${depth}`, inputShape, classes, module: sequential(children), options: { ...options } };
}

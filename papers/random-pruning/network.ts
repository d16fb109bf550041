/** The families whose width and depth are varied. */
import { InputError, requireInteger } from "../../src/core/index.js";
import { countParams, type Model, resnet, twinOfSize } from "../../src/models/index.js";
import { batchNorm, conv2d, globalAveragePool, kaimingNormal, linear, type Module, relu, sequential } from "../../src/nn/index.js";
import type { Config, Network } from "./config.js";

/** Channels of the three stages. */
type Stages = readonly [number, number, number];

/** Stage and stride of each convolution: each stage begins with a stride of 2; convolutions are dealt out from the first stage on. */
export function layoutOf(depth: number): { readonly stage: 0 | 1 | 2; readonly stride: number }[] {
  const layers = requireInteger("depth", depth, 3) - 1;
  return ([0, 1, 2] as const).flatMap((stage) =>
    Array.from({ length: Math.floor((layers + 2 - stage) / 3) }, (_, i) => ({ stage, stride: i === 0 ? 2 : 1 })),
  );
}

/** 3x3 convolutions with batch normalisation and ReLU, the mean over the plane, a linear layer. @param stages channels of each stage */
function staged(depth: number, stages: Stages, inputShape: readonly number[], classes: number): Model {
  const children: Record<string, Module> = {};
  let from = inputShape[0]!;
  layoutOf(depth).forEach(({ stage, stride }, i) => {
    const to = stages[stage];
    children[`conv${i + 1}`] = conv2d(from, to, 3, { stride, padding: 1, bias: false, init: kaimingNormal() });
    children[`bn${i + 1}`] = batchNorm(to);
    children[`relu${i + 1}`] = relu;
    from = to;
  });
  children["mean"] = globalAveragePool;
  children["fc"] = linear(from, classes);
  return { name: `plain${depth}`, inputShape, classes, module: sequential(children), options: { depth, stages } };
}

/** The network of a configuration. */
export function networkOf({ family, width, depth }: Network, inputShape: readonly number[], classes: number): Model {
  const channels = (times: number) => Math.max(1, Math.round(times * width));
  return family === "plain"
    ? staged(depth, [channels(1), channels(2), channels(4)], inputShape, classes)
    : resnet({ depth, width: width / 16, inputShape, classes });
}

/**
 * The same family, narrower, with `target` parameters within 2 %.
 * @throws InputError when no width comes that near
 */
export function smallTwin(network: Network, target: number, inputShape: readonly number[], classes: number): Model {
  const { model } = twinOfSize((width) => networkOf({ ...network, width }, inputShape, classes), Math.floor(1.02 * target), {
    low: 0.1,
    high: network.width,
  });
  const params = countParams(model);
  if (params < 0.98 * target) {
    const found = nearby(network, target, inputShape, classes);
    if (!found)
      throw new InputError(`random-pruning: no ${model.name} has within 2 % of ${target} parameters; the nearest has ${params}`);
    return found;
  }
  return model;
}

/** Where widths step too coarsely: channel by channel, the plain network whose stages are nearest to 1 : 2 : 4. */
function nearby(network: Network, target: number, inputShape: readonly number[], classes: number): Model | undefined {
  if (network.family !== "plain") return undefined;
  const { depth } = network;
  let best: { model: Model; off: number } | undefined;
  const most = Math.ceil(2 * network.width);
  for (let a = 1; a <= most; a++) {
    for (let b = 1; b <= 2 * most; b++) {
      for (let c = 1; c <= 4 * most; c++) {
        const size = sizeOfPlain(depth, [a, b, c], inputShape[0]!, classes);
        if (size > 1.02 * target) break;
        if (size < 0.98 * target) continue;
        const off = Math.abs(Math.log((2 * a) / b)) + Math.abs(Math.log((2 * b) / c));
        if (!best || off < best.off - 1e-12) best = { model: staged(depth, [a, b, c], inputShape, classes), off };
      }
    }
  }
  return best?.model;
}

function sizeOfPlain(depth: number, stages: Stages, inputs: number, classes: number): number {
  let from = inputs;
  let size = 0;
  for (const { stage } of layoutOf(depth)) {
    const to = stages[stage];
    size += 9 * from * to + 2 * to;
    from = to;
  }
  return size + (from + 1) * classes;
}

/** What the configuration's pictures look like. */
export const pictureOf = ({ data }: Pick<Config, "data">): readonly number[] => (data === "cifar10" ? [3, 32, 32] : [1, 28, 28]);

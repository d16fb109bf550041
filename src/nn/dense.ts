/** Layers with a weight: linear, conv2d, depthwise, embedding. */
import { InputError } from "../core/index.js";
import * as ops from "../program/index.js";
import { fansOf, type Initialiser, normalWith, torchUniform, uniformWithin } from "./initialise.js";
import type { Module, ParamDef, ParamRole } from "./module.js";

/** A prunable weight. */
export const weightDef = (
  shape: readonly number[],
  role: ParamRole,
  init: Initialiser = torchUniform,
  prunable = true,
): ParamDef => ({
  shape,
  kind: "weight",
  role,
  prunable,
  init: (rng, mask) => init(shape, rng, mask),
});

/** A bias, by default uniform within 1 / sqrt(fan in) as in PyTorch. */
export const biasDef = (
  n: number,
  role: ParamRole,
  fanIn: number,
  init: Initialiser = uniformWithin(1 / Math.sqrt(fanIn)),
): ParamDef => ({
  shape: [n],
  kind: "bias",
  role,
  prunable: false,
  init: (rng) => init([n], rng),
});

/** Options of layers with a weight and a bias. */
export interface LayerOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** Default: PyTorch's, uniform within 1 / sqrt(fan in). */
  readonly init?: Initialiser;
  /** Default: PyTorch's, uniform within 1 / sqrt(fan in). */
  readonly initBias?: Initialiser;
}

/** y = x w^T + bias. Params: weight [outputs, inputs], bias [outputs]. x is [..., inputs]. */
export function linear(inputs: number, outputs: number, { bias = true, init, initBias }: LayerOptions = {}): Module {
  return {
    params: {
      weight: weightDef([outputs, inputs], "linear", init),
      ...(bias ? { bias: biasDef(outputs, "linear", inputs, initBias) } : {}),
    },
    apply: (p, x) => ops.linear(x, p["weight"]!, p["bias"]),
  };
}

/** Options of `conv2d`. */
export interface Conv2dOptions extends LayerOptions, Omit<ops.ConvOptions, "bias"> {}

/**
 * Convolution of x [N, inputs, H, W]. Params: weight [outputs, inputs/groups, kernel, kernel], bias [outputs].
 * @throws InputError when the channels do not divide into groups
 */
export function conv2d(
  inputs: number,
  outputs: number,
  kernel: number | readonly [number, number],
  options: Conv2dOptions = {},
): Module {
  const { bias = true, init, initBias, groups = 1, ...rest } = options;
  if (inputs % groups !== 0 || outputs % groups !== 0) {
    throw new InputError(`conv2d: expected channels that divide into ${groups} groups, got ${inputs} in and ${outputs} out`);
  }
  const [kh, kw] = typeof kernel === "number" ? [kernel, kernel] : kernel;
  const shape = [outputs, inputs / groups, kh, kw];
  const role: ParamRole = groups > 1 && groups === inputs ? "depthwise" : "conv";
  return {
    params: {
      weight: weightDef(shape, role, init, role === "conv"),
      ...(bias ? { bias: biasDef(outputs, role, fansOf(shape).in, initBias) } : {}),
    },
    apply: (p, x) => ops.conv2d(x, p["weight"]!, { ...rest, groups, bias: p["bias"] }),
  };
}

/**
 * One filter per channel. Params: weight [channels, 1, kernel, kernel], bias [channels]. Not prunable by default:
 * it holds few of a network's weights, and methods leave it dense (Evci et al. 2020, sec. 4.1).
 */
export const depthwise = (channels: number, kernel: number, options: Omit<Conv2dOptions, "groups"> = {}): Module =>
  conv2d(channels, channels, kernel, { ...options, groups: channels });

/** Rows of a table by number: indices i32 [...] -> [..., size]. Params: weight [count, size], standard normal. Not prunable by default. */
export const embedding = (count: number, size: number, { init = normalWith(1) }: { init?: Initialiser } = {}): Module => ({
  params: { weight: weightDef([count, size], "embedding", init, false) },
  apply: (p, x) => ops.gather(p["weight"]!, x),
});

/** Normalising layers. */
import { InputError, sizeOf } from "../core/index.js";
import * as ops from "../program/index.js";
import { filled } from "./initialise.js";
import type { Module, ParamDef, ParamKind } from "./module.js";

const vector = (n: number, value: number, kind: ParamKind = "norm"): ParamDef => ({
  shape: [n],
  kind,
  role: "norm",
  prunable: false,
  init: (rng) => filled(value)([n], rng),
});

/** Options of `batchNorm`. */
export interface BatchNormOptions {
  /** Added to the variance; default 1e-5. */
  readonly eps?: number;
  /** Weight of this batch in the running statistics, in [0, 1]; default 0.1. */
  readonly momentum?: number;
}

/**
 * Batch normalisation of x [N, channels, ...]: batch statistics in training, running statistics else.
 *
 *     running_mean' = (1 - momentum) running_mean + momentum mean
 *     running_var'  = (1 - momentum) running_var  + momentum variance M / (M - 1)     M = elements per channel
 *
 * Params: weight, bias, running_mean, running_var, each [channels] (PyTorch's names and formulas).
 * @throws InputError in training with one element per channel
 */
export function batchNorm(channels: number, { eps = 1e-5, momentum = 0.1 }: BatchNormOptions = {}): Module {
  return {
    params: {
      weight: vector(channels, 1),
      bias: vector(channels, 0),
      running_mean: vector(channels, 0, "statistic"),
      running_var: vector(channels, 1, "statistic"),
    },
    apply(p, x, { training, update }) {
      const [weight, bias, runningMean, runningVar] = [p["weight"]!, p["bias"]!, p["running_mean"]!, p["running_var"]!];
      if (!training) return ops.batchNormInference(x, weight, bias, runningMean, runningVar, eps);
      const count = sizeOf(x.shape) / channels;
      if (count < 2)
        throw new InputError(
          `batchNorm: expected more than one element per channel in training, got x [${x.shape.join(", ")}]; use a larger batch`,
        );
      const { y, mean, variance } = ops.batchNorm(x, weight, bias, eps);
      const blend = (old: ops.Value, now: ops.Value, scale: number) => ops.add(ops.mul(old, 1 - momentum), ops.mul(now, scale));
      update("running_mean", blend(runningMean, mean, momentum));
      update("running_var", blend(runningVar, variance, (momentum * count) / (count - 1)));
      return y;
    },
  };
}

/** Layer normalisation over the last axis. Params: weight, bias [size]. */
export const layerNorm = (size: number, { eps = 1e-5 }: { eps?: number } = {}): Module => ({
  params: { weight: vector(size, 1), bias: vector(size, 0) },
  apply: (p, x) => ops.layerNorm(x, p["weight"]!, p["bias"]!, eps),
});

/** Root-mean-square normalisation over the last axis. Params: weight [size]. */
export const rmsNorm = (size: number, { eps = 1e-6 }: { eps?: number } = {}): Module => ({
  params: { weight: vector(size, 1) },
  apply: (p, x) => ops.rmsNorm(x, p["weight"]!, eps),
});

/**
 * Normalises groups of channels of each example of x [N, channels, ...]. Params: weight, bias [channels]. Wu and He 2018.
 * @throws InputError when the channels do not divide into groups
 */
export function groupNorm(groups: number, channels: number, { eps = 1e-5 }: { eps?: number } = {}): Module {
  if (channels % groups !== 0)
    throw new InputError(`groupNorm: expected channels that divide into ${groups} groups, got ${channels}`);
  return {
    params: { weight: vector(channels, 1), bias: vector(channels, 0) },
    apply(p, x) {
      const perChannel = (v: ops.Value) =>
        ops.reshape(
          v,
          x.shape.map((d, i) => (i === 1 ? d : 1)),
        );
      const rows = ops.reshape(x, [x.shape[0]!, groups, -1]);
      const centred = ops.sub(rows, ops.mean(rows, -1, true));
      const variance = ops.mean(ops.square(centred), -1, true);
      const y = ops.reshape(ops.mul(centred, ops.rsqrt(ops.affine(variance, 1, eps))), x.shape);
      return ops.add(ops.mul(y, perChannel(p["weight"]!)), perChannel(p["bias"]!));
    },
  };
}

/** Layers without params: activations, dropout, pooling, flattening, residual connections. */
import { InputError, requireNumber, sizeOf } from "../core/index.js";
import * as ops from "../program/index.js";
import { compose, lambda, type Module } from "./module.js";

/** max(x, 0). */
export const relu: Module = lambda(ops.relu);
/** x held in [0, 6]. Howard et al. 2017. */
export const relu6: Module = lambda((x) => ops.clamp(x, 0, 6));
/** Gaussian error linear unit, tanh form. */
export const gelu: Module = lambda(ops.gelu);
/** x * sigmoid(x). */
export const silu: Module = lambda(ops.silu);
/** Hyperbolic tangent. */
export const tanh: Module = lambda(ops.tanh);
/** 1 / (1 + e^-x). */
export const sigmoid: Module = lambda(ops.sigmoid);

/** [N, ...] -> [N, product of the rest]. */
export const flatten: Module = lambda((x) => ops.reshape(x, [x.shape[0]!, sizeOf(x.shape.slice(1))]));
/** Mean over all positions: [N, C, ...] -> [N, C]. */
export const globalAveragePool: Module = lambda((x) => ops.mean(x, x.shape.map((_, i) => i).slice(2)));
/** Greatest element of each window. */
export const maxPool2d = (options: ops.PoolOptions): Module => lambda((x) => ops.maxPool2d(x, options));
/** Mean of each window. */
export const avgPool2d = (options: ops.PoolOptions & { countPad?: boolean }): Module => lambda((x) => ops.avgPool2d(x, options));

/**
 * Zeroes elements with probability `rate` in training and divides the others by 1 - rate; does nothing else.
 * @param rate in [0, 1)
 * @throws OptionError outside the range; InputError in training without a key in the context
 */
export function dropout(rate: number): Module {
  requireNumber("dropout.rate", rate, 0, 1 - 2 ** -24);
  return lambda((x, { training, key, reserve }) => {
    if (!training || rate === 0) return x;
    if (!key)
      throw new InputError("dropout: training needs a random key; give createContext an i32 [2] value as key, a new one per step");
    return ops.dropout(x, key, { rate, offset: reserve(sizeOf(x.shape)) });
  });
}

/** body(x) + shortcut(x); without a shortcut, body(x) + x. Children: body and shortcut. He et al. 2016. */
export const residual = (body: Module, shortcut: Module = lambda((x) => x)): Module =>
  compose({ body, shortcut }, (run, x) => ops.add(run("body", x), run("shortcut", x)));

/** Batch normalisation: forward, its gradient as one operation, and inference. Ioffe and Szegedy 2015. */
import { type AnyTensor, ShapeError, sizeOf } from "../../core/index.js";
import type { OpDef, Value } from "../graph.js";
import type { ValueType } from "../types.js";
import { add, affine, broadcastTo, mul, reshape, sub, sum } from "./arithmetic.js";
import { f32, floats, named, requireDenseF32 } from "./support.js";
import { rsqrt } from "./unary.js";

type EpsAttrs = { eps: number };

/** Checks x [N, C, ...] and vectors [C]. */
function check(op: string, inputs: readonly ValueType[], names: readonly string[], planes: readonly number[]): number {
  requireDenseF32(op, inputs);
  const x = inputs[planes[0]!]!.shape;
  const fits =
    x.length >= 2 &&
    inputs.every(({ shape }, i) => (planes.includes(i) ? shape.join() === x.join() : shape.length === 1 && shape[0] === x[1]));
  if (!fits) throw new ShapeError(op, named(names, inputs), "x [N, C, ...] and vectors [C]");
  return x[1]!;
}

/** Calls `visit(flat index)` for each element of channel c. */
function eachOf(shape: readonly number[], c: number, visit: (i: number) => void): void {
  const plane = sizeOf(shape.slice(2));
  for (let n = 0; n < shape[0]!; n++) {
    const from = (n * shape[1]! + c) * plane;
    for (let i = from; i < from + plane; i++) visit(i);
  }
}

const countOf = (shape: readonly number[]): number => sizeOf(shape) / shape[1]!;
const axesOf = (x: Value): number[] => x.shape.map((_, i) => i).filter((i) => i !== 1);
/** [C] laid beside [N, C, ...]. */
const perChannel = (v: Value, x: Value): Value =>
  reshape(
    v,
    x.shape.map((d, i) => (i === 1 ? d : 1)),
  );

/**
 *     mean = sum(x) / M,  variance = sum((x - mean)^2) / M   per channel, M = N * plane
 *     y = gamma * (x - mean) / sqrt(variance + eps) + beta
 */
export const batchNormOp: OpDef<EpsAttrs> = {
  name: "batchNorm",
  type(inputs) {
    const c = check("batchNorm", inputs, ["x", "gamma", "beta"], [0]);
    return [f32(inputs[0]!.shape), f32([c]), f32([c])];
  },
  reference([x, gamma, beta], { eps }) {
    const c = x!.shape[1]!;
    const y = floats(x!.shape, [x!]);
    const mean = floats([c], [x!]);
    const variance = floats([c], [x!]);
    const count = countOf(x!.shape);
    for (let k = 0; k < c; k++) {
      let total = 0;
      eachOf(x!.shape, k, (i) => {
        total += x!.data[i]!;
      });
      const m = total / count;
      let squares = 0;
      eachOf(x!.shape, k, (i) => {
        squares += (x!.data[i]! - m) ** 2;
      });
      const v = squares / count;
      mean.data[k] = m;
      variance.data[k] = v;
      const scale = gamma!.data[k]! / Math.sqrt(v + eps);
      eachOf(x!.shape, k, (i) => {
        y.data[i] = (x!.data[i]! - m) * scale + beta!.data[k]!;
      });
    }
    return [y, mean, variance];
  },
  gradient({ inputs: [x, gamma], outputs: [, mean, variance], grads: [g, dMean, dVariance], attrs, needs }) {
    const [dx, dGamma, dBeta] = g ? batchNormGrad(g, x!, gamma!, mean!, variance!, attrs.eps) : [];
    const parts = [dx];
    const count = countOf(x!.shape);
    const flat = (v: Value) => broadcastTo(perChannel(v, x!), x!.shape);
    if (dMean && needs[0]) parts.push(flat(mul(dMean, 1 / count)));
    if (dVariance && needs[0]) parts.push(mul(sub(x!, perChannel(mean!, x!)), perChannel(mul(dVariance, 2 / count), x!)));
    const found = parts.filter((p) => p !== undefined);
    return [found.length ? found.reduce((a, b) => add(a, b)) : undefined, dGamma, dBeta];
  },
};

/**
 * With xh = (x - mean) r, r = 1/sqrt(variance + eps), S1 = sum(dy), S2 = sum(dy xh) per channel:
 *
 *     dx = gamma r (dy - S1/M - xh S2/M),  dgamma = S2,  dbeta = S1
 *
 * As a function of its five operands: mean and variance count as given, their own dependence on x is batchNorm's gradient.
 */
export const batchNormGradOp: OpDef<EpsAttrs> = {
  name: "batchNormGrad",
  type(inputs) {
    const c = check("batchNormGrad", inputs, ["dy", "x", "gamma", "mean", "variance"], [0, 1]);
    return [f32(inputs[0]!.shape), f32([c]), f32([c])];
  },
  reference(inputs, { eps }) {
    const [dy, x, gamma, mean, variance] = inputs as [AnyTensor, AnyTensor, AnyTensor, AnyTensor, AnyTensor];
    const c = x.shape[1]!;
    const count = countOf(x.shape);
    const dx = floats(x.shape, inputs);
    const dGamma = floats([c], inputs);
    const dBeta = floats([c], inputs);
    for (let k = 0; k < c; k++) {
      const r = 1 / Math.sqrt(variance.data[k]! + eps);
      const m = mean.data[k]!;
      let s1 = 0;
      let s2 = 0;
      eachOf(x.shape, k, (i) => {
        s1 += dy.data[i]!;
        s2 += dy.data[i]! * (x.data[i]! - m) * r;
      });
      dGamma.data[k] = s2;
      dBeta.data[k] = s1;
      eachOf(x.shape, k, (i) => {
        dx.data[i] = gamma.data[k]! * r * (dy.data[i]! - s1 / count - ((x.data[i]! - m) * r * s2) / count);
      });
    }
    return [dx, dGamma, dBeta];
  },
  gradient({ inputs, grads: [u, a, b], attrs: { eps } }) {
    const [dy, x, gamma, mean, variance] = inputs as [Value, Value, Value, Value, Value];
    const axes = axesOf(x);
    const wide = (v: Value) => perChannel(v, x);
    const count = countOf(x.shape);
    const r = rsqrt(affine(variance, 1, eps));
    const xh = mul(sub(x, wide(mean)), wide(r));
    const s1 = sum(dy, axes);
    const s2 = sum(mul(dy, xh), axes);
    // L = <u, dx> + <a, S2> + <b, S1>, with <u, dx> = gamma r P and P = <u, dy> - S1 U1/M - S2 U2/M.
    const plus = (p: Value | undefined, q: Value | undefined) => (p && q ? add(p, q) : (p ?? q));
    const scale = mul(gamma, r);
    const u1 = u && sum(u, axes);
    const u2 = u && sum(mul(u, xh), axes);
    const toS1 = plus(b, u1 && mul(mul(scale, u1), -1 / count));
    const toS2 = plus(a, u2 && mul(mul(scale, u2), -1 / count));
    const toU2 = u && mul(mul(scale, s2), -1 / count);
    const inner = u && sub(sum(mul(u, dy), axes), mul(add(mul(s1, u1!), mul(s2, u2!)), 1 / count));
    const toXh = plus(toS2 && mul(wide(toS2), dy), u && mul(wide(toU2!), u));
    const toR = plus(inner && mul(gamma, inner), toXh && sum(mul(toXh, sub(x, wide(mean))), axes));
    const fromS1 = toS1 && broadcastTo(wide(toS1), x.shape);
    const fromS2 = toS2 && mul(wide(toS2), xh);
    return [
      plus(plus(u && mul(wide(scale), u), fromS1), fromS2),
      toXh && mul(toXh, wide(r)),
      inner && mul(r, inner),
      toXh && mul(mul(sum(toXh, axes), r), -1),
      toR && mul(mul(toR, -0.5), mul(r, mul(r, r))),
    ];
  },
};

/** gamma (x - mean) / sqrt(variance + eps) + beta with running statistics. */
export const batchNormInferenceOp: OpDef<EpsAttrs> = {
  name: "batchNormInference",
  type(inputs) {
    check("batchNormInference", inputs, ["x", "gamma", "beta", "mean", "variance"], [0]);
    return [f32(inputs[0]!.shape)];
  },
  reference(inputs, { eps }) {
    const [x, gamma, beta, mean, variance] = inputs as [AnyTensor, AnyTensor, AnyTensor, AnyTensor, AnyTensor];
    const y = floats(x.shape, inputs);
    for (let k = 0; k < x.shape[1]!; k++) {
      const scale = gamma.data[k]! / Math.sqrt(variance.data[k]! + eps);
      eachOf(x.shape, k, (i) => {
        y.data[i] = (x.data[i]! - mean.data[k]!) * scale + beta.data[k]!;
      });
    }
    return [y];
  },
  gradient({ inputs, grads: [g], attrs: { eps } }) {
    const [x, gamma, , mean, variance] = inputs as [Value, Value, Value, Value, Value];
    const axes = axesOf(x);
    const r = rsqrt(affine(variance, 1, eps));
    const centred = sub(x, perChannel(mean, x));
    const along = sum(mul(g!, centred), axes);
    const scale = mul(gamma, r);
    const total = sum(g!, axes);
    return [
      mul(g!, perChannel(scale, x)),
      mul(along, r),
      total,
      mul(mul(total, scale), -1),
      mul(mul(mul(along, gamma), -0.5), mul(r, mul(r, r))),
    ];
  },
};

/**
 * Normalises each channel by the statistics of this batch.
 * @param x     [N, C, ...]
 * @param gamma [C]
 * @param beta  [C]
 * @param eps   added to the variance, default 1e-5
 * @returns y like x, mean [C], biased variance [C]
 * @throws ShapeError
 */
export function batchNorm(x: Value, gamma: Value, beta: Value, eps = 1e-5): { y: Value; mean: Value; variance: Value } {
  const [y, mean, variance] = x.graph.emit(batchNormOp, [x, gamma, beta], { eps });
  return { y: y!, mean: mean!, variance: variance! };
}

/** The gradient of batchNorm as one operation: [dx, dgamma, dbeta]. */
export const batchNormGrad = (dy: Value, x: Value, gamma: Value, mean: Value, variance: Value, eps: number): Value[] =>
  dy.graph.emit(batchNormGradOp, [dy, x, gamma, mean, variance], { eps });

/** Normalises each channel by given statistics. @throws ShapeError */
export const batchNormInference = (x: Value, gamma: Value, beta: Value, mean: Value, variance: Value, eps = 1e-5): Value =>
  x.graph.emit(batchNormInferenceOp, [x, gamma, beta, mean, variance], { eps })[0]!;

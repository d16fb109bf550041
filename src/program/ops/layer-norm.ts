/** Layer and root-mean-square normalisation over the last axis, with gradients as operations. */
import { type AnyTensor, ShapeError } from "../../core/index.js";
import type { OpDef, Value } from "../graph.js";
import type { ValueType } from "../types.js";
import { add, affine, broadcastTo, mul, sub, sum } from "./arithmetic.js";
import { mean } from "./reduce.js";
import { f32, floats, named, requireDenseF32 } from "./support.js";
import { rsqrt, square } from "./unary.js";

type EpsAttrs = { eps: number };

/** Operands in `wide` share the shape [..., D], the others are [D]. */
function check(op: string, inputs: readonly ValueType[], names: readonly string[], wide: readonly number[]): ValueType {
  requireDenseF32(op, inputs);
  const x = inputs[wide[0]!]!.shape;
  const fits =
    x.length >= 1 &&
    inputs.every(({ shape }, i) => (wide.includes(i) ? shape.join() === x.join() : shape.length === 1 && shape[0] === x.at(-1)));
  if (!fits) throw new ShapeError(op, named(names, inputs), "x [..., D] and vectors [D]");
  return f32(x);
}

/** Rows of the last axis: centre (0 for rms) and 1 / spread. */
function statistics(x: AnyTensor, row: number, centred: boolean, eps: number): { m: number; r: number } {
  const d = x.shape.at(-1)!;
  let m = 0;
  if (centred) for (let j = 0; j < d; j++) m += x.data[row * d + j]! / d;
  let v = 0;
  for (let j = 0; j < d; j++) v += (x.data[row * d + j]! - m) ** 2 / d;
  return { m, r: 1 / Math.sqrt(v + eps) };
}

/** y = gamma xh (+ beta), xh = (x - m) r. */
function forward(x: AnyTensor, gamma: AnyTensor, beta: AnyTensor | undefined, eps: number): AnyTensor {
  const d = x.shape.at(-1)!;
  const y = floats(x.shape, [x, gamma]);
  for (let row = 0; row < y.data.length / d; row++) {
    const { m, r } = statistics(x, row, beta !== undefined, eps);
    for (let j = 0; j < d; j++) y.data[row * d + j] = (x.data[row * d + j]! - m) * r * gamma.data[j]! + (beta ? beta.data[j]! : 0);
  }
  return y;
}

/** dx = r (h - mean(h) [layer only] - xh mean(h xh)), h = dy gamma; dgamma = sum(dy xh); dbeta = sum(dy). */
function backward(dy: AnyTensor, x: AnyTensor, gamma: AnyTensor, centred: boolean, eps: number): AnyTensor[] {
  const d = x.shape.at(-1)!;
  const dx = floats(x.shape, [dy, x]);
  const dGamma = new Float64Array(d);
  const dBeta = new Float64Array(d);
  for (let row = 0; row < dx.data.length / d; row++) {
    const { m, r } = statistics(x, row, centred, eps);
    const xh = (j: number) => (x.data[row * d + j]! - m) * r;
    const h = (j: number) => dy.data[row * d + j]! * gamma.data[j]!;
    let h1 = 0;
    let h2 = 0;
    for (let j = 0; j < d; j++) {
      if (centred) h1 += h(j) / d;
      h2 += (h(j) * xh(j)) / d;
      dGamma[j]! += dy.data[row * d + j]! * xh(j);
      dBeta[j]! += dy.data[row * d + j]!;
    }
    for (let j = 0; j < d; j++) dx.data[row * d + j] = r * (h(j) - h1 - xh(j) * h2);
  }
  const vector = (from: Float64Array) => {
    const v = floats([d], [dy, x]);
    v.data.set(from);
    return v;
  };
  return centred ? [dx, vector(dGamma), vector(dBeta)] : [dx, vector(dGamma)];
}

/** Sum over all axes but the last. */
const overRows = (v: Value): Value =>
  sum(
    v,
    v.shape.slice(0, -1).map((_, i) => i),
  );

/**
 * The gradient of the gradient. L = <u, dx> + <a, dgamma> + <b, dbeta>, with P = <u, h> - H1 U1/D - H2 U2/D per row,
 * H1 = sum(h), H2 = sum(h xh), U1 = sum(u), U2 = sum(u xh), so that <u, dx> = r P.
 */
function second(
  [dy, x, gamma]: readonly [Value, Value, Value],
  [u, a, b]: readonly (Value | undefined)[],
  centred: boolean,
  eps: number,
): (Value | undefined)[] {
  const centre = (v: Value) => (centred ? sub(v, mean(v, -1, true)) : v);
  const gap = centre(x);
  const r = rsqrt(affine(mean(square(gap), -1, true), 1, eps));
  const xh = mul(gap, r);
  const h = mul(dy, gamma);
  const plus = (...parts: (Value | undefined)[]) => {
    const found = parts.filter((p) => p !== undefined);
    return found.length ? found.reduce((p, q) => add(p, q)) : undefined;
  };
  // Through h: dx is linear and self-adjoint in h.
  const hx = u && mean(mul(h, xh), -1, true);
  const ux = u && mean(mul(u, xh), -1, true);
  const toH = u && mul(r, sub(centre(u), mul(xh, ux!)));
  const toXh = plus(a && mul(dy, a), u && mul(mul(r, -1), add(mul(h, ux!), mul(u, hx!))));
  const inner = u && sub(mean(mul(centre(u), h), -1, true), mul(hx!, ux!)); // P / D
  const toX = toXh && mul(r, sub(centre(toXh), mul(xh, mean(mul(toXh, xh), -1, true))));
  const throughR = inner && mul(xh, mul(mul(square(r), inner), -1));
  return [
    plus(toH && mul(toH, gamma), a && mul(xh, a), b && broadcastTo(b, x.shape)),
    plus(toX, throughR),
    toH && overRows(mul(toH, dy)),
  ];
}

export const layerNormOp: OpDef<EpsAttrs> = {
  name: "layerNorm",
  type: (inputs) => [check("layerNorm", inputs, ["x", "gamma", "beta"], [0])],
  reference: ([x, gamma, beta], { eps }) => [forward(x!, gamma!, beta!, eps)],
  gradient: ({ inputs: [x, gamma], grads: [g], attrs }) => layerNormGrad(g!, x!, gamma!, attrs.eps),
};
export const layerNormGradOp: OpDef<EpsAttrs> = {
  name: "layerNormGrad",
  type(inputs) {
    const type = check("layerNormGrad", inputs, ["dy", "x", "gamma"], [0, 1]);
    return [type, inputs[2]!, inputs[2]!];
  },
  reference: ([dy, x, gamma], { eps }) => backward(dy!, x!, gamma!, true, eps),
  gradient: ({ inputs, grads, attrs }) => second(inputs as unknown as [Value, Value, Value], grads, true, attrs.eps),
};
export const rmsNormOp: OpDef<EpsAttrs> = {
  name: "rmsNorm",
  type: (inputs) => [check("rmsNorm", inputs, ["x", "gamma"], [0])],
  reference: ([x, gamma], { eps }) => [forward(x!, gamma!, undefined, eps)],
  gradient: ({ inputs: [x, gamma], grads: [g], attrs }) => rmsNormGrad(g!, x!, gamma!, attrs.eps),
};
export const rmsNormGradOp: OpDef<EpsAttrs> = {
  name: "rmsNormGrad",
  type(inputs) {
    const type = check("rmsNormGrad", inputs, ["dy", "x", "gamma"], [0, 1]);
    return [type, inputs[2]!];
  },
  reference: ([dy, x, gamma], { eps }) => backward(dy!, x!, gamma!, false, eps),
  gradient: ({ inputs, grads, attrs }) => second(inputs as unknown as [Value, Value, Value], grads, false, attrs.eps),
};

/**
 * gamma (x - mean) / sqrt(variance + eps) + beta over the last axis. Ba, Kiros and Hinton 2016.
 * @param x [..., D], gamma and beta [D]; eps default 1e-5
 * @throws ShapeError
 */
export const layerNorm = (x: Value, gamma: Value, beta: Value, eps = 1e-5): Value =>
  x.graph.emit(layerNormOp, [x, gamma, beta], { eps })[0]!;
/** The gradient of layerNorm: [dx, dgamma, dbeta]. */
export const layerNormGrad = (dy: Value, x: Value, gamma: Value, eps: number): Value[] =>
  dy.graph.emit(layerNormGradOp, [dy, x, gamma], { eps });
/**
 * gamma x / sqrt(mean(x^2) + eps) over the last axis. Zhang and Sennrich 2019.
 * @param x [..., D], gamma [D]; eps default 1e-6
 * @throws ShapeError
 */
export const rmsNorm = (x: Value, gamma: Value, eps = 1e-6): Value => x.graph.emit(rmsNormOp, [x, gamma], { eps })[0]!;
/** The gradient of rmsNorm: [dx, dgamma]. */
export const rmsNormGrad = (dy: Value, x: Value, gamma: Value, eps: number): Value[] =>
  dy.graph.emit(rmsNormGradOp, [dy, x, gamma], { eps });

/** Random cases for every operation: operands, attributes, and what the contract suite may skip, with the reason. */
import { type AnyTensor, type Rng, sizeOf } from "../../core/index.js";
import { mul, operationNamed } from "../ops/index.js";
import { trace } from "../trace.js";
import type { Attrs } from "../types.js";
import { broadcastPair, chance, convolution, ints, pooling, shapeOf, size, uniform } from "./shapes.js";

export { uniform } from "./shapes.js";

/** One case: operands (f32 data may be replaced by perturbed values of the same shape) and attributes. */
export interface OpCase {
  readonly inputs: readonly AnyTensor[];
  readonly attrs: Attrs;
  /** Operands that finite differences must not move: conditions. */
  readonly still?: readonly number[];
}

type Generator = (rng: Rng) => OpCase;

/** Operations whose gradient is not the slope of their value, with the reason. */
export const notTheSlope: Readonly<Record<string, string>> = {
  stopGradient: "it passes its operand on and no gradient back",
  customGradient: "it passes its first operands on, with the gradient that it holds",
};

const unary =
  (low = -1.5, high = 1.5, attrs: Attrs = {}): Generator =>
  (rng) => ({ inputs: [uniform(rng, shapeOf(rng, rng.below(4)), low, high)], attrs });
const binary =
  (low = -1.5, high = 1.5, low2 = low, high2 = high): Generator =>
  (rng) => {
    const [a, b] = broadcastPair(rng);
    return { inputs: [uniform(rng, a, low, high), uniform(rng, b, low2, high2)], attrs: {} };
  };
const reduction: Generator = (rng) => {
  const shape = shapeOf(rng, 1 + rng.below(4));
  const axes = shape.map((_, i) => i).filter(() => chance(rng));
  return { inputs: [uniform(rng, shape)], attrs: { axes, keepDims: chance(rng) } };
};

const lines: Generator = (rng) => {
  const shape = shapeOf(rng, 1 + rng.below(3));
  return { inputs: [uniform(rng, shape)], attrs: { axis: rng.below(shape.length) } };
};
const lineGrads: Generator = (rng) => {
  const { inputs, attrs } = lines(rng);
  return { inputs: [uniform(rng, inputs[0]!.shape), uniform(rng, inputs[0]!.shape)], attrs };
};
const sliced = (rng: Rng) => {
  const shape = shapeOf(rng, 1 + rng.below(3), 6);
  const starts = shape.map((d) => rng.below(d));
  const stops = shape.map((d, i) => starts[i]! + 1 + rng.below(d - starts[i]!));
  const steps = shape.map(() => size(rng, 3));
  return { shape, starts, stops, steps, out: shape.map((_, i) => Math.ceil((stops[i]! - starts[i]!) / steps[i]!)) };
};
const rows =
  (key: string): Generator =>
  (rng) => {
    const [n, d, count] = [size(rng, 6), size(rng), size(rng)];
    return { inputs: [uniform(rng, [n, d]), ints(rng, [n], count)], attrs: { [key]: count } };
  };
const channels = (rng: Rng) => {
  const shape = [2 + rng.below(3), size(rng, 3), ...shapeOf(rng, rng.below(3), 3)];
  return { shape, vector: [shape[1]!] };
};
const wide = (rng: Rng) => {
  const shape = [...shapeOf(rng, rng.below(3)), 2 + rng.below(4)];
  return { shape, vector: [shape.at(-1)!] };
};
const key = (rng: Rng): AnyTensor => ints(rng, [2], 2 ** 31);

const byteTensor = (rng: Rng, shape: readonly number[]): AnyTensor => ({
  shape,
  dtype: "u8" as const,
  data: Uint8Array.from({ length: sizeOf(shape) }, () => rng.below(128)),
});
/** A weight on the grid of its scale, the scale, a bias. */
const int8Operands = (rng: Rng, shape: readonly number[]): AnyTensor[] => {
  const scale = uniform(rng, [shape[0]!], 0.001, 0.02);
  const row = sizeOf(shape) / shape[0]!;
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => (rng.below(255) - 127) * scale.data[Math.floor(i / row)]!);
  return [{ shape, dtype: "f32", data }, scale, uniform(rng, [shape[0]!])];
};
const int8Rounding = { xScale: 0.05, xZero: 64, yScale: 0.1, yZero: 50, lo: 3, hi: 120 };

/** One generator per operation of the registry. */
export const cases: Readonly<Record<string, Generator>> = {
  constant: (rng) => {
    const shape = shapeOf(rng, rng.below(3));
    return {
      inputs: [],
      attrs: { shape, dtype: "f32", value: chance(rng) ? 0.5 : Array.from({ length: sizeOf(shape) }, (_, i) => i - 1) },
    };
  },
  neg: unary(),
  abs: unary(),
  sqrt: unary(0.3, 3),
  rsqrt: unary(0.3, 3),
  recip: unary(0.4, 3),
  exp: unary(),
  log: unary(0.3, 3),
  tanh: unary(),
  sigmoid: unary(-4, 4),
  relu: unary(),
  square: unary(),
  sign: unary(),
  step: unary(),
  gelu: unary(-3, 3),
  silu: unary(-4, 4),
  sin: unary(),
  cos: unary(),
  floor: unary(-3, 3),
  softplus: unary(-4, 4),
  erf: unary(-3, 3),
  log1p: unary(-0.6, 2),
  affine: unary(-1.5, 1.5, { a: -1.75, b: 0.375 }),
  clamp: unary(-1.5, 1.5, { a: -0.5, b: 0.75 }),
  leaky: unary(-1.5, 1.5, { a: 0.125 }),
  hardSigmoid: unary(-4, 4, { a: 0.25, b: 0.4 }),
  hardSwish: unary(-4, 4, { a: 1 / 6, b: 0.5 }),
  powScalar: unary(0.4, 2, { a: 2.5 }),
  add: binary(),
  sub: binary(),
  mul: binary(),
  div: binary(-1.5, 1.5, 0.5, 2),
  max: binary(),
  min: binary(),
  pow: binary(0.4, 2, -2, 2),
  greater: binary(),
  greaterEqual: binary(),
  equal: (rng) => {
    const [a, b] = broadcastPair(rng);
    return chance(rng)
      ? { inputs: [ints(rng, a, 3), ints(rng, b, 3)], attrs: {} }
      : { inputs: [uniform(rng, a), uniform(rng, b)], attrs: {} };
  },
  reluGrad: binary(),
  where: (rng) => {
    const [a, b] = broadcastPair(rng);
    const cond = uniform(rng, a);
    for (let i = 0; i < cond.data.length; i++) cond.data[i] = cond.data[i]! > 0 ? 1 : 0;
    return { inputs: [cond, uniform(rng, b), uniform(rng, a)], attrs: {}, still: [0] };
  },
  sum: reduction,
  mean: reduction,
  sumSquares: reduction,
  reduceMax: reduction,
  reduceMin: reduction,
  broadcastTo: (rng) => {
    const shape = shapeOf(rng, 1 + rng.below(3));
    return { inputs: [uniform(rng, shape.map((d) => (chance(rng) ? 1 : d)).slice(rng.below(2)))], attrs: { shape } };
  },
  reshape: (rng) => {
    const shape = shapeOf(rng, 3);
    return { inputs: [uniform(rng, shape)], attrs: { shape: [shape[0]! * shape[1]!, 1, shape[2]!] } };
  },
  transpose: (rng) => {
    const shape = shapeOf(rng, 1 + rng.below(4));
    return { inputs: [uniform(rng, shape)], attrs: { perm: [...rng.permutation(shape.length)] } };
  },
  slice: (rng) => {
    const { shape, starts, stops, steps } = sliced(rng);
    return { inputs: [uniform(rng, shape)], attrs: { starts, stops, steps } };
  },
  scatterSlice: (rng) => {
    const { shape, starts, steps, out } = sliced(rng);
    return { inputs: [uniform(rng, out)], attrs: { shape, starts, steps } };
  },
  pad: (rng) => {
    const shape = shapeOf(rng, 1 + rng.below(3));
    return {
      inputs: [uniform(rng, shape)],
      attrs: { before: shape.map(() => rng.below(3)), after: shape.map(() => rng.below(3)), value: 0.5 },
    };
  },
  concat: (rng) => {
    const shape = shapeOf(rng, 1 + rng.below(3));
    const axis = rng.below(shape.length);
    return { inputs: Array.from({ length: size(rng, 3) }, () => uniform(rng, shape.with(axis, size(rng)))), attrs: { axis } };
  },
  matmul: (rng) => {
    const batch = shapeOf(rng, rng.below(3), 3);
    const [m, k, n] = shapeOf(rng, 3, 5) as [number, number, number];
    const [transposeA, transposeB] = [chance(rng), chance(rng)];
    const a = transposeA ? [k, m] : [m, k];
    const b = transposeB ? [n, k] : [k, n];
    return { inputs: [uniform(rng, [...batch, ...a]), uniform(rng, [...batch, ...b])], attrs: { transposeA, transposeB } };
  },
  conv2d: (rng) => {
    const { x, w, attrs } = convolution(rng);
    return { inputs: [uniform(rng, x), uniform(rng, w)], attrs };
  },
  quantise: (rng) => ({ inputs: [uniform(rng, shapeOf(rng, 4), -9, 9)], attrs: { scale: 0.05, zero: 60 } }),
  dequantise: (rng) => ({ inputs: [byteTensor(rng, shapeOf(rng, 4))], attrs: { scale: 0.05, zero: 60 } }),
  conv2dInt8: (rng) => {
    const { x, w, y, attrs } = convolution(rng);
    // One group, or one per channel.
    const groups = w[1] === 1 && w[0] === x[1] && chance(rng) ? x[1]! : 1;
    const form = [w[0]!, x[1]! / groups, w[2]!, w[3]!];
    const residual = chance(rng);
    return {
      inputs: [byteTensor(rng, x), ...int8Operands(rng, form), ...(residual ? [byteTensor(rng, y)] : [])],
      attrs: { ...attrs, groups, ...int8Rounding, ...(residual ? { rScale: 0.03, rZero: 40 } : {}) },
    };
  },
  meanInt8: (rng) => ({ inputs: [byteTensor(rng, shapeOf(rng, 4))], attrs: { ...int8Rounding, keepDims: chance(rng) } }),
  maxPoolInt8: (rng) => {
    const { x, attrs } = pooling(rng);
    return { inputs: [byteTensor(rng, x)], attrs };
  },
  linearInt8: (rng) => {
    const [n, k, o] = [size(rng), size(rng), size(rng)];
    const more = chance(rng) ? [1, 1] : [];
    return {
      inputs: [byteTensor(rng, [n, k, ...more]), ...int8Operands(rng, [o, k, ...more])],
      attrs: { xScale: 0.04, xZero: rng.below(128) },
    };
  },
  conv2dInputGrad: (rng) => {
    const { x, w, y, attrs } = convolution(rng);
    return { inputs: [uniform(rng, y), uniform(rng, w)], attrs: { ...attrs, inputShape: x } };
  },
  conv2dWeightGrad: (rng) => {
    const { x, w, y, attrs } = convolution(rng);
    return { inputs: [uniform(rng, x), uniform(rng, y)], attrs: { ...attrs, weightShape: w } };
  },
  maxPool2d: (rng) => {
    const { x, attrs } = pooling(rng);
    return { inputs: [uniform(rng, x)], attrs };
  },
  maxPool2dGrad: (rng) => {
    const { x, y, attrs } = pooling(rng);
    const plane = uniform(rng, x);
    const best = operationNamed("maxPool2d").reference([plane], attrs, [{ shape: y, dtype: "f32" }])[0]!;
    return { inputs: [plane, best, uniform(rng, y)], attrs };
  },
  avgPool2d: (rng) => {
    const { x, attrs } = pooling(rng);
    return { inputs: [uniform(rng, x)], attrs: { ...attrs, countPad: chance(rng) } };
  },
  avgPool2dGrad: (rng) => {
    const { x, y, attrs } = pooling(rng);
    return { inputs: [uniform(rng, y)], attrs: { ...attrs, countPad: chance(rng), inputShape: x } };
  },
  batchNorm: (rng) => {
    const { shape, vector } = channels(rng);
    return { inputs: [uniform(rng, shape), uniform(rng, vector), uniform(rng, vector)], attrs: { eps: 0.1 } };
  },
  batchNormGrad: (rng) => {
    const { shape, vector } = channels(rng);
    const [dy, x, gamma, mean] = [shape, shape, vector, vector].map((s) => uniform(rng, s)) as [
      AnyTensor,
      AnyTensor,
      AnyTensor,
      AnyTensor,
    ];
    return { inputs: [dy, x, gamma, mean, uniform(rng, vector, 0.3, 2)], attrs: { eps: 0.1 } };
  },
  batchNormInference: (rng) => {
    const { shape, vector } = channels(rng);
    const [x, gamma, beta, mean] = [shape, vector, vector, vector].map((s) => uniform(rng, s)) as [
      AnyTensor,
      AnyTensor,
      AnyTensor,
      AnyTensor,
    ];
    return { inputs: [x, gamma, beta, mean, uniform(rng, vector, 0.3, 2)], attrs: { eps: 0.1 } };
  },
  layerNorm: (rng) => {
    const { shape, vector } = wide(rng);
    return { inputs: [uniform(rng, shape), uniform(rng, vector), uniform(rng, vector)], attrs: { eps: 0.1 } };
  },
  layerNormGrad: (rng) => {
    const { shape, vector } = wide(rng);
    return { inputs: [uniform(rng, shape), uniform(rng, shape), uniform(rng, vector)], attrs: { eps: 0.1 } };
  },
  rmsNorm: (rng) => {
    const { shape, vector } = wide(rng);
    return { inputs: [uniform(rng, shape), uniform(rng, vector)], attrs: { eps: 0.1 } };
  },
  rmsNormGrad: (rng) => {
    const { shape, vector } = wide(rng);
    return { inputs: [uniform(rng, shape), uniform(rng, shape), uniform(rng, vector)], attrs: { eps: 0.1 } };
  },
  softmax: lines,
  logSoftmax: lines,
  softmaxGrad: lineGrads,
  logSoftmaxGrad: lineGrads,
  pick: (rng) => {
    const [n, k] = [size(rng, 5), size(rng, 5)];
    return { inputs: [uniform(rng, [n, k]), ints(rng, [n], k)], attrs: {} };
  },
  pickGrad: (rng) => {
    const [n, depth] = [size(rng, 5), size(rng, 5)];
    return { inputs: [uniform(rng, [n]), ints(rng, [n], depth)], attrs: { depth } };
  },
  gather: (rng) => {
    const [v, d] = [size(rng, 5), size(rng)];
    return { inputs: [uniform(rng, [v, d]), ints(rng, shapeOf(rng, rng.below(3)), v)], attrs: {} };
  },
  scatterAddRows: rows("rows"),
  segmentSum: rows("count"),
  oneHot: (rng) => {
    const depth = size(rng);
    return { inputs: [ints(rng, shapeOf(rng, rng.below(3)), depth)], attrs: { depth } };
  },
  topK: (rng) => {
    const shape = [...shapeOf(rng, rng.below(3)), 2 + rng.below(4)];
    return { inputs: [uniform(rng, shape)], attrs: { k: size(rng, shape.at(-1)!) } };
  },
  argmax: lines,
  cast: (rng) => ({ inputs: [uniform(rng, shapeOf(rng, 2), -5, 5)], attrs: { dtype: "i32" } }),
  stopGradient: unary(),
  customGradient: (rng) => {
    const shape = shapeOf(rng, 2);
    const vjp = trace(({ inputs }) => ({ outputs: { grad0: mul(inputs["grad0"]!, 2) } }), {
      inputs: { argument0: { shape: [3] }, result0: { shape }, grad0: { shape } },
    });
    return { inputs: [uniform(rng, shape), uniform(rng, [3])], attrs: { results: 1, vjp } };
  },
  randomUniform: (rng) => ({ inputs: [key(rng)], attrs: { shape: shapeOf(rng, 2), offset: rng.below(100) } }),
  randomNormal: (rng) => ({ inputs: [key(rng)], attrs: { shape: shapeOf(rng, 2), offset: rng.below(100) } }),
  dropoutMask: (rng) => ({ inputs: [key(rng)], attrs: { shape: shapeOf(rng, 2), offset: rng.below(100), keep: 0.75 } }),
  sgd: (rng) => {
    const shape = shapeOf(rng, 2);
    const momentum = chance(rng) ? 0.9 : 0;
    const weights = momentum === 0 ? [shape, shape] : [shape, shape, shape];
    return {
      inputs: [...weights.map((s) => uniform(rng, s)), uniform(rng, [], 0.01, 0.1)],
      attrs: { momentum, decay: 0.01, nesterov: chance(rng) },
    };
  },
  adam: (rng) => {
    const shape = shapeOf(rng, 2);
    return {
      inputs: [
        uniform(rng, shape),
        uniform(rng, shape),
        uniform(rng, shape),
        uniform(rng, shape, 0.1, 1),
        uniform(rng, [], 0.01, 0.1),
        uniform(rng, [2], 0.1, 1),
      ],
      attrs: { beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: 0.01, decoupled: chance(rng) },
    };
  },
};

/** Numbers of the operations that the elementwise and reducing kernels take in their `kind` parameter. */

/** One input: `y = f(x)`; `a` and `b` are the kernel's two float parameters. */
export const UNARY = {
  neg: 0,
  abs: 1,
  sqrt: 2,
  /** 1 / sqrt(x) */
  rsqrt: 3,
  /** 1 / x */
  recip: 4,
  relu: 5,
  square: 6,
  /** -1, 0 or 1; NaN stays */
  sign: 7,
  /** x > 0 ? 1 : 0 */
  step: 8,
  floor: 9,
  /** a * x + b */
  affine: 10,
  /** x held to [a, b] */
  clamp: 11,
  /** x > 0 ? x : a * x */
  leaky: 12,
  exp: 13,
  log: 14,
  log1p: 15,
  tanh: 16,
  sigmoid: 17,
  /** 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
  gelu: 18,
  /** x sigmoid(x) */
  silu: 19,
  sin: 20,
  cos: 21,
  /** log(1 + exp(x)) */
  softplus: 22,
  erf: 23,
  /** x ^ a */
  powScalar: 24,
  copy: 25,
  /** to the nearest integer, halves to even */
  round: 26,
  ceil: 27,
  /** a x + b held to [0, 1] */
  hardSigmoid: 28,
  /** x times a x + b held to [0, 1] */
  hardSwish: 29,
} as const;

/** Two inputs: `z = f(x, y)`. Comparisons give 1 or 0. */
export const BINARY = {
  add: 0,
  sub: 1,
  mul: 2,
  div: 3,
  max: 4,
  min: 5,
  pow: 6,
  greater: 7,
  greaterEqual: 8,
  equal: 9,
  /** y > 0 ? x : 0, with x the incoming gradient and y the activation's output */
  reluGrad: 10,
  /** x (1 - y^2), y = tanh's output */
  tanhGrad: 11,
  /** x y (1 - y), y = sigmoid's output */
  sigmoidGrad: 12,
  /** x gelu'(y), y = gelu's input */
  geluGrad: 13,
  /** x silu'(y), y = silu's input */
  siluGrad: 14,
} as const;

/** Reductions along an axis. */
export const REDUCE = { sum: 0, mean: 1, max: 2, min: 3, sumSquares: 4 } as const;

/** Name of an operation with one input. */
export type UnaryKind = keyof typeof UNARY;
/** Name of an operation with two inputs. */
export type BinaryKind = keyof typeof BINARY;
/** Name of a reduction. */
export type ReduceKind = keyof typeof REDUCE;

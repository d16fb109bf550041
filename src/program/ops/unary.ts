/** Elementwise operations of one operand, as a table of definition and gradient. */
import type { OpDef, Value } from "../graph.js";
import { add, affine, affineOp, div, mul, neg, sub } from "./arithmetic.js";
import { equal, reluGrad } from "./compare.js";
import { elementwiseType, floats, requireDType } from "./support.js";

/** The numbers of `affine`, `clamp`, `leaky`, `powScalar`, `hardSigmoid` and `hardSwish`. */
type UnaryAttrs = { a?: number; b?: number };
type Rule = (g: Value, x: Value, y: Value, attrs: { a: number; b: number }) => Value | undefined;

function unary(name: string, f: (x: number, a: number, b: number) => number, rule: Rule): OpDef<UnaryAttrs> {
  return {
    name,
    type(inputs) {
      requireDType(name, inputs, 0, "f32");
      return [elementwiseType(name, inputs, ["x"])];
    },
    reference([x], { a = 0, b = 0 }) {
      const y = floats(x!.shape, [x!]);
      for (let i = 0; i < y.data.length; i++) y.data[i] = f(x!.data[i]!, a, b);
      return [y];
    },
    gradient: ({ inputs: [x], outputs: [y], grads: [g], attrs: { a = 0, b = 0 } }) => [rule(g!, x!, y!, { a, b })],
  };
}

const flat: Rule = () => undefined;
type Unary = (x: Value) => Value;
const plain =
  (def: OpDef<UnaryAttrs>): Unary =>
  (x) =>
    x.graph.emit(def, [x], {})[0]!;

/** erf(x) = 2/sqrt(pi) exp(-x^2) sum_n 2^n x^(2n+1) / (2n+1)!!, all terms of one sign, so stable. */
function erfOf(x: number): number {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let total = x;
  for (let n = 1; n < 400 && Math.abs(term) > 1e-17 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}
const sigmoidOf = (x: number): number => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));
const hardSigmoidOf = (x: number, a: number, b: number): number => Math.min(Math.max(a * x + b, 0), 1);
/** 1 where 0 <= a x + b <= 1. */
const inside = (x: Value, a: number, b: number): Value => {
  const line = affine(x, a, b);
  return equal(line, clamp(line, 0, 1));
};
const GELU = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/** Definitions of all elementwise operations with one input, by name. */
export const unaryOps = {
  abs: unary("abs", Math.abs, (g, x) => mul(g, sign(x))),
  sqrt: unary("sqrt", Math.sqrt, (g, _x, y) => div(mul(g, 0.5), y)),
  rsqrt: unary(
    "rsqrt",
    (x) => 1 / Math.sqrt(x),
    (g, _x, y) => mul(mul(g, -0.5), mul(y, square(y))),
  ),
  recip: unary(
    "recip",
    (x) => 1 / x,
    (g, _x, y) => neg(mul(g, square(y))),
  ),
  exp: unary("exp", Math.exp, (g, _x, y) => mul(g, y)),
  log: unary("log", Math.log, (g, x) => div(g, x)),
  tanh: unary("tanh", Math.tanh, (g, _x, y) => mul(g, sub(1, square(y)))),
  sigmoid: unary("sigmoid", sigmoidOf, (g, _x, y) => mul(g, mul(y, sub(1, y)))),
  relu: unary(
    "relu",
    (x) => Math.max(x, 0),
    (g, _x, y) => reluGrad(g, y),
  ),
  square: unary(
    "square",
    (x) => x * x,
    (g, x) => mul(g, mul(x, 2)),
  ),
  sign: unary("sign", Math.sign, flat),
  step: unary("step", (x) => (x > 0 ? 1 : 0), flat),
  gelu: unary(
    "gelu",
    (x) => 0.5 * x * (1 + Math.tanh(GELU * (x + CUBIC * x * x * x))),
    (g, x) => {
      const x2 = square(x);
      const t = tanh(mul(x, affine(x2, GELU * CUBIC, GELU)));
      const slope = mul(mul(x, sub(1, square(t))), affine(x2, 1.5 * GELU * CUBIC, 0.5 * GELU));
      return mul(g, add(affine(t, 0.5, 0.5), slope));
    },
  ),
  silu: unary(
    "silu",
    (x) => x * sigmoidOf(x),
    (g, x, y) => {
      const s = sigmoid(x);
      return mul(g, add(s, mul(y, sub(1, s))));
    },
  ),
  sin: unary("sin", Math.sin, (g, x) => mul(g, cos(x))),
  cos: unary("cos", Math.cos, (g, x) => neg(mul(g, sin(x)))),
  floor: unary("floor", Math.floor, flat),
  softplus: unary(
    "softplus",
    (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    (g, x) => mul(g, sigmoid(x)),
  ),
  erf: unary("erf", erfOf, (g, x) => mul(mul(g, 2 / Math.sqrt(Math.PI)), exp(neg(square(x))))),
  log1p: unary("log1p", Math.log1p, (g, x) => div(g, add(x, 1))),
  affine: affineOp as OpDef<UnaryAttrs>,
  clamp: unary(
    "clamp",
    (x, a, b) => Math.min(Math.max(x, a), b),
    (g, x, y) => mul(g, equal(x, y)),
  ),
  leaky: unary(
    "leaky",
    (x, a) => (x > 0 ? x : a * x),
    (g, x, _y, { a }) => mul(g, affine(step(x), 1 - a, a)),
  ),
  hardSigmoid: unary("hardSigmoid", hardSigmoidOf, (g, x, _y, { a, b }) => mul(g, mul(inside(x, a, b), a))),
  hardSwish: unary(
    "hardSwish",
    (x, a, b) => x * hardSigmoidOf(x, a, b),
    (g, x, _y, { a, b }) => mul(g, add(hardSigmoid(x, a, b), mul(mul(x, inside(x, a, b)), a))),
  ),
  powScalar: unary("powScalar", Math.pow, (g, x, _y, { a }) => (a === 0 ? undefined : mul(mul(g, a), powScalar(x, a - 1)))),
} satisfies Record<string, OpDef<UnaryAttrs>>;

/** |x|, elementwise. */
export const abs: Unary = plain(unaryOps.abs);
/** Square root. */
export const sqrt: Unary = plain(unaryOps.sqrt);
/** 1 / sqrt(x). */
export const rsqrt: Unary = plain(unaryOps.rsqrt);
/** 1 / x. */
export const recip: Unary = plain(unaryOps.recip);
/** e^x. */
export const exp: Unary = plain(unaryOps.exp);
/** Natural logarithm. */
export const log: Unary = plain(unaryOps.log);
/** Hyperbolic tangent. */
export const tanh: Unary = plain(unaryOps.tanh);
/** 1 / (1 + e^-x). */
export const sigmoid: Unary = plain(unaryOps.sigmoid);
/** max(x, 0); its gradient at 0 is 0. */
export const relu: Unary = plain(unaryOps.relu);
/** x^2. */
export const square: Unary = plain(unaryOps.square);
/** -1, 0 or 1; gradient 0. */
export const sign: Unary = plain(unaryOps.sign);
/** 1 where x > 0, else 0; gradient 0. */
export const step: Unary = plain(unaryOps.step);
/** Gaussian error linear unit, tanh form: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). Hendrycks and Gimpel 2016. */
export const gelu: Unary = plain(unaryOps.gelu);
/** x * sigmoid(x). */
export const silu: Unary = plain(unaryOps.silu);
/** Sine. */
export const sin: Unary = plain(unaryOps.sin);
/** Cosine. */
export const cos: Unary = plain(unaryOps.cos);
/** The greatest integer not above x; gradient 0. */
export const floor: Unary = plain(unaryOps.floor);
/** log(1 + e^x). */
export const softplus: Unary = plain(unaryOps.softplus);
/** The error function. */
export const erf: Unary = plain(unaryOps.erf);
/** log(1 + x). */
export const log1p: Unary = plain(unaryOps.log1p);
/** x held in [a, b]; the gradient passes where a <= x <= b. */
export const clamp = (x: Value, a: number, b: number): Value => x.graph.emit(unaryOps.clamp, [x], { a, b })[0]!;
/** x where x > 0, else a x. */
export const leaky = (x: Value, a = 0.01): Value => x.graph.emit(unaryOps.leaky, [x], { a })[0]!;
/** a x + b held in [0, 1]; the gradient passes where it is not held. */
export const hardSigmoid = (x: Value, a = 1 / 6, b = 0.5): Value => x.graph.emit(unaryOps.hardSigmoid, [x], { a, b })[0]!;
/** x hardSigmoid(x). Howard et al. 2019, arXiv:1905.02244, section 5.2, with a = 1/6 and b = 1/2. */
export const hardSwish = (x: Value, a = 1 / 6, b = 0.5): Value => x.graph.emit(unaryOps.hardSwish, [x], { a, b })[0]!;
/** x to the power of a number. */
export const powScalar = (x: Value, a: number): Value => x.graph.emit(unaryOps.powScalar, [x], { a })[0]!;

/** Elementwise operators: one operand, two operands, comparisons, activations. */
import type { Value } from "../../graph.js";
import * as op from "../../ops/index.js";
import { type NodeView, type Rule, refuse } from "../node.js";

const unary =
  (f: (x: Value) => Value): Rule =>
  (n) =>
    f(n.value(0));

/** Two operands; a known single number becomes a constant of the operation. */
function pair(n: NodeView, i = 0, j = 1): [op.Operand, op.Operand] {
  const [ri, rj] = [n.shape(i).length, n.shape(j).length];
  const a = n.operand(i, rj);
  return typeof a === "number" ? [a, n.value(j)] : [a, n.operand(j, ri)];
}

const binary =
  (f: (a: op.Operand, b: op.Operand) => Value): Rule =>
  (n) =>
    f(...pair(n));

const comparison =
  (f: (a: op.Operand, b: op.Operand) => Value): Rule =>
  (n) =>
    n.of(f(...pair(n)), "bool");

/** Folds a list of operands. */
const variadic =
  (f: (a: Value, b: Value) => Value): Rule =>
  (n) => {
    let y = n.value(0);
    for (let i = 1; i < n.count; i++) y = f(y, n.value(i));
    return y;
  };

const truncated = (x: Value): Value => op.mul(op.sign(x), op.floor(op.abs(x)));

const divide: Rule = (n) => {
  const [a, b] = pair(n);
  if (n.kind(0) === "int") return truncated(op.div(a, b));
  if (typeof b === "number" && typeof a !== "number") return op.affine(a, 1 / b, 0);
  return op.div(a, b);
};

const power: Rule = (n) => {
  const [a, b] = pair(n);
  if (typeof b === "number" && typeof a !== "number") {
    if (b === 2) return op.square(a);
    if (b === 0.5) return op.sqrt(a);
    return b === 1 ? a : op.powScalar(a, b);
  }
  return op.pow(a, b);
};

const modulo: Rule = (n) => {
  const [a, b] = pair(n);
  const quotient = op.div(a, b);
  return op.sub(a, op.mul(n.int("fmod", 0) ? truncated(quotient) : op.floor(quotient), b));
};

const BIG = 3.4028234663852886e38;

const clip: Rule = (n) => {
  const bound = (i: number, name: string, none: number): op.Operand => {
    if (n.has(i)) return n.known(i) ? n.numbers(i, name)[0]! : n.value(i);
    return n.float(name, none);
  };
  const x = n.value(0);
  const [low, high] = [bound(1, "min", -BIG), bound(2, "max", BIG)];
  if (typeof low === "number" && typeof high === "number") {
    return low === 0 && high >= BIG ? op.relu(x) : op.clamp(x, Math.max(low, -BIG), Math.min(high, BIG));
  }
  return op.min(op.max(x, low), high);
};

const gelu: Rule = (n) => {
  const x = n.value(0);
  if (n.text("approximate", "none") === "tanh") return op.gelu(x);
  return op.mul(op.affine(x, 0.5, 0), op.affine(op.erf(op.affine(x, Math.SQRT1_2, 0)), 1, 1));
};

const elu = (x: Value, alpha: number): Value => op.where(op.greater(x, 0), x, op.affine(op.exp(op.min(x, 0)), alpha, -alpha));

const selu: Rule = (n) => op.mul(elu(n.value(0), n.float("alpha", 1.6732632423543772)), n.float("gamma", 1.0507009873554805));

const celu: Rule = (n) => {
  const alpha = n.float("alpha", 1);
  const x = n.value(0);
  return op.where(op.greater(x, 0), x, op.affine(op.exp(op.affine(op.min(x, 0), 1 / alpha, 0)), alpha, -alpha));
};

const prelu: Rule = (n) => {
  const x = n.value(0);
  return op.add(op.relu(x), op.mul(op.min(x, 0), n.operand(1, x.shape.length)));
};

/** To the nearest integer, halves to the even one. */
const round = (x: Value): Value => {
  const up = op.affine(x, 1, 0.5);
  const near = op.floor(up);
  const odd = op.sub(near, op.affine(op.floor(op.affine(near, 0.5, 0)), 2, 0));
  return op.sub(near, op.mul(op.equal(up, near), odd));
};

const not = (x: Value): Value => op.affine(x, -1, 1);

const castTo: Rule = (n) => {
  const to = n.int("to", 1);
  const x = n.value(0);
  const from = n.kind(0);
  if (to === 9) return n.of(from === "bool" ? x : not(op.equal(x, 0)), "bool");
  if (to === 1 || to === 10 || to === 11 || to === 16) return n.of(x, "float");
  if (![2, 3, 4, 5, 6, 7, 12, 13].includes(to)) refuse(`a cast to element type ${to}`);
  return n.of(from === "float" ? truncated(x) : x, "int");
};

const where: Rule = (n) => {
  const rank = Math.max(n.shape(0).length, n.shape(1).length, n.shape(2).length);
  return n.of(op.where(n.value(0), n.operand(1, rank), n.operand(2, rank)), n.kind(1));
};

/** A vector along `axis` beside x, or one number. */
function alongAxis(n: NodeView, i: number): op.Operand {
  const x = n.shape(0);
  const known = n.known(i);
  if (known?.data.length === 1) return known.data[0]!;
  const v = n.value(i);
  if (v.shape.length === 0) return v;
  if (v.shape.length !== 1) refuse(`blocked quantisation with a scale [${v.shape.join(", ")}]`);
  const axis = n.axis(n.int("axis", 1), x.length);
  return op.reshape(
    v,
    x.map((_, d) => (d === axis ? v.shape[0]! : 1)),
  );
}

const dequantize: Rule = (n) => {
  const x = n.value(0);
  return n.of(op.mul(n.has(2) ? op.sub(x, alongAxis(n, 2)) : x, alongAxis(n, 1)), "float");
};

/** Eight bits only: the type of the zero point, or unsigned bytes without one. */
const quantize: Rule = (n) => {
  const low = n.has(2) && n.range(2) === "i8" ? -128 : 0;
  if (n.has(2) && !["i8", "u8"].includes(n.range(2) ?? "")) refuse("QuantizeLinear to other than 8 bits");
  const q = round(op.div(n.value(0), alongAxis(n, 1)));
  return n.of(op.clamp(n.has(2) ? op.add(q, alongAxis(n, 2)) : q, low, low + 255), "int");
};

const identity: Rule = (n) => n.held(0);

const dropout: Rule = (n) => {
  if (n.isUsed(1)) refuse("the mask output of Dropout");
  if (n.known(2)?.data[0]) refuse("Dropout in training mode");
  return n.held(0);
};

/** Elementwise operators by name. */
export const elementwiseRules: Readonly<Record<string, Rule>> = {
  Abs: unary(op.abs),
  Neg: unary((x) => op.affine(x, -1, 0)),
  Sqrt: unary(op.sqrt),
  Exp: unary(op.exp),
  Log: unary(op.log),
  Tanh: unary(op.tanh),
  Sigmoid: unary(op.sigmoid),
  Relu: unary(op.relu),
  Erf: unary(op.erf),
  Sin: unary(op.sin),
  Cos: unary(op.cos),
  Tan: unary((x) => op.div(op.sin(x), op.cos(x))),
  Sinh: unary((x) => op.affine(op.sub(op.exp(x), op.exp(op.affine(x, -1, 0))), 0.5, 0)),
  Cosh: unary((x) => op.affine(op.add(op.exp(x), op.exp(op.affine(x, -1, 0))), 0.5, 0)),
  Sign: unary(op.sign),
  Softplus: unary(op.softplus),
  Reciprocal: unary(op.recip),
  Floor: unary(op.floor),
  Ceil: unary((x) => op.affine(op.floor(op.affine(x, -1, 0)), -1, 0)),
  Round: unary(round),
  Softsign: unary((x) => op.div(x, op.affine(op.abs(x), 1, 1))),
  HardSwish: unary((x) => op.hardSwish(x)),
  Mish: unary((x) => op.mul(x, op.tanh(op.softplus(x)))),
  Not: unary(not),
  LeakyRelu: (n) => op.leaky(n.value(0), n.float("alpha", 0.01)),
  ThresholdedRelu: (n) => op.mul(n.value(0), op.greater(n.value(0), n.float("alpha", 1))),
  Shrink: (n) => {
    const [x, lambda, bias] = [n.value(0), n.float("lambd", 0.5), n.float("bias", 0)];
    const far = op.mul(op.affine(op.abs(x), 1, -bias), op.sign(x));
    return op.mul(far, op.greater(op.abs(x), lambda));
  },
  Elu: (n) => elu(n.value(0), n.float("alpha", 1)),
  Selu: selu,
  Celu: celu,
  PRelu: prelu,
  HardSigmoid: (n) => op.hardSigmoid(n.value(0), n.float("alpha", 0.2), n.float("beta", 0.5)),
  Gelu: gelu,
  Clip: clip,
  Add: binary(op.add),
  Sub: binary(op.sub),
  Mul: binary(op.mul),
  Div: divide,
  Pow: power,
  Mod: modulo,
  Max: variadic((a, b) => op.max(a, b)),
  Min: variadic((a, b) => op.min(a, b)),
  Sum: variadic((a, b) => op.add(a, b)),
  Mean: (n) => {
    let y = n.value(0);
    for (let i = 1; i < n.count; i++) y = op.add(y, n.value(i));
    return op.affine(y, 1 / n.count, 0);
  },
  Equal: comparison((a, b) => op.equal(a, b)),
  Greater: comparison((a, b) => op.greater(a, b)),
  GreaterOrEqual: comparison((a, b) => op.greaterEqual(a, b)),
  Less: comparison((a, b) => op.greater(b, a)),
  LessOrEqual: comparison((a, b) => op.greaterEqual(b, a)),
  And: comparison((a, b) => op.mul(a, b)),
  Or: comparison((a, b) => op.max(a, b)),
  Xor: comparison((a, b) => op.abs(op.sub(a, b))),
  Where: where,
  Cast: castTo,
  CastLike: (n) => n.of(n.kind(1) === "int" && n.kind(0) === "float" ? truncated(n.value(0)) : n.value(0), n.kind(1)),
  Identity: identity,
  Dropout: dropout,
  DequantizeLinear: dequantize,
  QuantizeLinear: quantize,
};

/** What a random program may do next to a value of any rank: elementwise work, reductions, other shapes. */
import { sizeOf } from "../../core/index.js";
import {
  abs,
  add,
  batchNorm,
  batchNormInference,
  clamp,
  concat,
  div,
  exp,
  gelu,
  greater,
  hardSigmoid,
  hardSwish,
  layerNorm,
  leaky,
  logSoftmax,
  max,
  mean,
  min,
  mul,
  neg,
  pad,
  reduceMax,
  relu,
  reshape,
  rmsNorm,
  sigmoid,
  silu,
  sin,
  slice,
  sliceAxis,
  softmax,
  softplus,
  sqrt,
  square,
  sub,
  sum,
  sumSquares,
  tanh,
  topK,
  transpose,
  type Value,
  where,
} from "../../program/index.js";

/** Choices, and what a step may take beside the value that it continues. */
export interface Draw {
  readonly pick: <T>(of: readonly T[]) => T;
  /** A size from 1 to `most`. */
  readonly size: (most: number) => number;
  readonly coin: () => boolean;
  readonly permutation: (n: number) => number[];
  /** Values made so far. */
  readonly made: readonly Value[];
  /** A new param; of two dims or more it may be sparse, unless `dense`. */
  readonly weight: (shape: readonly number[], dense?: boolean) => Value;
  /** A new param of positive numbers: variances. */
  readonly positive: (shape: readonly number[]) => Value;
  /** A new input of `count` integers below `below`. */
  readonly indices: (count: number, below: number) => Value;
  readonly training: boolean;
}

/** A way to continue; several with equal chances. */
export type Steps = (() => Value)[];

const UNARIES: readonly ((v: Value) => Value)[] = [
  ...[relu, relu, tanh, sigmoid, abs, neg, square, gelu, silu, softplus, sin, hardSwish, hardSigmoid],
  (v) => exp(tanh(v)),
  (v) => sqrt(add(square(v), 0.5)),
  (v) => clamp(v, -0.5, 0.75),
  (v) => leaky(v, 0.1),
  (v) => mul(v, 0.5),
  (v) => sub(1, v),
  (v) => div(v, add(abs(v), 1)),
];

/** A random function of one value, element by element. */
export const unary = (d: Draw, v: Value): Value => d.pick(UNARIES)(v);

const BINARIES: readonly ((a: Value, b: Value) => Value)[] = [
  ...[add, add, sub, mul, max, min],
  (a, b) => div(a, add(square(b), 1)),
  // Jumps where nothing lies by rule, as zeros do.
  (a, b) => where(greater(a, 0.123), a, b),
];

/** A value of this shape made before. */
const like = (d: Draw, v: Value): Value => d.pick(d.made.filter((u) => u.shape.join() === v.shape.join()));

/** Elementwise work, and normalisations. */
export function elementwise(d: Draw, v: Value): Steps {
  const { shape } = v;
  const rank = shape.length;
  const found: Steps = [
    () => unary(d, v),
    () => unary(d, v),
    () => d.pick(BINARIES)(v, like(d, v)),
    () => add(v, unary(d, like(d, v))),
    () => {
      const dims = shape.slice(d.size(rank + 1) - 1).map((n) => (d.size(3) === 1 ? 1 : n));
      // Rarely of more dims than the value.
      const b = d.weight(rank < 5 && d.size(8) === 1 ? [...shape.map(() => 1), ...dims].slice(-rank - 1) : dims, true);
      return d.coin() ? d.pick(BINARIES)(v, b) : d.pick(BINARIES)(b, v);
    },
  ];
  const last = shape.at(-1) ?? 1;
  if (last > 1) {
    const one = () => d.weight([last]);
    found.push(
      () => layerNorm(v, one(), one(), 0.1),
      () => rmsNorm(v, one(), 0.1),
      // Its gradient takes as many rows as values are kept.
      () => topK(v, d.size(Math.min(last, 16))).values,
    );
  }
  if ((rank === 4 || rank === 2) && sizeOf(shape) / shape[1]! >= 4) {
    const norm = () => {
      const one = () => d.weight([shape[1]!]);
      if (d.training && d.coin()) return batchNorm(v, one(), one(), 0.1).y;
      return batchNormInference(v, one(), one(), one(), d.coin() ? d.positive([shape[1]!]) : add(square(one()), 0.5), 0.1);
    };
    found.push(norm, norm);
  }
  return found;
}

/** Views, copies, sums over axes. */
export function shapes(d: Draw, v: Value): Steps {
  const { shape } = v;
  const rank = shape.length;
  if (rank === 0) return [];
  const axis = () => d.size(rank) - 1;
  const folded = [[-1], [1, -1], [-1, 1], [shape[0]!, -1], [shape[0]!, 1, -1], [-1, shape[rank - 1]!], [1, shape[0]!, -1, 1]];
  const found: Steps = [
    () => transpose(v, d.permutation(rank)),
    () => softmax(v, axis()),
    () => logSoftmax(v, axis()),
    () => d.pick([sum, mean, sumSquares, reduceMax])(v, shape.map((_, i) => i).filter(d.coin), d.coin()),
    () => {
      const starts = shape.map((n) => d.size(n) - 1);
      const stops = shape.map((n, i) => starts[i]! + d.size(n - starts[i]!));
      return slice(
        v,
        starts,
        stops,
        shape.map(() => d.size(2)),
      );
    },
    () => {
      const edges = () => shape.map(() => d.size(2) - 1);
      return pad(v, edges(), edges(), d.pick([0, 0.25]));
    },
    () => {
      const along = axis();
      const fits = d.made.filter((u) => u.shape.length === rank && u.shape.every((n, i) => i === along || n === shape[i]));
      return concat(d.coin() ? [v, d.pick(fits)] : [d.pick(fits), v], along);
    },
    () => reshape(v, d.pick(folded)),
    () => add(unary(d, reshape(v, [-1])), reshape(unary(d, v), [-1])),
  ];
  const halves = shape.flatMap((n, i) => (n % 2 === 0 ? [i] : []));
  const quarters = halves.filter((i) => shape[i]! % 4 === 0);
  const gates = (axes: readonly number[], k: number) => () => {
    const along = d.pick(axes);
    const part = shape[along]! / k;
    const gate = () => {
      const i = d.size(k) - 1;
      return unary(d, sliceAxis(v, along, i * part, (i + 1) * part));
    };
    return add(mul(gate(), gate()), d.coin() ? gate() : mul(gate(), gate()));
  };
  if (halves.length) found.push(gates(halves, 2));
  if (quarters.length) found.push(gates(quarters, 4), gates(quarters, 4));
  return found;
}

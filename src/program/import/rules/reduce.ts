/** Reductions, arg max and min, top k, cumulative sums. */
import { InputError } from "../../../core/index.js";
import type { Value } from "../../graph.js";
import * as op from "../../ops/index.js";
import { type NodeView, type Rule, refuse } from "../node.js";

type Reduction = (x: Value, axes: readonly number[], keepDims: boolean) => Value;

const reduction =
  (f: Reduction): Rule =>
  (n) => {
    const x = n.value(0);
    const keepDims = n.int("keepdims", 1) !== 0;
    const given = n.axesFrom(1);
    if (!given?.length) {
      if (n.int("noop_with_empty_axes", 0)) return x;
      return f(
        x,
        x.shape.map((_, i) => i),
        keepDims,
      );
    }
    return f(
      x,
      given.map((a) => n.axis(a, x.shape.length)).sort((a, b) => a - b),
      keepDims,
    );
  };

/** exp and log around a sum, shifted by the greatest so that nothing overflows. */
const logSumExp: Reduction = (x, axes, keepDims) => {
  const top = op.reduceMax(x, axes, true);
  const y = op.add(op.log(op.sum(op.exp(op.sub(x, top)), axes, true)), top);
  return keepDims
    ? y
    : op.reshape(
        y,
        x.shape.filter((_, i) => !axes.includes(i)),
      );
};

const MOST_FACTORS = 64;
const product: Reduction = (x, axes, keepDims) => {
  let y = x;
  for (const axis of axes) {
    const size = x.shape[axis]!;
    if (size > MOST_FACTORS) refuse(`a product over ${size} elements (at most ${MOST_FACTORS})`);
    if (size === 0) refuse("a product over no elements");
    let total = op.sliceAxis(y, axis, 0, 1);
    for (let i = 1; i < size; i++) total = op.mul(total, op.sliceAxis(y, axis, i, i + 1));
    y = total;
  }
  return keepDims
    ? y
    : op.reshape(
        y,
        x.shape.filter((_, i) => !axes.includes(i)),
      );
};

const argmax =
  (sign: 1 | -1): Rule =>
  (n) => {
    const x = n.value(0);
    const axis = n.axis(n.int("axis", 0), x.shape.length);
    if (n.int("select_last_index", 0)) refuse("select_last_index");
    const y = op.argmax(sign === 1 ? x : op.affine(x, -1, 0), axis);
    const kept = n.int("keepdims", 1)
      ? op.reshape(
          y,
          x.shape.map((d, i) => (i === axis ? 1 : d)),
        )
      : y;
    return n.of(kept, "int");
  };

const topK: Rule = (n) => {
  const x = n.value(0);
  const rank = x.shape.length;
  const axis = n.axis(n.int("axis", -1), rank);
  const [k = 0] = n.has(1) ? n.integers(1, "k") : [n.int("k", 0)];
  if (n.int("sorted", 1) === 0 && n.isUsed(1)) refuse("TopK without sorting");
  const swap = x.shape.map((_, i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
  const largest = n.int("largest", 1) !== 0;
  const line = op.transpose(largest ? x : op.affine(x, -1, 0), swap);
  const { values, indices } = op.topK(line, k);
  const y = op.transpose(values, swap);
  const places = axis === rank - 1 ? indices : op.transpose(op.cast(indices, "f32"), swap);
  return [largest ? y : op.affine(y, -1, 0), n.of(places, "int")];
};

/** A product with a triangle of ones. */
const MOST_SUMMED = 4096;
function cumulativeSum(n: NodeView) {
  const x = n.value(0);
  const axis = n.axis(n.integers(1, "axis")[0] ?? 0, x.shape.length);
  if (n.int("exclusive", 0) || n.int("reverse", 0)) refuse("an exclusive or reversed CumSum");
  const size = x.shape[axis]!;
  if (size > MOST_SUMMED) refuse(`CumSum over ${size} elements (at most ${MOST_SUMMED})`);
  const rank = x.shape.length;
  const swap = x.shape.map((_, i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
  const triangle = op.constant(
    n.graph,
    [size, size],
    Array.from({ length: size * size }, (_, i) => (Math.floor(i / size) <= i % size ? 1 : 0)),
  );
  const line = op.transpose(x, swap);
  const flat = op.reshape(line, [-1, size]);
  if (x.shape.includes(0)) throw new InputError(`expected elements to sum, got [${x.shape.join(", ")}]`);
  return op.transpose(op.reshape(op.matmul(flat, triangle), line.shape), swap);
}

/** Reductions by name. */
export const reduceRules: Readonly<Record<string, Rule>> = {
  ReduceMean: reduction(op.mean),
  ReduceSum: reduction(op.sum),
  ReduceMax: reduction(op.reduceMax),
  ReduceMin: reduction(op.reduceMin),
  ReduceSumSquare: reduction(op.sumSquares),
  ReduceL1: reduction((x, axes, keep) => op.sum(op.abs(x), axes, keep)),
  ReduceL2: reduction((x, axes, keep) => op.sqrt(op.sumSquares(x, axes, keep))),
  ReduceLogSum: reduction((x, axes, keep) => op.log(op.sum(x, axes, keep))),
  ReduceLogSumExp: reduction(logSumExp),
  ReduceProd: reduction(product),
  ArgMax: argmax(1),
  ArgMin: argmax(-1),
  TopK: topK,
  CumSum: cumulativeSum,
};

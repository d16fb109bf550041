/** Reductions other than sum. */
import { sizeOf } from "../../core/index.js";
import type { OpDef, Value } from "../graph.js";
import { div, mul, type ReduceAttrs, reduce, reduceSum, reduceType, spread, sum } from "./arithmetic.js";
import { equal } from "./compare.js";
import { broadcastIndex, floats, reducedShape } from "./support.js";

const countOf = (shape: readonly number[], axes: readonly number[]): number => sizeOf(axes.map((a) => shape[a]!));

export const meanOp: OpDef<ReduceAttrs> = {
  name: "mean",
  type: (inputs, attrs) => reduceType("mean", inputs, attrs),
  reference: ([x], attrs) => [reduceSum(x!, attrs, (v) => v, countOf(x!.shape, attrs.axes))],
  gradient: ({ inputs: [x], grads: [g], attrs: { axes } }) => [spread(mul(g!, 1 / countOf(x!.shape, axes)), x!, axes)],
};

export const sumSquaresOp: OpDef<ReduceAttrs> = {
  name: "sumSquares",
  type: (inputs, attrs) => reduceType("sumSquares", inputs, attrs),
  reference: ([x], attrs) => [reduceSum(x!, attrs, (v) => v * v)],
  gradient: ({ inputs: [x], grads: [g], attrs: { axes } }) => [mul(x!, spread(mul(g!, 2), x!, axes))],
};

function extremum(name: string, better: (a: number, b: number) => boolean, start: number): OpDef<ReduceAttrs> {
  return {
    name,
    type: (inputs, attrs) => reduceType(name, inputs, attrs),
    reference([x], { axes, keepDims }) {
      const y = floats(reducedShape(x!.shape, axes, keepDims), [x!]);
      const index = broadcastIndex(reducedShape(x!.shape, axes, true), x!.shape);
      y.data.fill(start);
      for (let i = 0; i < index.length; i++) {
        const v = x!.data[i]!;
        if (better(v, y.data[index[i]!]!) || Number.isNaN(v)) y.data[index[i]!] = v;
      }
      return [y];
    },
    gradient({ inputs: [x], outputs: [y], grads: [g], attrs: { axes } }) {
      const winners = equal(x!, spread(y!, x!, axes));
      const shares = div(winners, spread(sum(winners, axes), x!, axes));
      return [mul(shares, spread(g!, x!, axes))];
    },
  };
}

export const reduceMaxOp = extremum("reduceMax", (a, b) => a > b, Number.NEGATIVE_INFINITY);
export const reduceMinOp = extremum("reduceMin", (a, b) => a < b, Number.POSITIVE_INFINITY);

/** Mean over `axes` (default all). Over a sparse value it counts all positions, dead ones as zero. */
export const mean = (x: Value, axes?: number | readonly number[], keepDims = false): Value => reduce(meanOp, x, axes, keepDims);
/** Sum of squares over `axes` (default all). */
export const sumSquares = (x: Value, axes?: number | readonly number[], keepDims = false): Value =>
  reduce(sumSquaresOp, x, axes, keepDims);
/** Greatest element over `axes` (default all); equal winners share the gradient evenly. */
export const reduceMax = (x: Value, axes?: number | readonly number[], keepDims = false): Value =>
  reduce(reduceMaxOp, x, axes, keepDims);
/** Least element over `axes` (default all); equal winners share the gradient evenly. */
export const reduceMin = (x: Value, axes?: number | readonly number[], keepDims = false): Value =>
  reduce(reduceMinOp, x, axes, keepDims);

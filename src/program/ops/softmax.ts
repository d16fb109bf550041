/** softmax and logSoftmax along one axis, with gradients as operations, and the losses over them. */
import { type AnyTensor, ShapeError, sameShape } from "../../core/index.js";
import type { OpDef, Value } from "../graph.js";
import { add, broadcastTo, mul, neg, sub, sum } from "./arithmetic.js";
import { pick } from "./indexing.js";
import { mean } from "./reduce.js";
import { around, f32, floats, named, normaliseAxis, requireDenseF32 } from "./support.js";
import { exp } from "./unary.js";

type AxisAttrs = { axis: number };

/** Calls `visit(first index, step, length)` for each line along the axis. */
function eachLine(x: AnyTensor, axis: number, visit: (from: number, step: number, length: number) => void): void {
  const { before, along, after } = around(x.shape, axis);
  for (let b = 0; b < before; b++) for (let a = 0; a < after; a++) visit(b * along * after + a, after, along);
}

function logSumExp(x: AnyTensor, from: number, step: number, length: number): number {
  let top = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < length; k++) top = Math.max(top, x.data[from + k * step]!);
  let total = 0;
  for (let k = 0; k < length; k++) total += Math.exp(x.data[from + k * step]! - top);
  return top + Math.log(total);
}

function lineOp(
  name: string,
  f: (x: number, lse: number) => number,
  gradient: (g: Value, y: Value, axis: number) => Value,
): OpDef<AxisAttrs> {
  return {
    name,
    type(inputs) {
      requireDenseF32(name, inputs);
      return [f32(inputs[0]!.shape)];
    },
    reference([x], { axis }) {
      const y = floats(x!.shape, [x!]);
      eachLine(x!, axis, (from, step, length) => {
        const lse = logSumExp(x!, from, step, length);
        for (let k = 0; k < length; k++) y.data[from + k * step] = f(x!.data[from + k * step]!, lse);
      });
      return [y];
    },
    gradient: ({ outputs: [y], grads: [g], attrs: { axis } }) => [gradient(g!, y!, axis)],
  };
}

function lineGradOp(
  name: string,
  weigh: (dy: number, y: number) => number,
  f: (dy: number, y: number, total: number) => number,
  gradient: (g: Value, dy: Value, y: Value, axis: number) => [Value, Value],
): OpDef<AxisAttrs> {
  return {
    name,
    type(inputs) {
      requireDenseF32(name, inputs);
      if (!sameShape(inputs[0]!.shape, inputs[1]!.shape)) throw new ShapeError(name, named(["dy", "y"], inputs), "equal shapes");
      return [f32(inputs[0]!.shape)];
    },
    reference([dy, y], { axis }) {
      const dx = floats(y!.shape, [dy!, y!]);
      eachLine(y!, axis, (from, step, length) => {
        let total = 0;
        for (let k = 0; k < length; k++) total += weigh(dy!.data[from + k * step]!, y!.data[from + k * step]!);
        for (let k = 0; k < length; k++) dx.data[from + k * step] = f(dy!.data[from + k * step]!, y!.data[from + k * step]!, total);
      });
      return [dx];
    },
    gradient: ({ inputs: [dy, y], grads: [g], attrs: { axis } }) => gradient(g!, dy!, y!, axis),
  };
}

export const softmaxOp = lineOp(
  "softmax",
  (x, lse) => Math.exp(x - lse),
  (g, y, axis) => softmaxGrad(g, y, axis),
);
export const logSoftmaxOp = lineOp(
  "logSoftmax",
  (x, lse) => x - lse,
  (g, y, axis) => logSoftmaxGrad(g, y, axis),
);
/** dx = y (dy - sum(dy y)). */
export const softmaxGradOp = lineGradOp(
  "softmaxGrad",
  (dy, y) => dy * y,
  (dy, y, total) => y * (dy - total),
  (g, dy, y, axis) => [
    softmaxGrad(g, y, axis),
    sub(mul(g, sub(dy, sum(mul(dy, y), axis, true))), mul(dy, sum(mul(g, y), axis, true))),
  ],
);
/** dx = dy - exp(y) sum(dy). */
export const logSoftmaxGradOp = lineGradOp(
  "logSoftmaxGrad",
  (dy) => dy,
  (dy, y, total) => dy - Math.exp(y) * total,
  (g, dy, y, axis) => [
    sub(g, broadcastTo(sum(mul(g, exp(y)), axis, true), y.shape)),
    neg(mul(mul(g, exp(y)), sum(dy, axis, true))),
  ],
);

const emit = (def: OpDef<AxisAttrs>, inputs: Value[], axis: number): Value =>
  inputs[0]!.graph.emit(def, inputs, { axis: normaliseAxis(def.name, inputs[0]!.shape.length, axis) })[0]!;

/** exp(x) / sum(exp(x)) along `axis` (default the last). */
export const softmax = (x: Value, axis = -1): Value => emit(softmaxOp, [x], axis);
/** x - log(sum(exp(x))) along `axis` (default the last). */
export const logSoftmax = (x: Value, axis = -1): Value => emit(logSoftmaxOp, [x], axis);
/** The gradient of softmax from its output y. */
export const softmaxGrad = (dy: Value, y: Value, axis = -1): Value => emit(softmaxGradOp, [dy, y], axis);
/** The gradient of logSoftmax from its output y. */
export const logSoftmaxGrad = (dy: Value, y: Value, axis = -1): Value => emit(logSoftmaxGradOp, [dy, y], axis);

/**
 * Mean cross-entropy of logits against class numbers: -mean(logSoftmax(logits)[label]).
 * @param logits    [N, K]
 * @param labels    i32 [N], each in [0, K)
 * @param smoothing share of the target spread over all classes, in [0, 1), default 0 (Szegedy et al. 2016)
 * @throws ShapeError
 */
export function crossEntropy(logits: Value, labels: Value, { smoothing = 0 }: { smoothing?: number } = {}): Value {
  const log = logSoftmax(logits);
  const hard = neg(mean(pick(log, labels)));
  return smoothing === 0 ? hard : add(mul(hard, 1 - smoothing), mul(mean(log), -smoothing));
}

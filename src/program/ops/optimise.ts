/** Optimiser steps as operations: sgd and adam, with PyTorch's formulas. Weights, gradients and slots may be sparse. */
import { type AnyTensor, ShapeError, sameShape, sizeOf } from "../../core/index.js";
import type { OpDef, Value } from "../graph.js";
import type { ValueType } from "../types.js";
import { f32, floats, named, requireDense, requireDType } from "./support.js";

type SgdAttrs = { momentum: number; decay: number; nesterov: boolean };
type AdamAttrs = { beta1: number; beta2: number; eps: number; decay: number; decoupled: boolean };

/** Weight-like operands first, then small dense ones of given sizes. */
function check(
  op: string,
  inputs: readonly ValueType[],
  names: readonly string[],
  weights: number,
  small: readonly number[],
): ValueType {
  if (inputs.length !== weights + small.length)
    throw new ShapeError(op, named(names, inputs), `${weights + small.length} operands`);
  for (let i = 0; i < inputs.length; i++) requireDType(op, inputs, i, "f32");
  const w = inputs[0]!;
  for (let i = 1; i < weights; i++) {
    if (!sameShape(inputs[i]!.shape, w.shape) || inputs[i]!.pattern !== w.pattern) {
      throw new ShapeError(
        op,
        named(names, inputs),
        `${names[i]} of the shape and pattern (${w.pattern ?? "dense"}) of ${names[0]}, got pattern ${inputs[i]!.pattern ?? "dense"}`,
      );
    }
  }
  small.forEach((n, i) => {
    requireDense(op, inputs, [weights + i]);
    if (sizeOf(inputs[weights + i]!.shape) !== n)
      throw new ShapeError(op, named(names, inputs), `${names[weights + i]} of ${n} element(s)`);
  });
  return f32(w.shape, w.pattern);
}

/**
 *     g' = g + decay w;  m' = momentum m + g';  step = nesterov ? g' + momentum m' : m';  w' = w - lr step
 *
 * Operands w, g, m, lr; without momentum w, g, lr.
 */
export const sgdOp: OpDef<SgdAttrs> = {
  name: "sgd",
  type(inputs, { momentum }) {
    if (momentum === 0) return [check("sgd", inputs, ["w", "g", "lr"], 2, [1])];
    const type = check("sgd", inputs, ["w", "g", "m", "lr"], 3, [1]);
    return [type, type];
  },
  reference(inputs, { momentum, decay, nesterov }) {
    const [w, g] = inputs as [AnyTensor, AnyTensor];
    const lr = inputs.at(-1)!.data[0]!;
    const next = floats(w.shape, inputs);
    if (momentum === 0) {
      for (let i = 0; i < next.data.length; i++) next.data[i] = w.data[i]! - lr * (g.data[i]! + decay * w.data[i]!);
      return [next];
    }
    const m = inputs[2]!;
    const slot = floats(w.shape, inputs);
    for (let i = 0; i < next.data.length; i++) {
      const full = g.data[i]! + decay * w.data[i]!;
      const moved = momentum * m.data[i]! + full;
      slot.data[i] = moved;
      next.data[i] = w.data[i]! - lr * (nesterov ? full + momentum * moved : moved);
    }
    return [next, slot];
  },
};

/**
 *     g' = decoupled ? g : g + decay w;  w1 = decoupled ? w - lr decay w : w
 *     m' = beta1 m + (1 - beta1) g';  v' = beta2 v + (1 - beta2) g'^2
 *     w' = w1 - lr / c1 * m' / (sqrt(v' / c2) + eps),  corrections = [c1, c2] = [1 - beta1^t, 1 - beta2^t]
 *
 * Kingma and Ba 2015, algorithm 1; decoupled decay: Loshchilov and Hutter 2019.
 */
export const adamOp: OpDef<AdamAttrs> = {
  name: "adam",
  type(inputs) {
    const type = check("adam", inputs, ["w", "g", "m", "v", "lr", "corrections"], 4, [1, 2]);
    return [type, type, type];
  },
  reference(inputs, { beta1, beta2, eps, decay, decoupled }) {
    const [w, g, m, v, lr, corrections] = inputs as [AnyTensor, AnyTensor, AnyTensor, AnyTensor, AnyTensor, AnyTensor];
    const rate = lr.data[0]!;
    const [c1, c2] = [corrections.data[0]!, corrections.data[1]!];
    const [next, first, second] = [floats(w.shape, inputs), floats(w.shape, inputs), floats(w.shape, inputs)];
    for (let i = 0; i < next.data.length; i++) {
      const full = decoupled ? g.data[i]! : g.data[i]! + decay * w.data[i]!;
      const start = decoupled ? w.data[i]! * (1 - rate * decay) : w.data[i]!;
      const a = beta1 * m.data[i]! + (1 - beta1) * full;
      const b = beta2 * v.data[i]! + (1 - beta2) * full * full;
      first.data[i] = a;
      second.data[i] = b;
      next.data[i] = start - ((rate / c1) * a) / (Math.sqrt(b / c2) + eps);
    }
    return [next, first, second];
  },
};

/** One SGD step of one weight. `m` is needed (and returned) exactly when momentum is not 0. @throws ShapeError */
export function sgdStep(
  { w, g, m, lr }: { w: Value; g: Value; m?: Value | undefined; lr: Value },
  { momentum = 0, decay = 0, nesterov = false }: Partial<SgdAttrs> = {},
): { w: Value; m?: Value } {
  const [next, slot] = w.graph.emit(sgdOp, m ? [w, g, m, lr] : [w, g, lr], { momentum, decay, nesterov });
  return slot ? { w: next!, m: slot } : { w: next! };
}

/** One Adam step of one weight; `corrections` [2] = [1 - beta1^t, 1 - beta2^t] with t counting from 1. @throws ShapeError */
export function adamStep(
  { w, g, m, v, lr, corrections }: { w: Value; g: Value; m: Value; v: Value; lr: Value; corrections: Value },
  { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, decay = 0, decoupled = false }: Partial<AdamAttrs> = {},
): { w: Value; m: Value; v: Value } {
  const [next, first, second] = w.graph.emit(adamOp, [w, g, m, v, lr, corrections], { beta1, beta2, eps, decay, decoupled });
  return { w: next!, m: first!, v: second! };
}

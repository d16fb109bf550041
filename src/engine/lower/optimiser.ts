/** Optimiser steps, in place: params and slots keep their memory. */
import { InputError } from "../../core/index.js";
import type { Operation } from "../../program/index.js";
import { at, type Lowering, local, type Placed, whole } from "../lowering.js";
import { flatCount } from "./elementwise.js";

/** A param or slot that its own update may overwrite. */
function own(l: Lowering, input: number, output: number): Placed {
  const path = l.paramOf(input);
  if (path === undefined || l.program.updates[path] !== output) {
    throw new InputError(
      "engine: an optimiser step works in place: its weight and slots must be params, and its results their updates",
    );
  }
  const home = l.homes.get(path)!;
  l.preserve(home);
  return home;
}

/** sgd(w, g, [m], lr). */
export function lowerSgd(l: Lowering, operation: Operation): void {
  const { momentum, decay, nesterov } = operation.attrs as { momentum: number; decay: number; nesterov: boolean };
  const [w, g] = operation.inputs as [number, number];
  const m = momentum === 0 ? undefined : operation.inputs[2]!;
  const weight = own(l, w, operation.outputs[0]!);
  const slot = m === undefined ? undefined : own(l, m, operation.outputs[1]!);
  const grad = l.as(g, weight.layout);
  const rate = l.rows(operation.inputs.at(-1)!);
  const domain = l.domain(w, weight.layout);
  const total = flatCount(l, w, weight.layout);
  l.step({
    name: "sgd",
    domain,
    reads: [local(grad), whole(rate)],
    writes: [local(weight), ...(slot ? [local(slot)] : [])],
    emit(call, { unit }) {
      const { from, count } = l.range(l.bytes(w, weight.layout) / 4, domain.units, unit);
      const n = typeof total === "number" ? count : () => Math.max(0, Math.min(total() - from, count));
      const skip = from * 4;
      call("sgd", {
        n,
        w: at(weight) + skip,
        g: at(grad) + skip,
        m: slot ? at(slot) + skip : 0,
        lr: at(rate),
        momentum,
        decay,
        nesterov: nesterov ? 1 : 0,
      });
    },
  });
  finish(l, operation, [weight, slot]);
}

/** adam(w, g, m, v, lr, corrections). */
export function lowerAdam(l: Lowering, operation: Operation): void {
  const { beta1, beta2, eps, decay, decoupled } = operation.attrs as {
    beta1: number;
    beta2: number;
    eps: number;
    decay: number;
    decoupled: boolean;
  };
  const [w, g, m, v, lr, corrections] = operation.inputs as [number, number, number, number, number, number];
  const weight = own(l, w, operation.outputs[0]!);
  const first = own(l, m, operation.outputs[1]!);
  const second = own(l, v, operation.outputs[2]!);
  const grad = l.as(g, weight.layout);
  const rate = l.rows(lr);
  const c = l.rows(corrections);
  const domain = l.domain(w, weight.layout);
  const total = flatCount(l, w, weight.layout);
  l.step({
    name: "adam",
    domain,
    reads: [local(grad), whole(rate), whole(c)],
    writes: [local(weight), local(first), local(second)],
    emit(call, { unit }) {
      const { from, count } = l.range(l.bytes(w, weight.layout) / 4, domain.units, unit);
      const n = typeof total === "number" ? count : () => Math.max(0, Math.min(total() - from, count));
      const skip = from * 4;
      call("adam", {
        n,
        w: at(weight) + skip,
        g: at(grad) + skip,
        m: at(first) + skip,
        v: at(second) + skip,
        lr: at(rate),
        c: at(c),
        b1: beta1,
        b2: beta2,
        o1: 1 - beta1,
        o2: 1 - beta2,
        eps,
        decay,
        decoupled: decoupled ? 1 : 0,
      });
    },
  });
  finish(l, operation, [weight, first, second]);
}

/** The results lie where the operands lay. */
function finish(l: Lowering, operation: Operation, placed: readonly (Placed | undefined)[]): void {
  operation.outputs.forEach((value, i) => {
    const p = placed[i];
    if (p) l.place(value, { buffer: p.buffer, offset: p.offset, layout: p.layout, clean: false });
  });
}

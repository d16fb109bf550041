/** References of templates/softmax.ts. Along a contiguous axis four partial sums take the elements in turn. */

import type { Reference } from "./differential.js";
import { exp, expBelow, log } from "./maths.js";
import { add, columns, tree } from "./reduce.js";

const f = Math.fround;
type Params = Record<string, number>;

/** The kernel's sum: four lanes in turn when they run along the axis, else one after the other. */
export function axisSum(line: boolean, n: number, term: (a: number) => number): number {
  if (!line) {
    let s = 0;
    for (let a = 0; a < n; a++) s = f(s + term(a));
    return s;
  }
  const lanes = [0, 0, 0, 0];
  for (let a = 0; a < n; a++) lanes[a & 3] = f(lanes[a & 3]! + term(a));
  return tree(lanes, add);
}

/** e^(x - top). */
const power = (x: number, top: number): number => expBelow(f(x - top));

const forward =
  (value: (x: number, top: number, total: number) => number): Reference =>
  (v, p) => {
    const line = p.inner === 1 && p.sa === 4 && p.ya === 4;
    columns(p, (o, i, at) => {
      let top = Number.NEGATIVE_INFINITY;
      for (let a = 0; a < p.axis!; a++) top = Math.max(top, v.f32[at(a)]!);
      const total = axisSum(line, p.axis!, (a) => power(v.f32[at(a)]!, top));
      const y = Array.from({ length: p.axis! }, (_, a) => value(v.f32[at(a)]!, top, total));
      for (let a = 0; a < p.axis!; a++) v.f32[(p.y! + o * p.yo! + a * p.ya!) / 4 + i] = y[a]!;
    });
  };

export const softmax: Reference = forward((x, top, total) => f(power(x, top) * f(1 / total)));
export const logsoftmax: Reference = forward((x, top, total) => f(x - top) - log(total));

const backward =
  (term: (d: number, y: number) => number, value: (d: number, y: number, total: number) => number): Reference =>
  (v, p: Params) => {
    const line = p.inner === 1 && p.sa === 4 && p.da === 4 && p.xa === 4;
    columns({ ...p, x: p.y! }, (o, i, at) => {
      const d = (a: number) => v.f32[(p.dy! + o * p.dyo! + a * p.da!) / 4 + i]!;
      const total = axisSum(line, p.axis!, (a) => term(d(a), v.f32[at(a)]!));
      for (let a = 0; a < p.axis!; a++) v.f32[(p.dx! + o * p.xo! + a * p.xa!) / 4 + i] = value(d(a), v.f32[at(a)]!, total);
    });
  };

export const softmax_grad: Reference = backward(
  (d, y) => f(d * y),
  (d, y, total) => y * f(d - total),
);
export const logsoftmax_grad: Reference = backward(
  (d) => d,
  (d, y, total) => d - f(exp(y) * total),
);

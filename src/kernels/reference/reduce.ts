/** References of templates/reduce.ts. Sums along a contiguous axis use the kernel's sixteen partial sums. */
import { REDUCE, type ReduceKind } from "../kinds.js";
import type { Reference } from "./differential.js";
import { nameOf } from "./elementwise.js";
import { pmax, pmin } from "./maths.js";
import type { Views } from "./views.js";

const f = Math.fround;
type Params = Record<string, number>;

const JOIN: Record<ReduceKind, (s: number, x: number) => number> = {
  sum: (s, x) => f(s + x),
  mean: (s, x) => f(s + x),
  max: (s, x) => pmax(x, s),
  min: (s, x) => pmin(x, s),
  sumSquares: (s, x) => f(s + f(x * x)),
};
const FROM: Record<ReduceKind, number> = {
  sum: 0,
  mean: 0,
  max: Number.NEGATIVE_INFINITY,
  min: Number.POSITIVE_INFINITY,
  sumSquares: 0,
};

/** (l0 + l1) + (l2 + l3), or the same tree with another operation. */
export const tree = (lanes: readonly number[], join: (a: number, b: number) => number): number =>
  join(join(lanes[0]!, lanes[1]!), join(lanes[2]!, lanes[3]!));

export const add = (a: number, b: number): number => f(a + b);

/** Which of the sixteen partial results takes element i of n: vectors in unrolled fours, then vector 0, then lane 0. */
export function slot(i: number, n: number): number {
  const whole = n & ~3;
  if (i >= whole) return 0;
  const vector = i >> 2;
  return (vector < ((n >> 2) & ~3) ? vector & 3 : 0) * 4 + (i & 3);
}

/** Calls `visit` with every (outer, inner) pair and a function from axis positions to float positions of x. */
export function columns(p: Params, visit: (o: number, i: number, at: (a: number) => number) => void): void {
  for (let o = 0; o < p.outer!; o++) {
    for (let i = 0; i < p.inner!; i++) visit(o, i, (a) => (p.x! + o * p.so! + a * p.sa!) / 4 + i);
  }
}

export const reduce: Reference = (v, p) => {
  const kind = nameOf(REDUCE, p.kind!);
  const join = JOIN[kind];
  const fold = kind === "max" || kind === "min" ? join : add;
  const n = p.axis!;
  columns(p, (o, i, at) => {
    let s: number;
    if (p.inner === 1 && p.sa === 4) {
      const part = new Array<number>(16).fill(FROM[kind]);
      for (let a = 0; a < n; a++) part[slot(a, n)] = join(part[slot(a, n)]!, v.f32[at(a)]!);
      s = tree(
        [0, 1, 2, 3].map((lane) => tree([part[lane]!, part[4 + lane]!, part[8 + lane]!, part[12 + lane]!], fold)),
        fold,
      );
    } else {
      s = FROM[kind];
      for (let a = 0; a < n; a++) s = join(s, v.f32[at(a)]!);
    }
    if (kind === "max" || kind === "min") for (let a = 0; a < n; a++) if (Number.isNaN(v.f32[at(a)]!)) s = Number.NaN;
    v.f32[(p.y! + o * p.yo!) / 4 + i] = kind === "mean" ? s / f(n) : s;
  });
};

export const argmax: Reference = (v, p) => {
  columns(p, (o, i, at) => {
    let best = 0;
    for (let a = 1; a < p.axis!; a++) {
      const [x, y] = [v.f32[at(a)]!, v.f32[at(best)]!];
      if (x > y || (Number.isNaN(y) && !Number.isNaN(x))) best = a;
    }
    v.i32[p.y! / 4 + o * p.inner! + i] = best;
  });
};

const label = (v: Views, p: Params, o: number, i: number): number => v.i32[p.labels! / 4 + o * p.inner! + i]!;

export const pick: Reference = (v, p) => {
  columns(p, (o, i, at) => {
    const k = label(v, p, o, i);
    v.f32[p.y! / 4 + o * p.inner! + i] = k >= 0 && k < p.axis! ? v.f32[at(k)]! : Number.NaN;
  });
};

export const pick_grad: Reference = (v, p) => {
  columns({ ...p, x: p.dx!, so: p.xo!, sa: p.xa! }, (o, i, at) => {
    for (let a = 0; a < p.axis!; a++) v.f32[at(a)] = a === label(v, p, o, i) ? v.f32[p.dy! / 4 + o * p.inner! + i]! : 0;
  });
};

export const cumsum: Reference = (v, p) => {
  columns(p, (o, i, at) => {
    let s = 0;
    for (let a = 0; a < p.axis!; a++) v.f32[(p.y! + o * p.yo! + a * p.ya!) / 4 + i] = s = f(s + v.f32[at(a)]!);
  });
};

/** References of templates/elementwise.ts. */
import { BINARY, type BinaryKind, UNARY, type UnaryKind } from "../kinds.js";
import type { Reference } from "./differential.js";
import * as maths from "./maths.js";

const f = Math.fround;

const hardSigmoid = (x: number, a: number, b: number): number => maths.pmin(maths.pmax(f(f(x * a) + b), 0), 1);

/** Functions of one float `x` and the parameters `a`, `b`. */
export const unaryFunctions: Record<UnaryKind, (x: number, a: number, b: number) => number> = {
  neg: (x) => -x,
  abs: Math.abs,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / f(Math.sqrt(x)),
  recip: (x) => 1 / x,
  relu: (x) => maths.pmax(x, 0),
  square: (x) => x * x,
  sign: (x) => (x < 0 ? -1 : x > 0 ? 1 : x),
  step: (x) => (x > 0 ? 1 : 0),
  floor: Math.floor,
  ceil: Math.ceil,
  round: maths.nearest,
  affine: (x, a, b) => f(x * a) + b,
  clamp: (x, a, b) => maths.pmin(maths.pmax(x, a), b),
  leaky: (x, a) => (x > 0 ? x : x * a),
  copy: (x) => x,
  exp: maths.exp,
  log: maths.log,
  log1p: maths.log1p,
  tanh: maths.tanh,
  sigmoid: maths.sigmoid,
  gelu: maths.gelu,
  silu: (x) => x * maths.sigmoid(x),
  sin: (x) => maths.sine(x, 0),
  cos: (x) => maths.sine(x, 1),
  softplus: maths.softplus,
  erf: maths.erf,
  powScalar: (x, a) => maths.pow(x, a),
  hardSigmoid,
  hardSwish: (x, a, b) => x * hardSigmoid(x, a, b),
};

/** Functions of two floats. */
export const binaryFunctions: Record<BinaryKind, (x: number, y: number) => number> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  max: Math.max,
  min: Math.min,
  pow: maths.pow,
  greater: (x, y) => (x > y ? 1 : 0),
  greaterEqual: (x, y) => (x >= y ? 1 : 0),
  equal: (x, y) => (x === y ? 1 : 0),
  reluGrad: (x, y) => (y > 0 ? x : 0),
  tanhGrad: (x, y) => x * f(1 - f(y * y)),
  sigmoidGrad: (x, y) => x * f(y * f(1 - y)),
  geluGrad: (x, y) => x * maths.geluSlope(y),
  siluGrad: (x, y) => x * maths.siluSlope(y),
};

/** The name of kind number `kind`. */
export function nameOf<K extends string>(kinds: Readonly<Record<K, number>>, kind: number): K {
  const found = (Object.keys(kinds) as K[]).find((name) => kinds[name] === kind);
  if (found === undefined) throw new RangeError(`no operation has number ${kind}`);
  return found;
}

export const unary: Reference = (v, p) => {
  const apply = unaryFunctions[nameOf(UNARY, p.kind!)];
  for (let i = 0; i < p.n!; i++) v.f32[p.y! / 4 + i] = apply(v.f32[p.x! / 4 + i]!, p.a!, p.b!);
};

export const unary2d: Reference = (v, p) => {
  for (let o = 0; o < p.outer!; o++) unary(v, { ...p, n: p.inner!, x: p.x! + o * p.xs!, y: p.y! + o * p.ys! });
};

export const binary2d: Reference = (v, p) => {
  const apply = binaryFunctions[nameOf(BINARY, p.kind!)];
  for (let o = 0; o < p.outer!; o++) {
    for (let i = 0; i < p.inner!; i++) {
      const x = v.f32[(p.x! + o * p.xs!) / 4 + (p.xsplat ? 0 : i)]!;
      const y = v.f32[(p.y! + o * p.ys!) / 4 + (p.ysplat ? 0 : i)]!;
      v.f32[(p.z! + o * p.zs!) / 4 + i] = apply(x, y);
    }
  }
};

export const where2d: Reference = (v, p) => {
  for (let o = 0; o < p.outer!; o++) {
    for (let i = 0; i < p.inner!; i++) {
      const c = v.f32[(p.cond! + o * p.cs!) / 4 + (p.csplat ? 0 : i)]!;
      const x = v.f32[(p.x! + o * p.xs!) / 4 + (p.xsplat ? 0 : i)]!;
      const y = v.f32[(p.y! + o * p.ys!) / 4 + (p.ysplat ? 0 : i)]!;
      v.f32[(p.z! + o * p.zs!) / 4 + i] = c !== 0 ? x : y;
    }
  }
};

export const accumulate: Reference = (v, p) => {
  for (let i = 0; i < p.n!; i++) {
    const part = (k: number) => v.f32[(p.x! + k * p.stride!) / 4 + i]!;
    const first = p.acc ? 0 : 1;
    let s = p.acc ? v.f32[p.y! / 4 + i]! : p.parts! > 0 ? part(0) : 0;
    for (let k = first; k < p.parts!; k++) s = f(s + part(k));
    v.f32[p.y! / 4 + i] = s;
  }
};

export const copy4: Reference = (v, p) => {
  for (let a = 0; a < p.d0!; a++) {
    for (let b = 0; b < p.d1!; b++) {
      for (let c = 0; c < p.d2!; c++) {
        for (let d = 0; d < p.d3!; d++) {
          const from = p.x! + a * p.s0! + b * p.s1! + c * p.s2! + d * p.s3!;
          v.f32[(p.y! + a * p.t0! + b * p.t1! + c * p.t2! + d * p.t3!) / 4] = v.f32[from / 4]!;
        }
      }
    }
  }
};

export const u8_to_f32: Reference = (v, p) => {
  for (let i = 0; i < p.n!; i++) v.f32[p.y! / 4 + i] = f(v.u8[p.x! + i]! * p.scale!) + p.shift!;
};

export const f32_to_i32: Reference = (v, p) => {
  for (let i = 0; i < p.n!; i++) {
    const x = Math.trunc(v.f32[p.x! / 4 + i]!);
    v.i32[p.y! / 4 + i] = Number.isNaN(x) ? 0 : Math.max(-2147483648, Math.min(2147483647, x));
  }
};

export const i32_to_f32: Reference = (v, p) => {
  for (let i = 0; i < p.n!; i++) v.f32[p.y! / 4 + i] = v.i32[p.x! / 4 + i]!;
};

/** Softmax, its logarithm and their gradients, on tensors seen as [outer][axis][inner] (see reduce.ts). */
import type { KernelSource, Template } from "./emit.js";
import { abreast, EXP_BELOW_STEPS } from "./maths.js";

const DIMS = ["outer: i32", "axis: i32", "inner: i32"] as const;
const FROM = ["x: usize", "so: usize", "sa: usize"] as const;
const TO = ["y: usize", "yo: usize", "ya: usize"] as const;

/** A NaN may be missing from the maximum (one instruction, pmax): it spoils the sum all the same. Rows along contiguous memory: lanes run along the axis. Otherwise every lane walks its own column. */
const both = (line: string, column: string): string => `
 if (inner == 1 && SIDES) { for (let o: i32 = 0; o < outer; ++o) { ${line} } }
 else for (let o: i32 = 0; o < outer; ++o) { ${column} }`;

const greatestLine = `let m4 = f32x4.splat(f32.NEGATIVE_INFINITY), p = x, n = axis;
  for (; n >= 16; n -= 16) { m4 = f32x4.pmax(f32x4.pmax(v128.load(p), v128.load(p, 16)), f32x4.pmax(f32x4.pmax(v128.load(p, 32), v128.load(p, 48)), m4)); p += 64; }
  for (; n >= 4; n -= 4) { m4 = f32x4.pmax(v128.load(p), m4); p += 16; }
  for (; n > 0; --n) { m4 = f32x4.pmax(v128.load32_splat(p), m4); p += 4; }
  const top = f32x4.splat(maxLanes(m4));`;

/** e^(v - top), v at most top. */
const power = (v: string) => `exp_below(f32x4.sub(${v}, top))`;

/** Sum of e^(x - top), stored on the way when `to` is a pointer. */
const sumLine = (to: boolean) => `let s4 = f32x4.splat(0); p = x; ${to ? "let q = y;" : ""} n = axis;
  for (; n >= 16; n -= 16) { ${abreast(4, ["const $v = f32x4.sub(v128.load(p, #), top);", ...EXP_BELOW_STEPS, `s4 = f32x4.add(s4, $e); ${to ? "v128.store(q, $e, #);" : ""}`])} p += 64; ${to ? "q += 64;" : ""} }
  for (; n > 0; n -= 4) { let e = ${power("part(p, n)")}; if (n < 4) e = v128.and(e, lanes(n));
   s4 = f32x4.add(s4, e); ${to ? "putPart(q, e, n); q += 16;" : ""} p += 16; }
  const total = f32x4.splat(sumLanes(s4));`;

/** Vectors of columns that are walked abreast. */
const ABREAST = 4;

const column = (sum: string, last: string) => `let xi = x, yi = y, n = inner;
  FAST for (; n > 0; n -= 4) { let p = xi, q = yi, top = f32x4.splat(f32.NEGATIVE_INFINITY), total = f32x4.splat(0);
   for (let a: i32 = 0; a < axis; ++a) { top = f32x4.pmax(part(p, n), top); p += sa; }
   p = xi; for (let a: i32 = 0; a < axis; ++a) { const e = ${power("part(p, n)")}; total = f32x4.add(total, e); ${sum} p += sa; }
   ${last}
   xi += 16; yi += 16; }
  x += so; y += yo;`;

/** Softmax of several vectors of columns at a time. */
const columnsAbreast = `for (; n >= ${ABREAST * 4}; n -= ${ABREAST * 4}) { let p = xi, q = yi;
   ${abreast(ABREAST, ["let $top = f32x4.splat(f32.NEGATIVE_INFINITY), $total = f32x4.splat(0);"])}
   for (let a: i32 = 0; a < axis; ++a) { ${abreast(ABREAST, ["$top = f32x4.pmax(v128.load(p, #), $top);"])} p += sa; }
   p = xi; for (let a: i32 = 0; a < axis; ++a) {
    ${abreast(ABREAST, ["const $v = f32x4.sub(v128.load(p, #), $top);", ...EXP_BELOW_STEPS, "$total = f32x4.add($total, $e); v128.store(q, $e, #);"])} p += sa; q += ya; }
   ${abreast(ABREAST, ["$total = f32x4.div(f32x4.splat(1), $total);"])}
   q = yi; for (let a: i32 = 0; a < axis; ++a) { ${abreast(ABREAST, ["v128.store(q, f32x4.mul(v128.load(q, #), $total), #);"])} q += ya; }
   xi += ${ABREAST * 16}; yi += ${ABREAST * 16}; }`;

const forward = (text: string, fast = "") => text.replace("SIDES", "sa == 4 && ya == 4").replace("FAST", fast);
const backward = (text: string) => text.replace("SIDES", "sa == 4 && da == 4 && xa == 4");

const softmaxKernel: KernelSource = {
  name: "softmax",
  params: [...DIMS, ...FROM, ...TO],
  body: forward(
    both(
      `${greatestLine} ${sumLine(true)}
  const share = f32x4.div(f32x4.splat(1), total);
  q = y; for (n = axis; n >= 4; n -= 4) { v128.store(q, f32x4.mul(v128.load(q), share)); q += 16; }
  if (n > 0) putPart(q, f32x4.mul(part(q, n), share), n);
  x += so; y += yo;`,
      column(
        "putPart(q, e, n); q += ya;",
        "const share = f32x4.div(f32x4.splat(1), total); q = yi; for (let a: i32 = 0; a < axis; ++a) { putPart(q, f32x4.mul(part(q, n), share), n); q += ya; }",
      ),
    ),
    columnsAbreast,
  ),
};

const logSoftmax: KernelSource = {
  name: "logsoftmax",
  params: [...DIMS, ...FROM, ...TO],
  body: forward(
    both(
      `${greatestLine} ${sumLine(false)}
  const l = log4(total); p = x; let q = y; for (n = axis; n > 0; n -= 4) { putPart(q, f32x4.sub(f32x4.sub(part(p, n), top), l), n); p += 16; q += 16; }
  x += so; y += yo;`,
      column(
        "",
        "const l = log4(total); p = xi; for (let a: i32 = 0; a < axis; ++a) { putPart(q, f32x4.sub(f32x4.sub(part(p, n), top), l), n); p += sa; q += ya; }",
      ),
    ),
  ),
};

/** `sum` folds vectors d, v into `total`; `value` is the gradient from d, v and the total. */
const grad = (name: string, term: string, value: string): KernelSource => ({
  name,
  params: [
    ...DIMS,
    ...([
      "dy: usize",
      "dyo: usize",
      "da: usize",
      "y: usize",
      "so: usize",
      "sa: usize",
      "dx: usize",
      "xo: usize",
      "xa: usize",
    ] as const),
  ],
  body: backward(
    both(
      `let s4 = f32x4.splat(0), p = dy, q = y, n = axis;
  for (; n > 0; n -= 4) { const d = part(p, n), v = part(q, n); s4 = f32x4.add(s4, ${term}); p += 16; q += 16; }
  const total = f32x4.splat(sumLanes(s4)); p = dy; q = y; let g = dx;
  for (n = axis; n > 0; n -= 4) { const d = part(p, n), v = part(q, n); putPart(g, ${value}, n); p += 16; q += 16; g += 16; }
  dy += dyo; y += so; dx += xo;`,
      `let pi = dy, qi = y, gi = dx;
  for (let n = inner; n > 0; n -= 4) { let p = pi, q = qi, g = gi, total = f32x4.splat(0);
   for (let a: i32 = 0; a < axis; ++a) { const d = part(p, n), v = part(q, n); total = f32x4.add(total, ${term}); p += da; q += sa; }
   p = pi; q = qi;
   for (let a: i32 = 0; a < axis; ++a) { const d = part(p, n), v = part(q, n); putPart(g, ${value}, n); p += da; q += sa; g += xa; }
   pi += 16; qi += 16; gi += 16; }
  dy += dyo; y += so; dx += xo;`,
    ),
  ),
});

export function softmax(): Template {
  return {
    kernels: [
      softmaxKernel,
      logSoftmax,
      grad("softmax_grad", "f32x4.mul(d, v)", "f32x4.mul(v, f32x4.sub(d, total))"),
      grad("logsoftmax_grad", "d", "f32x4.sub(d, f32x4.mul(exp4(v), total))"),
    ],
  };
}

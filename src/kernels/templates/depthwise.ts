/**
 * Depthwise 3x3 convolution, padding 1, on planes of one image with tight rows or any row stride: no border is read, so none need
 * be zero. Rows above and below are skipped, the first and last vector of a row are masked; the last vector overlaps where the width
 * is no multiple of four. Width at least 4.
 *
 *     y[c][r][q] = clamp(bias[c] + sum of w[c][i][j] x[c][s r + i - 1][s q + j - 1])
 *
 * The h rows start at output row r0 (x and y point there); xh and xw are the whole input's height and width. A plane is walked in columns of
 * four pixels from top to bottom: each input row is loaded once and goes into all outputs that it belongs to, whose sums stay in registers.
 * Cycles for four outputs on a Zen 4, one output row after the other and so: 14x14 14.4 and 9.2, 7x7 19 and 11, 112x112 in bands of 8 rows 10.6 and 9.7.
 */
import { type Flavor, type KernelSource, madd, seq, type Template } from "./emit.js";

const PARAMS = [
  "c: i32", "h: i32", "w: i32", "x: usize", "xps: usize", "xrs: usize", "y: usize", "yps: usize", "yrs: usize", "weight: usize", "bias: usize",
  "lo: f32", "hi: f32", "xh: i32", "xw: i32", "r0: i32",
] as const; // biome-ignore format: a table

/** The three neighbours of four pixels in the input row at p (one pixel left of the first), masked in the first and last column. */
const row = (stride: 1 | 2, edge: boolean): string => {
  const cut = (value: string, mask: string) => (edge ? `v128.and(${value}, ${mask})` : value);
  if (stride === 1)
    return `const x0 = ${cut("v128.load(p)", "left")}, x1 = v128.load(p, 4), x2 = ${cut("v128.load(p, 8)", "right")};`;
  return `const e = v128.load(p, 4), f = v128.load(p, 20), x0 = ${cut("v128.shuffle<f32>(v128.load(p), v128.load(p, 16), 0, 2, 4, 6)", "left")},
      x1 = v128.shuffle<f32>(e, f, 0, 2, 4, 6), x2 = ${cut("v128.shuffle<f32>(e, f, 1, 3, 5, 7)", "right")};`;
};

function depthwise(flavor: Flavor, stride: 1 | 2): KernelSource {
  const add = madd(flavor);
  /** Adds kernel row i of the loaded input row. */
  const taps = (sum: string, i: number) =>
    seq(3)
      .map((j) => add(sum, `k${i * 3 + j}`, `x${j}`))
      .join(" ");
  const store = "v128.store(o, f32x4.pmin(f32x4.pmax(above, vlo), vhi));";
  /** One column: `above` and `here` are the sums of the output rows that still lack their last and their last two input rows. */
  const column = (edge: boolean): string => {
    const load = row(stride, edge);
    return stride === 1
      ? `{ let p = x + q - xrs - 4, o = y + q, here = b, above = b;
    if (!top) { ${load} ${taps("here", 0)} }
    p += xrs;
    { ${load} ${taps("here", 1)} above = here; here = b; ${taps("here", 0)} }
    for (let n = h - 1; n > 0; --n) {
     p += xrs; ${load}
     ${taps("above", 2)} ${store} o += yrs;
     ${taps("here", 1)} above = here; here = b; ${taps("here", 0)}
    }
    if (!bottom) { p += xrs; ${load} ${taps("above", 2)} }
    ${store} }`
      : `{ let p = x + q * 2 - xrs - 4, o = y + q, above = b;
    if (!top) { ${load} ${taps("above", 0)} }
    for (let n = h - 1; n > 0; --n) {
     p += xrs; { ${load} ${taps("above", 1)} }
     p += xrs; { ${load} ${taps("above", 2)} ${store} o += yrs; above = b; ${taps("above", 0)} }
    }
    p += xrs; { ${load} ${taps("above", 1)} }
    if (!bottom) { p += xrs; ${load} ${taps("above", 2)} }
    ${store} }`;
  };
  return {
    name: `dw3_s${stride}`,
    params: PARAMS,
    body: `
 if (h <= 0) return;
 const vlo = f32x4.splat(lo), vhi = f32x4.splat(hi), all = i32x4.splat(-1), first = i32x4(0, -1, -1, -1), last = usize(w - 4) * 4;
 // The last column's right neighbour may lie outside.
 const end = i32x4(-1, -1, -1, (w - 1) * ${stride} + 1 < xw ? -1 : 0);
 const top = r0 == 0, bottom = (r0 + h - 1) * ${stride} + 1 >= xh;
 for (let i: i32 = 0; i < c; ++i) {
  ${seq(9)
    .map((k) => `const k${k} = v128.load32_splat(weight, ${k * 4});`)
    .join(" ")}
  const b = bias ? v128.load32_splat(bias) : f32x4.splat(0);
  let q: usize = 0, left = first, right = last ? all : end;
  while (true) {
   ${column(true)}
   if (q == last) break;
   for (q = 16; q < last; q += 16) ${column(false)}
   q = last; left = all; right = end;
  }
  x += xps; y += yps; weight += 36; if (bias) bias += 4;
 }`,
  };
}

export function depthwise3(flavor: Flavor): Template {
  return { kernels: [depthwise(flavor, 1), depthwise(flavor, 2)] };
}

/**
 * Depthwise 3x3 convolution, padding 1, on planes of one image with tight rows or any row stride: no border is read, so none need
 * be zero. Rows above and below are skipped, the first and last vector of a row are masked; the last vector overlaps where the width
 * is no multiple of four. Width at least 4.
 *
 *     y[c][r][q] = clamp(bias[c] + sum of w[c][i][j] x[c][s r + i - 1][s q + j - 1])
 *
 * The h rows start at output row r0 (x and y point there); xh and xw are the whole input's height and width. One output row at a time: two spill registers on V8 (Node 20). Products are not fused: one long chain per output would be slower.
 */
import { depthwiseRow } from "./depthwise-row.js";
import { type KernelSource, seq, type Template } from "./emit.js";

const PARAMS = [
  "c: i32", "h: i32", "w: i32", "x: usize", "xps: usize", "xrs: usize", "y: usize", "yps: usize", "yrs: usize", "weight: usize", "bias: usize",
  "lo: f32", "hi: f32", "xh: i32", "xw: i32", "r0: i32",
] as const; // biome-ignore format: a table

const madd = (k: number, v: string) => `a = f32x4.add(a, f32x4.mul(k${k}, ${v}));`;

/** The three taps of input row `i` at the vector of output column q: left, middle, right neighbours, masked at the edges of the row. */
const taps = (stride: 1 | 2, i: number, left: boolean, right: boolean): string => {
  const cut = (value: string, mask: string, on: boolean) => (on ? `v128.and(${value}, ${mask})` : value);
  if (stride === 1) {
    return `{ const p = p${i} + q; ${madd(i * 3, cut("v128.load(p - 4)", "first", left))} ${madd(i * 3 + 1, "v128.load(p)")} ${madd(i * 3 + 2, cut("v128.load(p, 4)", "edge", right))} }`;
  }
  return `{ const p = p${i} + q * 2; const e = v128.load(p), f = v128.load(p, 16);
     ${madd(i * 3, cut("v128.shuffle<f32>(v128.load(p - 4), v128.load(p, 12), 0, 2, 4, 6)", "first", left))} ${madd(i * 3 + 1, "v128.shuffle<f32>(e, f, 0, 2, 4, 6)")} ${madd(i * 3 + 2, cut("v128.shuffle<f32>(e, f, 1, 3, 5, 7)", "edge", right))} }`;
};

function depthwise(stride: 1 | 2): KernelSource {
  const vector = (rows: readonly number[], left: boolean, right: boolean) => `{ let a = b;
    ${rows.map((i) => taps(stride, i, left, right)).join("\n    if (never) { v128.store(o + q, a); return; }\n    ")}
    v128.store(o + q, f32x4.pmin(f32x4.pmax(a, vlo), vhi)); }`;
  return {
    name: `dw3_s${stride}`,
    params: PARAMS,
    body: `
 const vlo = f32x4.splat(lo), vhi = f32x4.splat(hi), first = i32x4(0, -1, -1, -1), last = usize(w - 4) * 4;
 // The last column's right neighbour may lie outside.
 const edge = i32x4(-1, -1, -1, (w - 1) * ${stride} + 1 < xw ? -1 : 0);
 // Branches that are never taken, but use the sum: they keep the compiler from loading all three rows first, which would spill.
 const never = w < 0;
 for (let i: i32 = 0; i < c; ++i) {
  ${seq(9)
    .map((k) => `const k${k} = v128.load32_splat(weight, ${k * 4});`)
    .join(" ")}
  const b = bias ? v128.load32_splat(bias) : f32x4.splat(0);
  let o = y, p1 = x;
  for (let r: i32 = 0; r < h; ++r) {
   const p0 = p1 - xrs, p2 = p1 + xrs; const top = r0 + r == 0, bottom = (r0 + r) * ${stride} + 1 >= xh;
   ${depthwiseRow(vector)}
   o += yrs; p1 += xrs * ${stride};
  }
  x += xps; y += yps; weight += 36; if (bias) bias += 4;
 }`,
  };
}

export function depthwise3(): Template {
  return { kernels: [depthwise(1), depthwise(2)] };
}

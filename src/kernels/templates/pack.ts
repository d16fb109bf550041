/** Changes of layout: blocks of four, planes of four images, transposes. Pure moves: the bits stay. */
import type { Template } from "./emit.js";
import { each, transpose4 } from "./simd.js";

export function packs(): Template {
  return {
    kernels: [
      {
        // out[(o/4)][k][4] = w[o*rs + k*cs]
        name: "pack4",
        params: ["o: i32", "k: i32", "w: usize", "rs: usize", "cs: usize", "out: usize"],
        body: `
 for (let i: i32 = 0; i < o; i += 4) {
  let q = w; let j: i32 = 0;
  if (cs == 4) for (; j + 4 <= k; j += 4) {
   ${each(4, (r) => `const v${r} = v128.load(q + rs * ${r});`)} ${transpose4}
   ${each(4, (r) => `v128.store(out, t${r}, ${r * 16});`)} out += 64; q += 16;
  }
  for (; j < k; ++j) { ${each(4, (r) => `store<f32>(out, load<f32>(q + rs * ${r}), ${r * 4});`)} out += 16; q += cs; }
  w += rs * 4;
 }`,
      },
      {
        // lanes 0..images-1 of each pixel from the images' planes; missing images are 0
        name: "nchw_to_n4",
        params: [
          "c: i32",
          "h: i32",
          "w: i32",
          "images: i32",
          "x: usize",
          "xn: usize",
          "xc: usize",
          "y: usize",
          "ys: usize",
          "rs: usize",
        ],
        body: `
 const z = f32x4.splat(0);
 for (let i: i32 = 0; i < c; ++i) {
  let q = x, o = y;
  for (let r: i32 = 0; r < h; ++r) {
   let j: i32 = 0, d = o;
   for (; j + 4 <= w; j += 4) {
    const v0 = v128.load(q), v1 = images > 1 ? v128.load(q + xn) : z, v2 = images > 2 ? v128.load(q + xn * 2) : z, v3 = images > 3 ? v128.load(q + xn * 3) : z; ${transpose4}
    ${each(4, (k) => `v128.store(d, t${k}, ${k * 16});`)} d += 64; q += 16;
   }
   for (; j < w; ++j) { ${each(4, (k) => `store<f32>(d, ${k ? `images > ${k} ? load<f32>(q + xn * ${k}) : 0` : "load<f32>(q)"}, ${k * 4});`)} d += 16; q += 4; }
   o += rs;
  }
  x += xc; y += ys;
 }`,
      },
      {
        // the inverse: pixel (0,0) of channel 0 at y, planes ys, rows rs; images' planes at x
        name: "n4_to_nchw",
        params: [
          "c: i32",
          "h: i32",
          "w: i32",
          "images: i32",
          "x: usize",
          "xn: usize",
          "xc: usize",
          "y: usize",
          "ys: usize",
          "rs: usize",
        ],
        body: `
 for (let i: i32 = 0; i < c; ++i) {
  let q = x, o = y;
  for (let r: i32 = 0; r < h; ++r) {
   let j: i32 = 0, d = o;
   for (; j + 4 <= w; j += 4) {
    ${each(4, (k) => `const v${k} = v128.load(d, ${k * 16});`)} ${transpose4}
    v128.store(q, t0); if (images > 1) v128.store(q + xn, t1); if (images > 2) v128.store(q + xn * 2, t2); if (images > 3) v128.store(q + xn * 3, t3);
    d += 64; q += 16;
   }
   for (; j < w; ++j) { ${each(4, (k) => `${k ? `if (images > ${k}) ` : ""}store<f32>(q + xn * ${k}, load<f32>(d, ${k * 4}));`)} d += 16; q += 4; }
   o += rs;
  }
  x += xc; y += ys;
 }`,
      },
      {
        // y[c][r] = x[r][c]: columns by blocks whose lines of y stay in the first cache, where 8 rows at one distance of pages use up its ways
        name: "transpose2d",
        params: ["rows: i32", "cols: i32", "x: usize", "xs: usize", "y: usize", "ys: usize"],
        body: `
 const most: i32 = ys & 2047 ? 16 : 8;
 for (; cols > 0; cols -= most) {
  const n = min(cols, most);
  let p = x, d = y, i: i32 = 0;
  for (; i + 4 <= rows; i += 4) {
   let q = p, o = d, j: i32 = 0;
   for (; j + 4 <= n; j += 4) {
    ${each(4, (r) => `const v${r} = v128.load(q + xs * ${r});`)} ${transpose4}
    ${each(4, (r) => `v128.store(o + ys * ${r}, t${r});`)} q += 16; o += ys * 4;
   }
   for (; j < n; ++j) { ${each(4, (r) => `store<f32>(o, load<f32>(q + xs * ${r}), ${r * 4});`)} q += 4; o += ys; }
   p += xs * 4; d += 16;
  }
  for (; i < rows; ++i) {
   let q = p, o = d;
   for (let j: i32 = 0; j < n; ++j) { store<f32>(o, load<f32>(q)); q += 4; o += ys; }
   p += xs; d += 4;
  }
  x += usize(most) * 4; y += usize(most) * ys;
 }`,
      },
    ],
  };
}

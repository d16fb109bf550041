/**
 * Winograd F(4x4, 3x3) on planes of single images, four tiles of a plane in the lanes. Arrays in the transformed domain are those of winograd.ts, a
 * tile where that has an image of a tile: w4_weights and wgemm serve both.
 */
import type { KernelSource, Template } from "./emit.js";
import { each, transpose4 } from "./simd.js";

/** Bytes of a plane among zeros in scratch memory: from here on. */
const PAD = 1024;

/** Statements that set tile pointers p0..p3 from a walk over tiles, the last tile again where there are no more. */
const fourTiles = (body: (k: number) => string): string =>
  each(4, (k) => `${body(k)} if (++tx == tw) { tx = ++ty == th ? tw - 1 : 0; if (ty == th) --ty; }`);

/** v[f][c][tile] = B^T d B, rows first. Planes that tiles reach past are first copied among zeros. */
const input: KernelSource = {
  name: "w4_in_n1",
  params: [
    "c: i32", "x: usize", "ps: usize", "rs: usize", "h: i32", "w: i32", "th: i32", "tw: i32", "v: usize", "fs: usize", "ts: usize",
    "scratch: usize",
  ], // biome-ignore format: a table
  body: `
 const count = th * tw, over = th * 4 > h || tw * 4 > w; let step = rs;
 const rows = min(h + 2, th * 4 + 2), whole = usize((w + 1) >> 2) * 16, rest = (w + 1) & 3, pitch = usize(tw * 16 + 16);
 const mask = i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(rest));
 if (over) { step = pitch; memory.fill(scratch + ${PAD}, 0, pitch * usize(th * 4 + 2)); }
 for (let i: i32 = 0; i < c; ++i) {
  let from = x;
  if (over) {
   let to = scratch + ${PAD}; let p = x; from = to;
   for (let r: i32 = 0; r < rows; ++r) { let j: usize = 0;
    for (; j < whole; j += 16) v128.store(to + j, v128.load(p + j));
    if (rest) v128.store(to + j, v128.and(v128.load(p + j), mask));
    p += rs; to += pitch;
   }
  }
  let f = v, ty: i32 = 0, tx: i32 = 0;
  for (let t: i32 = 0; t < count; t += 4) {
   ${fourTiles((k) => `let p${k} = from + usize(ty * 4) * step + usize(tx * 16);`)}
   for (let m = scratch; m < scratch + 576; m += 96) {
    const v0 = v128.load(p0), v1 = v128.load(p1), v2 = v128.load(p2), v3 = v128.load(p3); ${transpose4}
    const e0 = v128.load64_lane(p1, v128.load64_zero(p0, 16), 1, 16), e1 = v128.load64_lane(p3, v128.load64_zero(p2, 16), 1, 16);
    const t4 = v128.shuffle<f32>(e0, e1, 0, 2, 4, 6), t5 = v128.shuffle<f32>(e0, e1, 1, 3, 5, 7);
    ${each(6, (j) => `v128.store(m, t${j}, ${j * 16});`)} w4_bt(m, 16, m, 16);
    ${each(4, (k) => `p${k} += step;`)}
   }
   for (let j: usize = 0; j < 6; ++j) w4_bt(scratch + j * 16, 96, f + fs * j, fs * 6);
   f += 16;
  }
  v += ts; x += ps;
 }`,
};

/** y = clamp((y +) bias + A^T m A), columns first; pixels past h x w are left alone. */
const output: KernelSource = {
  name: "w4_out_n1",
  params: [
    "c: i32", "y: usize", "ps: usize", "rs: usize", "h: i32", "w: i32", "th: i32", "tw: i32", "m: usize", "fs: usize", "ts: usize",
    "acc: i32", "bias: usize", "lo: f32", "hi: f32", "scratch: usize",
  ], // biome-ignore format: a table
  body: `
 set_limits(lo, hi); const count = th * tw;
 for (let i: i32 = 0; i < c; ++i) {
  let f = m, ty: i32 = 0, tx: i32 = 0; const shift = f32x4.splat(bias ? load<f32>(bias + usize(i) * 4) : 0);
  for (let t: i32 = 0; t < count; t += 4) {
   for (let j: usize = 0; j < 6; ++j) w4_at(f + fs * j, fs * 6, scratch + j * 16, 96);
   ${fourTiles((k) => `let p${k} = y + usize(ty * 4) * rs + usize(tx * 16); const left${k} = h - ty * 4, wide${k} = t + ${k} < count ? w - tx * 4 : 0;`)}
   const inside = min(min(min(left0, left1), min(left2, left3)), min(min(wide0, wide1), min(wide2, wide3))) >= 4;
   for (let r: i32 = 0; r < 4; ++r) { const s = scratch + usize(r) * 96;
    w4_at(s, 16, s, 16);
    ${each(4, (q) => `const v${q} = f32x4.add(v128.load(s, ${q * 16}), shift);`)} ${transpose4}
    if (inside) { ${each(4, (k) => `v128.store(p${k}, limit4(acc ? f32x4.add(v128.load(p${k}), t${k}) : t${k}));`)} }
    else { ${each(4, (k) => `if (r < left${k} && wide${k} > 0) put_pixels(p${k}, t${k}, min(4, wide${k}), acc);`)} }
    ${each(4, (k) => `p${k} += rs;`)}
   }
   f += 16;
  }
  m += ts; y += ps;
 }`,
};

export function winogradSingle(): Template {
  return {
    helpers: `
// @ts-ignore
@inline
function limit4(v: v128): v128 { return limited ? clamp4(v, f32x4.splat(limit_lo), f32x4.splat(limit_hi)) : v; }
function put_pixels(p: usize, v: v128, n: i32, acc: i32): void {
 if (acc) v = f32x4.add(n == 4 ? v128.load(p) : load_part(p, n), v);
 store_part(p, limit4(v), n);
}
`,
    kernels: [input, output],
  };
}

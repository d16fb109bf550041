/**
 * Int8 kernels that go over quads plane by plane: depthwise 3x3, between f32 and bytes, mean, maximum, borders. Rows of at least four
 * pixels; the last vector of a row overlaps the one before where four does not divide it.
 */

import { type KernelSource, seq, type Template } from "../emit.js";
import { begin, dots, type Int8Flavor } from "./arithmetic.js";
import { depthwiseRow } from "./depthwise-row.js";

/**
 * Depthwise 3x3 of h output rows from row r0 on (x and y point there; xh and xw are the whole input's), zero point 0 of x, `pad` rows and columns of zeros before: 1, or with stride 2 also 0 (as TensorFlow pads even planes). Sixteen bytes hold four pixels of a row; transposed, each i32 lane holds one channel of
 * those four pixels: three taps of an output pixel, and (stride 1) of its right neighbour with the weights moved on by a byte.
 */
function depthwise(flavor: Int8Flavor, stride: 1 | 2): KernelSource {
  const d = dots(flavor);
  const turned = (at: string, mask?: string) => {
    const load = mask ? `v128.and(v128.load(${at}), ${mask})` : `v128.load(${at})`;
    return `q8_turn(${load}, mask)`;
  };
  const taps = (i: number, left: boolean, right: boolean): string => {
    if (stride === 1) {
      return `{ const p = p${i} + q - 4; ${d.data("u", turned("p", left ? "first" : undefined))} ${d.add("a0", `k${i}`, "u")} ${d.add("a1", `m${i}`, "u")}
      ${d.data("v", turned("p + 8", right ? "edge" : undefined))} ${d.add("a2", `k${i}`, "v")} ${d.add("a3", `m${i}`, "v")} }`;
    }
    const one = (j: number) =>
      `{ ${d.data("u", turned(`p + ${j * 8}`, left && j === 0 ? "first" : right && j === 3 ? "edge" : undefined))} ${d.add(`a${j}`, `k${i}`, "u")} }`;
    return `{ const p = p${i} + q * 2 - 4; ${seq(4).map(one).join("\n      ")} }`;
  };
  const value = (j: number) => `q8_round(f32x4.mul(f, f32x4.convert_i32x4_s(${d.value(`a${j}`, "b")})), magic, vz)`;
  const vector = (rows: readonly number[], left: boolean, right: boolean) => `{ ${seq(4)
    .map((j) => d.open(`a${j}`))
    .join(" ")}
    ${rows.map((i) => taps(i, left, right)).join("\n    ")}
    v128.store(o + q, q8_narrow(${seq(4).map(value).join(", ")}, vlo, vhi)); }`;
  return {
    name: `q8_dw3_s${stride}`,
    params: [
      "c: i32", "h: i32", "w: i32", "x: usize", "xps: usize", "xrs: usize", "y: usize", "yps: usize", "yrs: usize",
      "weight: usize", "bias: usize", "scale: usize", "lo: i32", "hi: i32", "zero: i32", "xh: i32", "xw: i32", "pad: i32", "r0: i32",
    ], // biome-ignore format: a table
    body: `
 ${begin("scale")}
 const vlo = i8x16.splat(i8(lo)), vhi = i8x16.splat(i8(hi)), vz = i32x4.sub(i32x4.splat(zero), magic), last = usize(w - 4) * 4;
 // Pixel -1 of a row, and the pixel after its last, lie outside.
 const first = i32x4(pad ? 0 : -1, -1, -1, -1), edge = ${stride === 1 ? "i32x4(-1, -1, -1, 0)" : "i32x4(-1, -1, (w - 1) * 2 + 2 - pad < xw ? -1 : 0, -1)"};
 x += usize(1 - pad) * (xrs + 4);
 for (let i: i32 = 0; i < c; ++i) {
  ${seq(3)
    .map(
      (r) =>
        d.weight(`k${r}`, `v128.load(weight, ${r * 16})`) + (stride === 1 ? ` ${d.weight(`m${r}`, `i32x4.shl(k${r}, 8)`)}` : ""),
    )
    .join(" ")}
  const b = v128.load(bias), f = v128.load(scale);
  let o = y, p1 = x;
  for (let r: i32 = 0; r < h; ++r) {
   const p0 = p1 - xrs, p2 = p1 + xrs; const top = pad != 0 && r0 + r == 0, bottom = (r0 + r) * ${stride} + 2 - pad >= xh;
   ${depthwiseRow(vector)}
   o += yrs; p1 += xrs * ${stride};
  }
  x += xps; y += yps; weight += 48; bias += 16; scale += 16;
 }`,
  };
}

/** Runs `body` (which sees `at`, four pixels) over the rows of c channels in groups of four. */
const everyFour = (body: string, step: string): string => `
 for (let g: i32 = 0; g < c; g += 4) {
  for (let r: usize = 0; r < usize(h); ++r) {
   for (let q: i32 = 0; q < w; q += 4) { const at = q + 4 <= w ? q : w - 4; ${body} }
  }
  ${step}
 }`;

const quantise: KernelSource = {
  // f32 planes -> quads: y = clamp(zero + round(x * inv), 0, 127); NaN gives the least
  name: "q8_quantise",
  params: [
    "c: i32", "h: i32", "w: i32", "x: usize", "xps: usize", "xrs: usize", "y: usize", "yps: usize", "yrs: usize", "inv: f32", "zero: i32",
  ], // biome-ignore format: a table
  body: `${begin("x")} const s = f32x4.splat(inv), vzero = i32x4.splat(zero), vz = i32x4.sub(vzero, magic), vlo = f32x4.splat(f32(zero * -1)), vhi = f32x4.splat(f32(zero * -1 + 127)), L = i8x16.splat(0), H = i8x16.splat(127);
${everyFour(
  `const p = x + r * xrs + usize(at) * 4;
    ${seq(4)
      .map(
        (k) =>
          `const v${k} = g + ${k} < c ? q8_round(f32x4.pmin(vhi, f32x4.pmax(vlo, f32x4.mul(v128.load(p + xps * ${k}), s))), magic, vz) : vzero;`,
      )
      .join(" ")}
    v128.store(y + r * yrs + usize(at) * 4, q8_turn(q8_narrow(v0, v1, v2, v3, L, H), mask));`,
  "x += xps * 4; y += yps;",
)}`,
};

const dequantise: KernelSource = {
  // quads -> f32 planes: y = (x - zero) * scale
  name: "q8_dequantise",
  params: [
    "c: i32", "h: i32", "w: i32", "x: usize", "xps: usize", "xrs: usize", "y: usize", "yps: usize", "yrs: usize", "scale: f32", "zero: i32",
  ], // biome-ignore format: a table
  body: `const s = f32x4.splat(scale), vz = i32x4.splat(zero), Z = i8x16.splat(0);
${everyFour(
  `const v = v128.load(x + r * xrs + usize(at) * 4), p = y + r * yrs + usize(at) * 4;
    ${seq(4)
      .map(
        (k) =>
          `if (g + ${k} < c) v128.store(p + yps * ${k}, f32x4.mul(s, f32x4.convert_i32x4_s(i32x4.sub(i8x16.shuffle(v, Z, ${seq(4)
            .map((p) => `${p * 4 + k}, 16, 16, 16`)
            .join(", ")}), vz))));`,
      )
      .join("\n    ")}`,
  "x += xps; y += yps * 4;",
)}`,
};

const mean: KernelSource = {
  // quads -> one byte a channel: y = clamp(zero + round((sum + start) * scale), lo, hi); rows of at most 1,024 pixels
  name: "q8_mean",
  params: [
    "c: i32", "h: i32", "w: i32", "x: usize", "xps: usize", "xrs: usize", "y: usize", "start: i32", "scale: f32", "zero: i32", "lo: i32", "hi: i32",
  ], // biome-ignore format: a table
  body: `${begin("x")} const vz = i32x4.sub(i32x4.splat(zero), magic);
 for (let g: i32 = 0; g < c; g += 4) {
  let a = i32x4.splat(start);
  for (let r: i32 = 0; r < h; ++r) {
   const p = x + usize(r) * xrs; let s = i16x8.splat(0), q: i32 = 0;
   for (; q + 4 <= w; q += 4) { const v = v128.load(p + usize(q) * 4); s = i16x8.add(s, i16x8.add(i16x8.extend_low_i8x16_u(v), i16x8.extend_high_i8x16_u(v))); }
   for (; q < w; ++q) s = i16x8.add(s, i16x8.extend_low_i8x16_u(v128.load32_zero(p + usize(q) * 4)));
   a = i32x4.add(a, i32x4.add(i32x4.extend_low_i16x8_u(s), i32x4.extend_high_i16x8_u(s)));
  }
  const v = q8_round(f32x4.mul(f32x4.splat(scale), f32x4.convert_i32x4_s(a)), magic, vz);
  v128.store32_lane(y, q8_narrow(v, v, v, v, i8x16.splat(i8(lo)), i8x16.splat(i8(hi))), 0);
  x += xps; y += 4;
 }`,
};

const maximum: KernelSource = {
  // the largest byte of each window; what lies outside counts as nothing
  name: "q8_maxpool",
  params: [
    "c: i32", "oh: i32", "ow: i32", "kh: i32", "kw: i32", "sy: i32", "sx: i32", "py: i32", "px: i32", "h: i32", "w: i32",
    "x: usize", "xps: usize", "xrs: usize", "y: usize", "yps: usize", "yrs: usize",
  ], // biome-ignore format: a table
  body: `for (let g: i32 = 0; g < c; g += 4) {
  for (let i: i32 = 0; i < oh; ++i) {
   const r0 = max(0, i * sy - py), r1 = min(h, i * sy - py + kh);
   for (let j: i32 = 0; j < ow; ++j) {
    const q0 = max(0, j * sx - px), q1 = min(w, j * sx - px + kw);
    let v = i8x16.splat(0);
    for (let r = r0; r < r1; ++r) for (let q = q0; q < q1; ++q) v = i8x16.max_u(v, v128.load32_zero(x + usize(r) * xrs + usize(q) * 4));
    v128.store32_lane(y + usize(i) * yrs + usize(j) * 4, v, 0);
   }
  }
  x += xps; y += yps;
 }`,
};

const border: KernelSource = {
  // everything outside the pixels of h rows of c planes: p0 bytes before the first, all between them, the rest of pe bytes after the last
  name: "q8_border",
  params: ["c: i32", "h: i32", "wbytes: usize", "base: usize", "ps: usize", "p0: usize", "pe: usize", "rs: usize", "value: i32"],
  body: `for (let g: i32 = 0; g < c; ++g) {
  let p = base + p0; memory.fill(base, u8(value), p0);
  for (let r: i32 = 1; r < h; ++r) { memory.fill(p + wbytes, u8(value), rs - wbytes); p += rs; }
  p += wbytes; memory.fill(p, u8(value), base + pe - p); base += ps;
 }`,
};

const fill: KernelSource = {
  name: "q8_fill",
  params: ["bytes: usize", "y: usize", "value: i32"],
  body: "memory.fill(y, u8(value), bytes);",
};

/** Kernels over planes of the int8 module. */
export function int8Planes(flavor: Int8Flavor): Template {
  return { kernels: [depthwise(flavor, 1), depthwise(flavor, 2), quantise, dequantise, mean, maximum, border, fill] };
}

/** Flat and row-wise passes: functions of one, two and three tensors, sums of parts, strided copies, conversions. */
import { BINARY, type BinaryKind, UNARY, type UnaryKind } from "../kinds.js";
import { type Flavor, INLINE, type KernelSource, seq, type Template } from "./emit.js";
import { abreast, STEPS } from "./maths.js";
import { flat, type Place, strip } from "./strip.js";

const ONE = "f32x4.splat(1)";
const ZERO = "f32x4.splat(0)";

/** a v + b held to [0, 1]. */
const HARD = `f32x4.pmin(f32x4.pmax(f32x4.add(f32x4.mul(v, av), bv), ${ZERO}), ${ONE})`;

/** Functions of a vector `v` at memory speed; `av` and `bv` are the splat parameters. */
const CHEAP: Partial<Record<UnaryKind, string>> = {
  neg: "f32x4.neg(v)",
  abs: "f32x4.abs(v)",
  sqrt: "f32x4.sqrt(v)",
  rsqrt: `f32x4.div(${ONE}, f32x4.sqrt(v))`,
  recip: `f32x4.div(${ONE}, v)`,
  relu: `f32x4.pmax(v, ${ZERO})`,
  square: "f32x4.mul(v, v)",
  sign: `v128.bitselect(v128.or(v128.and(v, i32x4.splat(0x80000000)), ${ONE}), v, v128.or(f32x4.lt(v, ${ZERO}), f32x4.gt(v, ${ZERO})))`,
  step: `v128.and(f32x4.gt(v, ${ZERO}), ${ONE})`,
  floor: "f32x4.floor(v)",
  ceil: "f32x4.ceil(v)",
  round: "f32x4.nearest(v)",
  affine: "f32x4.add(f32x4.mul(v, av), bv)",
  clamp: "f32x4.pmin(f32x4.pmax(v, av), bv)",
  leaky: `v128.bitselect(v, f32x4.mul(v, av), f32x4.gt(v, ${ZERO}))`,
  copy: "v",
  hardSigmoid: HARD,
  hardSwish: `f32x4.mul(v, ${HARD})`,
};

/**
 * Functions of a vector `v` that cost more than the memory that they touch. The common ones (`STEPS`) take four vectors a turn, which share the loads of
 * constants.
 */
const DEAR: Partial<Record<UnaryKind, string>> = {
  exp: "exp4(v)",
  log: "log4(v)",
  log1p: "log1p4(v)",
  tanh: "tanh4(v)",
  sigmoid: "sigmoid4(v)",
  gelu: "gelu4(v)",
  silu: "f32x4.mul(v, sigmoid4(v))",
  sin: "sine4(v, 0)",
  cos: "sine4(v, 1)",
  softplus: "softplus4(v)",
  erf: "erf4(v)",
};

/** Four vectors a turn, abreast. */
const turn = (kind: string): string =>
  kind in STEPS
    ? `for (; n >= 16; n -= 16) { ${abreast(4, ["const $v = v128.load(x, #);", ...STEPS[kind as keyof typeof STEPS], "v128.store(y, $e, #);"])} x += 64; y += 64; }`
    : "";

/** @param unroll vectors a turn of the loops at memory speed; with 1 the dear functions stand in one loop each */
const unary = (unroll: number): KernelSource => ({
  name: "unary",
  params: ["n: i32", "kind: i32", "x: usize", "y: usize", "a: f32", "b: f32"],
  body: `const av = f32x4.splat(a), bv = f32x4.splat(b);
 switch (kind) {
${Object.entries(CHEAP)
  .map(
    ([kind, f]) =>
      `case ${UNARY[kind as UnaryKind]}: ${flat(["x", "y"], (at) => `const v = ${at.load("x")}; ${at.store("y", f)}`, unroll)} break;`,
  )
  .join("\n")}
${Object.entries(DEAR)
  .map(
    ([kind, f]) =>
      `case ${UNARY[kind as UnaryKind]}: ${unroll > 1 ? turn(kind) : ""}
 for (; n > 0; n -= 4) { const v = part(x, n); putPart(y, ${f}, n); x += 16; y += 16; } break;`,
  )
  .join("\n")}
case ${UNARY.powScalar}: for (; n > 0; --n) { store<f32>(y, pow1(load<f32>(x), a)); x += 4; y += 4; } break;
default: unreachable(); }`,
});

/** The same on rows that lie apart. */
const unary2d: KernelSource = {
  name: "unary2d",
  params: ["outer: i32", "inner: i32", "kind: i32", "x: usize", "xs: usize", "y: usize", "ys: usize", "a: f32", "b: f32"],
  body: "for (let o: i32 = 0; o < outer; ++o) { unary(inner, kind, x, y, a, b); x += xs; y += ys; }",
};

/** Functions of vectors `p` and `q` that cost more than the memory that they touch. */
const DEAR_PAIR = { geluGrad: "f32x4.mul(p, gelu_slope(q))", siluGrad: "f32x4.mul(p, silu_slope(q))" } as const;

/** Functions of vectors `p` and `q`. */
const PAIR: Record<Exclude<BinaryKind, "pow" | keyof typeof DEAR_PAIR>, string> = {
  add: "f32x4.add(p, q)",
  sub: "f32x4.sub(p, q)",
  mul: "f32x4.mul(p, q)",
  div: "f32x4.div(p, q)",
  max: "f32x4.max(p, q)",
  min: "f32x4.min(p, q)",
  greater: `v128.and(f32x4.gt(p, q), ${ONE})`,
  greaterEqual: `v128.and(f32x4.ge(p, q), ${ONE})`,
  equal: `v128.and(f32x4.eq(p, q), ${ONE})`,
  reluGrad: `v128.and(p, f32x4.gt(q, ${ZERO}))`,
  tanhGrad: `f32x4.mul(p, f32x4.sub(${ONE}, f32x4.mul(q, q)))`,
  sigmoidGrad: `f32x4.mul(p, f32x4.mul(q, f32x4.sub(${ONE}, q)))`,
};

/** A row whose inputs may stand still: those read a splat from scratch memory and move by nothing, so one loop serves all. */
const row = (inputs: readonly string[], out: string, body: (at: Place) => string, unroll: number): string => {
  const at = (u: number, whole: boolean): Place => ({
    u,
    whole,
    load: (p) => (whole ? `v128.load(${p}, ${u * 16})` : `v128.load32_zero(${p})`),
    store: (p, v) => (whole ? `v128.store(${p}, ${v}, ${u * 16});` : `v128.store32_lane(${p}, ${v}, 0);`),
  });
  const move = (bytes: number) => `${inputs.map((p) => `${p} += ${p}m & ${bytes};`).join(" ")} ${out} += ${bytes};`;
  return `let left = inner;
   ${
     unroll > 1
       ? `for (; left >= ${4 * unroll}; left -= ${4 * unroll}) { ${seq(unroll)
           .map((u) => `{ ${body(at(u, true))} }`)
           .join(" ")} ${move(16 * unroll)} }`
       : ""
   }
   for (; left >= 4; left -= 4) { ${body(at(0, true))} ${move(16)} }
   for (; left > 0; --left) { ${body(at(0, false))} ${move(4)} }`;
};

/** The start of a row: running pointers, the still ones at splats in scratch memory. */
const ROW = `for (let o: i32 = 0; o < outer; ++o) { let pp = x, qp = y, zp = z;
   if (xsplat) { still(scratch, x); pp = scratch; } if (ysplat) { still(scratch + 64, y); qp = scratch + 64; }`;

const binaryRow = (kind: BinaryKind, body: (at: Place) => string, unroll: number): string =>
  `case ${BINARY[kind]}: ${ROW}
   ${row(["pp", "qp"], "zp", body, unroll)}
   x += xs; y += ys; z += zs; } break;`;

const isGradient = (kind: string): boolean => kind.endsWith("Grad");

/** @param training whether gradients are among the functions; without them the loops are short */
const binary = (training: boolean): KernelSource => ({
  name: "binary2d",
  params: [
    ...(["outer: i32", "inner: i32", "kind: i32", "x: usize", "xs: usize", "xsplat: i32"] as const),
    ...(["y: usize", "ys: usize", "ysplat: i32", "z: usize", "zs: usize", "scratch: usize"] as const),
  ],
  body: `const ppm: usize = xsplat ? 0 : -1, qpm: usize = ysplat ? 0 : -1;
 switch (kind) {
${(Object.keys(PAIR) as (keyof typeof PAIR)[])
  .filter((kind) => training || !isGradient(kind))
  .map((kind) =>
    binaryRow(kind, (at) => `const p = ${at.load("pp")}, q = ${at.load("qp")}; ${at.store("zp", PAIR[kind])}`, training ? 4 : 1),
  )
  .join("\n")}
${(Object.keys(DEAR_PAIR) as (keyof typeof DEAR_PAIR)[])
  .filter((kind) => training || !isGradient(kind))
  .map(
    (kind) => `case ${BINARY[kind]}: ${ROW}
   for (let n = inner; n > 0; n -= 4) { const p = part(pp, n), q = part(qp, n); putPart(zp, ${DEAR_PAIR[kind]}, n); pp += ppm & 16; qp += qpm & 16; zp += 16; }
   x += xs; y += ys; z += zs; } break;`,
  )
  .join("\n")}
case ${BINARY.pow}: for (let o: i32 = 0; o < outer; ++o) { let pp = x, qp = y, zp = z;
   for (let i: i32 = 0; i < inner; ++i) { store<f32>(zp, pow1(load<f32>(pp), load<f32>(qp))); pp += ppm & 4; qp += qpm & 4; zp += 4; }
   x += xs; y += ys; z += zs; } break;
default: unreachable(); }`,
});

const where = (unroll: number): KernelSource => ({
  name: "where2d",
  params: [
    ...(["outer: i32", "inner: i32", "cond: usize", "cs: usize", "csplat: i32", "x: usize", "xs: usize", "xsplat: i32"] as const),
    ...(["y: usize", "ys: usize", "ysplat: i32", "z: usize", "zs: usize", "scratch: usize"] as const),
  ],
  body: `const cpm: usize = csplat ? 0 : -1, ppm: usize = xsplat ? 0 : -1, qpm: usize = ysplat ? 0 : -1;
 for (let o: i32 = 0; o < outer; ++o) { let cp = cond, pp = x, qp = y, zp = z;
  if (csplat) { still(scratch, cond); cp = scratch; }
  if (xsplat) { still(scratch + 64, x); pp = scratch + 64; }
  if (ysplat) { still(scratch + 128, y); qp = scratch + 128; }
  ${row(["cp", "pp", "qp"], "zp", (at) => `const m = f32x4.ne(${at.load("cp")}, ${ZERO}); ${at.store("zp", `v128.bitselect(${at.load("pp")}, ${at.load("qp")}, m)`)}`, unroll)}
  cond += cs; x += xs; y += ys; z += zs; }`,
});

/** Strips of 16 floats stay in registers while the parts are added in order. */
const accumulate: KernelSource = {
  name: "accumulate",
  params: ["n: i32", "parts: i32", "stride: usize", "x: usize", "y: usize", "acc: i32"],
  body: `if (parts <= 0) { if (!acc) memory.fill(y, 0, usize(n) * 4); return; }
 const skip = !acc;
 for (; n >= 16; n -= 16) { let p = x, k = parts; let ${seq(4)
   .map((u) => `s${u} = v128.load(skip ? x : y, ${u * 16})`)
   .join(", ")};
  if (skip) { p += stride; --k; }
  for (; k > 0; --k) { ${seq(4)
    .map((u) => `s${u} = f32x4.add(s${u}, v128.load(p, ${u * 16}));`)
    .join(" ")} p += stride; }
  ${seq(4)
    .map((u) => `v128.store(y, s${u}, ${u * 16});`)
    .join(" ")} x += 64; y += 64; }
 for (; n > 0; n -= 4) { let p = x, k = parts, s = part(skip ? x : y, n);
  if (skip) { p += stride; --k; }
  for (; k > 0; --k) { s = f32x4.add(s, part(p, n)); p += stride; }
  putPart(y, s, n); x += 16; y += 16; }`,
};

/** Rows that are contiguous on both sides go by vectors; a transposed inner pair goes by 4 x 4 blocks (pack.ts); the rest float by float. */
const copy4: KernelSource = {
  name: "copy4",
  params: [
    ...(["d0: i32", "d1: i32", "d2: i32", "d3: i32", "x: usize", "s0: usize", "s1: usize", "s2: usize", "s3: usize"] as const),
    ...(["y: usize", "t0: usize", "t1: usize", "t2: usize", "t3: usize"] as const),
  ],
  body: `for (let a: i32 = 0; a < d0; ++a) { let xb = x, yb = y;
  for (let b: i32 = 0; b < d1; ++b) {
   if (s3 == 4 && t3 == 4) { let xc = xb, yc = yb;
    for (let c: i32 = 0; c < d2; ++c) { let p = xc, q = yc; const w4 = d3 >> 2, tail = d3 & 3;
     ${strip(["p", "q"], (at) => at.store("q", at.load("p")))} xc += s2; yc += t2; } }
   else if (s2 == 4 && t3 == 4) transpose2d(d3, d2, xb, s3, yb, t2);
   else if (s3 == 4 && t2 == 4) transpose2d(d2, d3, xb, s2, yb, t3);
   else { let xc = xb, yc = yb;
    for (let c: i32 = 0; c < d2; ++c) { let p = xc, q = yc;
     for (let d: i32 = 0; d < d3; ++d) { store<f32>(q, load<f32>(p)); p += s3; q += t3; } xc += s2; yc += t2; } }
   xb += s1; yb += t1; }
  x += s0; y += t0; }`,
};

const u8ToF32: KernelSource = {
  name: "u8_to_f32",
  params: ["n: i32", "x: usize", "y: usize", "scale: f32", "shift: f32"],
  body: `const s = f32x4.splat(scale), t = f32x4.splat(shift);
 for (; n >= 16; n -= 16) { const v = v128.load(x), a = i16x8.extend_low_i8x16_u(v), b = i16x8.extend_high_i8x16_u(v);
  ${["i32x4.extend_low_i16x8_u(a)", "i32x4.extend_high_i16x8_u(a)", "i32x4.extend_low_i16x8_u(b)", "i32x4.extend_high_i16x8_u(b)"]
    .map((v, u) => `v128.store(y, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(${v}), s), t), ${u * 16});`)
    .join(" ")} x += 16; y += 64; }
 for (; n > 0; --n) { store<f32>(y, f32(load<u8>(x)) * scale + shift); x += 1; y += 4; }`,
};

const f32ToI32 = (unroll: number): KernelSource => ({
  name: "f32_to_i32",
  params: ["n: i32", "x: usize", "y: usize"],
  body: flat(["x", "y"], (at) => at.store("y", `i32x4.trunc_sat_f32x4_s(${at.load("x")})`), unroll),
});

const i32ToF32 = (unroll: number): KernelSource => ({
  name: "i32_to_f32",
  params: ["n: i32", "x: usize", "y: usize"],
  body: flat(["x", "y"], (at) => at.store("y", `f32x4.convert_i32x4_s(${at.load("x")})`), unroll),
});

/** Functions of one, two and three tensors. @param training whether gradients are among them */
export function elementwise(_: Flavor, training: boolean): Template {
  const unroll = training ? 4 : 1;
  return {
    helpers: `// four copies of the float at p
${INLINE}function still(at: usize, p: usize): void { const v = v128.load32_splat(p); ${seq(4)
      .map((u) => `v128.store(at, v, ${u * 16});`)
      .join(" ")} }`,
    kernels: [
      unary(unroll),
      unary2d,
      binary(training),
      where(unroll),
      accumulate,
      copy4,
      u8ToF32,
      f32ToI32(unroll),
      i32ToF32(unroll),
    ],
  };
}

/**
 * Counter-based random numbers: value i of a call is philox(offset + i, stream, key) of core/rng.ts, four lanes at a time, so the
 * numbers do not depend on how a range is split. `key` points at two words: key, stream.
 */
import { INLINE, type KernelSource, type Template } from "./emit.js";

const M = 0xd256d193;
const W = 0x9e3779b9;

const PARAMS = ["n: i32", "key: usize", "offset: i32"] as const;
const START =
  "const k0 = v128.load32_splat(key), stream = v128.load32_splat(key, 4); let at = i32x4.add(i32x4.splat(offset), i32x4(0, 1, 2, 3));";

/** 24 random bits as a float in [0, 1). */
const UNIFORM = (counter: string) =>
  `f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_u(philox4(${counter}, stream, k0), 8)), f32x4.splat(${2 ** -24}))`;

const uniform: KernelSource = {
  name: "philox_uniform",
  params: [...PARAMS, "y: usize"],
  body: `${START}
 for (; n > 0; n -= 4) { putPart(y, ${UNIFORM("at")}, n); at = i32x4.add(at, i32x4.splat(4)); y += 16; }`,
};

/** Box-Muller as in core/rng.ts, in single precision: value i takes the uniforms offset + 2 i and offset + 2 i + 1. */
const normal: KernelSource = {
  name: "philox_normal",
  params: [...PARAMS, "mean: f32", "deviation: f32", "y: usize"],
  body: `${START} const one = i32x4.splat(1), m = f32x4.splat(mean), d = f32x4.splat(deviation);
 at = i32x4.add(at, i32x4(0, 1, 2, 3));
 for (; n > 0; n -= 4) {
  const u = ${UNIFORM("at")}, v = ${UNIFORM("i32x4.add(at, one)")};
  const radius = f32x4.sqrt(f32x4.mul(f32x4.splat(-2), log4(f32x4.sub(f32x4.splat(1), u))));
  const z = f32x4.mul(radius, sine4(f32x4.mul(f32x4.splat(${2 * Math.PI}), v), 1));
  putPart(y, f32x4.add(f32x4.mul(z, d), m), n); at = i32x4.add(at, i32x4.splat(8)); y += 16; }`,
};

const dropout: KernelSource = {
  name: "dropout_mask",
  params: [...PARAMS, "keep: f32", "y: usize"],
  body: `${START} const k = f32x4.splat(keep), scale = f32x4.splat(1 / keep);
 for (; n > 0; n -= 4) { putPart(y, v128.and(f32x4.lt(${UNIFORM("at")}, k), scale), n); at = i32x4.add(at, i32x4.splat(4)); y += 16; }`,
};

const philox4 = `// first word of Philox 2x32-10 for four counters (Salmon et al. 2011)
${INLINE}function philox4(at: v128, stream: v128, k0: v128): v128 {
 let a = at, b = stream, k = k0; const m = i32x4.splat(${M}), w = i32x4.splat(${W});
 for (let round: i32 = 0; round < 10; ++round) {
  const l = i64x2.extmul_low_i32x4_u(a, m), h = i64x2.extmul_high_i32x4_u(a, m);
  a = v128.xor(v128.xor(v128.shuffle<i32>(l, h, 1, 3, 5, 7), k), b);
  b = v128.shuffle<i32>(l, h, 0, 2, 4, 6);
  k = i32x4.add(k, w); }
 return a; }
`;

export function random(): Template {
  return { helpers: philox4, kernels: [uniform, normal, dropout] };
}

/**
 * An unstructured matrix times one vector, four rows in the lanes (SELL-4), x gathered lane by lane. WebAssembly has no gather: the kernel is bound
 * by loads and by the instructions that a processor starts a cycle. So the lists hold addresses, which need no addition, and are read two at a time:
 * 0.79 cycles a weight on Zen 4, where an offset a load and an addition take 0.97, and rows one after the other 1.3.
 */
import { type Flavor, madd, seq, type Template } from "./emit.js";
import { each } from "./simd.js";

export function sell(flavor: Flavor): Template {
  const add = madd(flavor);
  const step = (u: number, sum: number) => {
    const half = (h: number) => `const q${h} = load<u64>(idx, ${u * 16 + h * 8});`;
    const lane = (i: number) => `usize(u32(q${i >> 1}${i & 1 ? " >> 32" : ""}))`;
    const value = seq(3).reduce((v, i) => `v128.load32_lane(${lane(i + 1)}, ${v}, ${i + 1})`, `v128.load32_zero(${lane(0)})`);
    return `{ ${half(0)} ${half(1)} ${add(`s${sum}`, `v128.load(w, ${u * 16})`, value)} }`;
  };
  return {
    kernels: [
      {
        // Slices of four rows of like length, each as long as its longest row; idx holds addresses in x. The sums are spgemv1's.
        name: "sell4",
        params: ["m: i32", "cnt: usize", "idx: usize", "w: usize", "bias: usize", "y: usize", "lo: f32", "hi: f32", "order: usize"],
        body: `
 set_limits(lo, hi);
 for (let i: i32 = 0; i < m; ++i) {
  let n = load<i32>(cnt); cnt += 4;
  ${each(4, (u) => `let s${u} = f32x4.splat(0);`)}
  for (; n >= 4; n -= 4) { ${each(4, (u) => step(u, u))} idx += 64; w += 64; }
  ${each(3, (u) => `if (n > ${u}) ${step(u, u)}`)}
  idx += usize(n) * 16; w += usize(n) * 16;
  let s = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
  if (bias) { s = f32x4.add(s, v128.load(bias)); bias += 16; }
  s = clamp4(s, f32x4.splat(limit_lo), f32x4.splat(limit_hi));
  ${each(4, (r) => `{ const to = load<i32>(order, ${r * 4}); if (to >= 0) v128.store32_lane(y + usize(to), s, ${r}); }`)}
  order += 16;
 }`,
      },
    ],
  };
}

/**
 * Dense matrix times one vector, with the matrix packed once: [rows / 28][columns][28 rows], rows padded with zeros. 28 rows lie in the lanes of seven
 * sums and the matrix is one stream: 76 GB/s from the second or third cache of a Zen 4, where rows side by side in four pairs of sums take 59.
 * Compilers load for a whole block of code first: seven sums, their seven loads and the element of x fit 16 registers, eight do not.
 */
import { type Flavor, madd, type Template } from "./emit.js";
import { each } from "./simd.js";
import { PACKED_ROWS } from "./sizes.js";

const VECTORS = PACKED_ROWS / 4;

export function gemvPacked(flavor: Flavor): Template {
  const add = madd(flavor);
  const column = (u: number) =>
    `{ const v = v128.load32_splat(p, ${u * 4}); ${each(VECTORS, (r) => add(`s${r}`, `v128.load(w, ${(u * VECTORS + r) * 16})`, "v"))} }`;
  return {
    kernels: [
      {
        // out[(i/28)][k][i%28] = a[i][k], zero outside
        name: "pack28",
        params: ["m: i32", "k: i32", "a: usize", "lda: usize", "out: usize"],
        body: `
 for (let i: i32 = 0; i < m; i += ${PACKED_ROWS}) for (let c: i32 = 0; c < k; ++c) for (let r: i32 = i; r < i + ${PACKED_ROWS}; ++r) {
  store<f32>(out, r < m ? load<f32>(a + usize(r) * lda + usize(c) * 4) : 0); out += 4;
 }`,
      },
      {
        // y = clamp(A x + bias), each element one sum in the order of k; the bias is read up to 12 bytes past its end, for lanes that are not stored
        name: "gemv_packed",
        params: ["m: i32", "k: i32", "w: usize", "x: usize", "bias: usize", "y: usize", "lo: f32", "hi: f32", "scratch: usize"],
        body: `
 set_limits(lo, hi); const end = x + usize(k) * 4, last = end - 4;
 for (; m > 0; m -= ${PACKED_ROWS}) {
  ${each(VECTORS, (r) => `let s${r} = f32x4.splat(0);`)}
  for (let p = x; p < end; p += 8) {
   ${column(0)}
   if (p >= last) { w += ${PACKED_ROWS * 4}; break; }
   ${column(1)} w += ${PACKED_ROWS * 8};
  }
  ${each(VECTORS, (r) => `v128.store(scratch, s${r}, ${r * 16});`)}
  for (let r: i32 = 0; r < min(m, ${PACKED_ROWS}); r += 4) {
   let s = v128.load(scratch + usize(r) * 4);
   if (bias) { s = f32x4.add(s, v128.load(bias)); bias += 16; }
   store_part(y, clamp4(s, f32x4.splat(limit_lo), f32x4.splat(limit_hi)), m - r); y += 16;
  }
 }`,
      },
    ],
  };
}

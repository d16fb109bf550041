/** References of the gemm family. */
import { laneDot } from "./sddmm.js";
import { clampTo } from "./spmm.js";
import type { Views } from "./views.js";

const { fround } = Math;

/** Arguments of gemm_<MR>x<NR>: strides in bytes. */
export interface GemmArgs {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: number;
  readonly rsa: number;
  readonly csa: number;
  readonly b: number;
  readonly rsb: number;
  readonly csb: number;
  readonly c: number;
  readonly ldc: number;
  readonly acc: number;
  readonly bias: number;
  /** 0 none, 1 one per row, 2 one per column. */
  readonly biasMode: number;
  readonly lo: number;
  readonly hi: number;
}

/** C[i][j] = clamp(init + sum over q in order of A[i][q] * B[q][j]), init = (C[i][j] if acc) + bias. */
export function gemm(v: Views, { m, n, k, a, rsa, csa, b, rsb, csb, c, ldc, acc, bias, biasMode, lo, hi }: GemmArgs): void {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      const at = (c + i * ldc) / 4 + j;
      const term = biasMode ? v.f32[bias / 4 + (biasMode === 1 ? i : j)]! : 0;
      let sum = acc ? (biasMode ? fround(v.f32[at]! + term) : v.f32[at]!) : term;
      for (let q = 0; q < k; q++) {
        sum = fround(sum + fround(v.f32[(a + i * rsa + q * csa) / 4]! * v.f32[(b + q * rsb + j * csb) / 4]!));
      }
      v.f32[at] = clampTo(sum, lo, hi);
    }
  }
}

/** Arguments of gemv and gemv_t: A has m rows and k columns. */
export interface GemvArgs {
  readonly m: number;
  readonly k: number;
  readonly a: number;
  readonly lda: number;
  readonly x: number;
  readonly bias: number;
  readonly y: number;
  readonly acc: number;
  readonly lo: number;
  readonly hi: number;
}

/** y[i] = clamp(dot(A[i], x) (+ y[i]) (+ bias[i])). */
export function gemv(v: Views, { m, k, a, lda, x, bias, y, acc, lo, hi }: GemvArgs): void {
  for (let i = 0; i < m; i++) {
    let sum = laneDot(v, (a + i * lda) / 4, x / 4, k);
    if (acc) sum = fround(v.f32[y / 4 + i]! + sum);
    if (bias) sum = fround(sum + v.f32[bias / 4 + i]!);
    v.f32[y / 4 + i] = clampTo(sum, lo, hi);
  }
}

/** y[j] = clamp(init + sum over i in order of A[i][j] * x[i]), init = (y[j] if acc) + bias[j]. */
export function gemv_t(v: Views, { m, k, a, lda, x, bias, y, acc, lo, hi }: GemvArgs): void {
  for (let j = 0; j < k; j++) {
    const term = bias ? v.f32[bias / 4 + j]! : 0;
    let sum = acc ? (bias ? fround(v.f32[y / 4 + j]! + term) : v.f32[y / 4 + j]!) : term;
    for (let i = 0; i < m; i++) sum = fround(sum + fround(v.f32[x / 4 + i]! * v.f32[(a + i * lda) / 4 + j]!));
    v.f32[y / 4 + j] = clampTo(sum, lo, hi);
  }
}

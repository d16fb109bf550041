/** References of templates/gemv-packed.ts. */
import { clampTo } from "./spmm.js";
import type { Views } from "./views.js";

const f = Math.fround;

/** Operands of pack28. */
export type PackArgs = Readonly<Record<"m" | "k" | "a" | "lda" | "out", number>>;

/** out[(i/28)][k][i%28] = a[i][k], zero for rows from m on. */
export function pack28({ f32 }: Views, { m, k, a, lda, out }: PackArgs): void {
  let at = out / 4;
  for (let i = 0; i < m; i += 28) {
    for (let c = 0; c < k; c++) for (let r = i; r < i + 28; r++) f32[at++] = r < m ? f32[(a + r * lda) / 4 + c]! : 0;
  }
}

/** Operands of gemv_packed. */
export type GemvPackedArgs = Readonly<Record<"m" | "k" | "w" | "x" | "bias" | "y" | "lo" | "hi", number>>;

/** y[i] = clamp(sum over k in order of w * x, + bias). */
export function gemv_packed({ f32 }: Views, { m, k, w, x, bias, y, lo, hi }: GemvPackedArgs): void {
  for (let i = 0; i < m; i++) {
    let sum = 0;
    for (let c = 0; c < k; c++) sum = f(sum + f(f32[w / 4 + (Math.floor(i / 28) * k + c) * 28 + (i % 28)]! * f32[x / 4 + c]!));
    if (bias) sum = f(sum + f32[bias / 4 + i]!);
    f32[y / 4 + i] = clampTo(sum, lo, hi);
  }
}

/** References of templates/gemv-packed.ts. */
import type { Views } from "./views.js";

const f = Math.fround;

/** Operands of pack4x4. */
export type PackArgs = Readonly<Record<"m" | "k" | "a" | "lda" | "out", number>>;

export function pack4x4({ f32 }: Views, { m, k, a, lda, out }: PackArgs): void {
  let at = out / 4;
  for (let i = 0; i < m; i += 4) {
    for (let c = 0; c < k; c += 4) {
      for (let r = i; r < i + 4; r++) for (let q = c; q < c + 4; q++) f32[at++] = r < m && q < k ? f32[(a + r * lda) / 4 + q]! : 0;
    }
  }
}

/** Operands of gemv_packed. */
export type GemvPackedArgs = Readonly<Record<"m" | "k" | "w" | "x" | "bias" | "y" | "lo" | "hi", number>>;

export function gemv_packed({ f32 }: Views, { m, k, w, x, bias, y, lo, hi }: GemvPackedArgs): void {
  const blocks = Math.ceil(k / 4);
  const pairs = Math.floor(k / 8) * 2;
  for (let i = 0; i < m; i++) {
    const s = [0, 0, 0, 0];
    const u = [0, 0, 0, 0];
    for (let c = 0; c < blocks; c++) {
      // Whole blocks alternate between two sums; a single one left goes to the first, the incomplete one to the second.
      const whole = c * 4 + 4 <= k;
      const into = c < pairs ? (c % 2 ? u : s) : whole ? s : u;
      for (let q = 0; q < 4; q++) {
        const value = c * 4 + q < k ? f32[x / 4 + c * 4 + q]! : 0;
        into[q] = f(into[q]! + f(f32[w / 4 + ((Math.floor(i / 4) * blocks + c) * 4 + (i % 4)) * 4 + q]! * value));
      }
    }
    const t = s.map((v, q) => f(v + u[q]!));
    let sum = f(f(t[0]! + t[2]!) + f(t[1]! + t[3]!));
    if (bias) sum = f(sum + f32[bias / 4 + i]!);
    f32[y / 4 + i] = Math.min(Math.max(sum, lo), hi);
  }
}

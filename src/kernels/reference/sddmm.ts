/** References of the sddmm family. */
import type { Views } from "./views.js";

const { fround } = Math;

/** Dot product of n floats at float positions a and b: lane p % 4 in order of p, then (l0 + l1) + (l2 + l3). */
export function laneDot(v: Views, a: number, b: number, n: number): number {
  const lanes = new Float32Array(4);
  for (let p = 0; p < n; p++) lanes[p % 4] = lanes[p % 4]! + fround(v.f32[a + p]! * v.f32[b + p]!);
  return fround(fround(lanes[0]! + lanes[1]!) + fround(lanes[2]! + lanes[3]!));
}

/** Arguments of sddmm<R>: m blocks of R rows. */
export interface SddmmArgs {
  readonly m: number;
  readonly cnt: number;
  readonly idx: number;
  readonly dy: number;
  readonly ys: number;
  readonly x: number;
  readonly n: number;
  readonly out: number;
  readonly acc: number;
}

/** out[e*R + r] (+)= sum over p < n of dy[i*R + r][p] * x[idx[e] + p] for the entries e of block i. */
export const sddmm =
  (R: number) =>
  (v: Views, { m, cnt, idx, dy, ys, x, n, out, acc }: SddmmArgs): void => {
    for (let i = 0, e = 0; i < m; i++) {
      for (const end = e + v.i32[cnt / 4 + i]!; e < end; e++) {
        for (let r = 0; r < R; r++) {
          const dot = laneDot(v, (dy + (i * R + r) * ys) / 4, (x + v.i32[idx / 4 + e]!) / 4, n);
          const at = out / 4 + e * R + r;
          v.f32[at] = acc ? v.f32[at]! + dot : dot;
        }
      }
    }
  };

/** Arguments of dots. */
export interface DotsArgs {
  readonly m: number;
  readonly k: number;
  readonly idx: number;
  readonly dy: number;
  readonly ys: number;
  readonly x: number;
  readonly n: number;
  readonly out: number;
  readonly ldo: number;
  readonly acc: number;
}

/** out[o][q] (+)= dot(dy row o, x + idx[q]) for o < m, q < k. */
export function dots(v: Views, { m, k, idx, dy, ys, x, n, out, ldo, acc }: DotsArgs): void {
  for (let o = 0; o < m; o++) {
    for (let q = 0; q < k; q++) {
      const dot = laneDot(v, (dy + o * ys) / 4, (x + v.i32[idx / 4 + q]!) / 4, n);
      const at = (out + o * ldo) / 4 + q;
      v.f32[at] = acc ? v.f32[at]! + dot : dot;
    }
  }
}

/** References of the spmm family: products and sums rounded one by one, in list order. */
import type { Views } from "./views.js";

const { fround } = Math;

/** NaN stays NaN. */
export const clampTo = (value: number, lo: number, hi: number): number => {
  const raised = value < lo ? lo : value;
  return hi < raised ? hi : raised;
};

/** Arguments of sp<R>_<P>; see the family's conventions. */
export interface SpmmArgs {
  readonly nb: number;
  readonly cnt: number;
  readonly idx: number;
  readonly w: number;
  readonly bias: number;
  readonly x: number;
  readonly y: number;
  readonly n: number;
  readonly ys: number;
  readonly acc: number;
  readonly shared: number;
  readonly lo: number;
  readonly hi: number;
}

/**
 * y[i*R + r][p] = clamp(init + sum over entries e of block i, in order, of w[e*R + r] * x[idx[e] + p]) for p < n.
 * init is y when acc, else 0, plus bias[i*R + r] when bias.
 */
export const spmm =
  (R: number) =>
  (v: Views, { nb, cnt, idx, w, bias, x, y, n, ys, acc, shared, lo, hi }: SpmmArgs): void => {
    for (let i = 0, first = 0, weight = w / 4; i < nb; i++) {
      const count = v.i32[cnt / 4 + i]!;
      if (shared) first = 0;
      for (let r = 0; r < R; r++) {
        const row = (y + (i * R + r) * ys) / 4;
        for (let p = 0; p < n; p++) {
          let sum = acc ? v.f32[row + p]! : 0;
          if (bias) sum = fround(sum + v.f32[bias / 4 + i * R + r]!);
          for (let e = 0; e < count; e++) {
            const from = (x + v.i32[idx / 4 + first + e]!) / 4;
            sum = fround(sum + fround(v.f32[weight + e * R + r]! * v.f32[from + p]!));
          }
          v.f32[row + p] = clampTo(sum, lo, hi);
        }
      }
      first += count;
      weight += count * R;
    }
  };

/** Arguments of spgemv<R>: m blocks of R rows. */
export interface SpgemvArgs {
  readonly m: number;
  readonly cnt: number;
  readonly idx: number;
  readonly w: number;
  readonly bias: number;
  readonly x: number;
  readonly y: number;
  readonly lo: number;
  readonly hi: number;
}

/** y[i*R + r] = clamp(sum of w * x[idx] + bias), in four partial sums by position modulo 4: (s0 + s1) + (s2 + s3). */
export const spgemv =
  (R: number) =>
  (v: Views, { m, cnt, idx, w, bias, x, y, lo, hi }: SpgemvArgs): void => {
    for (let i = 0, first = 0; i < m; i++) {
      const count = v.i32[cnt / 4 + i]!;
      for (let r = 0; r < R; r++) {
        const s = [0, 0, 0, 0];
        for (let e = 0; e < count; e++) {
          const product = fround(v.f32[w / 4 + (first + e) * R + r]! * v.f32[(x + v.i32[idx / 4 + first + e]!) / 4]!);
          s[e % 4] = fround(s[e % 4]! + product);
        }
        let sum = fround(fround(s[0]! + s[1]!) + fround(s[2]! + s[3]!));
        if (bias) sum = fround(sum + v.f32[bias / 4 + i * R + r]!);
        v.f32[y / 4 + i * R + r] = clampTo(sum, lo, hi);
      }
      first += count;
    }
  };

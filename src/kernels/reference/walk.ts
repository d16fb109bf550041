/** Reference of templates/walk.ts. */
import { clampTo } from "./spmm.js";
import type { Views } from "./views.js";

const { fround } = Math;

/** Arguments of sp<R>d_<P>. */
export interface WalkArgs {
  readonly nb: number;
  readonly parts: number;
  readonly cnt: number;
  readonly w: number;
  readonly bias: number;
  readonly x: number;
  readonly first: number;
  readonly y: number;
  readonly n: number;
  readonly ys: number;
  readonly acc: number;
  readonly c: number;
  readonly xs: number;
  readonly lo: number;
  readonly hi: number;
}

/**
 * y[i*R + r][p] = clamp(init + sum over entries e of block i, part after part, of w[e*R + r] * x[at(e) + p]) for p < n, where at(0) = first and
 * at(e + 1) = at(e) + distance[e]; w holds R weights and a distance an entry. init is y when acc, else 0, plus bias[i*R + r] when bias. With c > 0 offsets count rows of P floats instead of xs bytes.
 */
export const walk =
  (R: number, P: number) =>
  (v: Views, { nb, parts, cnt, w, bias, x, first, y, n, ys, acc, c, xs, lo, hi }: WalkArgs): void => {
    const sums = Array.from({ length: nb * R }, (_, row) =>
      Array.from({ length: n }, (_, p) => {
        const start = acc ? v.f32[(y + row * ys) / 4 + p]! : 0;
        return bias ? fround(start + v.f32[bias / 4 + row]!) : start;
      }),
    );
    let at = first;
    for (let e = 0, list = 0; list < parts * nb; list++) {
      for (let left = v.i32[cnt / 4 + list]!; left > 0; left--, e++) {
        const entry = w / 4 + e * (R + 1);
        const from = (x + (c > 0 ? (at / (P * 4)) * xs : at)) / 4;
        for (let r = 0; r < R; r++) {
          const sum = sums[(list % nb) * R + r]!;
          for (let p = 0; p < n; p++) sum[p] = fround(sum[p]! + fround(v.f32[entry + r]! * v.f32[from + p]!));
        }
        at += v.i32[entry + R]!;
      }
    }
    sums.forEach((sum, row) => {
      sum.forEach((value, p) => {
        v.f32[(y + row * ys) / 4 + p] = clampTo(value, lo, hi);
      });
    });
  };

/** Arguments of weave. */
export interface WeaveArgs {
  readonly n: number;
  readonly rows: number;
  readonly idx: number;
  readonly order: number;
  readonly x: number;
  readonly y: number;
}

/** y[i] = [x[order[i * rows]], ..., idx[i]], `rows` of x. */
export function weave({ i32 }: Views, { n, rows, idx, order, x, y }: WeaveArgs): void {
  for (let i = 0, to = y / 4; i < n; i++) {
    for (let r = 0; r < rows; r++) i32[to++] = i32[(x + i32[order / 4 + i * rows + r]!) / 4]!;
    i32[to++] = i32[idx / 4 + i]!;
  }
}

/** References of the pack family. */
import type { Views } from "./views.js";

/** out[(o/4)][k][4] = w[o*rs + k*cs], o a multiple of 4. */
export function pack4(v: Views, a: { o: number; k: number; w: number; rs: number; cs: number; out: number }): void {
  for (let o = 0; o < a.o; o++) {
    for (let k = 0; k < a.k; k++)
      v.f32[a.out / 4 + (Math.floor(o / 4) * a.k + k) * 4 + (o % 4)] = v.f32[(a.w + o * a.rs + k * a.cs) / 4]!;
  }
}

/** Arguments of nchw_to_n4 and n4_to_nchw: image planes at x, planes of four images at y. */
export interface N4Args {
  readonly c: number;
  readonly h: number;
  readonly w: number;
  /** 1..4 */
  readonly images: number;
  readonly x: number;
  readonly xn: number;
  readonly xc: number;
  readonly y: number;
  readonly ys: number;
  readonly rs: number;
}

function n4(a: N4Args, move: (image: number, x: number, y: number) => void): void {
  for (let c = 0; c < a.c; c++) {
    for (let r = 0; r < a.h; r++) {
      for (let q = 0; q < a.w; q++) {
        for (let image = 0; image < 4; image++) {
          move(image, (a.x + image * a.xn + c * a.xc) / 4 + r * a.w + q, (a.y + c * a.ys + r * a.rs) / 4 + q * 4 + image);
        }
      }
    }
  }
}

/** y[c][r][q][image] = x[image][c][r][q], 0 for the images that are missing. */
export function nchw_to_n4(v: Views, a: N4Args): void {
  n4(a, (image, x, y) => {
    v.f32[y] = image < a.images ? v.f32[x]! : 0;
  });
}

/** x[image][c][r][q] = y[c][r][q][image] for the images that are there. */
export function n4_to_nchw(v: Views, a: N4Args): void {
  n4(a, (image, x, y) => {
    if (image < a.images) v.f32[x] = v.f32[y]!;
  });
}

/** y[c][r] = x[r][c]. */
export function transpose2d(v: Views, a: { rows: number; cols: number; x: number; xs: number; y: number; ys: number }): void {
  for (let r = 0; r < a.rows; r++)
    for (let c = 0; c < a.cols; c++) v.f32[(a.y + c * a.ys) / 4 + r] = v.f32[(a.x + r * a.xs) / 4 + c]!;
}

/** References of the winograd family. */
import { AT, BT, G, terms, transposed } from "../winograd-matrices.js";
import { laneDot } from "./sddmm.js";
import type { Views } from "./views.js";

const { fround } = Math;

type Matrix = readonly (readonly number[])[];

/** sum of row[i] * v(i), each product and sum rounded. */
export function linear(row: readonly number[], v: (i: number) => number): number {
  let sum: number | undefined;
  for (const { at, by } of terms(row)) {
    const term = fround(fround(Math.abs(by)) * v(at));
    if (sum === undefined) sum = by > 0 ? term : -term;
    else sum = fround(by > 0 ? sum + term : sum - term);
  }
  return sum ?? 0;
}

/** T x T^t, columns first. */
function sandwich(T: Matrix, x: (i: number, j: number) => number): number[][] {
  const middle = T.map((row) => T[0]!.map((_, j) => linear(row, (i) => x(i, j))));
  return middle.map((line) => T.map((row) => linear(row, (j) => line[j]!)));
}

/** What the transforms share: c planes of h x w pixels (vectors) in th x tw tiles; frequencies fs, channels ts bytes apart. */
interface Tiles {
  readonly c: number;
  readonly ps: number;
  readonly rs: number;
  readonly h: number;
  readonly w: number;
  readonly th: number;
  readonly tw: number;
  readonly fs: number;
  readonly ts: number;
}

function eachTile(
  a: Tiles,
  plane: number,
  array: number,
  body: (pixel: number, frequency: number, left: number, wide: number) => void,
): void {
  for (let c = 0; c < a.c; c++) {
    for (let ty = 0; ty < a.th; ty++) {
      for (let tx = 0; tx < a.tw; tx++) {
        for (let lane = 0; lane < 4; lane++) {
          const pixel = (plane + c * a.ps + ty * 4 * a.rs + tx * 64) / 4 + lane;
          body(pixel, (array + c * a.ts + (ty * a.tw + tx) * 16) / 4 + lane, a.h - ty * 4, a.w - tx * 4);
        }
      }
    }
  }
}

const forward =
  (T: Matrix, border: number) =>
  (v: Views, a: Tiles & { readonly x: number; readonly v: number }): void =>
    eachTile(a, a.x, a.v, (pixel, frequency, left, wide) => {
      const inside = (i: number, j: number) => i < left + border && j < wide + border;
      const out = sandwich(T, (i, j) => (inside(i, j) ? v.f32[pixel + (i * a.rs) / 4 + j * 4]! : 0));
      for (let f = 0; f < 36; f++) v.f32[frequency + (f * a.fs) / 4] = out[Math.floor(f / 6)]![f % 6]!;
    });

/** v[f][c][tile] = B^T d B for the 6 x 6 patches that start at x, the pixel above and left of the first output. */
export const w4_in = forward(BT, 2);

/** v[f][c][tile] = A d A^T for the 4 x 4 patches that start at x. */
export const w4_dy = forward(transposed(AT), 0);

/** y (+)= A^T m A, the pixels within h x w only. */
export function w4_out(v: Views, a: Tiles & { readonly y: number; readonly m: number; readonly acc: number }): void {
  eachTile(a, a.y, a.m, (pixel, frequency, left, wide) => {
    const out = sandwich(AT, (i, j) => v.f32[frequency + ((i * 6 + j) * a.fs) / 4]!);
    for (let i = 0; i < Math.min(4, left); i++) {
      for (let j = 0; j < Math.min(4, wide); j++) {
        const at = pixel + (i * a.rs) / 4 + j * 4;
        v.f32[at] = a.acc ? v.f32[at]! + out[i]![j]! : out[i]![j]!;
      }
    }
  });
}

/** Arguments of wgemm. */
export interface WgemmArgs {
  readonly nf: number;
  readonly cob: number;
  readonly cin: number;
  readonly t: number;
  readonly u: number;
  readonly ufs: number;
  readonly v: number;
  readonly vfs: number;
  readonly m: number;
  readonly mfs: number;
  readonly ts: number;
}

/** m[f][o][t] = sum over i in order of u[f][o/4][i][o%4] * v[f][i][t], t in vectors of four images. */
export function wgemm(v: Views, a: WgemmArgs): void {
  for (let f = 0; f < a.nf; f++) {
    for (let o = 0; o < a.cob * 4; o++) {
      for (let p = 0; p < a.t * 4; p++) {
        let sum = 0;
        for (let i = 0; i < a.cin; i++) {
          const weight = v.f32[(a.u + f * a.ufs) / 4 + (Math.floor(o / 4) * a.cin + i) * 4 + (o % 4)]!;
          sum = fround(sum + fround(weight * v.f32[(a.v + f * a.vfs + i * a.ts) / 4 + p]!));
        }
        v.f32[(a.m + f * a.mfs + o * a.ts) / 4 + p] = sum;
      }
    }
  }
}

/** Arguments of wdots. */
export interface WdotsArgs {
  readonly nf: number;
  readonly co: number;
  readonly ci: number;
  readonly t: number;
  readonly d: number;
  readonly dfs: number;
  readonly v: number;
  readonly vfs: number;
  readonly ts: number;
  readonly du: number;
  readonly ufs: number;
  readonly acc: number;
}

/** du[f][o][i] (+)= sum of d[f][o] * v[f][i] over tiles and images. */
export function wdots(v: Views, a: WdotsArgs): void {
  for (let f = 0; f < a.nf; f++) {
    for (let o = 0; o < a.co; o++) {
      for (let i = 0; i < a.ci; i++) {
        const dot = laneDot(v, (a.d + f * a.dfs + o * a.ts) / 4, (a.v + f * a.vfs + i * a.ts) / 4, a.t * 4);
        const at = (a.du + f * a.ufs) / 4 + o * a.ci + i;
        v.f32[at] = a.acc ? v.f32[at]! + dot : dot;
      }
    }
  }
}

/** Arguments of w4_weights: filters of 9 floats at w + o*so + i*si. */
export interface WeightArgs {
  readonly o: number;
  readonly i: number;
  readonly w: number;
  readonly so: number;
  readonly si: number;
  readonly rot: number;
  readonly u: number;
  readonly ufs: number;
}

/** u[f][o/4][i][o%4] = (G w G^T)[f]. */
export function w4_weights(v: Views, a: WeightArgs): void {
  for (let o = 0; o < a.o; o++) {
    for (let i = 0; i < a.i; i++) {
      const from = (a.w + o * a.so + i * a.si) / 4;
      const out = sandwich(G, (r, q) => v.f32[from + (a.rot ? 8 - (r * 3 + q) : r * 3 + q)]!);
      const at = a.u / 4 + (Math.floor(o / 4) * a.i + i) * 4 + (o % 4);
      for (let f = 0; f < 36; f++) v.f32[at + (f * a.ufs) / 4] = out[Math.floor(f / 6)]![f % 6]!;
    }
  }
}

/** g[e] (+)= G^T du[.][e] G, 9 floats each. */
export function w4_dweights(v: Views, a: { n: number; du: number; ufs: number; g: number; acc: number }): void {
  for (let e = 0; e < a.n; e++) {
    const out = sandwich(transposed(G), (i, j) => v.f32[(a.du + (i * 6 + j) * a.ufs) / 4 + e]!);
    for (let k = 0; k < 9; k++) {
      const at = a.g / 4 + e * 9 + k;
      const value = out[Math.floor(k / 3)]![k % 3]!;
      v.f32[at] = a.acc ? v.f32[at]! + value : value;
    }
  }
}

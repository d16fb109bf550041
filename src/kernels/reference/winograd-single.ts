/** References of templates/winograd-single.ts. */
import { AT, BT } from "../winograd-matrices.js";
import { clampTo } from "./spmm.js";
import type { Views } from "./views.js";
import { linear } from "./winograd.js";

const { fround } = Math;

/** c planes of h x w pixels in th x tw tiles, tile t in lane t % 4; frequencies fs, channels ts bytes apart. */
export type SingleTiles = Readonly<Record<"c" | "ps" | "rs" | "h" | "w" | "th" | "tw" | "fs" | "ts", number>>;

/** Float positions of frequency 0 of the tiles of a channel: lanes without a tile of their own hold the last tile. */
function* lanes(a: SingleTiles, array: number, c: number): Generator<{ tile: number; at: number }> {
  const count = a.th * a.tw;
  for (let t = 0; t < Math.ceil(count / 4) * 4; t++) yield { tile: Math.min(t, count - 1), at: (array + c * a.ts) / 4 + t };
}

/** v[f][c][tile] = B^T d B for the 6 x 6 patches whose first starts at x, the pixel above and left of the first output; zeros outside. */
export function w4_in_n1(v: Views, a: SingleTiles & { readonly x: number; readonly v: number }): void {
  for (let c = 0; c < a.c; c++) {
    for (const { tile, at } of lanes(a, a.v, c)) {
      const [y, x] = [Math.floor(tile / a.tw) * 4, (tile % a.tw) * 4];
      const pixel = (i: number, j: number) =>
        y + i < a.h + 2 && x + j < a.w + 2 ? v.f32[(a.x + c * a.ps + (y + i) * a.rs) / 4 + x + j]! : 0;
      const middle = [0, 1, 2, 3, 4, 5].map((i) => BT.map((row) => linear(row, (j) => pixel(i, j))));
      BT.forEach((row, p) => {
        for (let q = 0; q < 6; q++) v.f32[at + ((p * 6 + q) * a.fs) / 4] = linear(row, (i) => middle[i]![q]!);
      });
    }
  }
}

/** Arguments of w4_out_n1. */
export type SingleOutArgs = SingleTiles & Readonly<Record<"y" | "m" | "acc" | "bias" | "lo" | "hi", number>>;

/** y = clamp((y +) (A^T m A + bias)), the pixels within h x w only. */
export function w4_out_n1(v: Views, a: SingleOutArgs): void {
  for (let c = 0; c < a.c; c++) {
    const bias = a.bias ? v.f32[a.bias / 4 + c]! : 0;
    for (const { tile, at } of [...lanes(a, a.m, c)].slice(0, a.th * a.tw)) {
      const [y, x] = [Math.floor(tile / a.tw) * 4, (tile % a.tw) * 4];
      const middle = AT.map((row) => [0, 1, 2, 3, 4, 5].map((j) => linear(row, (i) => v.f32[at + ((i * 6 + j) * a.fs) / 4]!)));
      for (let i = 0; i < Math.min(4, a.h - y); i++) {
        for (let j = 0; j < Math.min(4, a.w - x); j++) {
          const to = (a.y + c * a.ps + (y + i) * a.rs) / 4 + x + j;
          const sum = fround(linear(AT[j]!, (q) => middle[i]![q]!) + bias);
          v.f32[to] = clampTo(a.acc ? fround(v.f32[to]! + sum) : sum, a.lo, a.hi);
        }
      }
    }
  }
}

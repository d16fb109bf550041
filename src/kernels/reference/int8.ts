/** References of templates/int8: the definition in whole numbers; every build of the kernels equals them bit for bit. */
import type { Views } from "./views.js";

const f = Math.fround;
const MAGIC = 12582912;

/** To the nearest whole number, halves to even, as f32 arithmetic does it: exact for |v| < 2^21. */
export const roundEven = (v: number): number => f(f(v + MAGIC) - MAGIC);

/** clamp(zero + round(v), lo, hi) */
export const requantise = (v: number, zero: number, lo: number, hi: number): number =>
  Math.min(hi, Math.max(lo, roundEven(v) + zero));

type Args<K extends string> = Readonly<Record<K, number>>;
const i8 = (u8: Uint8Array, at: number): number => (u8[at]! << 24) >> 24;

/** Blocks of 4 outputs x 4 inputs over n pixels. */
export function q8_sp(
  { u8, i32, f32 }: Views,
  a: Args<"nb" | "cnt" | "w" | "bias" | "scale" | "x" | "y" | "n" | "ys" | "lo" | "hi" | "zero" | "r" | "rs" | "rz">,
): void {
  for (let p = 0; p < a.n; p++) {
    let w = a.w;
    let x = a.x + p * 4;
    for (let b = 0; b < a.nb; b++) {
      const sums = [0, 1, 2, 3].map((k) => i32[a.bias / 4 + b * 4 + k]!);
      for (let e = 0; e < i32[a.cnt / 4 + b]!; e++, w += 20) {
        for (let k = 0; k < 4; k++) for (let c = 0; c < 4; c++) sums[k]! += i8(u8, w + 4 + k * 4 + c) * u8[x + c]!;
        x += i32[w / 4]!;
      }
      for (let k = 0; k < 4; k++) {
        let v = f(f32[a.scale / 4 + b * 4 + k]! * f(sums[k]!));
        const at = b * a.ys + p * 4 + k;
        if (a.r) v = f(v + f(f(a.rs) * (u8[a.r + at]! - a.rz)));
        u8[a.y + at] = requantise(v, a.zero, a.lo, a.hi);
      }
    }
  }
}

/** One vector times a matrix, to f32. */
export function q8_linear({ u8, i32, f32 }: Views, a: Args<"o" | "kb" | "w" | "x" | "start" | "scale" | "bias" | "y">): void {
  for (let o = 0; o < a.o; o++) {
    let sum = i32[a.start / 4 + o]!;
    for (let k = 0; k < a.kb; k++) sum += i8(u8, a.w + o * a.kb + k) * u8[a.x + k]!;
    f32[a.y / 4 + o] = f(f(f32[a.scale / 4 + o]! * f(sum)) + f32[a.bias / 4 + o]!);
  }
}

type DepthwiseArgs = Args<
  | "c"
  | "h"
  | "w"
  | "x"
  | "xps"
  | "xrs"
  | "y"
  | "yps"
  | "yrs"
  | "weight"
  | "bias"
  | "scale"
  | "lo"
  | "hi"
  | "zero"
  | "xh"
  | "xw"
  | "pad"
  | "r0"
>;

const depthwise =
  (stride: number) =>
  ({ u8, i32, f32 }: Views, a: DepthwiseArgs): void => {
    for (let g = 0; g < a.c; g++) {
      for (let r = 0; r < a.h; r++) {
        for (let q = 0; q < a.w; q++) {
          for (let c = 0; c < 4; c++) {
            let sum = i32[a.bias / 4 + g * 4 + c]!;
            for (let i = 0; i < 3; i++) {
              for (let j = 0; j < 3; j++) {
                const [row, column] = [r * stride + i - a.pad, q * stride + j - a.pad];
                if (row + a.r0 * stride < 0 || row + a.r0 * stride >= a.xh || column < 0 || column >= a.xw) continue;
                const x = u8[a.x + g * a.xps + row * a.xrs + column * 4 + c]!;
                sum += x * i8(u8, a.weight + g * 48 + i * 16 + c * 4 + j);
              }
            }
            const v = f(f32[a.scale / 4 + g * 4 + c]! * f(sum));
            u8[a.y + g * a.yps + r * a.yrs + q * 4 + c] = requantise(v, a.zero, a.lo, a.hi);
          }
        }
      }
    }
  };

export const q8_dw3_s1 = depthwise(1);
export const q8_dw3_s2 = depthwise(2);

type PlaneArgs = Args<"c" | "h" | "w" | "x" | "xps" | "xrs" | "y" | "yps" | "yrs" | "zero">;

/** f32 planes to quads. Channels past the last hold the zero point. */
export function q8_quantise({ u8, f32 }: Views, a: PlaneArgs & Args<"inv">): void {
  for (let c = 0; c < Math.ceil(a.c / 4) * 4; c++) {
    for (let r = 0; r < a.h; r++) {
      for (let q = 0; q < a.w; q++) {
        const v = c < a.c ? f(f32[(a.x + c * a.xps + r * a.xrs) / 4 + q]! * f(a.inv)) : 0;
        const held = Number.isNaN(v) ? -a.zero : Math.min(127 - a.zero, Math.max(-a.zero, v));
        u8[a.y + (c >> 2) * a.yps + r * a.yrs + q * 4 + (c & 3)] = requantise(held, a.zero, 0, 127);
      }
    }
  }
}

/** Quads to f32 planes. */
export function q8_dequantise({ u8, f32 }: Views, a: PlaneArgs & Args<"scale">): void {
  for (let c = 0; c < a.c; c++) {
    for (let r = 0; r < a.h; r++) {
      for (let q = 0; q < a.w; q++) {
        const x = u8[a.x + (c >> 2) * a.xps + r * a.xrs + q * 4 + (c & 3)]!;
        f32[(a.y + c * a.yps + r * a.yrs) / 4 + q] = f(f(a.scale) * (x - a.zero));
      }
    }
  }
}

/** The mean of each channel's plane, as one byte a channel. */
export function q8_mean(
  { u8 }: Views,
  a: Args<"c" | "h" | "w" | "x" | "xps" | "xrs" | "y" | "start" | "scale" | "zero" | "lo" | "hi">,
): void {
  for (let c = 0; c < Math.ceil(a.c / 4) * 4; c++) {
    let sum = a.start;
    for (let r = 0; r < a.h; r++) for (let q = 0; q < a.w; q++) sum += u8[a.x + (c >> 2) * a.xps + r * a.xrs + q * 4 + (c & 3)]!;
    u8[a.y + c] = requantise(f(f(a.scale) * f(sum)), a.zero, a.lo, a.hi);
  }
}

/** The largest byte of each window. */
export function q8_maxpool(
  { u8 }: Views,
  a: Args<"c" | "oh" | "ow" | "kh" | "kw" | "sy" | "sx" | "py" | "px" | "h" | "w" | "x" | "xps" | "xrs" | "y" | "yps" | "yrs">,
): void {
  for (let c = 0; c < Math.ceil(a.c / 4) * 4; c++) {
    for (let i = 0; i < a.oh; i++) {
      for (let j = 0; j < a.ow; j++) {
        let most = 0;
        for (let u = 0; u < a.kh; u++) {
          for (let v = 0; v < a.kw; v++) {
            const [r, q] = [i * a.sy - a.py + u, j * a.sx - a.px + v];
            if (r < 0 || r >= a.h || q < 0 || q >= a.w) continue;
            most = Math.max(most, u8[a.x + (c >> 2) * a.xps + r * a.xrs + q * 4 + (c & 3)]!);
          }
        }
        u8[a.y + (c >> 2) * a.yps + i * a.yrs + j * 4 + (c & 3)] = most;
      }
    }
  }
}

/** Everything outside the pixels of h rows, in the first pe bytes of c planes. */
export function q8_border({ u8 }: Views, a: Args<"c" | "h" | "wbytes" | "base" | "ps" | "p0" | "pe" | "rs" | "value">): void {
  for (let g = 0; g < a.c; g++) {
    for (let at = 0; at < a.pe; at++) {
      const inside = at - a.p0;
      const pixel = inside >= 0 && inside < a.rs * a.h && inside % a.rs < a.wbytes;
      if (!pixel) u8[a.base + g * a.ps + at] = a.value;
    }
  }
}

/** One byte over and over. */
export function q8_fill({ u8 }: Views, a: Args<"bytes" | "y" | "value">): void {
  u8.fill(a.value, a.y, a.y + a.bytes);
}

/** References of templates/depthwise.ts. */
import type { Views } from "./views.js";

const f = Math.fround;

/** Operands of both kernels. */
export type DepthwiseArgs = Readonly<
  Record<"c" | "h" | "w" | "x" | "xps" | "xrs" | "y" | "yps" | "yrs" | "weight" | "bias" | "lo" | "hi" | "xh" | "xw" | "r0", number>
>;

function depthwise(stride: number) {
  return ({ f32 }: Views, a: DepthwiseArgs): void => {
    for (let c = 0; c < a.c; c++) {
      for (let r = 0; r < a.h; r++) {
        for (let q = 0; q < a.w; q++) {
          let sum = a.bias ? f32[a.bias / 4 + c]! : 0;
          for (let i = 0; i < 3; i++) {
            const row = r * stride + i - 1;
            const whole = row + a.r0 * stride;
            if (whole < 0 || whole >= a.xh) continue;
            for (let j = 0; j < 3; j++) {
              const column = q * stride + j - 1;
              const x = column < 0 || column >= a.xw ? 0 : f32[(a.x + c * a.xps + row * a.xrs) / 4 + column]!;
              sum = f(sum + f(x * f32[a.weight / 4 + c * 9 + i * 3 + j]!));
            }
          }
          f32[(a.y + c * a.yps + r * a.yrs) / 4 + q] = Math.min(Math.max(sum, a.lo), a.hi);
        }
      }
    }
  };
}

export const dw3_s1 = depthwise(1);
export const dw3_s2 = depthwise(2);

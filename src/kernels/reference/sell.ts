/** Reference of templates/sell.ts. */
import { clampTo } from "./spmm.js";
import type { Views } from "./views.js";

const { fround } = Math;

/** Arguments of sell4. */
export type SellArgs = Readonly<Record<"m" | "cnt" | "idx" | "w" | "bias" | "y" | "lo" | "hi" | "order", number>>;

/**
 * Slices of four rows: w and idx are [step][4], idx the address of the element of x; row r of slice i is written at y + order[i*4 + r] unless that
 * is negative. Sums as in spgemv.
 */
export function sell4({ f32, i32 }: Views, { m, cnt, idx, w, bias, y, lo, hi, order }: SellArgs): void {
  for (let i = 0, first = 0; i < m; i++) {
    const count = i32[cnt / 4 + i]!;
    for (let r = 0; r < 4; r++) {
      const s = [0, 0, 0, 0];
      for (let e = 0; e < count; e++) {
        const at = (first + e) * 4 + r;
        s[e % 4] = fround(s[e % 4]! + fround(f32[w / 4 + at]! * f32[i32[idx / 4 + at]! / 4]!));
      }
      let sum = fround(fround(s[0]! + s[1]!) + fround(s[2]! + s[3]!));
      if (bias) sum = fround(sum + f32[bias / 4 + i * 4 + r]!);
      const to = i32[order / 4 + i * 4 + r]!;
      if (to >= 0) f32[(y + to) / 4] = clampTo(sum, lo, hi);
    }
    first += count;
  }
}

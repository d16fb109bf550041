/** The roofline loop and the empty kernel: what a machine can do at most, and what a call costs. */
import { type Flavor, madd, seq, type Template } from "./emit.js";
import { each } from "./simd.js";

/** Independent chains of the roofline loop: enough to hide the latency of an addition, few enough for 16 registers. */
export const PEAK_CHAINS = 10;

export function misc(flavor: Flavor): Template {
  const add = madd(flavor);
  const [rows, columns] = [5, 2];
  return {
    kernels: [
      {
        // n turns of PEAK_CHAINS vector products and sums (8 flops each) on operands that stay in the first-level cache; out: 16 bytes, the sum
        name: "peak",
        params: ["n: i32", "out: usize"],
        body: `
 ${each(PEAK_CHAINS, (i) => `let z${i} = f32x4.splat(${i});`)}
 for (let i: i32 = 0; i < n; ++i) {
  const p = usize(i & 1) * 32;
  ${each(columns, (j) => `const b${j} = v128.load(p, ${j * 16});`)}
  ${seq(rows)
    .map(
      (r) => `const a${r} = v128.load32_splat(p, ${r * 4}); ${each(columns, (j) => add(`z${r * columns + j}`, `a${r}`, `b${j}`))}`,
    )
    .join("\n  ")}
 }
 let r = z0; ${each(PEAK_CHAINS - 1, (i) => `r = f32x4.add(r, z${i + 1});`)}
 v128.store(out, r);`,
      },
      { name: "nop", params: [], body: "" },
    ],
  };
}

/** The roofline loop and the empty kernel: what a machine can do at most, and what a call costs. */
import { type Flavor, madd, seq, type Template } from "./emit.js";
import { each } from "./simd.js";

/** Rows and vectors of columns of the roofline loop's tile, and its steps a turn: the form in which compilers begin the fewest instructions a sum. */
const [ROWS, COLUMNS, STEPS] = [4, 2, 4];
/** Vector products and sums of a turn. */
export const PEAK_SUMS = ROWS * COLUMNS * STEPS;

export function misc(flavor: Flavor): Template {
  const add = madd(flavor);
  const sums = ROWS * COLUMNS;
  const step = `{ ${each(COLUMNS, (j) => `const b${j} = v128.load(p, ${j * 16});`)}
  ${seq(ROWS)
    .map(
      (r) => `const a${r} = v128.load32_splat(p, ${r * 4}); ${each(COLUMNS, (j) => add(`z${r * COLUMNS + j}`, `a${r}`, `b${j}`))}`,
    )
    .join("\n  ")}
  p ^= 32; --left; }`;
  return {
    kernels: [
      {
        // n turns of PEAK_SUMS vector products and sums (8 flops each) on operands that stay in the first-level cache; out: 16 bytes, the sum
        name: "peak",
        params: ["n: i32", "out: usize"],
        body: `
 ${each(sums, (i) => `let z${i} = f32x4.splat(${i});`)} let p: usize = 0;
 let left = n * ${STEPS};
 ${step}
 while (left > 0) {
  ${seq(STEPS)
    .map(() => step)
    .join("\n  if (left <= 0) break;\n  ")}
 }
 let r = z0; ${each(sums - 1, (i) => `r = f32x4.add(r, z${i + 1});`)}
 v128.store(out, r);`,
      },
      { name: "nop", params: [], body: "" },
    ],
  };
}

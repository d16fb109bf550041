/** Pieces of AssemblyScript that several families share: loads and stores of part of a vector, sums across lanes, clamps. */
import { INLINE, seq } from "./emit.js";

/**
 * Loads the first `count` (1, 2, 4) lanes at `pointer`; other lanes are 0 and their memory is not read.
 */
export function loadLanes(count: number, pointer: string, offset = 0): string {
  const name = count >= 4 ? "v128.load" : count === 2 ? "v128.load64_zero" : "v128.load32_zero";
  return `${name}(${pointer}${offset ? `, ${offset}` : ""})`;
}

/** Stores the first `count` (1, 2, 4) lanes. */
export function storeLanes(count: number, pointer: string, value: string, offset = 0): string {
  if (count >= 4) return `v128.store(${pointer}, ${value}${offset ? `, ${offset}` : ""});`;
  return `v128.store${count === 2 ? 64 : 32}_lane(${pointer}, ${value}, 0${offset ? `, ${offset}` : ""});`;
}

/**
 * Statements that sum the four lanes of each of four vectors into the lanes of `out`: lane i = (v0 + v1) + (v2 + v3) of vector i.
 */
export function sumLanes(vectors: readonly string[], out: string, keyword: "const" | "let" = "const"): string {
  const [a, b, c, d] = vectors;
  return `${keyword} ${out} = sum_lanes(${a}, ${b}, ${c}, ${d});`;
}

/** Statements: rows v0..v3 of a 4 x 4 block -> its columns t0..t3. */
export const transpose4 = `
 const lo01 = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5), hi01 = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7);
 const lo23 = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5), hi23 = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7);
 const t0 = v128.shuffle<f32>(lo01, lo23, 0, 1, 4, 5), t1 = v128.shuffle<f32>(lo01, lo23, 2, 3, 6, 7);
 const t2 = v128.shuffle<f32>(hi01, hi23, 0, 1, 4, 5), t3 = v128.shuffle<f32>(hi01, hi23, 2, 3, 6, 7);`;

/**
 * Repeats `step` while `goes`, four steps a turn. How many instructions a cycle begin bounds such loops, so: a way out after every step keeps each in a
 * block of its own (in one block the compiler would load for all of them first, and spill), and one step lies before the loop, since addresses of
 * broadcasts at other offsets than 0 are made anew in every turn unless they were used before.
 */
export const unrolled = (step: string, goes: string): string =>
  `if (${goes}) { { ${step} } while (${goes}) { ${seq(4)
    .map(() => `{ ${step} }`)
    .join(` if (!(${goes})) break;\n  `)} } }`;

/** Helper functions: put once into the module by the family that comes first. */
export const simdHelpers = `
/** First n lanes (1..3) at p; the rest 0. */
function load_part(p: usize, n: i32): v128 {
 if (n == 1) return v128.load32_zero(p);
 const v = v128.load64_zero(p);
 return n == 2 ? v : v128.load32_lane(p, v, 2, 8);
}
/** Stores the first n lanes (1..4). */
function store_part(p: usize, v: v128, n: i32): void {
 if (n >= 4) { v128.store(p, v); return; }
 if (n == 1) { v128.store32_lane(p, v, 0); return; }
 v128.store64_lane(p, v, 0);
 if (n == 3) v128.store32_lane(p, v, 2, 8);
}
// each shuffle takes two lanes of each operand: one shufps
${INLINE}function sum_lanes(a: v128, b: v128, c: v128, d: v128): v128 {
 const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 2, 4, 6), v128.shuffle<f32>(a, b, 1, 3, 5, 7));
 const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 2, 4, 6), v128.shuffle<f32>(c, d, 1, 3, 5, 7));
 return f32x4.add(v128.shuffle<f32>(ab, cd, 0, 2, 4, 6), v128.shuffle<f32>(ab, cd, 1, 3, 5, 7));
}
/** Limits of the running kernel, kept out of its inner loop's registers; per thread, as each thread has its own instance. */
let limit_lo: f32 = 0;
let limit_hi: f32 = 0;
let limited: bool = false;
${INLINE}function set_limits(lo: f32, hi: f32): void { limit_lo = lo; limit_hi = hi; limited = lo > -Infinity || hi < Infinity; }
${INLINE}function clamp4(v: v128, lo: v128, hi: v128): v128 { return f32x4.pmin(f32x4.pmax(v, lo), hi); }
${INLINE}function clamp1(v: f32, lo: f32, hi: f32): f32 { const t = v < lo ? lo : v; return hi < t ? hi : t; }
`;

/** `a0 a1 ...`: names of n accumulators set to zero. */
export const zeros = (names: readonly string[]): string => names.map((name) => `let ${name} = f32x4.splat(0);`).join(" ");

/** `f(i)` for i < n, joined by spaces. */
export const each = (n: number, f: (i: number) => string): string => seq(n).map(f).join(" ");

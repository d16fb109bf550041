/**
 * Sparse times dense for patterns that no longer change, as one stream: each entry is R weights and a distance (`weave` puts them together). Entry 0
 * lies `first` bytes from x, the next one its distance further, across blocks and parts (the last distance counts for nothing). One load and
 * one pointer less an entry than spmm.ts: 4-10 % faster. Every product is added to its output in list order, as there.
 *
 * sp<R>d_<P>: blocks of R output rows, strips of P floats. The list is cut into `parts` of the input channels, one after another, each with nb
 * counts, so that what a part reads of a strip stays in the first cache. With c > 0 every strip of the c input rows, xs bytes apart, is first
 * copied to scratch memory, rows 4 P bytes apart, and distances count in such rows: a strip then fills whole cache lines of few pages. That takes
 * c * P * 4 bytes of scratch.
 */
import type { Flavor, KernelSource, Template } from "./emit.js";
import { addBias, entryLoop, forAll, overStrips, rowAt, storeStrip, WIDTHS } from "./spmm.js";

/** The tiles: rows a block and widest strip. 28 divides the planes of the usual networks; 32 are two whole cache lines. */
export const WALKING_TILES = [
  [1, 28],
  [1, 32],
  [2, 16],
  [4, 8],
] as const;

/** All parts for one strip of P floats (a multiple of 4). */
function strip(flavor: Flavor, R: number, P: number, unroll: number): string {
  const all = (f: (r: number, j: number) => string) => forAll(R, P, f);
  return `function wk_${R}_${P}(nb: i32, parts: i32, cnt: usize, w: usize, bias0: usize, p: usize, y0: usize, ys: usize, acc: i32): void {
 let bias = bias0;
 for (let part: i32 = 0; part < parts; ++part) {
  let y = y0;
  const limit = limited && part == parts - 1;
  for (let i: i32 = 0; i < nb; ++i) {
   ${all((r, j) => `let a${r}_${j} = f32x4.splat(0);`)}
   if (acc) {
    ${all((r, j) => `a${r}_${j} = v128.load(${rowAt(r)}, ${j * 16});`)}
   }
   ${addBias(R, P)}
   ${entryLoop(flavor, R, P, unroll, true)}
   if (limit) { const l = f32x4.splat(limit_lo), h = f32x4.splat(limit_hi);
    ${all((r, j) => `a${r}_${j} = clamp4(a${r}_${j}, l, h);`)} }
   ${storeStrip(R, P)}
   y += ys * ${R};
  }
  acc = 1; bias = 0;
 }
}
`;
}

/** Copies n floats of c rows, xs bytes apart, to rows `ts` bytes apart; the last vector may reach 12 bytes past a row's n. */
const packing = `function pack(c: i32, x: usize, xs: usize, n: i32, to: usize, ts: usize): usize {
 const from = to, bytes = usize(min(n, i32(ts >> 2))) * 4;
 for (; c > 0; --c) {
  for (let at: usize = 0; at < bytes; at += 16) v128.store(to + at, v128.load(x + at));
  x += xs; to += ts;
 }
 return from;
}
`;

/** n entries of a stream: `rows` floats each that lie order[i] bytes from x, and the distance at idx. */
const weave: KernelSource = {
  name: "weave",
  params: ["n: i32", "rows: i32", "idx: usize", "order: usize", "x: usize", "y: usize"],
  body: `for (; n > 0; --n) { for (let r: i32 = 0; r < rows; ++r) { store<f32>(y, load<f32>(x + usize(load<u32>(order)))); order += 4; y += 4; }
 store<u32>(y, load<u32>(idx)); idx += 4; y += 4; }`,
};

function walkKernel(R: number, P: number): KernelSource {
  const pass = (width: number) => `wk_${R}_${width}(nb, parts, cnt, w, bias, from, y, ys, acc);`;
  return {
    name: `sp${R}d_${P}`,
    params: [
      "nb: i32", "parts: i32", "cnt: usize", "w: usize", "bias: usize", "x: usize", "first: i32", "y: usize", "n: i32",
      "ys: usize", "acc: i32", "c: i32", "xs: usize", "lo: f32", "hi: f32", "scratch: usize",
    ], // biome-ignore format: a table
    body: `
 set_limits(lo, hi);
 ${overStrips(R, P, (width) => `const from = usize(first) + (c ? pack(c, x, xs, n, scratch, ${P * 4}) : x); ${pass(width)}`)}`,
  };
}

export function walk(flavor: Flavor): Template {
  const widest = new Map(WALKING_TILES);
  const strips = [...widest].flatMap(([R, most]) =>
    WIDTHS[R]!.filter(([P]) => P <= most).map(([P, unroll]) => strip(flavor, R, P, unroll)),
  );
  return {
    helpers: [...strips, packing].join(""),
    kernels: [...WALKING_TILES.map(([R, P]) => walkKernel(R, P)), weave],
  };
}

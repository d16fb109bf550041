/** Rows by number: lookups, sums into rows, the greatest k, one-hot. Row numbers are int32; the caller has checked their range. */
import type { KernelSource, Template } from "./emit.js";
import { strip } from "./strip.js";

const gatherRows: KernelSource = {
  name: "gather_rows",
  params: ["n: i32", "bytes: i32", "idx: usize", "table: usize", "y: usize"],
  body: `const w4 = bytes >> 4, tail = (bytes >> 2) & 3;
 for (let i: i32 = 0; i < n; ++i) { let p = table + usize(load<u32>(idx)) * usize(bytes); idx += 4;
  ${strip(["p", "y"], (at) => at.store("y", at.load("p")))} }`,
};

/** table[idx[i]][j] += x[i][j], i in order: the same row twice adds twice. */
const scatterAddRows: KernelSource = {
  name: "scatter_add_rows",
  params: ["n: i32", "cols: i32", "idx: usize", "x: usize", "table: usize"],
  body: `const w4 = cols >> 2, tail = cols & 3;
 for (let i: i32 = 0; i < n; ++i) { let p = table + usize(load<u32>(idx)) * usize(cols) * 4; idx += 4;
  ${strip(["p", "x"], (at) => at.store("p", `f32x4.add(${at.load("p")}, ${at.load("x")})`))} }`,
};

/** y[s][j] = sum over i with idx[i] = s of x[i][j], in order of i; segments without rows are 0. Overwrites y. */
const segmentSum: KernelSource = {
  name: "segment_sum",
  params: ["n: i32", "cols: i32", "segments: i32", "idx: usize", "x: usize", "y: usize"],
  body: `memory.fill(y, 0, usize(segments) * usize(cols) * 4); scatter_add_rows(n, cols, idx, x, y);`,
};

/** Sorted insertion of whatever beats the least kept value; equal values keep the order of their columns. NaN counts as -Infinity. */
const topk: KernelSource = {
  name: "topk",
  params: ["rows: i32", "cols: i32", "k: i32", "x: usize", "xs: usize", "values: usize", "indices: usize"],
  body: `for (let r: i32 = 0; r < rows; ++r) { let p = x, kept: i32 = 0, least: f32 = f32.NEGATIVE_INFINITY;
  for (let j: i32 = 0; j < cols; ++j) { let v = load<f32>(p); p += 4;
   if (v != v) v = f32.NEGATIVE_INFINITY;
   if (kept == k && !(v > least)) continue;
   let lo: i32 = 0, hi = kept;
   while (lo < hi) { const mid = (lo + hi) >> 1; if (load<f32>(values + usize(mid) * 4) >= v) lo = mid + 1; else hi = mid; }
   const end = min(kept, k - 1);
   for (let i = end; i > lo; --i) { const q = usize(i) * 4;
    store<f32>(values + q, load<f32>(values + q - 4)); store<i32>(indices + q, load<i32>(indices + q - 4)); }
   if (lo < k) { store<f32>(values + usize(lo) * 4, v); store<i32>(indices + usize(lo) * 4, j); }
   if (kept < k) ++kept;
   if (kept == k && k > 0) least = load<f32>(values + usize(k - 1) * 4); }
  x += xs; values += usize(k) * 4; indices += usize(k) * 4; }`,
};

/** y[i][j] = j == idx[i] ? on : off; a number outside the columns gives a row of \`off\`. */
const oneHot: KernelSource = {
  name: "one_hot",
  params: ["n: i32", "cols: i32", "idx: usize", "on: f32", "off: f32", "y: usize"],
  body: `for (let i: i32 = 0; i < n; ++i) { const k = load<u32>(idx); idx += 4;
  for (let j: i32 = 0; j < cols; ++j) store<f32>(y + usize(j) * 4, off);
  if (k < u32(cols)) store<f32>(y + usize(k) * 4, on);
  y += usize(cols) * 4; }`,
};

export function gather(): Template {
  return { kernels: [gatherRows, scatterAddRows, segmentSum, topk, oneHot] };
}

/**
 * Sparse times dense, where the dense operand's rows are strips that lie at byte offsets from x. Dense convolutions are the same kernels
 * with one shared offset list. Every product is added to its output in list order, whatever the tile, so the tile never changes the bits.
 *
 * sp<R>_<P>: blocks of R output rows share an offset list; P floats of each row stay in registers while the list is walked.
 * sp<R>d_<P>: the same for lists of distances; see walk.ts.
 * spgemv<R>: the same for one column: y = A x, blocks of R rows.
 */
import { type Flavor, type KernelSource, madd, seq, type Template } from "./emit.js";
import { each, loadLanes, simdHelpers, storeLanes } from "./simd.js";

/**
 * The loop over one list of *cnt entries, into accumulators a<row>_<vector>. Plain lists: offsets from x at idx, weights at w. Walking lists: at w the
 * weights of each entry and the distance to the next one's input, and p at the entry's input.
 *
 * What bounds it is how many instructions a cycle begin, so w moves on with every entry: the broadcast of a weight at any offset but those that were
 * used before the loop (the biases': 0, 4, ...) takes one instruction more, for its address.
 */
export function entryLoop(flavor: Flavor, R: number, P: number, unroll: number, walks: boolean): string {
  const add = madd(flavor);
  const vectors = seq(P / 4);
  const step = 4 * R + (walks ? 4 : 0);
  const entry = (u: number): string => {
    const at = walks
      ? `const p${u} = p; p += usize(load<u32>(w, ${4 * R}));`
      : `const p${u} = x + usize(load<u32>(idx, ${u * 4}));`;
    const weight = (r: number) => `const w${u}_${r} = v128.load32_splat(w, ${r * 4});`;
    if (R === 1) {
      // Eight sums, eight loads and a weight do not fit 16 registers: two halves, a branch that is never taken between them.
      const half = P > 28 ? P / 8 : 0;
      const sums = vectors.map(
        (j) => `${j && j === half ? `if (!p${u}) break; ` : ""}${add(`a0_${j}`, `w${u}_0`, `v128.load(p${u}, ${j * 16})`)}`,
      );
      return `${at} ${weight(0)} ${sums.join(" ")}`;
    }
    const loads = vectors.map((j) => `const x${u}_${j} = v128.load(p${u}, ${j * 16});`).join(" ");
    const sums = seq(R).map((r) => `${weight(r)} ${vectors.map((j) => add(`a${r}_${j}`, `w${u}_${r}`, `x${u}_${j}`)).join(" ")}`);
    return `${at} ${loads}\n    ${sums.join("\n    ")}`;
  };
  const advance = (n: number) => (walks ? "" : `idx += ${4 * n};`);
  // A way out after every entry keeps each in a block of its own: within one block the compiler would load for all entries first, and spill.
  const entries = seq(unroll).map((u) => {
    const leave = u + 1 < unroll ? `if (w >= we) { ${advance(u + 1)} break; }` : "";
    return `${entry(u)} w += ${step};\n    ${leave}`;
  });
  return `const we = w + usize(load<i32>(cnt)) * ${step}; cnt += 4;
  while (w < we) { ${entries.join("\n    ")}
   ${advance(unroll)} }`;
}

/** `f(row, vector)` for all accumulators of a strip, a line a row. */
export const forAll = (R: number, P: number, f: (r: number, j: number) => string): string =>
  seq(R)
    .map((r) =>
      seq(P / 4)
        .map((j) => f(r, j))
        .join(" "),
    )
    .join("\n   ");

/** Address of row r of a block at y. */
export const rowAt = (r: number): string => (r ? `y + ys * ${r}` : "y");

/** Adds the rows' biases, where there are any. */
export const addBias = (R: number, P: number): string => `if (bias) {
   ${each(R, (r) => `const b${r} = v128.load32_splat(bias, ${r * 4});`)}
   ${forAll(R, P, (r, j) => `a${r}_${j} = f32x4.add(a${r}_${j}, b${r});`)}
   bias += ${4 * R};
  }`;

/** Keeps what memory holds past the end of the last vector, then stores. */
export function storeStrip(R: number, P: number): string {
  const last = P / 4 - 1;
  return `if (kept) { ${seq(R)
    .map((r) => `a${r}_${last} = v128.bitselect(a${r}_${last}, v128.load(${rowAt(r)}, ${last * 16}), kept_lanes);`)
    .join(" ")} }
   ${forAll(R, P, (r, j) => `v128.store(${rowAt(r)}, a${r}_${j}, ${j * 16});`)}`;
}

/** One pass over all blocks for one strip of P floats (a multiple of 4). */
function strip(flavor: Flavor, R: number, P: number, unroll: number): string {
  const all = (f: (r: number, j: number) => string) => forAll(R, P, f);
  return `function st_${R}_${P}(nb: i32, cnt: usize, idx0: usize, w: usize, bias: usize, x: usize, y: usize, ys: usize, acc: i32, shared: i32): void {
 let idx = idx0;
 for (let i: i32 = 0; i < nb; ++i) {
   ${all((r, j) => `let a${r}_${j} = f32x4.splat(0);`)}
  if (acc) {
   ${all((r, j) => `a${r}_${j} = v128.load(${rowAt(r)}, ${j * 16});`)}
  }
  ${addBias(R, P)}
  if (shared) idx = idx0;
  ${entryLoop(flavor, R, P, unroll, false)}
  if (limited) { const l = f32x4.splat(limit_lo), h = f32x4.splat(limit_hi);
   ${all((r, j) => `a${r}_${j} = clamp4(a${r}_${j}, l, h);`)} }
  ${storeStrip(R, P)}
  y += ys * ${R};
 }
}
`;
}

/** Strip widths by rows a block, widest first, with the unrolling of the entry loop that was measured best on 16 registers. */
export const WIDTHS: Readonly<Record<number, readonly (readonly [width: number, unroll: number])[]>> = {
  1: [[32, 4], [28, 8], [24, 4], [16, 4], [8, 1], [4, 2]],
  2: [[16, 8], [8, 1], [4, 1]],
  4: [[8, 8], [4, 1]],
}; // biome-ignore format: a table

/** The kernels' tiles: rows a block and widest strip. */
export const SPMM_TILES = [
  [1, 16],
  [1, 24],
  [1, 28],
  [1, 32],
  [2, 16],
  [4, 8],
] as const;

const PARAMS = [
  "nb: i32", "cnt: usize", "idx: usize", "w: usize", "bias: usize", "x: usize", "y: usize", "n: i32", "ys: usize", "acc: i32",
  "shared: i32", "lo: f32", "hi: f32",
] as const; // biome-ignore format: a table

/**
 * Statements that take strips of at most P floats until n floats are done. The last ones are as narrow as the rest allows; where the rest is no
 * multiple of 4, its last vector reaches up to 12 bytes past it: what it reads there counts for nothing, and what memory holds there stays (all
 * lanes but the `kept`).
 *
 * @param pass the call for one strip of this width
 */
export function overStrips(R: number, P: number, pass: (width: number) => string): string {
  const widths = WIDTHS[R]!.map(([width]) => width).filter((width) => width <= P);
  const cases = widths.map((width, i) => {
    const fits = i + 1 < widths.length ? `if (n > ${width - 4}) ` : "";
    return `${fits}{ if (n < ${width}) kept = n & 3; ${pass(width)} n -= ${width}; x += ${width * 4}; y += ${width * 4}; }`;
  });
  return `kept = 0; kept_lanes = i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(n & 3));
 while (n > 0) { ${cases.join("\n  else ")} }`;
}

function spmmKernel(R: number, P: number): KernelSource {
  return {
    name: `sp${R}_${P}`,
    params: [...PARAMS],
    body: `
 set_limits(lo, hi);
 ${overStrips(R, P, (width) => `st_${R}_${width}(nb, cnt, idx, w, bias, x, y, ys, acc, shared);`)}`,
  };
}

const GEMV_PARAMS = [
  "m: i32", "cnt: usize", "idx: usize", "w: usize", "bias: usize", "x: usize", "y: usize", "lo: f32", "hi: f32",
] as const; // biome-ignore format: a table

/** Four partial sums by position in the row, modulo 4, then (s0 + s1) + (s2 + s3) + bias. */
const spgemv1 = `
 for (let i: i32 = 0; i < m; ++i) {
  let n = load<i32>(cnt); cnt += 4;
  let s0: f32 = 0, s1: f32 = 0, s2: f32 = 0, s3: f32 = 0;
  while (n >= 4) { ${each(4, (r) => `s${r} += load<f32>(w, ${r * 4}) * load<f32>(x + usize(load<u32>(idx, ${r * 4})));`)} idx += 16; w += 16; n -= 4; }
  ${each(3, (r) => `if (n > ${r}) s${r} += load<f32>(w, ${r * 4}) * load<f32>(x + usize(load<u32>(idx, ${r * 4})));`)}
  idx += usize(n) * 4; w += usize(n) * 4;
  let s = (s0 + s1) + (s2 + s3);
  if (bias) { s += load<f32>(bias); bias += 4; }
  store<f32>(y, clamp1(s, lo, hi)); y += 4;
 }`;

/** As spgemv1, with R sums side by side in the lanes. */
function spgemvRows(flavor: Flavor, R: 2 | 4): string {
  const add = madd(flavor);
  const value = (u: number) => `v128.load32_splat(x + usize(load<u32>(idx, ${u * 4})))`;
  const step = (u: number) => add(`s${u}`, loadLanes(R, "w", u * 4 * R), value(u));
  return `
 const l = f32x4.splat(lo), h = f32x4.splat(hi);
 for (let i: i32 = 0; i < m; ++i) {
  let n = load<i32>(cnt); cnt += 4;
  ${each(4, (u) => `let s${u} = f32x4.splat(0);`)}
  while (n >= 4) { ${each(4, step)} idx += 16; w += ${16 * R}; n -= 4; }
  ${each(3, (u) => `if (n > ${u}) { ${step(u)} }`)}
  idx += usize(n) * 4; w += usize(n) * ${4 * R};
  let s = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
  if (bias) { s = f32x4.add(s, ${loadLanes(R, "bias")}); bias += ${4 * R}; }
  ${storeLanes(R, "y", "clamp4(s, l, h)")} y += ${4 * R};
 }`;
}

export function spmm(flavor: Flavor): Template {
  const strips = Object.entries(WIDTHS).flatMap(([R, list]) => list.map(([P, unroll]) => strip(flavor, Number(R), P, unroll)));
  return {
    helpers: `${simdHelpers}
/** Lanes of a strip's last vector that count where not all do, as a count and as a mask. */
let kept: i32 = 0;
let kept_lanes: v128 = i32x4.splat(0);
${strips.join("")}`,
    kernels: [
      ...SPMM_TILES.map(([R, P]) => spmmKernel(R, P)),
      { name: "spgemv1", params: [...GEMV_PARAMS], body: spgemv1 },
      { name: "spgemv2", params: [...GEMV_PARAMS], body: spgemvRows(flavor, 2) },
      { name: "spgemv4", params: [...GEMV_PARAMS], body: spgemvRows(flavor, 4) },
    ],
  };
}

/**
 * Dot products of strips: the weight gradient at live positions (sddmm) and at all positions (dots).
 *
 * Each dot product is summed in four lanes, lane l taking the elements p with p % 4 = l in order, then (l0 + l1) + (l2 + l3): the order depends
 * on n alone, so neither the tile nor a split over rows changes the bits.
 */
import { type Flavor, type KernelSource, madd, seq, type Template } from "./emit.js";
import { each, sumLanes, zeros } from "./simd.js";

/** Statements: sums s<r>_<q> of rows d<r> times strips p<q>, r < R, q < S, over \`whole\` bytes of vectors and \`rest\` more floats. */
export function products(flavor: Flavor, R: number, S: number): string {
  const add = madd(flavor);
  const step = (load: (pointer: string) => string): string => {
    if (R === 1) return `const e = ${load("d0")}; ${each(S, (q) => add(`s0_${q}`, "e", load(`p${q}`)))}`;
    const xs = each(S, (q) => `const x${q} = ${load(`p${q}`)};`);
    return `${xs} ${each(R, (r) => `{ const e = ${load(`d${r}`)}; ${each(S, (q) => add(`s${r}_${q}`, "e", `x${q}`))} }`)}`;
  };
  return `${zeros(seq(R).flatMap((r) => seq(S).map((q) => `s${r}_${q}`)))}
   let j: usize = 0;
   for (; j < whole; j += 16) { ${step((pointer) => `v128.load(${pointer} + j)`)} }
   if (rest) { ${step((pointer) => `load_part(${pointer} + j, rest)`)} }`;
}

/** Strips a turn: the fast loop's, and the last turns', which repeat their last strip where they are short and store less. */
const STRIPS: Readonly<Record<number, readonly [fast: number, last: number]>> = { 1: [6, 4], 2: [4, 4], 4: [2, 2] };

/** R rows share a list of strips; out[e*R + r]. */
function sddmmKernel(flavor: Flavor, R: number): KernelSource {
  const [fast, last] = STRIPS[R]!;
  const sums = (S: number) => {
    const cells = seq(S).flatMap((q) => seq(R).map((r) => `s${r}_${q}`));
    return each(Math.ceil(cells.length / 4), (v) =>
      sumLanes(
        seq(4).map((i) => cells[v * 4 + i] ?? "none"),
        `v${v}`,
      ),
    );
  };
  const put = (S: number, count: (v: number) => string) =>
    each(Math.ceil((S * R) / 4), (v) => `put_part(out + ${v * 16}, v${v}, ${count(v)}, acc);`);
  return {
    name: `sddmm${R}`,
    params: ["m: i32", "cnt: usize", "idx: usize", "dy: usize", "ys: usize", "x: usize", "n: i32", "out: usize", "acc: i32"],
    body: `
 const whole = usize(n >> 2) * 16, rest = n & 3, none = f32x4.splat(0);
 for (let i: i32 = 0; i < m; ++i) {
  let c = load<i32>(cnt); cnt += 4;
  ${each(R, (r) => `const d${r} = ${r ? `d${r - 1} + ys` : "dy"};`)}
  while (c >= ${fast}) {
   ${each(fast, (q) => `const p${q} = x + usize(load<u32>(idx, ${q * 4}));`)}
   ${products(flavor, R, fast)}
   ${sums(fast)}
   ${put(fast, (v) => String(Math.min(4, fast * R - v * 4)))}
   out += ${R * fast * 4}; idx += ${fast * 4}; c -= ${fast};
  }
  while (c > 0) {
   const now = min(c, ${last}), end = usize(now - 1) * 4;
   ${each(last, (q) => `const p${q} = x + usize(load<u32>(idx + min<usize>(${q * 4}, end)));`)}
   ${products(flavor, R, last)}
   ${sums(last)}
   ${each((last * R) / 4, (v) => `if (now * ${R} > ${v * 4}) put_part(out + ${v * 16}, v${v}, min(4, now * ${R} - ${v * 4}), acc);`)}
   out += usize(now * ${R * 4}); idx += usize(now * 4); c -= now;
  }
  dy += ys * ${R};
 }`,
  };
}

/** All pairs of m rows and k strips in tiles of 2 x 4; a short tile repeats its last row or strip and stores less. */
function dotsKernel(flavor: Flavor): KernelSource {
  const R = 2;
  const S = 4;
  return {
    name: "dots",
    params: [
      "m: i32",
      "k: i32",
      "idx: usize",
      "dy: usize",
      "ys: usize",
      "x: usize",
      "n: i32",
      "out: usize",
      "ldo: usize",
      "acc: i32",
    ],
    body: `
 const whole = usize(n >> 2) * 16, rest = n & 3;
 for (let i: i32 = 0; i < m; i += ${R}) {
  const two = i + 1 < m;
  const d0 = dy, d1 = two ? dy + ys : dy;
  for (let q: i32 = 0; q < k; q += ${S}) {
   const list = idx + usize(q) * 4, last = usize(min(k - q, ${S}) - 1) * 4;
   ${each(S, (s) => `const p${s} = x + usize(load<u32>(list + min<usize>(${s * 4}, last)));`)}
   ${products(flavor, R, S)}
   ${each(R, (r) =>
     sumLanes(
       seq(S).map((s) => `s${r}_${s}`),
       `v${r}`,
     ),
   )}
   const o = out + usize(q) * 4;
   put_part(o, v0, min(4, k - q), acc);
   if (two) put_part(o + ldo, v1, min(4, k - q), acc);
  }
  dy += ys * ${R}; out += ldo * ${R};
 }`,
  };
}

export function sddmm(flavor: Flavor): Template {
  return {
    helpers: `
/** Stores the first n lanes (1..4) of v, or adds them to what is there. */
function put_part(p: usize, v: v128, n: i32, acc: i32): void {
 if (n >= 4) { v128.store(p, acc ? f32x4.add(v128.load(p), v) : v); return; }
 store_part(p, acc ? f32x4.add(load_part(p, n), v) : v, n);
}
`,
    kernels: [1, 2, 4].map((R) => sddmmKernel(flavor, R)).concat(dotsKernel(flavor)),
  };
}

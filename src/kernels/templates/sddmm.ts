/**
 * Dot products of strips: the weight gradient at live positions (sddmm) and at all positions (dots).
 *
 * Each product is summed in lanes: lane l of set u takes the elements p with floor(p / 4) % U = u and p % 4 = l; sets are added in order, then
 * (l0 + l1) + (l2 + l3). U is 2 for sddmm1 and 1 for the others; the last, partial vector belongs to set 0. The order depends on n alone.
 */
import { type Flavor, type KernelSource, madd, seq, type Template } from "./emit.js";
import { each, sumLanes, zeros } from "./simd.js";

/** Statements: sums s<r>_<q> of rows d<r> times strips p<q> over n floats, r < R, q < S, with U sets of lanes. */
export function products(flavor: Flavor, R: number, S: number, U: 1 | 2): string {
  const add = madd(flavor);
  const grid = seq(R).flatMap((r) => seq(S).map((q) => [r, q] as const));
  const names = (u: number) => grid.map(([r, q]) => `s${r}_${q}${u ? "b" : ""}`);
  const step = (u: number, load: (pointer: string) => string): string => {
    const tag = u ? "b" : "";
    if (R === 1) return `const e${tag} = ${load("d0")}; ${each(S, (q) => add(`s0_${q}${tag}`, `e${tag}`, load(`p${q}`)))}`;
    const xs = each(S, (q) => `const x${q} = ${load(`p${q}`)};`);
    return `{ ${xs} ${each(R, (r) => `{ const e = ${load(`d${r}`)}; ${each(S, (q) => add(`s${r}_${q}${tag}`, "e", `x${q}`))} }`)} }`;
  };
  const full = (u: number) => step(u, (pointer) => `v128.load(${pointer} + j${u ? `, ${u * 16}` : ""})`);
  return `${seq(U).map((u) => zeros(names(u))).join(" ")}
   let j: usize = 0;
   for (; j${U > 1 ? ` + ${U * 16 - 16}` : ""} < whole; j += ${U * 16}) { ${seq(U).map(full).join("\n    ")} }
   ${U === 2 ? `if (j < whole) { ${full(0)} j += 16; }` : ""}
   if (rest) { ${step(0, (pointer) => `load_part(${pointer} + j, rest)`)} }
   ${U === 2 ? grid.map((_, i) => `${names(0)[i]} = f32x4.add(${names(0)[i]}, ${names(1)[i]});`).join(" ") : ""}`;
}

/** R rows share a list of strips; out[e*R + r]. S strips at a time; the last, shorter turn repeats its last strip and stores less. */
function sddmmKernel(flavor: Flavor, R: number, S: number, U: 1 | 2): KernelSource {
  const cells = seq(S).flatMap((q) => seq(R).map((r) => `s${r}_${q}`));
  const vectors = seq((R * S) / 4);
  return {
    name: `sddmm${R}`,
    params: ["m: i32", "cnt: usize", "idx: usize", "dy: usize", "ys: usize", "x: usize", "n: i32", "out: usize", "acc: i32"],
    body: `
 const whole = usize(n >> 2) * 16, rest = n & 3;
 for (let i: i32 = 0; i < m; ++i) {
  let c = load<i32>(cnt); cnt += 4;
  ${each(R, (r) => `const d${r} = dy + ys * ${r};`)}
  while (c > 0) {
   const last = usize(min(c, ${S}) - 1) * 4;
   ${each(S, (q) => `const p${q} = x + usize(load<u32>(idx + min<usize>(${q * 4}, last)));`)}
   ${products(flavor, R, S, U)}
   ${vectors.map((v) => sumLanes(cells.slice(v * 4, v * 4 + 4), `v${v}`)).join(" ")}
   if (c >= ${S}) {
    if (acc) { ${each(vectors.length, (v) => `v128.store(out, f32x4.add(v128.load(out, ${v * 16}), v${v}), ${v * 16});`)} }
    else { ${each(vectors.length, (v) => `v128.store(out, v${v}, ${v * 16});`)} }
   } else {
    ${each(vectors.length, (v) => `{ const k = min(4, c * ${R} - ${v * 4}); if (k > 0) put_part(out + ${v * 16}, v${v}, k, acc); }`)}
   }
   out += ${R * S * 4}; idx += ${S * 4}; c -= ${S};
  }
  if (c < 0) { out += usize(c * ${R * 4}); idx += usize(c * 4); }
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
    params: ["m: i32", "k: i32", "idx: usize", "dy: usize", "ys: usize", "x: usize", "n: i32", "out: usize", "ldo: usize", "acc: i32"],
    body: `
 const whole = usize(n >> 2) * 16, rest = n & 3;
 for (let i: i32 = 0; i < m; i += ${R}) {
  const two = i + 1 < m;
  const d0 = dy, d1 = two ? dy + ys : dy;
  for (let q: i32 = 0; q < k; q += ${S}) {
   const list = idx + usize(q) * 4, last = usize(min(k - q, ${S}) - 1) * 4;
   ${each(S, (s) => `const p${s} = x + usize(load<u32>(list + min<usize>(${s * 4}, last)));`)}
   ${products(flavor, R, S, 1)}
   ${each(R, (r) => sumLanes(seq(S).map((s) => `s${r}_${s}`), `v${r}`))}
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
    kernels: [sddmmKernel(flavor, 1, 4, 2), sddmmKernel(flavor, 2, 4, 1), sddmmKernel(flavor, 4, 2, 1), dotsKernel(flavor)],
  };
}

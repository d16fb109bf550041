/**
 * Dense matrix products. gemm_<MR>x<NR>: MR rows by NR columns of C stay in registers while k runs; A and B are first packed into panels
 * (Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication"). Each element of C is one sum in the order of k that starts
 * from its bias, so neither the tile nor a split over m or n changes the bits, and a masked dense product equals the sparse one.
 */
import { type Flavor, type KernelSource, madd, seq, type Template } from "./emit.js";
import { products } from "./sddmm.js";
import { each, sumLanes, transpose4, unrolled } from "./simd.js";
import { KC, MC, NC } from "./sizes.js";

/** Up to this many rows of A, B is read where it lies when its rows are contiguous: packing it would cost more than it saves. */
const DIRECT = 12;

/** Vectors that all of a step's sums and operands may be together, of 16 registers, for the step to be unrolled: Node 20 loads all operands first. */
const ROOM = 14;

/** Register tiles [rows, columns]. */
export const GEMM_TILES = [
  [4, 8],
  [5, 8],
  [6, 8],
] as const;

/** The inner kernel: c = s + panel a times panel b; rows of s lie ss apart, rows of b bs apart. No branches: they would cost registers. */
function inner(flavor: Flavor, MR: number, NR: number): string {
  const add = madd(flavor);
  const V = NR / 4;
  const all = (f: (i: number, j: number) => string) =>
    seq(MR)
      .map((i) =>
        seq(V)
          .map((j) => f(i, j))
          .join(" "),
      )
      .join("\n  ");
  const one = `${each(V, (j) => `const b${j} = v128.load(b, ${j * 16});`)}
  ${seq(MR)
    .map((i) => `const a${i} = v128.load32_splat(a, ${i * 4}); ${each(V, (j) => add(`c${i}_${j}`, `a${i}`, `b${j}`))}`)
    .join("\n  ")}
  a += ${MR * 4}; b += bs;`;
  const row = (p: string, stride: string, i: number) => (i ? `${p} + ${stride} * ${i}` : p);
  return `
function ug_${MR}x${NR}(k: i32, a: usize, b: usize, bs: usize, s: usize, ss: usize, c: usize, ldc: usize): void {
  ${all((i, j) => `let c${i}_${j} = v128.load(${row("s", "ss", i)}, ${j * 16});`)}
 const end = a + usize(k) * ${MR * 4};
 ${MR * V + MR + V <= ROOM ? unrolled(one, "a < end") : `while (a < end) { ${one} }`}
  ${all((i, j) => `v128.store(${row("c", "ldc", i)}, c${i}_${j}, ${j * 16});`)}
}
`;
}

/** Packs `count` (1..width) lines of length k into q as [k][width], zeros for the missing lines; lines ls apart, elements es apart. */
function packer(width: number): string {
  const quads = Math.floor(width / 4);
  const rest = width % 4;
  const line = (r: number) => (r ? `p + ls * ${r}` : "p");
  const restBlock = () => {
    const at = quads * 16;
    if (rest === 1) {
      return `const r0 = v128.load(${line(width - 1)}); ${each(4, (i) => `v128.store32_lane(q + ${i * width * 4}, r0, ${i}, ${at});`)}`;
    }
    if (rest === 2) {
      return `const r0 = v128.load(${line(width - 2)}), r1 = v128.load(${line(width - 1)});
    const rl = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5), rh = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
    ${each(4, (i) => `v128.store64_lane(q + ${i * width * 4}, ${i < 2 ? "rl" : "rh"}, ${i % 2}, ${at});`)}`;
    }
    return "";
  };
  return `
function pk_${width}(count: i32, k: i32, p: usize, ls: usize, es: usize, q: usize): void {
 if (count == ${width}) {
  if (ls == 4) {
   for (; k > 0; --k) { ${each(quads, (g) => `v128.store(q, v128.load(p, ${g * 16}), ${g * 16});`)} ${each(rest, (r) => `store<f32>(q, load<f32>(p, ${(quads * 4 + r) * 4}), ${(quads * 4 + r) * 4});`)} q += ${width * 4}; p += es; }
   return;
  }
  if (es == 4) {
   for (; k >= 4; k -= 4) {
    ${each(quads, (g) => `{ ${each(4, (r) => `const v${r} = v128.load(${line(g * 4 + r)});`)} ${transpose4} ${each(4, (i) => `v128.store(q, t${i}, ${i * width * 4 + g * 16});`)} }`)}
    { ${restBlock()} }
    q += ${width * 16}; p += 16;
   }
  }
  for (; k > 0; --k) { ${each(width, (r) => `store<f32>(q, load<f32>(${line(r)}), ${r * 4});`)} q += ${width * 4}; p += es; }
  return;
 }
 for (; k > 0; --k) {
  for (let r: i32 = 0; r < ${width}; ++r) store<f32>(q + usize(r) * 4, r < count ? load<f32>(p + ls * usize(r)) : 0);
  q += ${width * 4}; p += es;
 }
}
`;
}

const PARAMS = [
  "m: i32", "n: i32", "k: i32", "a: usize", "rsa: usize", "csa: usize", "b: usize", "rsb: usize", "csb: usize", "c: usize", "ldc: usize",
  "acc: i32", "bias: usize", "biasMode: i32", "lo: f32", "hi: f32", "scratch: usize",
] as const; // biome-ignore format: a table

function gemmKernel(MR: number, NR: number): KernelSource {
  const rows = MR * Math.floor(MC / MR);
  return {
    name: `gemm_${MR}x${NR}`,
    params: [...PARAMS],
    body: `
 set_limits(lo, hi);
 const packed = csb == 0, direct = csb == 4 && m <= ${DIRECT};
 const pa = scratch, pb = scratch + ${rows * KC * 4}, tile = pb + ${KC * NC * 4}, zeros = tile + 512;
 ${each(NR / 4, (j) => `v128.store(zeros, f32x4.splat(0), ${j * 16});`)}
 for (let jc: i32 = 0; jc < n; jc += ${NC}) { const nc = min(${NC}, n - jc); let k0: i32 = 0;
  do { const kc = min(${KC}, k - k0); const first = k0 == 0, last = k0 + kc >= k;
   const panels = packed ? b + (usize(jc) * usize(k) + usize(k0) * usize((nc + ${NR - 1}) & ${-NR})) * 4 : pb;
   if (!packed) for (let j: i32 = 0; j < nc; j += ${NR}) if (!direct || nc - j < ${NR})
    pk_${NR}(min(${NR}, nc - j), kc, b + usize(k0) * rsb + usize(jc + j) * csb, csb, rsb, pb + usize(j) * usize(kc) * 4);
   for (let ic: i32 = 0; ic < m; ic += ${rows}) { const mc = min(${rows}, m - ic);
    for (let i: i32 = 0; i < mc; i += ${MR})
     pk_${MR}(min(${MR}, mc - i), kc, a + usize(ic + i) * rsa + usize(k0) * csa, rsa, csa, pa + usize(i) * usize(kc) * 4);
    for (let j: i32 = 0; j < nc; j += ${NR}) for (let i: i32 = 0; i < mc; i += ${MR}) {
     const inPlace = direct && nc - j >= ${NR}, bs: usize = inPlace ? rsb : ${NR * 4};
     const bp = inPlace ? b + usize(k0) * rsb + usize(jc + j) * 4 : panels + usize(j) * usize(kc) * 4, ap = pa + usize(i) * usize(kc) * 4, ht = min(${MR}, mc - i), wd = min(${NR}, nc - j);
     const r0 = ic + i, c0 = jc + j; const cp = c + usize(r0) * ldc + usize(c0) * 4;
     const whole = ht == ${MR} && wd == ${NR};
     let s = cp, ss = ldc;
     if (!first && whole) {}
     else if (first && !acc && biasMode == 0) { s = zeros; ss = 0; }
     else if (first && !acc && biasMode == 2 && whole) { s = bias + usize(c0) * 4; ss = 0; }
     else if (!whole || biasMode) {
      s = tile; ss = ${NR * 4};
      for (let r: i32 = 0; r < ht; ++r) for (let z: i32 = 0; z < wd; ++z) {
       let v: f32 = !first || acc ? load<f32>(cp + usize(r) * ldc + usize(z) * 4) : 0;
       if (first && biasMode) { const t = load<f32>(bias + usize(biasMode == 1 ? r0 + r : c0 + z) * 4); v = acc ? v + t : t; }
       store<f32>(tile + usize(r * ${NR} + z) * 4, v);
      }
     }
     if (whole) ug_${MR}x${NR}(kc, ap, bp, bs, s, ss, cp, ldc);
     else {
      ug_${MR}x${NR}(kc, ap, bp, bs, s, ss, tile, ${NR * 4});
      for (let r: i32 = 0; r < ht; ++r) memory.copy(cp + usize(r) * ldc, tile + usize(r * ${NR * 4}), usize(wd) * 4);
     }
     if (last && limited) for (let r: i32 = 0; r < ht; ++r) for (let z: i32 = 0; z < wd; z += 4) {
      const p = cp + usize(r) * ldc + usize(z) * 4, w = min(4, wd - z);
      store_part(p, clamp4(w == 4 ? v128.load(p) : load_part(p, w), f32x4.splat(lo), f32x4.splat(hi)), w);
     }
    } }
   k0 += ${KC};
  } while (k0 < k);
 }`,
  };
}

/**
 * B in the panels that gemm_* pack it into, once for many products: `out` takes k times n rounded up to 8 floats. A gemm_* whose csb is 0 finds them
 * at b. Pieces of columns that start at a multiple of 8, packed one by one, each lie k floats a column from the start.
 */
const packPanels: KernelSource = {
  name: "pack_panels",
  params: ["n: i32", "k: i32", "b: usize", "rsb: usize", "csb: usize", "out: usize"],
  body: `
 for (let jc: i32 = 0; jc < n; jc += ${NC}) { const nc = min(${NC}, n - jc);
  for (let k0: i32 = 0; k0 < k; k0 += ${KC}) { const kc = min(${KC}, k - k0);
   for (let j: i32 = 0; j < nc; j += 8) { pk_8(min(8, nc - j), kc, b + usize(k0) * rsb + usize(jc + j) * csb, csb, rsb, out); out += usize(kc) * 32; } } }`,
};

const VECTOR_PARAMS = [
  "m: i32", "k: i32", "a: usize", "lda: usize", "x: usize", "bias: usize", "y: usize", "acc: i32", "lo: f32", "hi: f32",
] as const; // biome-ignore format: a table

/** y[i] = clamp(dot(row i of A, x) (+ y[i]) (+ bias[i])); six rows at a time, the last ones four, a row repeated where fewer are left. */
const gemv = (flavor: Flavor): KernelSource => {
  const finish = (v: number, count: string) => `{
   let s = v${v}; const n = ${count};
   if (acc) s = f32x4.add(n == 4 ? v128.load(y) : load_part(y, n), s);
   if (bias) { s = f32x4.add(s, n == 4 ? v128.load(bias) : load_part(bias, n)); bias += usize(n) * 4; }
   store_part(y, clamp4(s, f32x4.splat(limit_lo), f32x4.splat(limit_hi)), n); y += usize(n) * 4;
  }`;
  return {
    name: "gemv",
    params: [...VECTOR_PARAMS],
    body: `
 const whole = usize(k >> 2) * 16, rest = k & 3, p0 = x, none = f32x4.splat(0); set_limits(lo, hi);
 for (; m >= 6; m -= 6) {
  const d0 = a; ${each(5, (r) => `const d${r + 1} = d${r} + lda;`)}
  ${products(flavor, 6, 1)}
  ${sumLanes(["s0_0", "s1_0", "s2_0", "s3_0"], "v0")} ${sumLanes(["s4_0", "s5_0", "none", "none"], "v1")}
  ${finish(0, "4")} ${finish(1, "2")}
  a = d5 + lda;
 }
 while (m > 0) {
  const c = min(4, m);
  const d0 = a; ${each(3, (r) => `const d${r + 1} = ${r + 1} < c ? d${r} + lda : d${r};`)}
  ${products(flavor, 4, 1)}
  ${sumLanes(["s0_0", "s1_0", "s2_0", "s3_0"], "v0")}
  ${finish(0, "c")}
  a = d3 + lda; m -= c;
 }`,
  };
};

/** y[j] = clamp(init + sum over i in order of A[i][j] * x[i]), init = (y[j] if acc) + bias[j]; m rows, k columns; y is written m/4 times. */
const gemvT = (flavor: Flavor): KernelSource => {
  const add = madd(flavor);
  const pass = (load: (p: string) => string, save: string) =>
    `let s = ${load("y")}; ${each(4, (r) => add("s", `x${r}`, load(r ? `a + lda * ${r}` : "a")))} ${save}`;
  const one = (load: (p: string) => string, save: string) => `let s = ${load("y")}; ${add("s", "x0", load("a"))} ${save}`;
  const rows = (count: number, body: (load: (p: string) => string, save: string) => string) => `
  ${each(count, (r) => `const x${r} = v128.load32_splat(x, ${r * 4});`)}
  let j: usize = 0;
  for (; j < whole; j += 16) { ${body((p) => `v128.load(${p} + j)`, "v128.store(y + j, s);")} }
  for (; j < bytes; j += 4) { ${body((p) => `v128.load32_zero(${p} + j)`, "v128.store32_lane(y + j, s, 0);")} }`;
  return {
    name: "gemv_t",
    params: [...VECTOR_PARAMS],
    body: `
 const bytes = usize(k) * 4, whole = bytes & ~15;
 if (!acc) { if (bias) memory.copy(y, bias, bytes); else memory.fill(y, 0, bytes); }
 else if (bias) for (let j: usize = 0; j < bytes; j += 4) store<f32>(y + j, load<f32>(y + j) + load<f32>(bias + j));
 for (; m >= 4; m -= 4) { ${rows(4, pass)}
  a += lda * 4; x += 16;
 }
 for (; m > 0; --m) { ${rows(1, one)}
  a += lda; x += 4;
 }
 if (lo > -Infinity || hi < Infinity) for (let j: usize = 0; j < bytes; j += 4) store<f32>(y + j, clamp1(load<f32>(y + j), lo, hi));`,
  };
};

export function gemm(flavor: Flavor): Template {
  const widths = [...new Set(GEMM_TILES.flat())];
  return {
    helpers: widths.map(packer).join("") + GEMM_TILES.map(([MR, NR]) => inner(flavor, MR, NR)).join(""),
    kernels: [...GEMM_TILES.map(([MR, NR]) => gemmKernel(MR, NR)), packPanels, gemv(flavor), gemvT(flavor)],
  };
}

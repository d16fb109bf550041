/**
 * Winograd F(4x4, 3x3) convolution on planes of four images (a pixel is one vector), so that no transform needs a shuffle.
 *
 * Forward: w4_weights once, then for a few rows of tiles at a time w4_in, wgemm, w4_out. Input gradient: the same with rotated, transposed
 * weights. Weight gradient: w4_in, w4_dy, wdots, and at the end w4_dweights.
 * Arrays in the transformed domain have 36 frequencies whose stride the caller pads by 64 bytes: powers of two would share cache sets.
 */
import { AT, BT, G, terms, transposed } from "../winograd-matrices.js";
import { type Flavor, type KernelSource, madd, type ParamText, seq, type Template } from "./emit.js";
import { products } from "./sddmm.js";
import { each, sumLanes, unrolled } from "./simd.js";

type Matrix = readonly (readonly number[])[];

/** The expression sum_i row[i] * v(i). */
function linear(row: readonly number[], v: (i: number) => string): string {
  const term = (by: number, x: string) => (Math.abs(by) === 1 ? x : `f32x4.mul(f32x4.splat(${Math.fround(Math.abs(by))}), ${x})`);
  return terms(row).reduce((sum, { at, by }) => {
    const t = term(by, v(at));
    if (!sum) return by > 0 ? t : `f32x4.neg(${t})`;
    return `f32x4.${by > 0 ? "add" : "sub"}(${sum}, ${t})`;
  }, "");
}

/** The function `name`: `T` times the vectors at p, p + ps, ..., to q, q + qs, .... For planes of single images, where transforms take a tenth of the time. */
const lineOf = (name: string, T: Matrix): string => `
function ${name}(p: usize, ps: usize, q: usize, qs: usize): void {
 ${each(T[0]!.length, (j) => `const d${j} = v128.load(p);${j + 1 < T[0]!.length ? " p += ps;" : ""}`)}
 ${each(T.length, (i) => `v128.store(q, ${linear(T[i]!, (j) => `d${j}`)});${i + 1 < T.length ? " q += qs;" : ""}`)}
}
`;

/** Statements for T x T^t: columns first, through memory at `mid`, then rows. */
function sandwich(
  T: Matrix,
  mid: string,
  read: (i: number, j: number) => string,
  write: (i: number, j: number, value: string) => string,
): string {
  const [n, k] = [T.length, T[0]!.length];
  const columns = each(k, (j) => {
    const loads = each(k, (i) => (T.some((row) => row[i]) ? `const d${i} = ${read(i, j)};` : ""));
    return `{ ${loads} ${each(n, (i) => `v128.store(${mid}, ${linear(T[i]!, (q) => `d${q}`)}, ${(i * k + j) * 16});`)} }\n   `;
  });
  const rows = each(n, (i) => {
    const loads = each(k, (j) => `const d${j} = v128.load(${mid}, ${(i * k + j) * 16});`);
    return `{ ${loads} ${each(n, (j) =>
      write(
        i,
        j,
        linear(T[j]!, (q) => `d${q}`),
      ),
    )} }\n   `;
  });
  return columns + rows;
}

/** Loops over channels and tiles; `p` is the pixel of plane `plane` where a tile starts, `over` whether it reaches past h x w. */
const tiles = (plane: string, array: string, body: string): string => `
 for (let i: i32 = 0; i < c; ++i) { let f = ${array};
  for (let ty: i32 = 0; ty < th; ++ty) for (let tx: i32 = 0; tx < tw; ++tx) {
   let p = ${plane} + usize(ty * 4) * rs + usize(tx) * 64; const left = h - ty * 4, wide = w - tx * 4; const over = left < 4 || wide < 4;
   ${body}
   f += 16;
  }
  ${array} += ts; ${plane} += ps;
 }`;

const TILE_PARAMS = (plane: string, array: string): ParamText[] => [
  "c: i32", `${plane}: usize`, "ps: usize", "rs: usize", "h: i32", "w: i32", "th: i32", "tw: i32", `${array}: usize`, "fs: usize", "ts: usize",
]; // biome-ignore format: a table

/** Rows of `size` pixels at p, stepping by `step`. */
const rowPointers = (size: number) => each(size, (i) => `const p${i} = ${i ? `p${i - 1} + step` : "p"};`);

/** Where a tile overhangs, its pixels within the plane (and its border of 1, for inputs) are copied to scratch among zeros. */
const fetch = (size: number, border: number): string => `let step = rs;
   if (over) {
    const patch = scratch + 640; memory.fill(patch, 0, ${size * size * 16});
    const rows = min(${size}, left + ${border}), bytes = usize(min(${size}, wide + ${border})) * 16;
    for (let r: i32 = 0; r < rows; ++r) memory.copy(patch + usize(r) * ${size * 16}, p + usize(r) * rs, bytes);
    p = patch; step = ${size * 16};
   }`;

/** Planes to frequencies by the matrix T. */
const forward = (name: string, T: Matrix, border: number): KernelSource => {
  const size = T[0]!.length;
  const read = (i: number, j: number) => `v128.load(p${i}, ${j * 16})`;
  const write = (i: number, j: number, value: string) => `v128.store(f + fs * ${i * 6 + j}, ${value});`;
  const body = `${fetch(size, border)}\n   ${rowPointers(size)}\n   ${sandwich(T, "scratch", read, write)}`;
  return { name, params: [...TILE_PARAMS("x", "v"), "scratch: usize"], body: tiles("x", "v", body) };
};

/** Frequencies to planes; acc adds to what is there. Pixels past h x w are left alone. */
const backward = (): KernelSource => {
  const read = (i: number, j: number) => `v128.load(f + fs * ${i * 6 + j})`;
  const put = (i: number, j: number, value: string) => `v128.store(p${i}, ${value}, ${j * 16});`;
  const sum = (i: number, j: number, value: string) =>
    `v128.store(p${i}, f32x4.add(v128.load(p${i}, ${j * 16}), ${value}), ${j * 16});`;
  const body = `let step = rs; const home = p; const rows = min(4, left), bytes = usize(min(4, wide)) * 16;
   if (over) {
    p = scratch + 640; step = 64;
    if (acc) { memory.fill(p, 0, 256); for (let r: i32 = 0; r < rows; ++r) memory.copy(p + usize(r) * 64, home + usize(r) * rs, bytes); }
   }
   ${rowPointers(4)}
   if (acc) { ${sandwich(AT, "scratch", read, sum)} } else { ${sandwich(AT, "scratch", read, put)} }
   if (over) for (let r: i32 = 0; r < rows; ++r) memory.copy(home + usize(r) * rs, p + usize(r) * 64, bytes);`;
  return { name: "w4_out", params: [...TILE_PARAMS("y", "m"), "acc: i32", "scratch: usize"], body: tiles("y", "m", body) };
};

/** m[f][o][t] = sum_i u[f][o/4][i][4] v[f][i][t]: batched products in tiles of 4 rows x 2 vectors. */
function wgemm(flavor: Flavor): KernelSource {
  const add = madd(flavor);
  const rows = seq(4);
  const step = (vectors: number) => `${each(vectors, (z) => `const x${z} = v128.load(p, ${z * 16});`)}
     ${rows.map((r) => `const w${r} = v128.load32_splat(q, ${r * 4}); ${each(vectors, (z) => add(`a${r}_${z}`, `w${r}`, `x${z}`))}`).join("\n     ")}
     p += ts; q += 16;`;
  const block = (vectors: number) => `{ let q = u, o = m + j;
   for (let b: i32 = 0; b < cob; ++b) { let p = v + j;
    ${rows.map((r) => each(vectors, (z) => `let a${r}_${z} = f32x4.splat(0);`)).join(" ")}
    const end = q + usize(cin) * 16;
    ${unrolled(step(vectors), "q < end")}
    ${rows.map((r) => `${each(vectors, (z) => `v128.store(o, a${r}_${z}, ${z * 16});`)} o += ts;`).join(" ")}
   } }`;
  return {
    name: "wgemm",
    params: [
      "nf: i32", "cob: i32", "cin: i32", "t: i32", "u: usize", "ufs: usize", "v: usize", "vfs: usize", "m: usize", "mfs: usize", "ts: usize",
    ], // biome-ignore format: a table
    body: `
 const bytes = usize(t) * 16;
 for (let f: i32 = 0; f < nf; ++f) { let j: usize = 0;
  for (; j + 31 < bytes; j += 32) ${block(2)}
  if (j < bytes) ${block(1)}
  u += ufs; v += vfs; m += mfs;
 }`,
  };
}

/** du[f][o][i] (+)= sum_t d[f][o][t] v[f][i][t], in tiles of 4 x 2; what is left over, one by one. */
function wdots(flavor: Flavor): KernelSource {
  return {
    name: "wdots",
    params: [
      "nf: i32", "co: i32", "ci: i32", "t: i32", "d: usize", "dfs: usize", "v: usize", "vfs: usize", "ts: usize", "du: usize", "ufs: usize",
      "acc: i32",
    ], // biome-ignore format: a table
    body: `
 const whole = usize(t) * 16, rest: i32 = 0, row = usize(ci) * 4, pairs = ci & ~1;
 for (let f: i32 = 0; f < nf; ++f) { let o: i32 = 0, top = d, to = du;
  for (; o + 4 <= co; o += 4) {
   const d0 = top, d1 = d0 + ts, d2 = d1 + ts, d3 = d2 + ts; let p0 = v, z = to;
   for (let i: i32 = 0; i < pairs; i += 2) {
    const p1 = p0 + ts;
    ${products(flavor, 4, 2)}
    ${sumLanes(["s0_0", "s0_1", "s1_0", "s1_1"], "v0", "let")} ${sumLanes(["s2_0", "s2_1", "s3_0", "s3_1"], "v1", "let")}
    const z1 = z + row, z2 = z1 + row, z3 = z2 + row;
    if (acc) {
     v0 = f32x4.add(v0, v128.load64_lane(z1, v128.load64_zero(z), 1));
     v1 = f32x4.add(v1, v128.load64_lane(z3, v128.load64_zero(z2), 1));
    }
    v128.store64_lane(z, v0, 0); v128.store64_lane(z1, v0, 1); v128.store64_lane(z2, v1, 0); v128.store64_lane(z3, v1, 1);
    p0 = p1 + ts; z += 8;
   }
   top += ts * 4; to += row * 4;
  }
  for (let r: i32 = 0; r < co; ++r) for (let i: i32 = r < o ? pairs : 0; i < ci; ++i) {
   const z = du + usize(r) * row + usize(i) * 4, dot = vector_dot(d + usize(r) * ts, v + usize(i) * ts, whole);
   store<f32>(z, acc ? load<f32>(z) + dot : dot);
  }
  d += dfs; v += vfs; du += ufs;
 }`,
  };
}

/** One dot product in the order of the tiles. */
const vectorDot = (flavor: Flavor): string => `
function vector_dot(p: usize, q: usize, bytes: usize): f32 {
 let s = f32x4.splat(0);
 for (let j: usize = 0; j < bytes; j += 16) { ${madd(flavor)("s", "v128.load(p + j)", "v128.load(q + j)")} }
 return (f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1)) + (f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3));
}
`;

/** u[f][o/4][i][4] = (G w G^t)[f], four output channels in the lanes; rot turns each filter by 180 degrees. o is a multiple of 4. */
const weights = (): KernelSource => ({
  name: "w4_weights",
  params: ["o: i32", "i: i32", "w: usize", "so: usize", "si: usize", "rot: i32", "u: usize", "ufs: usize"],
  body: `
 for (let b: i32 = 0; b < o; b += 4) { let q = w;
  for (let k: i32 = 0; k < i; ++k) {
   ${each(9, (e) => {
     const at = `const q${e} = q + (rot ? ${(8 - e) * 4} : ${e * 4});`;
     const lane = (r: number, v: string) => `v128.load32_lane(q${e} + so * ${r}, ${v}, ${r})`;
     return `${at} const e${e} = ${lane(3, lane(2, lane(1, `v128.load32_zero(q${e})`)))};\n   `;
   })}
   let f = u;
   ${each(6, (a) => {
     const row = each(3, (z) => `const t${z} = ${linear(G[a]!, (k) => `e${k * 3 + z}`)};`);
     return `{ ${row} ${each(6, (z) => `v128.store(f, ${linear(G[z]!, (k) => `t${k}`)}); f += ufs;`)} }\n   `;
   })}
   u += 16; q += si;
  }
  w += so * 4;
 }`,
});

/** g[e][3][3] (+)= G^t du[.][e] G for e < n, four filters in the lanes. */
const weightGradients = (): KernelSource => {
  const GT = transposed(G);
  const quad = (load: string, put: (k: number) => string) => `
   ${each(6, (z) => {
     const loads = each(6, (a) => `const d${a} = ${load.replace("AT", `f + ufs * ${a * 6 + z}`)};`);
     return `{ ${loads} ${each(3, (k) => `v128.store(scratch, ${linear(GT[k]!, (a) => `d${a}`)}, ${(k * 6 + z) * 16});`)} }\n   `;
   })}
   ${each(3, (k) => {
     const loads = each(6, (z) => `const d${z} = v128.load(scratch, ${(k * 6 + z) * 16});`);
     return `{ ${loads} ${each(3, (r) => `const r${r} = ${linear(GT[r]!, (z) => `d${z}`)}; ${put(k * 3 + r).replaceAll("VALUE", `r${r}`)}`)} }\n   `;
   })}`;
  const lane = (k: number, i: number) =>
    `{ const q = g + ${i * 36 + k * 4}; const t = f32x4.extract_lane(VALUE, ${i}); store<f32>(q, acc ? load<f32>(q) + t : t); }`;
  return {
    name: "w4_dweights",
    params: ["n: i32", "du: usize", "ufs: usize", "g: usize", "acc: i32", "scratch: usize"],
    body: `
 let f = du;
 for (; n > 0; n -= 4) {
  if (n >= 4) { ${quad("v128.load(AT)", (k) => each(4, (i) => lane(k, i)))} }
  else { ${quad("load_part(AT, n)", (k) => each(3, (i) => `if (n > ${i}) ${lane(k, i)}`))} }
  f += 16; g += 144;
 }`,
  };
};

export function winograd(flavor: Flavor): Template {
  return {
    helpers: vectorDot(flavor) + lineOf("w4_bt", BT) + lineOf("w4_at", AT),
    kernels: [
      forward("w4_in", BT, 2),
      forward("w4_dy", transposed(AT), 0),
      backward(),
      wgemm(flavor),
      wdots(flavor),
      weights(),
      weightGradients(),
    ],
  };
}

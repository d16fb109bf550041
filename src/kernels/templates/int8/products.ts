/**
 * Sparse and dense int8 products: blocks of 4 outputs x 4 inputs over strips of pixels (1x1 convolutions, and any convolution whose
 * taps are offsets), and one vector times a matrix.
 */
import { INLINE, type KernelSource, seq, type Template } from "../emit.js";
import { BLOCK_BYTES, begin, dots, type Int8Flavor } from "./arithmetic.js";

const PARAMS = [
  "nb: i32", "cnt: usize", "w: usize", "bias: usize", "scale: usize", "x: usize", "y: usize", "n: i32", "ys: usize",
  "lo: i32", "hi: i32", "zero: i32", "r: usize", "rs: f32", "rz: i32",
] as const; // biome-ignore format: a table
const NAMES = PARAMS.map((p) => p.split(":")[0]!);

/**
 * One tile of P pixels, all blocks of outputs. One pointer walks from block to block of the stream and ends where it began. The build
 * `madd` takes two blocks at a time: their number is even for each four outputs, and weights of one sign of two columns of both sum to
 * at most MADD_SUM.
 */
function tile(flavor: Int8Flavor, pixels: 4 | 8): string {
  const rows = seq(4);
  const vectors = seq(pixels / 4);
  const relaxed = flavor !== "plain";
  const madd = flavor === "madd";
  // Plain: two pixels' channels as i16, four sums of pairs; relaxed: four pixels, four sums.
  const parts = relaxed ? vectors : seq(pixels / 2);
  const load = (j: number) => (relaxed ? `v128.load(q, ${j * 16})` : `v128.load8x8_u(q, ${j * 8})`);
  const weight = (r: number) => {
    const bytes = `v128.load32_splat(w, ${4 + r * 4})`;
    return relaxed ? bytes : `i16x8.extend_low_i8x16_s(${bytes})`;
  };
  const add = (r: number, j: number) =>
    madd
      ? `a${r}_${j} = i32x4.add(a${r}_${j}, i32x4.dot_i16x8_s(i16x8.add(i16x8.relaxed_dot_i8x16_i7x16_s(w${r}, x${j}), i16x8.relaxed_dot_i8x16_i7x16_s(v${r}, z${j})), ones));`
      : relaxed
        ? `a${r}_${j} = i32x4.relaxed_dot_i8x16_i7x16_add_s(w${r}, x${j}, a${r}_${j});`
        : `a${r}_${j} = i32x4.add(a${r}_${j}, i32x4.dot_i16x8_s(w${r}, x${j}));`;
  const sum = (r: number, j: number) => {
    const a = relaxed ? `a${r}_${j}` : `q8_pairs(a${r}_${j * 2}, a${r}_${j * 2 + 1})`;
    return `f32x4.mul(f${r}, f32x4.convert_i32x4_s(i32x4.add(b${r}, ${a})))`;
  };
  const residual = (r: number) =>
    `f32x4.mul(vrs, f32x4.convert_i32x4_s(i32x4.sub(i8x16.shuffle(v, Z, ${seq(4)
      .map((p) => `${p * 4 + r}, 16, 16, 16`)
      .join(", ")}), vrz)))`;
  const out = (j: number, values: readonly string[]) =>
    `v128.store(y, q8_turn(q8_narrow(${values.map((v) => `q8_round(${v}, magic, vz)`).join(", ")}, vlo, vhi), mask), ${j * 16});`;
  return `${INLINE}function q8_tile${pixels}(${PARAMS.join(", ")}): void {
 ${begin("scale")}
 const vlo = i8x16.splat(i8(lo)), vhi = i8x16.splat(i8(hi)), vz = i32x4.sub(i32x4.splat(zero), magic), vrs = f32x4.splat(rs), vrz = i32x4.splat(rz), Z = i8x16.splat(0);
 for (let i: i32 = 0; i < nb; ++i) {
  ${rows.map((r) => parts.map((j) => `let a${r}_${j} = i32x4.splat(0);`).join(" ")).join(" ")}
  const we = w + usize(load<i32>(cnt)) * ${BLOCK_BYTES}; cnt += 4;
  while (w < we) {
   const q = x; x += usize(load<i32>(w)); ${parts.map((j) => `const x${j} = ${load(j)};`).join(" ")}
   ${madd ? `const u = x; x += usize(load<i32>(w, ${BLOCK_BYTES})); ${parts.map((j) => `const z${j} = v128.load(u, ${j * 16});`).join(" ")}` : ""}
   ${rows.map((r) => `const w${r} = ${weight(r)}; ${madd ? `const v${r} = v128.load32_splat(w, ${BLOCK_BYTES + 4 + r * 4});` : ""} ${parts.map((j) => add(r, j)).join(" ")}`).join("\n   ")}
   w += ${madd ? 2 * BLOCK_BYTES : BLOCK_BYTES};
  }
  ${rows.map((r) => `const b${r} = v128.load32_splat(bias, ${r * 4}), f${r} = v128.load32_splat(scale, ${r * 4});`).join(" ")}
  bias += 16; scale += 16;
  if (r) {
   ${vectors
     .map(
       (j) =>
         `{ const v = v128.load(r, ${j * 16}); ${out(
           j,
           rows.map((k) => `f32x4.add(${sum(k, j)}, ${residual(k)})`),
         )} }`,
     )
     .join("\n   ")}
   r += ys;
  } else {
   ${vectors
     .map((j) =>
       out(
         j,
         rows.map((k) => sum(k, j)),
       ),
     )
     .join("\n   ")}
  }
  y += ys;
 }
}`;
}

function strips(flavor: Int8Flavor): KernelSource {
  const call = (pixels: number, at: string) =>
    `q8_tile${pixels}(${NAMES.map((name) => (name === "x" || name === "y" ? `${name} + usize(${at}) * 4` : name === "r" ? `r ? r + usize(${at}) * 4 : 0` : name)).join(", ")});`;
  return {
    name: "q8_sp",
    params: PARAMS,
    body:
      flavor !== "plain"
        ? `let p: i32 = 0; for (; p + 8 <= n; p += 8) ${call(8, "p")}
 if (n - p > 4) { ${call(4, "p")} p += 4; }
 if (p < n) ${call(4, "n - 4")}`
        : `let p: i32 = 0; for (; p + 4 <= n; p += 4) ${call(4, "p")}
 if (p < n) ${call(4, "n - 4")}`,
  };
}

/** y[o] = scale[o] * (start[o] + sum of w[o][i] x[i]) + bias[o], f32. Rows of `kb` bytes, a multiple of 16; rows of w to a multiple of 4. */
function vector(flavor: Int8Flavor): KernelSource {
  const d = dots(flavor);
  const rows = seq(4);
  return {
    name: "q8_linear",
    params: ["o: i32", "kb: i32", "w: usize", "x: usize", "start: usize", "scale: usize", "bias: usize", "y: usize"],
    body: `${begin("scale")} for (let i: i32 = 0; i < o; i += 4) {
  ${rows.map((r) => d.open(`a${r}`)).join(" ")}
  for (let k: i32 = 0; k < kb; k += 16) {
   ${d.data("v", "v128.load(x + usize(k))")}
   ${rows.map((r) => `{ ${d.weight("u", `v128.load(w + usize(k) + usize(kb) * ${r})`)} ${d.add(`a${r}`, "u", "v")} }`).join("\n   ")}
  }
  w += usize(kb) * 4;
  ${rows.map((r) => `const s${r} = ${d.value(`a${r}`, "i32x4.splat(0)")};`).join(" ")}
  // ((0,1), (2,3)) sums of each row, then rows side by side.
  const t0 = q8_pairs(s0, s1), t1 = q8_pairs(s2, s3);
  const total = i32x4.add(v128.load(start), q8_pairs(t0, t1));
  const v = f32x4.add(f32x4.mul(v128.load(scale), f32x4.convert_i32x4_s(total)), v128.load(bias));
  start += 16; scale += 16; bias += 16;
  if (i + 4 <= o) v128.store(y, v);
  else { store<f32>(y, f32x4.extract_lane(v, 0)); if (i + 1 < o) store<f32>(y, f32x4.extract_lane(v, 1), 4); if (i + 2 < o) store<f32>(y, f32x4.extract_lane(v, 2), 8); }
  y += 16;
 }`,
  };
}

/** Products of the int8 module. */
export function int8Products(flavor: Int8Flavor): Template {
  const tiles = flavor !== "plain" ? [tile(flavor, 8), tile(flavor, 4)] : [tile(flavor, 4)];
  return { helpers: tiles.join("\n"), kernels: [strips(flavor), vector(flavor)] };
}

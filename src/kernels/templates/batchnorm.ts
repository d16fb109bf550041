/**
 * Batch normalisation on planes. A tensor is c planes of h rows; a row is w4 vectors and then `tail` floats (0..3). Each tensor
 * has its own plane stride and row stride; pointers are pixel (0, 0) of plane 0. With four images in a vector, w4 is the
 * width and the sums run over images and pixels alike.
 *
 * Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1 and its gradient.
 */
import { type KernelSource, seq, type Template } from "./emit.js";
import { type Place, strip } from "./strip.js";

/** Single-precision partial sums hold this many vectors at most before they go to double precision. */
export const BAND = 64;

const PLANE = ["c: i32", "h: i32", "w4: i32", "tail: i32"] as const;

/** c planes of h rows over tensors whose pointers are `x`, plane strides `xps`, row strides `xrs`. */
const planes = (tensors: readonly string[], before: string, row: string, after: string): string => `
 for (let i: i32 = 0; i < c; ++i) { ${before}
  ${tensors.map((t) => `let ${t}r = ${t};`).join(" ")}
  for (let r: i32 = 0; r < h; ++r) { ${tensors.map((t) => `let ${t}p = ${t}r;`).join(" ")}
   ${row}
   ${tensors.map((t) => `${t}r += ${t}rs;`).join(" ")} }
  ${after} ${tensors.map((t) => `${t} += ${t}ps;`).join(" ")} }`;

/** Two sums over each plane: eight accumulators of single precision, emptied into double precision every BAND vectors. */
function sums(tensors: readonly string[], body: (at: Place) => string): string {
  const a = seq(4).map((u) => `a${u}`);
  const b = seq(4).map((u) => `b${u}`);
  const flush = `{ const s = f32x4.add(f32x4.add(a0, a1), f32x4.add(a2, a3)), q = f32x4.add(f32x4.add(b0, b1), f32x4.add(b2, b3));
    s0 = f64x2.add(s0, f64x2.promote_low_f32x4(s)); s1 = f64x2.add(s1, f64x2.promote_low_f32x4(v128.shuffle<f32>(s, s, 2, 3, 0, 1)));
    q0 = f64x2.add(q0, f64x2.promote_low_f32x4(q)); q1 = f64x2.add(q1, f64x2.promote_low_f32x4(v128.shuffle<f32>(q, q, 2, 3, 0, 1)));
    ${[...a, ...b].map((v) => `${v} = z;`).join(" ")} run = 0; }`;
  const before = `let ${[...a, ...b].map((v) => `${v} = z`).join(", ")}; let s0 = f64x2.splat(0), s1 = s0, q0 = s0, q1 = s0; let run: i32 = 0;`;
  const row = `let more = w4;
   do { const m = min(more, ${BAND}), t = m == more ? tail : 0;
    ${strip(
      tensors.map((t) => `${t}p`),
      body,
      { vectors: "m", tail: "t" },
    )}
    more -= m; run += m + i32(t > 0);
    if (run >= ${BAND}) ${flush}
   } while (more > 0);`;
  const total = (v: string) =>
    `(f64x2.extract_lane(${v}0, 0) + f64x2.extract_lane(${v}0, 1)) + (f64x2.extract_lane(${v}1, 0) + f64x2.extract_lane(${v}1, 1))`;
  const after = `${flush} store<f64>(sums, ${total("s")}); store<f64>(sums, ${total("q")}, 8); sums += 16;`;
  return planes(tensors, before, row, after);
}

const stats: KernelSource = {
  name: "bn_stats",
  params: [...PLANE, "x: usize", "xps: usize", "xrs: usize", "sums: usize"],
  body: `const z = f32x4.splat(0);${sums(
    ["x"],
    ({ u, load }) => `const v = ${load("xp")}; a${u} = f32x4.add(a${u}, v); b${u} = f32x4.add(b${u}, f32x4.mul(v, v));`,
  )}`,
};

const finish: KernelSource = {
  name: "bn_finish",
  params: [
    ...["c: i32", "groups: i32", "count: f32", "eps: f32", "sums: usize", "gs: usize", "gamma: usize", "beta: usize"],
    ...["ab: usize", "mean: usize", "variance: usize", "inv: usize"],
  ] as KernelSource["params"],
  body: `const n = f64(count);
 for (let i: i32 = 0; i < c; ++i) { let s: f64 = 0, q: f64 = 0, p = sums;
  for (let g: i32 = 0; g < groups; ++g) { s += load<f64>(p); q += load<f64>(p, 8); p += gs; }
  const m = s / n, v = max<f64>(0, q / n - m * m), k = 1 / sqrt(v + f64(eps));
  const a = gamma ? f64(load<f32>(gamma + usize(i) * 4)) * k : k, b = beta ? f64(load<f32>(beta + usize(i) * 4)) : 0;
  store<f32>(ab, f32(a)); store<f32>(ab, f32(b - a * m), 4); ab += 8;
  store<f32>(mean, f32(m)); store<f32>(variance, f32(v)); store<f32>(inv, f32(k)); mean += 4; variance += 4; inv += 4;
  sums += 16; }`,
};

/** running = running + momentum (batch - running), the variance times count / (count - 1) as PyTorch keeps it. */
const running: KernelSource = {
  name: "bn_running",
  params: ["c: i32", "momentum: f32", "unbias: f32", "mean: usize", "variance: usize", "rmean: usize", "rvariance: usize"],
  body: `const keep: f32 = 1 - momentum;
 for (let i: i32 = 0; i < c; ++i) {
  store<f32>(rmean, keep * load<f32>(rmean) + momentum * load<f32>(mean));
  store<f32>(rvariance, keep * load<f32>(rvariance) + momentum * (unbias * load<f32>(variance)));
  mean += 4; variance += 4; rmean += 4; rvariance += 4; }`,
};

const fold: KernelSource = {
  name: "bn_fold",
  params: ["c: i32", "eps: f32", "gamma: usize", "beta: usize", "mean: usize", "variance: usize", "ab: usize"],
  body: `for (let i: i32 = 0; i < c; ++i) { const o = usize(i) * 4, k = 1 / sqrt(f64(load<f32>(variance + o)) + f64(eps));
  const a = gamma ? f64(load<f32>(gamma + o)) * k : k, b = beta ? f64(load<f32>(beta + o)) : 0;
  store<f32>(ab, f32(a)); store<f32>(ab, f32(b - a * f64(load<f32>(mean + o))), 4); ab += 8; }`,
};

function apply(): KernelSource {
  const before = "const a = v128.load32_splat(ab), b = v128.load32_splat(ab, 4); ab += 8;";
  const line = (at: Place) => `f32x4.add(f32x4.mul(a, ${at.load("xp")}), b)`;
  const plain = strip(["xp", "yp"], (at) => at.store("yp", `f32x4.pmax(${line(at)}, low)`));
  const added = strip(["xp", "rp", "yp"], (at) => at.store("yp", `f32x4.pmax(f32x4.add(${line(at)}, ${at.load("rp")}), low)`));
  return {
    name: "bn_apply",
    params: [
      ...PLANE,
      ...(["x: usize", "xps: usize", "xrs: usize", "res: usize", "rps: usize", "rrs: usize"] as const),
      ...(["y: usize", "yps: usize", "yrs: usize", "ab: usize", "lo: f32"] as const),
    ],
    body: `const low = f32x4.splat(lo);
 if (res) { let r_ = res; ${planes(["x", "y"], `${before} let rr = r_;`, `let rp = rr; ${added} rr += rrs;`, "r_ += rps;")} }
 else { ${planes(["x", "y"], before, plain, "")} }`,
  };
}

function backwardSums(): KernelSource {
  const variant = (masked: boolean, stored: boolean) =>
    sums(["d", "x", ...(masked ? ["y"] : []), ...(stored ? ["z_"] : [])], (at) => {
      const d = masked ? `v128.and(${at.load("dp")}, f32x4.gt(${at.load("yp")}, z))` : at.load("dp");
      const store = stored ? at.store("z_p", "d_") : "";
      return `const d_ = ${d}; ${store} a${at.u} = f32x4.add(a${at.u}, d_); b${at.u} = f32x4.add(b${at.u}, f32x4.mul(d_, ${at.load("xp")}));`;
    });
  return {
    name: "bn_bwd_sums",
    params: [
      ...PLANE,
      ...(["dy: usize", "dps: usize", "drs: usize", "y: usize", "yps: usize", "yrs: usize"] as const),
      ...(["x: usize", "xps: usize", "xrs: usize", "dz: usize", "zps: usize", "zrs: usize", "sums: usize"] as const),
    ],
    body: `const z = f32x4.splat(0); let d = dy; let z_ = dz; const z_ps = zps, z_rs = zrs;
 if (y) { if (dz) { ${variant(true, true)} } else { ${variant(true, false)} } }
 else if (dz && dz != dy) { ${variant(false, true)} } else { ${variant(false, false)} }`,
  };
}

const backwardFinish: KernelSource = {
  name: "bn_bwd_finish",
  params: [
    ...(["c: i32", "groups: i32", "count: f32", "sums: usize", "gs: usize", "gamma: usize", "mean: usize"] as const),
    ...(["inv: usize", "abc: usize", "dgamma: usize", "dbeta: usize"] as const),
  ],
  body: `const n = f64(count);
 for (let i: i32 = 0; i < c; ++i) { let s: f64 = 0, q: f64 = 0, p = sums; const o = usize(i) * 4;
  for (let g: i32 = 0; g < groups; ++g) { s += load<f64>(p); q += load<f64>(p, 8); p += gs; }
  const k = f64(load<f32>(inv + o)), m = f64(load<f32>(mean + o)), dg = k * (q - m * s);
  const a = gamma ? f64(load<f32>(gamma + o)) * k : k, b = -(a * k * dg / n);
  store<f32>(abc, f32(a)); store<f32>(abc, f32(b), 4); store<f32>(abc, f32(-(a * s / n) - b * m), 8); abc += 12;
  if (dgamma) store<f32>(dgamma + o, f32(dg));
  if (dbeta) store<f32>(dbeta + o, f32(s));
  sums += 16; }`,
};

function backwardApply(): KernelSource {
  const before = "const a = v128.load32_splat(abc), b = v128.load32_splat(abc, 4), k = v128.load32_splat(abc, 8); abc += 12;";
  const value = (at: Place) => `f32x4.add(f32x4.add(f32x4.mul(a, ${at.load("dp")}), f32x4.mul(b, ${at.load("xp")})), k)`;
  const row = (acc: boolean) =>
    strip(["dp", "xp", "gp"], (at) => at.store("gp", acc ? `f32x4.add(${at.load("gp")}, ${value(at)})` : value(at)));
  return {
    name: "bn_bwd_apply",
    params: [
      ...PLANE,
      ...(["dz: usize", "zps: usize", "zrs: usize", "x: usize", "xps: usize", "xrs: usize"] as const),
      ...(["dx: usize", "ps: usize", "rs: usize", "abc: usize", "acc: i32"] as const),
    ],
    body: `let d = dz, g = dx; const dps = zps, drs = zrs, gps = ps, grs = rs;
 if (acc) { ${planes(["d", "x", "g"], before, row(true), "")} } else { ${planes(["d", "x", "g"], before, row(false), "")} }`,
  };
}

const border: KernelSource = {
  name: "border",
  params: ["c: i32", "h: i32", "wbytes: i32", "base: usize", "ps: usize", "p0: usize", "rs: usize"],
  body: `for (let i: i32 = 0; i < c; ++i) { let p = base, e = base + p0;
  for (let r: i32 = 0; r < h; ++r) { clear(p, e); p = e + usize(wbytes); e += rs; }
  clear(p, base + ps); base += ps; }`,
};

/** Zeroes `bytes` bytes of each of h rows of c planes. */
const clearRows: KernelSource = {
  name: "clear_rows",
  params: ["c: i32", "h: i32", "bytes: usize", "y: usize", "ps: usize", "rs: usize"],
  body: `for (let i: i32 = 0; i < c; ++i) { let p = y;
  for (let r: i32 = 0; r < h; ++r) { clear(p, p + bytes); p += rs; }
  y += ps; }`,
};

export function batchnorm(): Template {
  return {
    helpers: `// @ts-ignore
@inline
function clear(p: usize, e: usize): void { const z = f32x4.splat(0);
 for (; p + 16 <= e; p += 16) v128.store(p, z);
 for (; p < e; p += 4) store<f32>(p, 0); }
`,
    kernels: [stats, finish, running, fold, apply(), backwardSums(), backwardFinish, backwardApply(), border, clearRows],
  };
}

/**
 * Pooling, strided copies and means over planes. `_n4`: a pixel is one vector, the same pixel of four images; `_n1`: a pixel is
 * one float. Pointers are pixel (0, 0) of plane 0; every tensor has its own plane and row stride in bytes.
 */
import { type KernelSource, seq, type Template } from "./emit.js";
import { type Place, strip } from "./strip.js";

type Lanes = "n4" | "n1";

/** How a kind of pixel is held, read, written and computed with. */
const PIXEL = {
  n4: {
    bytes: 16,
    load: (p: string) => `v128.load(${p})`,
    store: (p: string, v: string) => `v128.store(${p}, ${v});`,
    add: (a: string, b: string) => `f32x4.add(${a}, ${b})`,
    div: (a: string, b: string) => `f32x4.div(${a}, ${b})`,
    all: (v: string) => `f32x4.splat(${v})`,
  },
  n1: {
    bytes: 4,
    load: (p: string) => `load<f32>(${p})`,
    store: (p: string, v: string) => `store<f32>(${p}, ${v});`,
    add: (a: string, b: string) => `(${a} + ${b})`,
    div: (a: string, b: string) => `(${a} / ${b})`,
    all: (v: string) => `f32(${v})`,
  },
} as const;

const X = ["x: usize", "xps: usize", "xrs: usize"] as const;
const Y = ["y: usize", "yps: usize", "yrs: usize"] as const;
const WINDOW = [
  ...(["c: i32", "oh: i32", "ow: i32", "kh: i32", "kw: i32", "sy: i32", "sx: i32"] as const),
  ...(["h: i32", "w: i32", "py: i32", "px: i32"] as const),
];

function phase(lanes: Lanes, add: boolean): KernelSource {
  const { bytes, load, store, add: plus } = PIXEL[lanes];
  const step = add ? store("p", plus(load("p"), load("q"))) : store("q", load("p"));
  const whole = strip(
    ["p", "q"],
    (at: Place) => at.store(add ? "p" : "q", add ? `f32x4.add(${at.load("p")}, ${at.load("q")})` : at.load("p")),
    {
      vectors: lanes === "n4" ? "w" : "(w >> 2)",
      tail: lanes === "n4" ? "0" : "(w & 3)",
    },
  );
  return {
    name: `phase_${add ? "add" : "copy"}_${lanes}`,
    params: ["c: i32", "h: i32", "w: i32", ...X, "sy: i32", "sx: i32", ...Y],
    body: `const dp = usize(sx) * ${bytes}, dr = usize(sy) * xrs;
 for (let i: i32 = 0; i < c; ++i) { let xr = x, yr = y;
  for (let r: i32 = 0; r < h; ++r) { let p = xr, q = yr;
   if (sx == 1) ${whole}
   else for (let k: i32 = 0; k < w; ++k) { ${step} p += dp; q += ${bytes}; }
   xr += dr; yr += yrs; }
  x += xps; y += yps; }`,
  };
}

/** Visits output pixels; `pixel` sees the clipped window [r0, r1) x [c0, c1) and `base`, the address of input pixel (r0, c0). */
const windows = (bytes: number, input: string, stride: string, move: string, pixel: string): string => `
 for (let i: i32 = 0; i < c; ++i) {
  for (let r: i32 = 0; r < oh; ++r) { const top = r * sy - py, r0 = max(0, top), r1 = min(h, top + kh);
   for (let k: i32 = 0; k < ow; ++k) { const left = k * sx - px, c0 = max(0, left), c1 = min(w, left + kw);
    const shift = usize(r0) * ${stride} + usize(c0) * ${bytes}; let row = ${input} + shift;
    ${pixel} } }
  ${move} }`;

/** Every input pixel `p` of the window. */
const each = (bytes: number, stride: string, body: string): string =>
  `for (let a = r0; a < r1; ++a) { let p = row; for (let b = c0; b < c1; ++b) { ${body} p += ${bytes}; } row += ${stride}; }`;

const out = (bytes: number, base: string) => `${base} + usize(r) * ${base}rs + usize(k) * ${bytes}`;

/**
 * Four output floats at a time where the windows of all four lie inside the row and the stride is 1 or 2: one load, or the even
 * lanes of two. `value` computes from vectors what the scalar code computes from floats.
 */
const fourWide = (start: string, visit: (x: string) => string, end: string): string => `
    if (sx <= 2 && left >= 0 && left + kw + (sx == 1 ? 3 : 7) <= w && k + 4 <= ow) { ${start}
     for (let a = r0; a < r1; ++a) { let p = row; for (let b: i32 = 0; b < kw; ++b) {
       const v = sx == 1 ? v128.load(p) : v128.shuffle<f32>(v128.load(p), v128.load(p, 16), 0, 2, 4, 6); ${visit("v")} p += 4; } row += xrs; }
     v128.store(y + usize(r) * yrs + usize(k) * 4, ${end}); k += 3; continue; }`;

/** One instruction for the maximum, which forgets NaN, and a mask of NaN seen. */
function maxpool(lanes: Lanes): KernelSource {
  const { bytes } = PIXEL[lanes];
  const start = "let m = f32x4.splat(f32.NEGATIVE_INFINITY), bad = f32x4.splat(0);";
  const visit = (v: string) => `m = f32x4.pmax(${v}, m); bad = v128.or(bad, f32x4.ne(${v}, ${v}));`;
  const end = "v128.bitselect(f32x4.splat(f32.NaN), m, bad)";
  const load = lanes === "n4" ? "v128.load(p)" : "v128.load32_zero(p)";
  const store = lanes === "n4" ? `v128.store(${out(bytes, "y")}, ${end});` : `v128.store32_lane(${out(bytes, "y")}, ${end}, 0);`;
  return {
    name: `maxpool_${lanes}`,
    params: [...WINDOW, ...X, ...Y],
    body: windows(
      bytes,
      "x",
      "xrs",
      "x += xps; y += yps;",
      `${lanes === "n1" ? fourWide(start, visit, end) : ""} ${start} ${each(bytes, "xrs", `const v = ${load}; ${visit("v")}`)} ${store}`,
    ),
  };
}

/** The first pixel of the window, in row-major order, that holds the maximum takes the gradient. */
function maxpoolGrad(lanes: Lanes): KernelSource {
  const { bytes, load } = PIXEL[lanes];
  const open = lanes === "n4" ? "let open = i32x4.splat(-1);" : "let open = true;";
  const take =
    lanes === "n4"
      ? `const hit = v128.and(open, f32x4.eq(v128.load(p), m)); open = v128.andnot(open, hit);
     v128.store(g, f32x4.add(v128.load(g), v128.and(hit, d)));`
      : "if (open && load<f32>(p) == m) { open = false; store<f32>(g, load<f32>(g) + d); }";
  return {
    name: `maxpool_grad_${lanes}`,
    params: [...WINDOW, ...X, ...Y, "dy: usize", "dps: usize", "drs: usize", "dx: usize", "gps: usize", "grs: usize"],
    body: `let d_ = dy; const d_rs = drs;
 ${windows(
   bytes,
   "x",
   "xrs",
   "x += xps; y += yps; d_ += dps; dx += gps;",
   `const m = ${load(out(bytes, "y"))}, d = ${load(out(bytes, "d_"))}; let to = dx + usize(r0) * grs + usize(c0) * ${bytes}; ${open}
    for (let a = r0; a < r1; ++a) { let p = row, g = to; for (let b = c0; b < c1; ++b) { ${take} p += ${bytes}; g += ${bytes}; } row += xrs; to += grs; }`,
 )}`,
  };
}

const COUNT = "const count = f32(countPad ? kh * kw : (r1 - r0) * (c1 - c0));";

function avgpool(lanes: Lanes): KernelSource {
  const { bytes, load, store, add, div, all } = PIXEL[lanes];
  return {
    name: `avgpool_${lanes}`,
    params: [...WINDOW, "countPad: i32", ...X, ...Y],
    body: windows(
      bytes,
      "x",
      "xrs",
      "x += xps; y += yps;",
      `${lanes === "n1" ? fourWide("let s = f32x4.splat(0);", (v) => `s = f32x4.add(s, ${v});`, "f32x4.div(s, f32x4.splat(f32(countPad ? kh * kw : (r1 - r0) * kw)))") : ""}
    ${COUNT} let s = ${all("0")}; ${each(bytes, "xrs", `s = ${add("s", load("p"))};`)} ${store(out(bytes, "y"), div("s", all("count")))}`,
    ),
  };
}

function avgpoolGrad(lanes: Lanes): KernelSource {
  const { bytes, load, store, add, div, all } = PIXEL[lanes];
  return {
    name: `avgpool_grad_${lanes}`,
    params: [...WINDOW, "countPad: i32", "dy: usize", "dps: usize", "drs: usize", "dx: usize", "gps: usize", "grs: usize"],
    body: `let d_ = dy; const d_rs = drs;
 ${windows(
   bytes,
   "dx",
   "grs",
   "d_ += dps; dx += gps;",
   `${COUNT} const d = ${div(load(out(bytes, "d_")), all("count"))}; ${each(bytes, "grs", store("p", add(load("p"), "d")))}`,
 )}`,
  };
}

/** Mean over the plane: four accumulators, then, for `_n1`, the lanes in order. */
function gap(lanes: Lanes): KernelSource {
  const row = strip(["p"], ({ u, load }) => `s${u} = f32x4.add(s${u}, ${load("p")});`, {
    vectors: lanes === "n4" ? "w" : "(w >> 2)",
    tail: lanes === "n4" ? "0" : "(w & 3)",
  });
  const total = "f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3))";
  return {
    name: `gap_${lanes}`,
    params: ["c: i32", "h: i32", "w: i32", ...X, "y: usize"],
    body: `const n = f32(h * w);
 for (let i: i32 = 0; i < c; ++i) { let xr = x, ${seq(4)
   .map((u) => `s${u} = f32x4.splat(0)`)
   .join(", ")};
  for (let r: i32 = 0; r < h; ++r) { let p = xr; ${row} xr += xrs; }
  ${lanes === "n4" ? `v128.store(y, f32x4.div(${total}, f32x4.splat(n))); y += 16;` : `store<f32>(y, sumLanes(${total}) / n); y += 4;`} x += xps; }`,
  };
}

function gapGrad(lanes: Lanes): KernelSource {
  const row = strip(["p"], (at) => at.store("p", "d"), {
    vectors: lanes === "n4" ? "w" : "(w >> 2)",
    tail: lanes === "n4" ? "0" : "(w & 3)",
  });
  return {
    name: `gap_grad_${lanes}`,
    params: ["c: i32", "h: i32", "w: i32", "dy: usize", "dx: usize", "ps: usize", "rs: usize"],
    body: `const n = f32(h * w);
 for (let i: i32 = 0; i < c; ++i) { let xr = dx;
  ${lanes === "n4" ? "const d = f32x4.div(v128.load(dy), f32x4.splat(n)); dy += 16;" : "const d = f32x4.splat(load<f32>(dy) / n); dy += 4;"}
  for (let r: i32 = 0; r < h; ++r) { let p = xr; ${row} xr += rs; }
  dx += ps; }`,
  };
}

export function planes(): Template {
  const all = (lanes: Lanes) => [
    phase(lanes, false),
    phase(lanes, true),
    maxpool(lanes),
    maxpoolGrad(lanes),
    avgpool(lanes),
    avgpoolGrad(lanes),
    gap(lanes),
    gapGrad(lanes),
  ];
  return { kernels: [...all("n4"), ...all("n1")] };
}

/**
 * Reductions of tensors seen as [outer][axis][inner]: inner is contiguous, `so` and `sa` are the byte strides of the other two.
 * With inner = 1 and sa = 4 the lanes run along the axis in a fixed order; otherwise they run over inner.
 */
import { REDUCE, type ReduceKind } from "../kinds.js";
import { type Flavor, type KernelSource, seq, type Template } from "./emit.js";
import { strip } from "./strip.js";

/** `join` of max and min is one instruction but forgets NaN, so those two keep a mask of NaN seen and give NaN in the end. */
interface Rule {
  readonly from: string;
  readonly join: (s: string, v: string) => string;
  readonly lanes: string;
  readonly end: (s: string) => string;
}

const add = (s: string, v: string) => `f32x4.add(${s}, ${v})`;
const same = (s: string) => s;
const RULES: Record<ReduceKind, Rule> = {
  sum: { from: "f32x4.splat(0)", join: add, lanes: "sumLanes", end: same },
  mean: { from: "f32x4.splat(0)", join: add, lanes: "sumLanes", end: (s) => `f32x4.div(${s}, f32x4.splat(f32(axis)))` },
  max: { from: "f32x4.splat(f32.NEGATIVE_INFINITY)", join: (s, v) => `f32x4.pmax(${v}, ${s})`, lanes: "maxLanes", end: same },
  min: { from: "f32x4.splat(f32.POSITIVE_INFINITY)", join: (s, v) => `f32x4.pmin(${v}, ${s})`, lanes: "minLanes", end: same },
  sumSquares: { from: "f32x4.splat(0)", join: (s, v) => add(s, `f32x4.mul(${v}, ${v})`), lanes: "sumLanes", end: same },
};

const keepsNan = (kind: ReduceKind): boolean => kind === "max" || kind === "min";
const BAD = "v128.bitselect(f32x4.splat(f32.NaN), ";

/** The one to three floats at the end join only through lane 0, and only the sums may take the zeros beside them. */
function alongAxis(kind: ReduceKind, rule: Rule): string {
  const nan = keepsNan(kind);
  const fold = nan ? rule.join : add;
  const result = `${rule.lanes}(${fold(fold("s0", "s1"), fold("s2", "s3"))})`;
  return `for (let o: i32 = 0; o < outer; ++o) { let p = x, ${nan ? "bad = f32x4.splat(0), " : ""}${seq(4)
    .map((u) => `s${u} = ${rule.from}`)
    .join(", ")};
  ${strip(
    ["p"],
    (at) => `const t = ${at.whole || !nan ? at.load("p") : "v128.load32_splat(p)"}; s${at.u} = ${rule.join(`s${at.u}`, "t")};
   ${nan ? "bad = v128.or(bad, f32x4.ne(t, t));" : ""}`,
    { vectors: "(axis >> 2)", tail: "(axis & 3)" },
  )}
  const r = ${nan ? `v128.any_true(bad) ? f32.NaN : ${result}` : result};
  store<f32>(y, f32x4.extract_lane(${rule.end("f32x4.splat(r)")}, 0)); x += so; y += yo; }`;
}

/** Strips of 32 floats (two cache lines of every row). @param wide false: of four, which makes the kernel short */
function overInner(kind: ReduceKind, rule: Rule, wide: boolean): string {
  const nan = keepsNan(kind);
  const step = (s: string, bad: string, load: string) =>
    `{ const t = ${load}; ${s} = ${rule.join(s, "t")}; ${nan ? `${bad} = v128.or(${bad}, f32x4.ne(t, t));` : ""} }`;
  const end = (s: string, bad: string) => (nan ? `${BAD}${s}, ${bad})` : rule.end(s));
  const width = nan ? 4 : 8;
  const names = (v: string, from: string) =>
    seq(width)
      .map((u) => `${v}${u} = ${from}`)
      .join(", ");
  return `for (let o: i32 = 0; o < outer; ++o) { let xi = x, yi = y, n = inner;
  ${
    wide
      ? `for (; n >= ${4 * width}; n -= ${4 * width}) { let p = xi, ${names("s", rule.from)}${nan ? `, ${names("b", "f32x4.splat(0)")}` : ""};
   for (let k: i32 = 0; k < axis; ++k) { ${seq(width)
     .map((u) => step(`s${u}`, `b${u}`, `v128.load(p, ${u * 16})`))
     .join(" ")} p += sa; }
   ${seq(width)
     .map((u) => `v128.store(yi, ${end(`s${u}`, `b${u}`)}, ${u * 16});`)
     .join(" ")} xi += ${16 * width}; yi += ${16 * width}; }`
      : ""
  }
  for (; n > 0; n -= 4) { let p = xi, s = ${rule.from}${nan ? ", bad = f32x4.splat(0)" : ""};
   for (let k: i32 = 0; k < axis; ++k) { ${step("s", "bad", "part(p, n)")} p += sa; }
   putPart(yi, ${end("s", "bad")}, n); xi += 16; yi += 16; }
  x += so; y += yo; }`;
}

const reduceKernel = (wide: boolean): KernelSource => ({
  name: "reduce",
  params: ["outer: i32", "axis: i32", "inner: i32", "kind: i32", "x: usize", "so: usize", "sa: usize", "y: usize", "yo: usize"],
  body: `const line = inner == 1 && sa == 4;
 switch (kind) {
${(Object.keys(RULES) as ReduceKind[])
  .map(
    (kind) =>
      `case ${REDUCE[kind]}: if (line) { ${alongAxis(kind, RULES[kind])} } else { ${overInner(kind, RULES[kind], wide)} } break;`,
  )
  .join("\n")}
default: unreachable(); }`,
});

/** The first position of the greatest value; NaN never wins. */
const argmax: KernelSource = {
  name: "argmax",
  params: ["outer: i32", "axis: i32", "inner: i32", "x: usize", "so: usize", "sa: usize", "y: usize"],
  body: `for (let o: i32 = 0; o < outer; ++o) { let xi = x;
  if (inner == 1) { let p = x + sa, best = load<f32>(x), at: i32 = 0;
   for (let a: i32 = 1; a < axis; ++a) { const v = load<f32>(p); p += sa; if (v > best || (best != best && v == v)) { best = v; at = a; } }
   store<i32>(y, at); y += 4; }
  else for (let n = inner; n > 0; n -= 4) { let p = xi, best = part(p, n), at = i32x4.splat(0), k = at;
   for (let a: i32 = 1; a < axis; ++a) { p += sa; k = i32x4.add(k, i32x4.splat(1)); const v = part(p, n);
    const more = v128.or(f32x4.gt(v, best), v128.andnot(f32x4.eq(v, v), f32x4.eq(best, best)));
    best = v128.bitselect(v, best, more); at = v128.bitselect(k, at, more); }
   putPart(y, at, n); xi += 16; y += 4 * usize(min(n, 4)); }
  x += so; }`,
};

/** y[o][i] = x[o][labels[o][i]][i]; a label outside the axis gives NaN and reads nothing. */
const pick: KernelSource = {
  name: "pick",
  params: ["outer: i32", "axis: i32", "inner: i32", "x: usize", "so: usize", "sa: usize", "labels: usize", "y: usize"],
  body: `for (let o: i32 = 0; o < outer; ++o) { let p = x;
  for (let i: i32 = 0; i < inner; ++i) { const k = load<u32>(labels);
   store<f32>(y, k < u32(axis) ? load<f32>(p + usize(k) * sa) : f32.NaN); labels += 4; y += 4; p += 4; }
  x += so; }`,
};

/** dx[o][a][i] = a == labels[o][i] ? dy[o][i] : 0 */
const pickGrad: KernelSource = {
  name: "pick_grad",
  params: ["outer: i32", "axis: i32", "inner: i32", "dy: usize", "labels: usize", "dx: usize", "xo: usize", "xa: usize"],
  body: `for (let o: i32 = 0; o < outer; ++o) { let row = dx;
  if (inner == 1 && xa == 4) { memory.fill(row, 0, usize(axis) * 4); const k = load<u32>(labels); if (k < u32(axis)) store<f32>(row + usize(k) * 4, load<f32>(dy)); }
  else for (let a: i32 = 0; a < axis; ++a) { let q = row, l = labels, d = dy; const k = i32x4.splat(a);
   for (let n = inner; n > 0; n -= 4) { putPart(q, v128.and(part(d, n), i32x4.eq(part(l, n), k)), n); q += 16; l += 16; d += 16; }
   row += xa; }
  dx += xo; dy += usize(inner) * 4; labels += usize(inner) * 4; }`,
};

/** Running sums along the axis. */
const cumsum: KernelSource = {
  name: "cumsum",
  params: ["outer: i32", "axis: i32", "inner: i32", "x: usize", "so: usize", "sa: usize", "y: usize", "yo: usize", "ya: usize"],
  body: `for (let o: i32 = 0; o < outer; ++o) { let xi = x, yi = y;
  for (let n = inner; n > 0; n -= 4) { let p = xi, q = yi, s = f32x4.splat(0);
   for (let a: i32 = 0; a < axis; ++a) { s = f32x4.add(s, part(p, n)); putPart(q, s, n); p += sa; q += ya; }
   xi += 16; yi += 16; }
  x += so; y += yo; }`,
};

/** @param training whether gradients are reduced, in long strips */
export function reduction(_: Flavor, training: boolean): Template {
  return { kernels: [reduceKernel(training), argmax, pick, pickGrad, cumsum] };
}

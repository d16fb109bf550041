import { describe, expect, it } from "vitest";
import { BINARY, type BinaryKind, UNARY, type UnaryKind } from "./kinds.js";
import { hasRelaxedSimd, loadKernels } from "./loader.js";
import { type Bench, bench, type Reference } from "./reference/differential.js";
import {
  accumulate,
  binary2d,
  copy4,
  f32_to_i32,
  i32_to_f32,
  u8_to_f32,
  unary,
  unary2d,
  where2d,
} from "./reference/elementwise.js";
import * as maths from "./reference/maths.js";

const reference: Record<string, Reference> = {
  accumulate,
  binary2d,
  copy4,
  f32_to_i32,
  i32_to_f32,
  u8_to_f32,
  unary,
  unary2d,
  where2d,
};
const flavors = hasRelaxedSimd() ? (["plain", "relaxed"] as const) : (["plain"] as const);
const f = Math.fround;

/** Values that break functions: both zeros, infinities, NaN, subnormals, thresholds of the polynomials. */
const EDGES = [0, -0, 1, -1, 0.5, -0.5, 2.5, -2.5, 1e-40, -1e-40, 3e38, -3e38, 88.7, 89.5, -87.5, -103.5, -110, 1e9].concat(
  [0.625, 0.927734375, Math.SQRT1_2, 1.1754943508222875e-38, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN].map(f),
);
const messy = (b: Bench) => (i: number) =>
  i % 3 === 2 ? EDGES[b.rng.below(EDGES.length)]! : b.rng.normal() * 10 ** (b.rng.below(4) - 1);

for (const flavor of flavors) {
  describe(`elementwise kernels equal their references bit for bit (${flavor})`, async () => {
    const kernels = await loadKernels({ flavor, pages: 8 });
    const same = (b: Bench, name: string, params: Record<string, number>) =>
      expect(b.differ(name, reference[name]!, params)).toBe(null);

    it.each(Object.keys(UNARY) as UnaryKind[])("unary %s", (kind) => {
      for (const n of [0, 1, 2, 3, 4, 5, 7, 16, 19, 75, 150]) {
        const b = bench(kernels, n + 1);
        const x = b.floats(n, messy(b));
        const [lo, hi] = kind === "powScalar" ? [[0.5, -2, 3, 1 / 3, 0][n % 5]!, 0] : [-0.25, 1.75];
        same(b, "unary", { n, kind: UNARY[kind], x, y: b.floats(n), a: f(lo), b: hi });
        same(b, "unary", { n, kind: UNARY[kind], x, y: x, a: f(lo), b: hi });
      }
    });

    it.each(Object.keys(BINARY) as BinaryKind[])("binary2d %s", (kind) => {
      for (let seed = 0; seed < 24; seed++) {
        const b = bench(kernels, seed + 1);
        const outer = [1, 0, 3, 4][seed % 4]!;
        const inner = seed < 4 ? seed : b.rng.below(60);
        const [xsplat, ysplat] = [seed % 5 === 1 ? 1 : 0, seed % 5 > 2 ? 1 : 0];
        const stride = (repeat: boolean) => (repeat ? 0 : 4 * (inner + b.rng.below(3)));
        const [xs, ys, zs] = [stride(seed % 7 === 1), stride(seed % 7 === 2), stride(false)];
        const make = () => b.floats((outer + 1) * (inner + 3), messy(b));
        const [x, y] = [make(), make()];
        same(b, "binary2d", { outer, inner, kind: BINARY[kind], x, xs, xsplat, y, ys, ysplat, z: make(), zs });
        if (!xsplat && xs === zs) same(b, "binary2d", { outer, inner, kind: BINARY[kind], x, xs, xsplat, y, ys, ysplat, z: x, zs });
      }
    });

    it("unary2d", () => {
      for (let outer = 0; outer < 5; outer++) {
        const b = bench(kernels, outer + 1);
        const [inner, xs, ys] = [b.rng.below(20), 4 * (20 + b.rng.below(4)), 4 * (20 + b.rng.below(4))];
        const [x, y] = [b.floats(120, messy(b)), b.floats(120)];
        same(b, "unary2d", { outer, inner, kind: outer % 2 ? UNARY.tanh : UNARY.neg, x, xs, y, ys, a: 0, b: 0 });
      }
    });

    it("where2d", () => {
      for (let seed = 0; seed < 30; seed++) {
        const b = bench(kernels, seed + 1);
        const [outer, inner] = [b.rng.below(4), b.rng.below(40)];
        const stride = () => 4 * (inner + b.rng.below(3));
        const make = () => b.floats((outer + 1) * (inner + 3));
        const cond = b.floats((outer + 1) * (inner + 3), () => b.rng.below(2));
        const [csplat, xsplat, ysplat] = [b.rng.below(2), b.rng.below(2), b.rng.below(2)];
        const from = { cond, cs: stride(), csplat, x: make(), xs: stride(), xsplat, y: make(), ys: 0, ysplat };
        same(b, "where2d", { outer, inner, ...from, z: make(), zs: stride() });
      }
    });

    it("accumulate", () => {
      for (let seed = 0; seed < 40; seed++) {
        const b = bench(kernels, seed + 1);
        const [n, parts] = [b.rng.below(50), b.rng.below(5)];
        const stride = 4 * (n + b.rng.below(5));
        same(b, "accumulate", { n, parts, stride, x: b.floats((parts * stride) / 4 + n), y: b.floats(n), acc: seed % 2 });
      }
    });

    it("copy4 in every order of axes, with repeats", () => {
      const orders = [0, 1, 2, 3].flatMap((a) =>
        [0, 1, 2, 3].flatMap((c) => [0, 1, 2, 3].filter((d) => new Set([a, c, d]).size === 3).map((d) => [a, c, d, 6 - a - c - d])),
      );
      orders.forEach((order, seed) => {
        const b = bench(kernels, seed + 1);
        const d = [0, 1, 2, 3].map(() => (seed === 5 ? 0 : 1 + b.rng.below(9)));
        const strides = (axes: readonly number[]) => {
          const s = [0, 0, 0, 0];
          let step = 4;
          for (const axis of [...axes].reverse()) {
            s[axis] = step;
            step = step * d[axis]! + 4 * b.rng.below(2);
          }
          return s;
        };
        const s = strides(order);
        if (seed % 4 === 3) s[order[3]!] = 0;
        const t = strides([0, 1, 2, 3]);
        const p = Object.fromEntries(
          [0, 1, 2, 3].flatMap((i) => [
            [`d${i}`, d[i]!],
            [`s${i}`, s[i]!],
            [`t${i}`, t[i]!],
          ]),
        );
        const room = 12000;
        same(b, "copy4", { ...p, x: b.floats(room), y: b.floats(room, () => 0) });
      });
    });

    it("conversions", () => {
      for (let n = 0; n < 40; n++) {
        const b = bench(kernels, n + 1);
        const bytes = b.ints(Math.ceil(n / 4) + 1, () => b.rng.bits());
        same(b, "u8_to_f32", { n, x: bytes + (n % 3), y: b.floats(n), scale: f(1 / 255), shift: f(-0.5) });
        same(b, "f32_to_i32", { n, x: b.floats(n, (i) => messy(b)(i) * 100), y: b.floats(n) });
        same(b, "i32_to_f32", { n, x: b.ints(n, () => b.rng.bits()), y: b.floats(n) });
      }
    });
  });
}

/** Distance in units of the last place of the exact value. */
function ulps(got: number, exact: number): number {
  if (Object.is(got, f(exact)) || (Number.isNaN(got) && Number.isNaN(exact))) return 0;
  const unit = 2 ** (Math.max(-126, Math.floor(Math.log2(Math.abs(exact) || 1e-60))) - 23);
  return Math.abs(got - exact) / unit;
}

describe("the polynomials against double precision, at most 4 units in the last place unless named", () => {
  const erfExact = (x: number): number => {
    // series of Abramowitz and Stegun 7.1.6, exact to double precision below 6
    let [term, sum] = [x, x];
    for (let n = 1; n < 400; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return Math.min(1, (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum);
  };
  const spread = (lo: number, hi: number) => Array.from({ length: 4001 }, (_, i) => f(lo + ((hi - lo) * i) / 4000));
  const powers = Array.from({ length: 2000 }, (_, i) => f(2 ** (i / 8 - 148)));
  const worst = (xs: readonly number[], got: (x: number) => number, exact: (x: number) => number) =>
    xs.reduce((most, x) => Math.max(most, ulps(got(x), exact(x))), 0);
  it.each([
    ["exp", maths.exp, Math.exp, spread(-103, 88.7), 2],
    ["log", maths.log, Math.log, [...powers, ...spread(0.4, 3)], 2],
    ["log1p", maths.log1p, Math.log1p, [...powers, ...spread(-0.99, 3)], 4],
    ["tanh", maths.tanh, Math.tanh, [...powers, ...spread(-10, 10)], 5],
    ["2^t", maths.pow2, (x: number) => 2 ** x, spread(-125.9, 127.4), 2],
    ["sigmoid", maths.sigmoid, (x: number) => 1 / (1 + Math.exp(-x)), spread(-80, 80), 4],
    ["erf", maths.erf, erfExact, [...spread(-5, 5), ...spread(-0.1, 0.1)], 2],
    ["softplus", maths.softplus, (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), spread(-80, 80), 4],
    ["pow(x, 1/3)", (x: number) => maths.pow(x, f(1 / 3)), (x: number) => x ** f(1 / 3), powers, 1],
    ["pow(x, -2.5)", (x: number) => maths.pow(x, -2.5), (x: number) => x ** -2.5, spread(0.01, 40), 1],
  ] as const)("%s", (_, got, exact, xs, bound) => {
    expect(worst(xs, got, exact)).toBeLessThanOrEqual(bound);
  });
  it("sin and cos within 1.5e-7 absolute up to |x| = 1e6", () => {
    for (const x of [...spread(-20, 20), ...spread(-1e6, 1e6)]) {
      expect(Math.abs(maths.sine(x, 0) - Math.sin(x))).toBeLessThan(1.5e-7);
      expect(Math.abs(maths.sine(x, 1) - Math.cos(x))).toBeLessThan(1.5e-7);
    }
  });
  it("gelu within 1.2e-7 (1 + |x|), silu 3e-7 (1 + |x|), their slopes within 1e-6 (1 + |x|), of double precision", () => {
    const tanhForm = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
    const silu = (x: number) => x / (1 + Math.exp(-x));
    for (const x of spread(-12, 12)) {
      const most = 1 + Math.abs(x);
      const slope = (form: (x: number) => number) => (form(x + 1e-5) - form(x - 1e-5)) / 2e-5;
      expect(Math.abs(maths.gelu(x) - tanhForm(x)) / most).toBeLessThan(1.2e-7);
      expect(Math.abs(x * maths.sigmoid(x) - silu(x)) / most).toBeLessThan(3e-7);
      expect(Math.abs(maths.geluSlope(x) - slope(tanhForm)) / most).toBeLessThan(1e-6);
      expect(Math.abs(maths.siluSlope(x) - slope(silu)) / most).toBeLessThan(1e-6);
    }
  });
  it("pow at the edges is Math.pow", () => {
    const at = EDGES.concat([3, -3, 4, 0.25]);
    for (const x of at)
      for (const y of at)
        if (y !== 0 || !Number.isNaN(x)) expect([x, y, ulps(maths.pow(x, y), f(special(x, y))) <= 1]).toEqual([x, y, true]);
    // JavaScript alone says NaN for 1^NaN and (+-1)^(+-inf); C and this kernel say 1
    function special(x: number, y: number): number {
      return x === 1 || (Math.abs(x) === 1 && !Number.isFinite(y) && !Number.isNaN(y)) ? 1 : x ** y;
    }
  });
});

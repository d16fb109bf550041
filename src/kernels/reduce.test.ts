import { describe, expect, it } from "vitest";
import { REDUCE, type ReduceKind } from "./kinds.js";
import { hasRelaxedSimd, loadKernels } from "./loader.js";
import { type Bench, bench, type Reference } from "./reference/differential.js";
import * as norm from "./reference/norm.js";
import * as reduce from "./reference/reduce.js";
import * as softmax from "./reference/softmax.js";

const flavors = hasRelaxedSimd() ? (["plain", "relaxed"] as const) : (["plain"] as const);
const f = Math.fround;

/** A tensor [outer][axis][inner] with odd strides: address, outer stride, axis stride. */
function tensor(b: Bench, outer: number, axis: number, inner: number, tight: boolean, value?: (i: number) => number) {
  const sa = 4 * (inner + (tight ? 0 : b.rng.below(4)));
  const so = axis * sa + 4 * b.rng.below(5);
  return [b.floats((outer * so + axis * sa) / 4 + 1, value), so, sa] as const;
}

/** Shapes: lanes along the axis (inner 1, tight), lanes along inner, strided single columns. */
const shapes = Array.from({ length: 36 }, (_, seed) => ({
  seed,
  outer: seed === 0 ? 0 : 1 + (seed % 3),
  axis: 1 + ((seed * 7) % 41),
  inner: seed % 2 ? 1 : seed === 2 ? 0 : 1 + ((seed * 5) % 37),
  tight: seed % 4 !== 3,
}));

for (const flavor of flavors) {
  describe(`kernels along an axis equal their references bit for bit (${flavor})`, async () => {
    const kernels = await loadKernels({ flavor, pages: 8 });
    const same = (b: Bench, name: string, reference: Reference, params: Record<string, number>) =>
      expect(b.differ(name, reference, params)).toBe(null);

    it.each(shapes)("$outer x $axis x $inner, tight $tight", ({ seed, tight, ...dims }) => {
      const b = bench(kernels, seed + 1);
      const { outer, axis, inner } = dims;
      const make = (value?: (i: number) => number) => tensor(b, outer, axis, inner, tight, value);
      const [x, so, sa] = make((i) => (seed % 5 === 4 && i % 11 === 3 ? Number.NaN : f(3 * b.rng.normal())));
      const [y, yo, ya] = make();
      const [dy, dyo, da] = make();
      const [dx, xo, xa] = make();
      for (const kind of Object.keys(REDUCE) as ReduceKind[]) {
        same(b, "reduce", reduce.reduce, { ...dims, kind: REDUCE[kind], x, so, sa, y, yo });
      }
      const labels = b.ints(outer * inner, () => b.rng.below(axis + 2) - 1);
      const flat = b.floats(outer * inner);
      same(b, "argmax", reduce.argmax, { ...dims, x, so, sa, y: flat });
      same(b, "pick", reduce.pick, { ...dims, x, so, sa, labels, y: flat });
      same(b, "pick_grad", reduce.pick_grad, { ...dims, dy: flat, labels, dx, xo, xa });
      same(b, "cumsum", reduce.cumsum, { ...dims, x, so, sa, y, yo, ya });
      same(b, "softmax", softmax.softmax, { ...dims, x, so, sa, y, yo, ya });
      same(b, "softmax_grad", softmax.softmax_grad, { ...dims, dy, dyo, da, y, so: yo, sa: ya, dx, xo, xa });
      same(b, "logsoftmax", softmax.logsoftmax, { ...dims, x, so, sa, y, yo, ya });
      same(b, "logsoftmax_grad", softmax.logsoftmax_grad, { ...dims, dy, dyo, da, y, so: yo, sa: ya, dx, xo, xa });

      const [mean, inv, eps] = [b.floats(outer * inner), b.floats(outer * inner), f(1e-5)];
      const [gamma, beta] = seed % 3 ? [b.floats(axis), b.floats(axis)] : [0, 0];
      const [dgamma, dbeta] = [b.floats(axis), b.floats(axis)];
      const common = { ...dims, x, so, sa };
      same(b, "layernorm", norm.layernorm, { ...common, eps, gamma, beta, y, yo, ya, mean, inv });
      same(b, "layernorm_grad", norm.layernorm_grad, { ...common, dy, dyo, da, gamma, mean, inv, dx, xo, xa });
      for (const acc of [0, 1]) {
        const to = { ...common, dy, dyo, da, inv, dgamma, acc };
        same(b, "layernorm_grad_params", norm.layernorm_grad_params, { ...to, mean, dbeta: seed % 2 ? dbeta : 0 });
        same(b, "rmsnorm_grad_params", norm.rmsnorm_grad_params, to);
      }
      same(b, "rmsnorm", norm.rmsnorm, { ...common, eps, gamma, y, yo, ya, inv });
      same(b, "rmsnorm_grad", norm.rmsnorm_grad, { ...common, dy, dyo, da, gamma, inv, dx, xo, xa });
      same(b, "softmax", softmax.softmax, { ...dims, x, so, sa, y: x, yo: so, ya: sa });
    });
  });
}

describe("kernels along an axis, values", async () => {
  const kernels = await loadKernels({ flavor: "plain", pages: 2 });
  const e = kernels.exports;

  it("softmax of 1, 2, 3 and its logarithm", () => {
    const b = bench(kernels, 1);
    const [x, y] = [b.floats(3, (i) => i + 1), b.floats(3)];
    e.softmax(1, 3, 1, x, 0, 4, y, 0, 4);
    const read = () => Array.from(b.views.f32.subarray(y / 4, y / 4 + 3));
    [0.09003057317, 0.2447284711, 0.6652409558].forEach((v, i) => {
      expect(read()[i]).toBeCloseTo(v, 7);
    });
    e.logsoftmax(1, 3, 1, x, 0, 4, y, 0, 4);
    [-2.4076059644, -1.4076059644, -0.4076059644].forEach((v, i) => {
      expect(read()[i]).toBeCloseTo(v, 6);
    });
  });

  it("the gradients of softmax, layernorm and rmsnorm agree with central differences of their double-precision forms", () => {
    const b = bench(kernels, 2);
    const n = 7;
    const [x, y, dy, dx, gamma, mean, inv] = Array.from({ length: 7 }, () => b.floats(n)) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const read = (at: number) => Array.from(b.views.f32.subarray(at / 4, at / 4 + n));
    const g = read(gamma);
    const average = (v: number[]) => v.reduce((s, t) => s + t, 0) / n;
    const forms: Record<string, (v: number[]) => number[]> = {
      softmax: (v) => v.map((t) => Math.exp(t) / v.reduce((s, u) => s + Math.exp(u), 0)),
      logsoftmax: (v) => v.map((t) => t - Math.log(v.reduce((s, u) => s + Math.exp(u), 0))),
      layernorm: (v) =>
        v.map((t, i) => ((t - average(v)) / Math.sqrt(average(v.map((u) => (u - average(v)) ** 2)) + 1e-5)) * g[i]!),
      rmsnorm: (v) => v.map((t, i) => (t / Math.sqrt(average(v.map((u) => u * u)) + 1e-5)) * g[i]!),
    };
    const runs: Record<string, () => void> = {
      softmax: () => {
        e.softmax(1, n, 1, x, 0, 4, y, 0, 4);
        e.softmax_grad(1, n, 1, dy, 0, 4, y, 0, 4, dx, 0, 4);
      },
      logsoftmax: () => {
        e.logsoftmax(1, n, 1, x, 0, 4, y, 0, 4);
        e.logsoftmax_grad(1, n, 1, dy, 0, 4, y, 0, 4, dx, 0, 4);
      },
      layernorm: () => {
        e.layernorm(1, n, 1, 1e-5, x, 0, 4, gamma, 0, y, 0, 4, mean, inv);
        e.layernorm_grad(1, n, 1, dy, 0, 4, x, 0, 4, gamma, mean, inv, dx, 0, 4);
      },
      rmsnorm: () => {
        e.rmsnorm(1, n, 1, 1e-5, x, 0, 4, gamma, y, 0, 4, inv);
        e.rmsnorm_grad(1, n, 1, dy, 0, 4, x, 0, 4, gamma, inv, dx, 0, 4);
      },
    };
    for (const [name, form] of Object.entries(forms)) {
      runs[name]!();
      const at = read(x);
      form(at).forEach((v, i) => {
        expect(read(y)[i]).toBeCloseTo(v, 5);
      });
      for (let i = 0; i < n; i++) {
        const loss = (h: number) => form(at.with(i, at[i]! + h)).reduce((s, v, k) => s + v * read(dy)[k]!, 0);
        expect(read(dx)[i], `${name} ${i}`).toBeCloseTo((loss(1e-5) - loss(-1e-5)) / 2e-5, 4);
      }
    }
  });
});

describe("the differential bench", () => {
  it("notices one wrong word, inside the output and outside of it", async () => {
    const kernels = await loadKernels({ flavor: "plain", pages: 2 });
    const b = bench(kernels, 3);
    const params = { outer: 1, axis: 5, inner: 1, kind: REDUCE.sum, x: b.floats(5), so: 0, sa: 4, y: b.floats(1), yo: 0 };
    const wrong =
      (offset: number): Reference =>
      (v, p) => {
        reduce.reduce(v, p);
        v.f32[p.y! / 4 + offset] = offset < 0 ? 1.5 : Math.fround(v.f32[p.y! / 4]! * 1.0000002);
      };
    expect(b.differ("reduce", reduce.reduce, params)).toBe(null);
    expect(b.differ("reduce", wrong(0), params)).toContain("reduce: word at");
    expect(b.differ("reduce", wrong(-3), params)).toContain("reduce: word at");
  });
});

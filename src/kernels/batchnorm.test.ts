import { describe, expect, it } from "vitest";
import { hasRelaxedSimd, loadKernels } from "./loader.js";
import * as all from "./reference/batchnorm.js";
import { type Bench, bench, type Reference } from "./reference/differential.js";

const reference: Record<string, Reference> = { ...all };
const flavors = hasRelaxedSimd() ? (["plain", "relaxed"] as const) : (["plain"] as const);

/** A tensor of planes with odd strides: pointer to pixel (0, 0), plane stride, row stride. */
function tensor(b: Bench, c: number, h: number, width: number): [number, number, number] {
  const rs = 4 * (width + b.rng.below(4));
  const ps = h * rs + 4 * b.rng.below(5);
  return [b.floats((c * ps) / 4 + width), ps, rs];
}

const vector = (b: Bench, c: number, positive = false) => b.floats(c, () => (positive ? 0.1 + b.rng.uniform() : b.rng.normal()));

for (const flavor of flavors) {
  describe(`batch normalisation on planes equals its reference bit for bit (${flavor})`, async () => {
    const kernels = await loadKernels({ flavor, pages: 8 });
    const cases = Array.from({ length: 40 }, (_, seed) => {
      const b = bench(kernels, seed + 1);
      const w4 = seed === 0 ? 0 : seed % 13 === 0 ? 70 + b.rng.below(80) : b.rng.below(12);
      return { b, c: seed === 1 ? 0 : 1 + b.rng.below(4), h: seed === 2 ? 0 : 1 + b.rng.below(9), w4, tail: b.rng.below(4) };
    });

    it.each(cases)("stats, apply, backward: $c x $h x ($w4, $tail)", ({ b, ...dims }) => {
      const { c, h } = dims;
      const width = 4 * dims.w4 + dims.tail;
      const [x, xps, xrs] = tensor(b, c, h, width);
      const [y, yps, yrs] = tensor(b, c, h, width);
      const [res, rps, rrs] = tensor(b, c, h, width);
      const [dz, zps, zrs] = tensor(b, c, h, width);
      const sums = b.doubles(2 * c);
      const ab = vector(b, 2 * c);
      const abc = vector(b, 3 * c);
      const run = (name: string, params: Record<string, number>) => expect(b.differ(name, reference[name]!, params)).toBe(null);
      run("bn_stats", { ...dims, x, xps, xrs, sums });
      for (const lo of [0, Number.NEGATIVE_INFINITY]) {
        run("bn_apply", { ...dims, x, xps, xrs, res: 0, rps, rrs, y, yps, yrs, ab, lo });
        run("bn_apply", { ...dims, x, xps, xrs, res, rps, rrs, y, yps, yrs, ab, lo });
      }
      const back = { ...dims, dy: res, dps: rps, drs: rrs, yps, yrs, x, xps, xrs, zps, zrs, sums };
      run("bn_bwd_sums", { ...back, y, dz });
      run("bn_bwd_sums", { ...back, y, dz: 0 });
      run("bn_bwd_sums", { ...back, y: 0, dz });
      run("bn_bwd_sums", { ...back, y: 0, dz: 0 });
      for (const acc of [0, 1]) run("bn_bwd_apply", { ...dims, dz, zps, zrs, x, xps, xrs, dx: y, ps: yps, rs: yrs, abc, acc });
      run("bn_bwd_sums", { ...back, y, dz: res, zps: rps, zrs: rrs });
    });

    it("sums of partials, running statistics, folding", () => {
      for (let seed = 0; seed < 20; seed++) {
        const b = bench(kernels, seed + 100);
        const c = seed;
        const groups = 1 + b.rng.below(4);
        const gs = 16 * c + 16;
        const sums = b.doubles((groups * gs) / 8 + 1, (i) => (i % 2 ? 40 + b.rng.uniform() : b.rng.normal()));
        const v = () => vector(b, c);
        const [gamma, beta] = seed % 3 ? [v(), v()] : [0, 0];
        const [mean, variance, inv] = [v(), vector(b, c, true), vector(b, c, true)];
        const count = 1 + b.rng.below(50);
        const eps = Math.fround(1e-5);
        const run = (name: string, params: Record<string, number>) => expect(b.differ(name, reference[name]!, params)).toBe(null);
        const common = { c, groups, count, sums, gs, gamma };
        const ab = vector(b, 2 * c);
        run("bn_finish", { ...common, eps, beta, ab, mean, variance, inv });
        run("bn_running", { c, momentum: Math.fround(0.1), unbias: Math.fround(1.01), mean, variance, rmean: v(), rvariance: v() });
        run("bn_fold", { c, eps, gamma, beta, mean, variance, ab });
        run("bn_bwd_finish", { ...common, mean, inv, abc: vector(b, 3 * c), dgamma: v(), dbeta: seed % 2 ? v() : 0 });
      }
    });

    it("border zeroes all but the rows", () => {
      for (let seed = 0; seed < 30; seed++) {
        const b = bench(kernels, seed + 200);
        const [c, h, wbytes] = [b.rng.below(4), b.rng.below(6), 4 * b.rng.below(20)];
        const rs = wbytes + 4 * b.rng.below(9);
        const p0 = 4 * b.rng.below(30);
        const ps = p0 + h * rs + 4 * b.rng.below(20);
        expect(b.differ("border", all.border, { c, h, wbytes, base: b.floats((c * ps) / 4), ps, p0, rs })).toBe(null);
        const y = b.floats((c * ps) / 4 + 1);
        expect(b.differ("clear_rows", all.clear_rows, { c, h, bytes: wbytes, y, ps, rs })).toBe(null);
      }
    });
  });
}

describe("batch normalisation, values", () => {
  it("variance of data with mean 100 and deviation 1 is right within 1e-4", async () => {
    const kernels = await loadKernels({ flavor: "plain", pages: 8 });
    const b = bench(kernels, 11);
    const n = 20000;
    const x = b.floats(n, () => 100 + b.rng.normal());
    const [sums, ab, mean, variance, inv] = [b.doubles(2), b.floats(2), b.floats(1), b.floats(1), b.floats(1)];
    kernels.exports.bn_stats(1, 1, n / 4, 0, x, 0, 0, sums);
    kernels.exports.bn_finish(1, 1, n, 0, sums, 0, 0, 0, ab, mean, variance, inv);
    const data = Array.from(b.views.f32.subarray(x / 4, x / 4 + n));
    const m = data.reduce((s, v) => s + v, 0) / n;
    const exact = data.reduce((s, v) => s + (v - m) ** 2, 0) / n;
    expect(Math.abs(b.views.f32[mean / 4]! - m)).toBeLessThan(1e-5);
    expect(Math.abs(b.views.f32[variance / 4]! / exact - 1)).toBeLessThan(1e-4);
  });

  it("normalises to mean 0 and variance 1 and its gradient agrees with finite differences", async () => {
    const kernels = await loadKernels({ flavor: "plain", pages: 2 });
    const b = bench(kernels, 7);
    const n = 37;
    const dims = { c: 1, h: 1, w4: n >> 2, tail: n & 3 };
    const [x, y, dy, dx] = [b.floats(n, () => 3 + 2 * b.rng.normal()), b.floats(n), b.floats(n), b.floats(n)];
    const [sums, gamma, beta, ab, abc] = [b.doubles(2), b.floats(1, () => 1.5), b.floats(1, () => 0.25), b.floats(2), b.floats(3)];
    const [mean, variance, inv, dgamma, dbeta] = [1, 2, 3, 4, 5].map(() => b.floats(1)) as [number, number, number, number, number];
    const { views } = b;
    const e = kernels.exports;
    const forward = () => {
      e.bn_stats(1, 1, dims.w4, dims.tail, x, 0, 0, sums);
      e.bn_finish(1, 1, n, 1e-5, sums, 0, gamma, beta, ab, mean, variance, inv);
      e.bn_apply(1, 1, dims.w4, dims.tail, x, 0, 0, 0, 0, 0, y, 0, 0, ab, Number.NEGATIVE_INFINITY);
      return Array.from(views.f32.subarray(y / 4, y / 4 + n));
    };
    const out = forward().map((v) => (v - 0.25) / 1.5);
    const m = out.reduce((s, v) => s + v, 0) / n;
    expect(m).toBeCloseTo(0, 5);
    expect(out.reduce((s, v) => s + (v - m) ** 2, 0) / n).toBeCloseTo(1, 4);
    e.bn_bwd_sums(1, 1, dims.w4, dims.tail, dy, 0, 0, 0, 0, 0, x, 0, 0, 0, 0, 0, sums);
    e.bn_bwd_finish(1, 1, n, sums, 0, gamma, mean, inv, abc, dgamma, dbeta);
    e.bn_bwd_apply(1, 1, dims.w4, dims.tail, dy, 0, 0, x, 0, 0, dx, 0, 0, abc, 0);
    const loss = () => forward().reduce((s, v, i) => s + v * views.f32[dy / 4 + i]!, 0);
    const check = (at: number, expected: number) => {
      const [was, step] = [views.f32[at / 4]!, 1 / 64];
      views.f32[at / 4] = was + step;
      const up = loss();
      views.f32[at / 4] = was - step;
      const down = loss();
      views.f32[at / 4] = was;
      expect((up - down) / (2 * step)).toBeCloseTo(expected, 2);
    };
    for (const i of [0, 5, 36]) check(x + 4 * i, views.f32[dx / 4 + i]!);
    check(gamma, views.f32[dgamma / 4]!);
    check(beta, views.f32[dbeta / 4]!);
  });
});

import { describe, expect, it } from "vitest";
import { createRng } from "../core/index.js";
import { hasRelaxedSimd, loadKernels } from "./loader.js";
import { bench } from "./reference/differential.js";
import * as reference from "./reference/random.js";

const flavors = hasRelaxedSimd() ? (["plain", "relaxed"] as const) : (["plain"] as const);
const f = Math.fround;

for (const flavor of flavors) {
  describe(`random kernels equal their references bit for bit (${flavor})`, async () => {
    const kernels = await loadKernels({ flavor, pages: 8 });

    it("uniform, normal, dropout, any offset", () => {
      for (let seed = 0; seed < 30; seed++) {
        const b = bench(kernels, seed + 1);
        const common = { n: b.rng.below(60), key: b.ints(2, () => b.rng.bits()), offset: b.rng.bits() | 0 };
        const y = b.floats(common.n);
        expect(b.differ("philox_uniform", reference.philox_uniform, { ...common, y })).toBe(null);
        expect(b.differ("philox_normal", reference.philox_normal, { ...common, mean: f(0.3), deviation: f(1.7), y })).toBe(null);
        expect(b.differ("dropout_mask", reference.dropout_mask, { ...common, keep: f(0.8), y })).toBe(null);
      }
    });

    it("continues the stream of core/rng.ts: uniforms exactly, normals within 2e-6", () => {
      const rng = createRng(42);
      const { key, stream } = rng.state();
      const b = bench(kernels, 1);
      const n = 500;
      const [k, y] = [b.ints(2, (i) => (i ? stream : key)), b.floats(n)];
      kernels.exports.philox_uniform(n, k, 0, y);
      for (let i = 0; i < n; i++) expect(b.views.f32[y / 4 + i]).toBe(rng.uniform());
      const again = createRng(42);
      kernels.exports.philox_normal(n, k, 0, 0, 1, y);
      for (let i = 0; i < n; i++) expect(Math.abs(b.views.f32[y / 4 + i]! - again.normal())).toBeLessThan(2e-6);
    });

    it("keeps about the stated share, scaled to the same mean", () => {
      const b = bench(kernels, 5);
      const [n, y] = [20000, b.floats(20000)];
      kernels.exports.dropout_mask(
        n,
        b.ints(2, () => b.rng.bits()),
        0,
        0.75,
        y,
      );
      const values = b.views.f32.subarray(y / 4, y / 4 + n);
      expect(new Set(values)).toEqual(new Set([0, f(1 / 0.75)]));
      // five standard deviations of a mean of n values
      expect(Math.abs(values.reduce((s, v) => s + v, 0) / n - 1)).toBeLessThan(5 * Math.sqrt(0.25 / 0.75 / n));
    });
  });
}

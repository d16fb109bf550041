import { describe, expect, it } from "vitest";
import { hasRelaxedSimd, loadKernels } from "./loader.js";
import { bench } from "./reference/differential.js";
import * as reference from "./reference/optimiser.js";

const flavors = hasRelaxedSimd() ? (["plain", "relaxed"] as const) : (["plain"] as const);
const f = Math.fround;

for (const flavor of flavors) {
  describe(`optimiser kernels equal their references bit for bit (${flavor})`, async () => {
    const kernels = await loadKernels({ flavor, pages: 8 });

    it("sgd, adam, norm2, scale_ptr", () => {
      for (let n = 0; n < 40; n++) {
        const b = bench(kernels, n + 1);
        const [w, g, m, v] = [b.floats(n), b.floats(n), b.floats(n), b.floats(n, () => b.rng.uniform())];
        const [lr, c] = [b.floats(1, () => 0.1), b.floats(2, () => 0.1 + b.rng.uniform())];
        const decay = n % 2 ? f(0.01) : 0;
        const plain = { n, w, g, lr, momentum: f(0.9), decay };
        for (const nesterov of [0, 1]) expect(b.differ("sgd", reference.sgd, { ...plain, m, nesterov })).toBe(null);
        expect(b.differ("sgd", reference.sgd, { ...plain, m: 0, nesterov: 0 })).toBe(null);
        const adam = { n, w, g, m, v, lr, c, b1: f(0.9), b2: f(0.999), o1: f(0.1), o2: f(0.001), eps: f(1e-8), decay };
        for (const decoupled of [0, 1]) expect(b.differ("adam", reference.adam, { ...adam, decoupled })).toBe(null);
        expect(b.differ("norm2", reference.norm2, { n, x: w, out: b.doubles(1) })).toBe(null);
        expect(b.differ("scale_ptr", reference.scale_ptr, { n, x: w, s: lr })).toBe(null);
      }
    });

    it("three steps of Adam by the double-precision formulas of Kingma and Ba 2015, algorithm 1, and of AdamW", () => {
      for (const decoupled of [0, 1]) {
        const b = bench(kernels, 9);
        const [w, g, m, v] = [b.floats(1, () => 0.5), b.floats(1), b.floats(1, () => 0), b.floats(1, () => 0)];
        const [lr, c] = [b.floats(1, () => 0.01), b.floats(2)];
        let [p, first, second] = [0.5, 0, 0];
        [0.3, -0.2, 0.7].forEach((grad, step) => {
          const [k1, k2] = [1 - 0.9 ** (step + 1), 1 - 0.999 ** (step + 1)];
          b.views.f32[g / 4] = grad;
          b.views.f32.set([k1, k2], c / 4);
          kernels.exports.adam(1, w, g, m, v, lr, c, 0.9, 0.999, 0.1, 0.001, 1e-8, 0.1, decoupled);
          const d = decoupled ? grad : grad + 0.1 * p;
          if (decoupled) p -= 0.01 * 0.1 * p;
          first = 0.9 * first + 0.1 * d;
          second = 0.999 * second + 0.001 * d * d;
          p -= (0.01 * (first / k1)) / (Math.sqrt(second / k2) + 1e-8);
          expect(b.views.f32[w / 4]).toBeCloseTo(p, 6);
        });
      }
    });

    it("two steps of SGD with momentum, decay and Nesterov by hand", () => {
      const b = bench(kernels, 3);
      const [w, g, m, lr] = [b.floats(1, () => 1), b.floats(1, () => 0.5), b.floats(1, () => 0), b.floats(1, () => 0.5)];
      const step = () => kernels.exports.sgd(1, w, g, m, lr, 0.5, 0.25, 1);
      step(); // d = 0.5 + 0.25 = 0.75; m = 0.75; w = 1 - 0.5 (0.75 + 0.375)
      expect(b.views.f32[w / 4]).toBe(0.4375);
      step(); // d = 0.5 + 0.109375; m = 0.375 + 0.609375 = 0.984375; w = 0.4375 - 0.5 (0.609375 + 0.4921875)
      expect(b.views.f32[w / 4]).toBe(-0.11328125);
    });
  });
}

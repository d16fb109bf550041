import { describe, expect, it } from "vitest";
import { hasRelaxedSimd, loadKernels } from "./loader.js";
import { type Bench, bench, type Reference } from "./reference/differential.js";
import * as all from "./reference/planes.js";

const reference: Record<string, Reference> = { ...all };
const flavors = hasRelaxedSimd() ? (["plain", "relaxed"] as const) : (["plain"] as const);

for (const flavor of flavors) {
  describe.each([4, 1])(`plane kernels equal their references bit for bit (${flavor}), %i lanes`, async (lanes) => {
    const kernels = await loadKernels({ flavor, pages: 8 });
    const same = (b: Bench, name: string, params: Record<string, number>) =>
      expect(b.differ(`${name}_n${lanes}`, reference[`${name}_n${lanes}`]!, params)).toBe(null);

    /** Pointer, plane stride, row stride of a tensor of c planes of h rows of w pixels. */
    const tensor = (b: Bench, c: number, h: number, w: number, value?: (i: number) => number) => {
      const rs = 4 * (w * lanes + b.rng.below(4));
      const ps = h * rs + 4 * b.rng.below(5);
      return [b.floats((c * ps) / 4 + w * lanes, value), ps, rs] as const;
    };

    it("phase copies and sums", () => {
      for (let seed = 0; seed < 30; seed++) {
        const b = bench(kernels, seed + 1);
        const [c, h, w, sy, sx] = [
          b.rng.below(4),
          b.rng.below(6),
          b.rng.below(seed % 3 ? 9 : 30),
          1 + b.rng.below(3),
          1 + b.rng.below(2),
        ];
        const [x, xps, xrs] = tensor(b, c, h * sy, w * sx);
        const [y, yps, yrs] = tensor(b, c, h, w);
        same(b, "phase_copy", { c, h, w, x, xps, xrs, sy, sx, y, yps, yrs });
        same(b, "phase_add", { c, h, w, x, xps, xrs, sy, sx, y, yps, yrs });
      }
    });

    it("pools and their gradients, ties and overlaps included", () => {
      for (let seed = 0; seed < 60; seed++) {
        const b = bench(kernels, seed + 1);
        const [c, h, w] = [seed === 0 ? 0 : 1 + b.rng.below(3), 1 + b.rng.below(12), 1 + b.rng.below(seed % 4 ? 9 : 40)];
        const [kh, kw, sy, sx] = [1 + b.rng.below(3), 1 + b.rng.below(3), 1 + b.rng.below(3), 1 + b.rng.below(3)];
        const [py, px] = [b.rng.below(Math.ceil(kh / 2)), b.rng.below(Math.ceil(kw / 2))];
        const oh = Math.max(0, Math.floor((h + 2 * py - kh) / sy) + 1);
        const ow = Math.max(0, Math.floor((w + 2 * px - kw) / sx) + 1);
        const window = { c, oh, ow, kh, kw, sy, sx, h, w, py, px };
        const [x, xps, xrs] = tensor(
          b,
          c,
          h,
          w,
          seed % 2 ? () => [0, -0, 1, 2, seed % 8 === 1 ? Number.NaN : 0][b.rng.below(5)]! : undefined,
        );
        const [y, yps, yrs] = tensor(b, c, oh, ow);
        const [dy, dps, drs] = tensor(b, c, oh, ow);
        const [dx, gps, grs] = tensor(b, c, h, w, () => 0);
        same(b, "maxpool", { ...window, x, xps, xrs, y, yps, yrs });
        same(b, "maxpool_grad", { ...window, x, xps, xrs, y, yps, yrs, dy, dps, drs, dx, gps, grs });
        for (const countPad of [0, 1]) {
          same(b, "avgpool", { ...window, countPad, x, xps, xrs, y, yps, yrs });
          same(b, "avgpool_grad", { ...window, countPad, dy, dps, drs, dx, gps, grs });
        }
      }
    });

    it("global mean and its gradient", () => {
      for (let seed = 0; seed < 20; seed++) {
        const b = bench(kernels, seed + 1);
        const [c, h, w] = [b.rng.below(4), 1 + b.rng.below(5), 1 + b.rng.below(45)];
        const [x, xps, xrs] = tensor(b, c, h, w);
        const y = b.floats(c * lanes);
        same(b, "gap", { c, h, w, x, xps, xrs, y });
        same(b, "gap_grad", { c, h, w, dy: y, dx: x, ps: xps, rs: xrs });
      }
    });
  });
}

it("maxpool 2x2 of a 4 x 4 plane, by hand: the first of equal maxima takes the gradient", async () => {
  const kernels = await loadKernels({ flavor: "plain", pages: 2 });
  const b = bench(kernels, 1);
  const values = [1, 5, 2, 2, 5, 0, 2, 2, -1, -2, 9, 8, -3, -4, 7, 6];
  const [x, y, dy, dx] = [b.floats(16, (i) => values[i]!), b.floats(4), b.floats(4, (i) => i + 1), b.floats(16, () => 0)];
  kernels.exports.maxpool_n1(1, 2, 2, 2, 2, 2, 2, 4, 4, 0, 0, x, 64, 16, y, 16, 8);
  expect(Array.from(b.views.f32.subarray(y / 4, y / 4 + 4))).toEqual([5, 2, -1, 9]);
  kernels.exports.maxpool_grad_n1(1, 2, 2, 2, 2, 2, 2, 4, 4, 0, 0, x, 64, 16, y, 16, 8, dy, 16, 8, dx, 64, 16);
  expect(Array.from(b.views.f32.subarray(dx / 4, dx / 4 + 16))).toEqual([0, 1, 2, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0]);
});

import { describe, expect, it } from "vitest";
import { createRng } from "../core/index.js";
import { callKernel } from "./plan-writer.js";
import { w4_dweights, w4_dy, w4_in, w4_out, w4_weights, wdots, wgemm } from "./reference/winograd.js";
import { WINOGRAD_SCRATCH } from "./templates/sizes.js";
import { AGREES, Bench, compare, FLAVORS, testKernels } from "./testing.js";

const PAGES = 16;
const scratch = { at: PAGES * 65536 - WINOGRAD_SCRATCH, bytes: WINOGRAD_SCRATCH };

const SHAPES = [
  [1, 4, 4], [2, 8, 4], [3, 5, 7], [2, 7, 9], [1, 1, 1], [2, 3, 8],
] as const; // biome-ignore format: a table

describe.each(FLAVORS)("%s winograd", (flavor) => {
  it(`each transform ${AGREES[flavor]}, for tiles that overhang the plane too`, async () => {
    const bench = new Bench(await testKernels(flavor, PAGES), createRng(1));
    for (const [c, h, w] of SHAPES) {
      for (const acc of [0, 1]) {
        bench.reset();
        const [th, tw] = [Math.ceil(h / 4), Math.ceil(w / 4)];
        const rs = (w + 1) * 16;
        const ps = (h + 2) * rs + 16;
        const ts = th * tw * 16;
        const fs = c * ts + 64;
        const shape = { c, ps, rs, h, w, th, tw, fs, ts };
        const x = bench.floats((c * ps) / 4);
        const v = bench.floats((36 * fs) / 4);
        compare(bench.kernels, "w4_in", w4_in, { ...shape, x, v }, scratch);
        compare(bench.kernels, "w4_dy", w4_dy, { ...shape, x: x + rs + 16, v }, scratch);
        bench.reset();
        const out = { ...shape, y: bench.floats((c * ps) / 4) + rs + 16, m: bench.floats((36 * fs) / 4), acc };
        compare(bench.kernels, "w4_out", w4_out, out, scratch);
      }
    }
  });

  it(`each product and weight transform ${AGREES[flavor]}`, async () => {
    const bench = new Bench(await testKernels(flavor, PAGES), createRng(2));
    for (const [cob, cin, t] of [
      [1, 1, 1],
      [2, 3, 2],
      [1, 5, 7],
      [3, 4, 4],
    ] as const) {
      bench.reset();
      const nf = 3;
      const ts = t * 16 + 16;
      const sizes = { ufs: cob * cin * 16 + 64, vfs: cin * ts + 64, mfs: cob * 4 * ts + 64 };
      const u = bench.floats((nf * sizes.ufs) / 4);
      const v = bench.floats((nf * sizes.vfs) / 4);
      const m = bench.floats((nf * sizes.mfs) / 4);
      compare(bench.kernels, "wgemm", wgemm, { nf, cob, cin, t, u, v, m, ts, ...sizes });
      for (const co of [cob * 4, cob * 4 - 1, cob * 4 - 2, cob * 4 - 3]) {
        for (const acc of [0, 1]) {
          const args = { nf, co, ci: cin, t, d: m, dfs: sizes.mfs, v, vfs: sizes.vfs, ts, du: u, ufs: sizes.ufs, acc };
          compare(bench.kernels, "wdots", wdots, args);
        }
      }
      for (const rot of [0, 1]) {
        bench.reset();
        const [o, i] = [cob * 4, cin];
        const [so, si] = rot ? [36, o * 36] : [i * 36, 36];
        const ufs = o * i * 4 + 64;
        const args = { o, i, w: bench.floats(o * i * 9), so, si, rot, u: bench.floats(9 * ufs), ufs };
        compare(bench.kernels, "w4_weights", w4_weights, args);
      }
      for (const n of [1, 2, 3, 4, 9]) {
        bench.reset();
        const ufs = n * 4 + 64;
        const args = { n, du: bench.floats(9 * ufs), ufs, g: bench.floats(n * 9), acc: t % 2 };
        compare(bench.kernels, "w4_dweights", w4_dweights, args, scratch);
      }
    }
  });

  it("forward is within 2e-5 and the weight gradient within 2e-4 of a direct convolution, for numbers below 1", async () => {
    const bench = new Bench(await testKernels(flavor, PAGES), createRng(3));
    const [ci, co, h, w] = [3, 4, 7, 6];
    const rs = (w + 1) * 16;
    const ps = (h + 2) * rs + 16;
    const [th, tw] = [2, 2];
    const ts = th * tw * 16;
    const { kernels } = bench;
    const { f32 } = kernels.views();
    const x = bench.room((ci * ps) / 4);
    f32.fill(0, x / 4, x / 4 + (ci * ps) / 4);
    const pixel = (plane: number, c: number, y: number, q: number, image: number) =>
      (plane + c * ps + (y + 1) * rs + (q + 1) * 16) / 4 + image;
    for (let c = 0; c < ci; c++)
      for (let i = 0; i < h * w * 4; i++)
        f32[pixel(x, c, Math.floor(i / w / 4), Math.floor(i / 4) % w, i % 4)] = bench.rng.uniform() - 0.5;
    const weight = bench.floats(co * ci * 9);
    const u = bench.room(36 * (co * ci + 16));
    const ufs = co * ci * 4 + 64;
    const v = bench.room(36 * (ci * th * tw * 4 + 16));
    const vfs = ci * ts + 64;
    const m = bench.room(36 * (co * th * tw * 4 + 16));
    const mfs = co * ts + 64;
    const y = bench.floats((co * ps) / 4);
    const shape = { ps, rs, h, w, th, tw, ts };
    const origin = rs + 16;
    callKernel(kernels, "w4_weights", { o: co, i: ci, w: weight, so: ci * 36, si: 36, rot: 0, u, ufs });
    callKernel(kernels, "w4_in", { ...shape, c: ci, x, v, fs: vfs }, scratch.at);
    callKernel(kernels, "wgemm", { nf: 36, cob: co / 4, cin: ci, t: th * tw, u, ufs, v, vfs, m, mfs, ts });
    callKernel(kernels, "w4_out", { ...shape, c: co, y: y + origin, m, fs: mfs, acc: 0 }, scratch.at);
    let worst = 0;
    const gradient = new Float64Array(co * ci * 9);
    for (let o = 0; o < co; o++)
      for (let r = 0; r < h; r++)
        for (let q = 0; q < w; q++)
          for (let image = 0; image < 4; image++) {
            let sum = 0;
            for (let k = 0; k < ci * 9; k++) {
              const c = Math.floor(k / 9);
              const [ky, kx] = [Math.floor((k % 9) / 3), k % 3];
              const inside = r + ky > 0 && r + ky <= h && q + kx > 0 && q + kx <= w;
              const value = inside ? f32[pixel(x, c, r + ky - 1, q + kx - 1, image)]! : 0;
              sum += f32[weight / 4 + o * ci * 9 + k]! * value;
              gradient[o * ci * 9 + k]! += value * f32[pixel(y, o, r, q, image)]!;
            }
            worst = Math.max(worst, Math.abs(sum - f32[pixel(y, o, r, q, image)]!));
          }
    expect(worst).toBeLessThan(2e-5);
    callKernel(kernels, "w4_dy", { ...shape, c: co, x: y + origin, v: m, fs: mfs }, scratch.at);
    callKernel(kernels, "wdots", { nf: 36, co, ci, t: th * tw, d: m, dfs: mfs, v, vfs, ts, du: u, ufs, acc: 0 });
    callKernel(kernels, "w4_dweights", { n: co * ci, du: u, ufs, g: weight, acc: 0 }, scratch.at);
    const errors = Array.from(gradient, (value, i) => Math.abs(value - f32[weight / 4 + i]!));
    expect(Math.max(...errors)).toBeLessThan(2e-4);
  });
});

import { describe, expect, it } from "vitest";
import { createRng } from "../core/index.js";
import { callKernel } from "./plan-writer.js";
import { w4_in_n1, w4_out_n1 } from "./reference/winograd-single.js";
import { WINOGRAD_SINGLE_SCRATCH } from "./templates/sizes.js";
import { AGREES, Bench, compare, FLAVORS, testKernels } from "./testing.js";

const PAGES = 16;
const scratch = { at: PAGES * 65536 - WINOGRAD_SINGLE_SCRATCH, bytes: WINOGRAD_SINGLE_SCRATCH };

const SHAPES = [
  [1, 4, 4], [2, 8, 12], [3, 7, 7], [2, 5, 6], [1, 14, 15], [2, 4, 20], [1, 1, 1], [2, 13, 3],
] as const; // biome-ignore format: a table

/** Bytes of a vector of tiles. */
const vectors = (tiles: number) => Math.ceil(tiles / 4) * 16;

describe.each(FLAVORS)("%s winograd of single images", (flavor) => {
  it(`each transform ${AGREES[flavor]}, for tiles that overhang the plane too`, async () => {
    const bench = new Bench(await testKernels(flavor, PAGES), createRng(1));
    for (const [c, h, w] of SHAPES) {
      for (const round of [0, 1, 2, 3]) {
        bench.reset();
        const [th, tw] = [Math.ceil(h / 4), Math.ceil(w / 4)];
        const rs = (w + 1) * 4;
        const ps = (h + 2) * rs + 8;
        const ts = vectors(th * tw) + 16;
        const fs = c * ts + 64;
        const shape = { c, ps, rs, h, w, th, tw, fs, ts };
        // A plane's borders are zero, and so is the column that two rows share.
        const x = bench.floats((c * ps) / 4 + 4);
        const { f32 } = bench.kernels.views();
        for (let plane = 0; plane < c; plane++) {
          for (let r = 0; r < h + 2; r++) {
            for (let q = 0; q < w + 2; q++) {
              if (r === 0 || r > h || q === 0 || q > w) f32[(x + plane * ps + r * rs) / 4 + q] = 0;
            }
          }
        }
        compare(bench.kernels, "w4_in_n1", w4_in_n1, { ...shape, x, v: bench.room((36 * fs) / 4) }, scratch);
        bench.reset();
        const args = {
          ...shape,
          y: bench.floats((c * ps) / 4) + rs + 4,
          m: bench.floats((36 * fs) / 4),
          acc: round & 1,
          bias: round & 2 ? bench.floats(c) : 0,
          lo: round === 3 ? -0.5 : Number.NEGATIVE_INFINITY,
          hi: round === 2 ? 0.5 : Number.POSITIVE_INFINITY,
        };
        compare(bench.kernels, "w4_out_n1", w4_out_n1, args, scratch);
      }
    }
  });

  it("is within 2e-5 of a direct convolution, for numbers below 1", async () => {
    const bench = new Bench(await testKernels(flavor, PAGES), createRng(3));
    const [ci, co, h, w] = [5, 8, 10, 13];
    const [th, tw] = [3, 4];
    const [rs, ts] = [(w + 1) * 4, vectors(th * tw)];
    const ps = (h + 2) * rs + 8;
    const { kernels } = bench;
    const { f32 } = kernels.views();
    const x = bench.room((ci * ps) / 4 + 4);
    f32.fill(0, x / 4, x / 4 + (ci * ps) / 4 + 4);
    const at = (plane: number, c: number, y: number, q: number) => (plane + c * ps + (y + 1) * rs) / 4 + q + 1;
    for (let c = 0; c < ci; c++) {
      for (let i = 0; i < h * w; i++) f32[at(x, c, Math.floor(i / w), i % w)] = bench.rng.uniform() - 0.5;
    }
    const weight = bench.floats(co * ci * 9);
    const ufs = co * ci * 4 + 64;
    const u = bench.room(9 * ufs);
    const vfs = ci * ts + 64;
    const v = bench.room(9 * vfs);
    const mfs = co * ts + 64;
    const m = bench.room(9 * mfs);
    const y = bench.floats((co * ps) / 4 + 4);
    const shape = { ps, rs, h, w, th, tw, ts };
    const free = { acc: 0, bias: 0, lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };
    callKernel(kernels, "w4_weights", { o: co, i: ci, w: weight, so: ci * 36, si: 36, rot: 0, u, ufs });
    callKernel(kernels, "w4_in_n1", { ...shape, c: ci, x, v, fs: vfs }, scratch.at);
    callKernel(kernels, "wgemm", { nf: 36, cob: co / 4, cin: ci, t: ts / 16, u, ufs, v, vfs, m, mfs, ts });
    callKernel(kernels, "w4_out_n1", { ...shape, c: co, y: y + rs + 4, m, fs: mfs, ...free }, scratch.at);
    let worst = 0;
    for (let o = 0; o < co; o++) {
      for (let i = 0; i < h * w; i++) {
        const [r, q] = [Math.floor(i / w), i % w];
        let sum = 0;
        for (let k = 0; k < ci * 9; k++) {
          const [ky, kx] = [Math.floor((k % 9) / 3), k % 3];
          const inside = r + ky > 0 && r + ky <= h && q + kx > 0 && q + kx <= w;
          if (inside) sum += f32[weight / 4 + o * ci * 9 + k]! * f32[at(x, Math.floor(k / 9), r + ky - 1, q + kx - 1)]!;
        }
        worst = Math.max(worst, Math.abs(sum - f32[at(y, o, r, q)]!));
      }
    }
    expect(worst).toBeLessThan(2e-5);
  });
});

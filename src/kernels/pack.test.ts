import { beforeAll, describe, it } from "vitest";
import { createRng } from "../core/index.js";
import type { Kernels } from "./loader.js";
import { n4_to_nchw, nchw_to_n4, pack4, transpose2d } from "./reference/pack.js";
import { Bench, requireSameBits, runBoth, testKernels } from "./testing.js";

let kernels: Kernels;
beforeAll(async () => {
  kernels = await testKernels();
});

describe("pack", () => {
  it("pack4 equals its reference for rows, columns and other strides", () => {
    const bench = new Bench(kernels, createRng(1));
    for (const o of [0, 4, 8]) {
      for (const k of [0, 1, 3, 4, 5, 9]) {
        for (const [rs, cs] of [
          [k * 4 + 8, 4],
          [4, o * 4],
          [k * 8 + 4, 8],
        ] as const) {
          bench.reset();
          const args = { o, k, w: bench.floats((o * rs + k * cs) / 4 + 1), rs, cs, out: bench.room(o * k) };
          requireSameBits(runBoth(kernels, "pack4", pack4, args), JSON.stringify(args));
        }
      }
    }
  });

  it("transpose2d equals its reference for every size to 9", () => {
    const bench = new Bench(kernels, createRng(2));
    for (let rows = 0; rows < 10; rows++) {
      for (let cols = 0; cols < 10; cols++) {
        bench.reset();
        const [xs, ys] = [(cols + (rows % 3)) * 4, (rows + (cols % 2)) * 4];
        const args = { rows, cols, x: bench.floats((rows * xs) / 4), xs, y: bench.room((cols * ys) / 4), ys };
        requireSameBits(runBoth(kernels, "transpose2d", transpose2d, args), JSON.stringify(args));
      }
    }
  });

  it("nchw_to_n4 and n4_to_nchw equal their references for 1 to 4 images", () => {
    const bench = new Bench(kernels, createRng(3));
    for (const images of [1, 2, 3, 4]) {
      for (const [c, h, w] of [
        [1, 1, 1],
        [2, 3, 4],
        [3, 2, 7],
        [1, 4, 9],
        [0, 2, 2],
      ] as const) {
        bench.reset();
        const xc = (h * w + 1) * 4;
        const xn = (c * xc) / 4 + 3;
        const rs = (w + 1) * 16;
        const ys = (h + 2) * rs;
        const args = { c, h, w, images, x: bench.floats(4 * xn), xn: xn * 4, xc, y: bench.floats((c * ys) / 4), ys, rs };
        requireSameBits(runBoth(kernels, "nchw_to_n4", nchw_to_n4, args), `to ${JSON.stringify(args)}`);
        requireSameBits(runBoth(kernels, "n4_to_nchw", n4_to_nchw, args), `from ${JSON.stringify(args)}`);
      }
    }
  });
});

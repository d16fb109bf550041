import { expect, it } from "vitest";
import { createRng } from "../core/index.js";
import { dw3_s1, dw3_s2 } from "./reference/depthwise.js";
import { Bench, requireSameBits, runBoth, testKernels } from "./testing.js";

it("depthwise kernels equal their references bit for bit: odd sizes, both strides, one row, with and without bias", async () => {
  const kernels = await testKernels("plain", 8);
  const bench = new Bench(kernels, createRng(7));
  let cases = 0;
  for (const [stride, name, reference] of [
    [1, "dw3_s1", dw3_s1],
    [2, "dw3_s2", dw3_s2],
  ] as const) {
    for (const [c, xh, xw] of [
      [1, 1, 8],
      [3, 7, 7],
      [2, 14, 14],
      [2, 5, 9],
      [1, 2, 16],
      [2, 9, 11],
      [4, 8, 28],
    ] as const) {
      for (const bias of [false, true]) {
        bench.reset();
        const [h, w] = [Math.ceil(xh / stride), Math.ceil(xw / stride)];
        const xrs = xw * 4 + 8;
        const yrs = w * 4 + 4;
        // Junk between rows must not matter: the columns right of the pixels hold large numbers.
        const x = bench.floats(c * xh * (xrs / 4) + 8);
        for (let i = 0; i < c * xh; i++) for (let k = xw; k < xrs / 4; k++) kernels.views().f32[x / 4 + i * (xrs / 4) + k] = 1e30;
        const args = {
          ...{ c, h, w, x, xps: xh * xrs, xrs, y: bench.floats(c * h * (yrs / 4)), yps: h * yrs, yrs, xh, xw, r0: 0 },
          ...{
            weight: bench.floats(c * 9),
            bias: bias ? bench.floats(c) : 0,
            lo: bias ? 0 : Number.NEGATIVE_INFINITY,
            hi: Number.POSITIVE_INFINITY,
          },
        };
        requireSameBits(runBoth(kernels, name, reference, args), `${name} ${JSON.stringify(args)}`);
        cases++;
        // A band of rows in the middle: rows above and below are read.
        if (h > 2) {
          const r0 = 1;
          const band = { ...args, h: h - 2, r0, x: x + stride * r0 * xrs, y: args.y + r0 * yrs };
          requireSameBits(runBoth(kernels, name, reference, band), `${name} band ${JSON.stringify(band)}`);
        }
      }
    }
  }
  expect(cases).toBe(28);
});

import { describe, expect, it } from "vitest";
import { createRng, InputError } from "../core/index.js";
import type { KernelName, Kernels } from "./loader.js";
import * as reference from "./reference/int8.js";
import type { Int8Flavor } from "./templates/int8/arithmetic.js";
import { Bench, FLAVORS, requireSameBits, runBoth, testKernels } from "./testing.js";

/** Kernels with an int8 build, and operands for them. */
async function bench(flavor: Int8Flavor, seed: number) {
  const kernels = await testKernels("plain", 8);
  await kernels.loadInt8(flavor);
  const b = new Bench(kernels, createRng(seed));
  const integers = (n: number, low: number, high: number) =>
    b.ints(Array.from({ length: n }, () => low + b.rng.below(high - low + 1)));
  /** n words of bytes in [low, high]. */
  const bytes = (n: number, low: number, high: number) => {
    const at = b.room(n);
    const view = new Int8Array(kernels.memory.buffer);
    for (let i = 0; i < n * 4; i++) view[at + i] = low + b.rng.below(high - low + 1);
    return at;
  };
  return { kernels, b, integers, bytes };
}

const references: Readonly<Record<string, unknown>> = { ...reference };

type Run = (name: KernelName, args: Record<string, number>) => void;
const runner =
  (kernels: Kernels): Run =>
  (name, args) =>
    requireSameBits(runBoth(kernels, name, references[name] as never, args), `${name} ${JSON.stringify(args)}`);

describe.each(FLAVORS.length > 1 ? (["plain", "relaxed", "madd"] as const) : (["plain"] as const))(
  "int8 kernels, %s, equal their references bit for bit",
  (flavor) => {
    it("blocks: empty rows, extreme weights and activations, strips that four does not divide, residuals, clamps", async () => {
      const { kernels, b, integers, bytes } = await bench(flavor, 3);
      const run = runner(kernels);
      for (const n of [4, 5, 7, 8, 13, 28, 49]) {
        for (const extreme of [false, true]) {
          for (const residual of [false, true]) {
            b.reset();
            const nb = 3;
            const counts = [4, 0, 6];
            const planes = 12;
            const x = bytes(planes * n + 8, extreme ? 127 : 0, 127);
            const w = b.room(5 * 10);
            const { i32 } = kernels.views();
            const low = new Int8Array(kernels.memory.buffer);
            const offsets = Array.from({ length: 10 }, () => b.rng.below(planes) * n * 4);
            offsets.forEach((offset, e) => {
              i32[w / 4 + e * 5] = offsets[(e + 1) % 10]! - offset;
              // Sums of two blocks stay within i16 for the build that adds them so: here one of two is empty, or both are small.
              const most = flavor !== "madd" ? 127 : extreme ? (e % 2 ? 0 : 127) : 64;
              for (let k = 0; k < 16; k++)
                low[w + e * 20 + 4 + k] = extreme ? (b.rng.below(2) ? most : -most) : b.rng.below(2 * most + 1) - most;
            });
            const scale = b.floats(nb * 4);
            for (let k = 0; k < nb * 4; k++) kernels.views().f32[scale / 4 + k] = (b.rng.uniform() + 0.1) / (extreme ? 3000 : 300);
            run("q8_sp", {
              ...{ nb, cnt: b.ints(counts), w, bias: integers(nb * 4, -3000, 9000), scale, x: x + offsets[0]!, n, ys: n * 4 + 16 },
              ...{ y: b.room(nb * (n + 4)), lo: residual ? 0 : 3, hi: residual ? 127 : 90, zero: residual ? 61 : 3 },
              ...{ r: residual ? bytes(nb * (n + 4), 0, 127) : 0, rs: 0.7345, rz: 12 },
            });
          }
        }
      }
    });

    it("depthwise: both strides, widths that four does not divide, one row, extremes", async () => {
      const { kernels, b, integers, bytes } = await bench(flavor, 4);
      const run = runner(kernels);
      let cases = 0;
      for (const stride of [1, 2]) {
        for (const [c, xh, xw] of [
          [1, 7, 7],
          [2, 14, 14],
          [1, 1, 8],
          [1, 2, 16],
          [2, 9, 11],
          [1, 5, 9],
          [1, 8, 28],
        ] as const) {
          // No padding before: even planes, stride 2.
          for (const [pad, extreme] of [[1, 0], [1, 1], ...(stride === 2 && xh % 2 === 0 && xw % 2 === 0 ? [[0, 0]] : [])] as [
            number,
            number,
          ][]) {
            b.reset();
            const [h, w] = [Math.ceil(xh / stride), Math.ceil(xw / stride)];
            const [xrs, yrs] = [xw * 4 + 4, w * 4 + 8];
            const scale = b.floats(c * 4);
            for (let k = 0; k < c * 4; k++) kernels.views().f32[scale / 4 + k] = (b.rng.uniform() + 0.1) / 200;
            const weight = bytes(c * 12, extreme ? 127 : -127, 127);
            // The fourth byte of each four weights is no tap.
            for (let k = 0; k < c * 12; k++) kernels.views().u8[weight + k * 4 + 3] = 0;
            const x = bytes((c * xh * xrs) / 4 + 4, extreme ? 127 : 0, 127) + 4;
            const out = { y: b.room((c * h * yrs) / 4 + 4), yps: h * yrs, yrs };
            const rest = {
              weight,
              bias: integers(c * 4, -2000, 2000),
              scale,
              lo: 0,
              hi: extreme ? 127 : 100,
              zero: extreme ? 5 : 0,
              pad,
            };
            // In one piece, and in two bands of rows.
            for (const [r0, end] of h > 1
              ? ([
                  [0, h],
                  [0, h >> 1],
                  [h >> 1, h],
                ] as const)
              : ([[0, h]] as const))
              run(`q8_dw3_s${stride}` as KernelName, {
                ...{ c, h: end - r0, w, x: x + r0 * stride * xrs, xps: xh * xrs, xrs, xh, xw, r0 },
                ...{ ...out, y: out.y + r0 * yrs, ...rest },
              });
            cases++;
          }
        }
      }
      expect(cases).toBe(31);
    });

    it("between f32 and bytes: halves to even, clamps, infinities and NaN, channels that four does not divide", async () => {
      const { kernels, b, bytes } = await bench(flavor, 5);
      const run = runner(kernels);
      for (const [c, h, w] of [
        [3, 2, 5],
        [8, 1, 4],
        [5, 3, 9],
        [1, 2, 8],
      ] as const) {
        b.reset();
        const x = b.floats(c * h * w + 4);
        const { f32 } = kernels.views();
        for (let i = 0; i < c * h * w; i++)
          f32[x / 4 + i] = b.rng.uniform() < 0.2 ? Math.round(f32[x / 4 + i]! * 9) + 0.5 : f32[x / 4 + i]! * 150;
        f32.set([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e30], x / 4);
        const groups = Math.ceil(c / 4);
        const quads = { yps: h * (w * 4 + 4), yrs: w * 4 + 4 };
        run("q8_quantise", { c, h, w, x, xps: h * w * 4, xrs: w * 4, y: b.room(groups * h * (w + 1)), ...quads, inv: 1, zero: 64 });
        const from = { x: bytes(groups * h * (w + 1) + 4, 0, 127), xps: quads.yps, xrs: quads.yrs };
        run("q8_dequantise", { c, h, w, ...from, y: b.room(c * h * w + 4), yps: h * w * 4, yrs: w * 4, scale: 0.0371, zero: 17 });
        run("q8_mean", { c, h, w, ...from, y: b.room(groups), start: -h * w * 3, scale: 1 / (h * w), zero: 3, lo: 0, hi: 127 });
      }
    });

    it("one vector times a matrix; windows' largest; borders", async () => {
      const { kernels, b, integers, bytes } = await bench(flavor, 6);
      const run = runner(kernels);
      for (const o of [1, 4, 6, 11]) {
        b.reset();
        const rows = Math.ceil(o / 4) * 4;
        const kb = 48;
        const operands = { w: bytes((rows * kb) / 4, -127, 127), x: bytes(kb / 4, 0, 127), start: integers(rows, -999, 999) };
        run("q8_linear", { o, kb, ...operands, scale: b.floats(rows), bias: b.floats(rows), y: b.room(o) });
      }
      b.reset();
      const pool = { c: 8, oh: 4, ow: 3, kh: 3, kw: 3, sy: 2, sx: 2, py: 1, px: 1, h: 7, w: 6 };
      run("q8_maxpool", { ...pool, x: bytes(2 * 7 * 6, 0, 127), xps: 168, xrs: 24, y: b.room(2 * 12), yps: 48, yrs: 12 });
      run("q8_border", { c: 2, h: 3, wbytes: 8, base: bytes(64, 0, 127), ps: 96, p0: 20, pe: 96, rs: 16, value: 64 });
      // A band of rows: what lies after it is the next one's.
      run("q8_border", { c: 2, h: 2, wbytes: 8, base: bytes(64, 0, 127), ps: 96, p0: 4, pe: 36, rs: 16, value: 64 });
      run("q8_fill", { bytes: 12, y: b.room(4), value: 64 });
    });
  },
);

it("the int8 kernels are loaded once a build, and their instructions are refused before", async () => {
  const kernels = await testKernels("plain", 8);
  expect(kernels.int8).toBeUndefined();
  const b = new Bench(kernels, createRng(1));
  const args = { bytes: 4, y: b.room(1), value: 1 };
  expect(() => runBoth(kernels, "q8_fill", reference.q8_fill, args)).toThrow(InputError);
  const loaded = await kernels.loadInt8("plain");
  expect(await kernels.loadInt8("plain")).toBe(loaded);
  expect(kernels.int8).toBe(loaded);
});

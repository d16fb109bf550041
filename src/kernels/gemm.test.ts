import { describe, expect, it } from "vitest";
import { createRng } from "../core/index.js";
import type { KernelName } from "./loader.js";
import { callKernel } from "./plan-writer.js";
import { type GemmArgs, type GemvArgs, gemm, gemv, gemv_t } from "./reference/gemm.js";
import { GEMM_TILES } from "./templates/gemm.js";
import { GEMM_SCRATCH } from "./templates/sizes.js";
import { AGREES, Bench, compare, FLAVORS, testKernels } from "./testing.js";

const PAGES = 64;
const scratch = { at: PAGES * 65536 - GEMM_SCRATCH, bytes: GEMM_SCRATCH };

const LIMITS = [
  [0, 0.5],
  [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
] as const;

function gemmCase(bench: Bench, m: number, n: number, k: number): GemmArgs {
  const { rng } = bench;
  const pad = rng.below(3);
  const strides = (rows: number, cols: number): [number, number] =>
    [
      [(cols + pad) * 4, 4],
      [4, (rows + pad) * 4],
      [(cols * 2 + pad) * 4, 8],
    ][rng.below(3)] as [number, number];
  const [rsa, csa] = strides(m, k);
  const [rsb, csb] = strides(k, n);
  const room = (rows: number, cols: number, rs: number, cs: number) =>
    rows && cols ? bench.floats(((rows - 1) * rs + (cols - 1) * cs) / 4 + 1) : 0;
  const biasMode = rng.below(3);
  const ldc = (n + pad) * 4;
  const [lo, hi] = LIMITS[rng.below(2)]!;
  const a = room(m, k, rsa, csa);
  const b = room(k, n, rsb, csb);
  const c = bench.floats((m * ldc) / 4);
  const bias = biasMode ? bench.floats(biasMode === 1 ? m : n) : 0;
  return { m, n, k, a, rsa, csa, b, rsb, csb, c, ldc, acc: rng.below(2), bias, biasMode, lo, hi };
}

describe.each(FLAVORS)("%s gemm", (flavor) => {
  for (const [MR, NR] of GEMM_TILES) {
    const name = `gemm_${MR}x${NR}` as KernelName;
    it(`${name} ${AGREES[flavor]} for any strides, tails, biases and clamps`, async () => {
      const bench = new Bench(await testKernels(flavor, PAGES), createRng(MR));
      const sizes = [0, 1, 4, 5, 6, 7, 8, 9, 13, 24];
      for (let round = 0; round < 60; round++) {
        bench.reset();
        const pick = () => sizes[bench.rng.below(sizes.length)]!;
        compare(bench.kernels, name, gemm, gemmCase(bench, pick(), pick(), pick()), scratch);
      }
    });

    it(`${name} gives the same bits with B packed beforehand`, async () => {
      const bench = new Bench(await testKernels(flavor, PAGES), createRng(9));
      for (const [m, n, k] of [
        [3, 5, 7],
        [13, 21, 300],
        [2, 1040, 259],
      ] as const) {
        bench.reset();
        const args = { ...gemmCase(bench, m, n, k), acc: 0 };
        const f32 = bench.kernels.views().f32;
        callKernel(bench.kernels, name, args, scratch.at);
        const own = f32.slice(args.c / 4, args.c / 4 + m * (args.ldc / 4));
        const out = bench.room(k * Math.ceil(n / 8) * 8);
        callKernel(bench.kernels, "pack_panels", { n, k, b: args.b, rsb: args.rsb, csb: args.csb, out });
        callKernel(bench.kernels, name, { ...args, b: out, csb: 0 }, scratch.at);
        expect(f32.slice(args.c / 4, args.c / 4 + m * (args.ldc / 4))).toEqual(own);
      }
    });

    it(`${name} ${AGREES[flavor]} past its cache blocks`, async () => {
      const bench = new Bench(await testKernels(flavor, PAGES), createRng(7));
      for (const [m, n, k] of [
        [200, 9, 300],
        [7, 1030, 10],
        [11, 17, 513],
      ] as const) {
        bench.reset();
        compare(bench.kernels, name, gemm, gemmCase(bench, m, n, k), scratch);
      }
    });
  }

  for (const [name, reference] of [
    ["gemv", gemv],
    ["gemv_t", gemv_t],
  ] as const) {
    it(`${name} ${AGREES[flavor]}`, async () => {
      const bench = new Bench(await testKernels(flavor), createRng(1));
      const { rng } = bench;
      for (let round = 0; round < 50; round++) {
        bench.reset();
        const [m, k] = [rng.below(15), rng.below(21)];
        const lda = (k + rng.below(3)) * 4;
        const [ins, outs] = name === "gemv" ? [k, m] : [m, k];
        const [lo, hi] = LIMITS[rng.below(2)]!;
        const a = bench.floats((m * lda) / 4);
        const x = bench.floats(ins);
        const bias = rng.below(2) ? bench.floats(outs) : 0;
        const args: GemvArgs = { m, k, a, lda, x, bias, y: bench.floats(outs), acc: rng.below(2), lo, hi };
        compare(bench.kernels, name, reference, args);
      }
    });
  }
});

describe("gemm", () => {
  it("all tiles give the same bits, and so does a product split over rows and columns", async () => {
    const kernels = await testKernels("plain", PAGES);
    const bench = new Bench(kernels, createRng(4));
    const [m, n, k] = [23, 29, 270];
    const args = { ...gemmCase(bench, m, n, k), acc: 0 };
    const c = bench.floats(m * n);
    const results = GEMM_TILES.map(([MR, NR], tile) => {
      const name = `gemm_${MR}x${NR}` as KernelName;
      const rows = tile === 0 ? m : 11;
      for (let i = 0; i < m; i += rows) {
        const bias = args.bias + (args.biasMode === 1 ? i * 4 : 0);
        const part = { m: Math.min(rows, m - i), a: args.a + i * args.rsa, c: c + i * n * 4, ldc: n * 4, bias };
        callKernel(kernels, name, { ...args, ...part }, scratch.at);
      }
      return kernels.views().f32.slice(c / 4, c / 4 + m * n);
    });
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it("a dense product equals the sparse product of its masked weights bit for bit", async () => {
    const kernels = await testKernels("plain", PAGES);
    const bench = new Bench(kernels, createRng(5));
    const { f32 } = kernels.views();
    const [m, n, k] = [9, 30, 40];
    const a = bench.floats(m * k);
    const b = bench.floats(k * n);
    const bias = bench.floats(m);
    const counts: number[] = [];
    const idx: number[] = [];
    const live: number[] = [];
    for (let i = 0; i < m; i++) {
      const before = idx.length;
      for (let q = 0; q < k; q++) {
        if (bench.rng.below(4)) f32[a / 4 + i * k + q] = 0;
        else {
          idx.push(q * n * 4);
          live.push(f32[a / 4 + i * k + q]!);
        }
      }
      counts.push(idx.length - before);
    }
    const w = bench.room(live.length);
    f32.set(live, w / 4);
    const [dense, sparse] = [bench.room(m * n), bench.room(m * n)];
    const limits = { lo: -1, hi: 1 };
    const strides = { rsa: k * 4, csa: 4, rsb: n * 4, csb: 4, ldc: n * 4 };
    callKernel(kernels, "gemm_5x8", { m, n, k, a, b, c: dense, ...strides, acc: 0, bias, biasMode: 1, ...limits }, scratch.at);
    const list = { nb: m, cnt: bench.ints(counts), idx: bench.ints(idx), w, shared: 0 };
    callKernel(kernels, "sp1_28", { ...list, bias, x: b, y: sparse, n, ys: n * 4, acc: 0, ...limits });
    expect(f32.slice(sparse / 4, sparse / 4 + m * n)).toEqual(f32.slice(dense / 4, dense / 4 + m * n));
  });
});

import { beforeAll, describe, expect, it } from "vitest";
import { createRng } from "../core/index.js";
import type { KernelName, Kernels } from "./loader.js";
import { type GemmArgs, type GemvArgs, gemm, gemv, gemv_t } from "./reference/gemm.js";
import { GEMM_SCRATCH, GEMM_TILES } from "./templates/gemm.js";
import { Bench, requireSameBits, runBoth, testKernels } from "./testing.js";

const PAGES = 64;
let kernels: Kernels;
let scratch: { at: number; bytes: number };
beforeAll(async () => {
  kernels = await testKernels("plain", PAGES);
  scratch = { at: PAGES * 65536 - GEMM_SCRATCH, bytes: GEMM_SCRATCH };
});

const LIMITS = [[0, 0.5], [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]] as const;

function gemmCase(bench: Bench, m: number, n: number, k: number): GemmArgs {
  const { rng } = bench;
  const pad = rng.below(3);
  const strides = (rows: number, cols: number): [number, number] =>
    [[(cols + pad) * 4, 4], [4, (rows + pad) * 4], [(cols * 2 + pad) * 4, 8]][rng.below(3)] as [number, number];
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

describe("gemm", () => {
  for (const [MR, NR] of GEMM_TILES) {
    const name = `gemm_${MR}x${NR}` as KernelName;
    it(`${name} equals its reference bit for bit for any strides, tails, biases and clamps`, () => {
      const bench = new Bench(kernels, createRng(MR));
      const sizes = [0, 1, 4, 5, 6, 7, 8, 9, 13, 24];
      for (let round = 0; round < 60; round++) {
        bench.reset();
        const pick = () => sizes[bench.rng.below(sizes.length)]!;
        const args = gemmCase(bench, pick(), pick(), pick());
        requireSameBits(runBoth(kernels, name, gemm, args, scratch), `${name} ${JSON.stringify(args)}`);
      }
    });

    it(`${name} equals its reference bit for bit past its cache blocks`, () => {
      const bench = new Bench(kernels, createRng(7));
      for (const [m, n, k] of [[200, 9, 300], [7, 1030, 10], [11, 17, 513]] as const) {
        bench.reset();
        const args = gemmCase(bench, m, n, k);
        requireSameBits(runBoth(kernels, name, gemm, args, scratch), `${name} ${JSON.stringify(args)}`);
      }
    });
  }
});

describe("gemv", () => {
  for (const [name, reference] of [["gemv", gemv], ["gemv_t", gemv_t]] as const) {
    it(`${name} equals its reference bit for bit`, () => {
      const bench = new Bench(kernels, createRng(1));
      const { rng } = bench;
      for (let round = 0; round < 50; round++) {
        bench.reset();
        const [m, k] = [rng.below(11), rng.below(21)];
        const lda = (k + rng.below(3)) * 4;
        const [ins, outs] = name === "gemv" ? [k, m] : [m, k];
        const [lo, hi] = LIMITS[rng.below(2)]!;
        const a = bench.floats((m * lda) / 4);
        const x = bench.floats(ins);
        const bias = rng.below(2) ? bench.floats(outs) : 0;
        const args: GemvArgs = { m, k, a, lda, x, bias, y: bench.floats(outs), acc: rng.below(2), lo, hi };
        requireSameBits(runBoth(kernels, name, reference, args), `${name} ${JSON.stringify(args)}`);
      }
      expect(rng.state().at).toBeGreaterThan(1000);
    });
  }
});

import { beforeAll, describe, expect, it } from "vitest";
import { createRng } from "../core/index.js";
import type { KernelName, Kernels } from "./loader.js";
import { callKernel } from "./plan-writer.js";
import { type SpgemvArgs, type SpmmArgs, spgemv, spmm } from "./reference/spmm.js";
import { SPMM_TILES } from "./templates/spmm.js";
import { AGREES, Bench, compare, FLAVORS, testKernels } from "./testing.js";

let kernels: Kernels;
beforeAll(async () => {
  kernels = await testKernels();
});

const STRIPS = [1, 2, 3, 4, 5, 7, 8, 11, 16, 19, 24, 28, 31, 32, 33, 49, 63, 75];

/** A random case: nb blocks of R rows, up to 9 entries each (blocks without entries included). */
function spmmCase(bench: Bench, R: number, n: number, nb: number): SpmmArgs {
  const { rng } = bench;
  bench.reset();
  const shared = rng.below(2);
  const each = rng.below(10);
  const counts = Array.from({ length: nb }, () => (shared ? each : rng.below(10)));
  const entries = counts.reduce((a, b) => a + b, 0);
  const rows = 1 + rng.below(6);
  const xs = n + rng.below(3);
  const ys = (n + rng.below(4)) * 4;
  const middle = rng.below(rows);
  const x = bench.floats(rows * xs) + middle * xs * 4;
  const list = shared ? each : entries;
  const idx = bench.ints(Array.from({ length: list }, () => (rng.below(rows) - middle) * xs * 4));
  return {
    nb,
    cnt: bench.ints(counts),
    idx,
    w: bench.floats(entries * R),
    bias: rng.below(2) ? bench.floats(nb * R) : 0,
    x,
    y: bench.floats((nb * R * ys) / 4),
    n,
    ys,
    acc: rng.below(2),
    shared,
    ...(rng.below(2) ? { lo: 0, hi: 0.5 } : { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY }),
  };
}

describe("spmm", () => {
  it("a sum split over input parts (acc = 1) gives the same bits as one call", () => {
    const bench = new Bench(kernels, createRng(5));
    const [n, entries] = [30, 12];
    const x = bench.floats(entries * n);
    const idx = bench.ints(Array.from({ length: entries }, (_, i) => i * n * 4));
    const w = bench.floats(entries);
    const one = bench.room(n);
    const two = bench.room(n);
    const common = { nb: 1, bias: bench.floats(1), x, n, ys: n * 4, shared: 0, lo: 0, hi: 1 };
    const count = (k: number) => bench.ints([k]);
    const f32 = kernels.views().f32;
    callKernel(kernels, "sp1_28", { ...common, cnt: count(12), idx, w, y: one, acc: 0 });
    const free = { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };
    callKernel(kernels, "sp1_28", { ...common, ...free, cnt: count(5), idx, w, y: two, acc: 0 });
    callKernel(kernels, "sp1_28", { ...common, bias: 0, cnt: count(7), idx: idx + 20, w: w + 20, y: two, acc: 1 });
    expect(f32.slice(two / 4, two / 4 + n)).toEqual(f32.slice(one / 4, one / 4 + n));
  });

  it("a clamp keeps NaN", () => {
    const bench = new Bench(kernels, createRng(6));
    const y = bench.room(4);
    kernels.views().f32.set([Number.NaN, -1, 0.25, 2], y / 4);
    const args = { nb: 1, cnt: bench.ints([0]), idx: 0, w: 0, bias: 0, x: 0, y, n: 4, ys: 16, acc: 1, shared: 0, lo: 0, hi: 1 };
    callKernel(kernels, "sp1_16", args);
    expect([...kernels.views().f32.slice(y / 4, y / 4 + 4)]).toEqual([Number.NaN, 0, 0.25, 1]);
  });
});

describe.each(FLAVORS)("%s spmm", (flavor) => {
  for (const [R, P] of SPMM_TILES) {
    const name = `sp${R}_${P}` as KernelName;
    it(`${name} ${AGREES[flavor]}, writes nothing else, reads nothing past a strip`, async () => {
      const bench = new Bench(await testKernels(flavor), createRng(R * 100 + P));
      for (const n of STRIPS) {
        for (const nb of [0, 1, 2, 5]) {
          compare(bench.kernels, name, spmm(R), spmmCase(bench, R, n, nb));
        }
      }
    });
  }

  for (const R of [1, 2, 4]) {
    const name = `spgemv${R}` as KernelName;
    it(`${name} ${AGREES[flavor]}`, async () => {
      const bench = new Bench(await testKernels(flavor), createRng(R));
      const { rng } = bench;
      for (let round = 0; round < 60; round++) {
        bench.reset();
        const m = rng.below(6);
        const counts = Array.from({ length: m }, () => rng.below(11));
        const entries = counts.reduce((a, b) => a + b, 0);
        const args: SpgemvArgs = {
          m,
          cnt: bench.ints(counts),
          idx: bench.ints(Array.from({ length: entries }, () => rng.below(9) * 4)),
          w: bench.floats(entries * R),
          bias: rng.below(2) ? bench.floats(m * R) : 0,
          x: bench.floats(9),
          y: bench.room(m * R),
          lo: rng.below(2) ? -0.5 : Number.NEGATIVE_INFINITY,
          hi: rng.below(2) ? 0.5 : Number.POSITIVE_INFINITY,
        };
        compare(bench.kernels, name, spgemv(R), args);
      }
    });
  }
});

import { beforeAll, describe, it } from "vitest";
import { createRng } from "../core/index.js";
import type { KernelName, Kernels } from "./loader.js";
import { type DotsArgs, dots, type SddmmArgs, sddmm } from "./reference/sddmm.js";
import { Bench, requireSameBits, runBoth, testKernels } from "./testing.js";

let kernels: Kernels;
beforeAll(async () => {
  kernels = await testKernels();
});

const LENGTHS = [1, 2, 3, 4, 5, 6, 8, 9, 12, 15, 16, 20, 33];

describe("sddmm", () => {
  for (const [R, sets] of [[1, 2], [2, 1], [4, 1]] as const) {
    const name = `sddmm${R}` as KernelName;
    it(`${name} equals its reference bit for bit, writes nothing else, reads nothing past a strip`, () => {
      const bench = new Bench(kernels, createRng(R));
      const { rng } = bench;
      for (const n of LENGTHS) {
        for (const m of [0, 1, 2, 4]) {
          bench.reset();
          const counts = Array.from({ length: m }, () => rng.below(11));
          const entries = counts.reduce((a, b) => a + b, 0);
          const rows = 5;
          const ys = (n + rng.below(3)) * 4;
          const args: SddmmArgs = {
            m,
            cnt: bench.ints(counts),
            idx: bench.ints(Array.from({ length: entries }, () => (rng.below(rows) - 2) * n * 4)),
            dy: bench.floats((m * R * ys) / 4),
            ys,
            x: bench.floats(rows * n) + 2 * n * 4,
            n,
            out: bench.floats(entries * R),
            acc: rng.below(2),
          };
          requireSameBits(runBoth(kernels, name, sddmm(R, sets), args), `${name} ${JSON.stringify(args)}`);
        }
      }
    });
  }

  it("dots equals its reference bit for bit, for short tiles too", () => {
    const bench = new Bench(kernels, createRng(3));
    const { rng } = bench;
    for (const n of LENGTHS) {
      for (const m of [0, 1, 2, 3, 4]) {
        for (const k of [0, 1, 2, 3, 4, 5, 9]) {
          bench.reset();
          const ys = (n + rng.below(3)) * 4;
          const ldo = (k + rng.below(3)) * 4;
          const args: DotsArgs = {
            m,
            k,
            idx: bench.ints(Array.from({ length: k }, () => rng.below(5) * n * 4)),
            dy: bench.floats((m * ys) / 4),
            ys,
            x: bench.floats(5 * n),
            n,
            out: bench.floats((m * ldo) / 4),
            ldo,
            acc: rng.below(2),
          };
          requireSameBits(runBoth(kernels, "dots", dots, args), `dots ${JSON.stringify(args)}`);
        }
      }
    }
  });
});

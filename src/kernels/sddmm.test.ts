import { describe, it } from "vitest";
import { createRng } from "../core/index.js";
import type { KernelName } from "./loader.js";
import { type DotsArgs, dots, type SddmmArgs, sddmm } from "./reference/sddmm.js";
import { AGREES, Bench, compare, FLAVORS, testKernels } from "./testing.js";

const LENGTHS = [1, 2, 3, 4, 5, 6, 8, 9, 12, 15, 16, 20, 33];

describe.each(FLAVORS)("%s sddmm", (flavor) => {
  for (const R of [1, 2, 4]) {
    const name = `sddmm${R}` as KernelName;
    it(`${name} ${AGREES[flavor]}, writes nothing else, reads nothing past a strip`, async () => {
      const bench = new Bench(await testKernels(flavor), createRng(R));
      const { rng } = bench;
      for (const n of LENGTHS) {
        for (const m of [0, 1, 2, 4]) {
          bench.reset();
          const counts = Array.from({ length: m }, () => rng.below(16));
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
          compare(bench.kernels, name, sddmm(R), args);
        }
      }
    });
  }

  it(`dots ${AGREES[flavor]}, for short tiles too`, async () => {
    const bench = new Bench(await testKernels(flavor), createRng(3));
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
          compare(bench.kernels, "dots", dots, args);
        }
      }
    }
  });
});

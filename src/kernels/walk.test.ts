import { describe, expect, it } from "vitest";
import { createRng } from "../core/index.js";
import type { KernelName } from "./loader.js";
import { callKernel } from "./plan-writer.js";
import { type WalkArgs, walk, weave } from "./reference/walk.js";
import { WALKING_TILES } from "./templates/walk.js";
import { AGREES, Bench, compare, FLAVORS, testKernels } from "./testing.js";

const STRIPS = [1, 2, 3, 4, 5, 7, 8, 11, 16, 19, 20, 24, 27, 28, 31, 33, 49, 63, 75];
const CHANNELS = 7;

/** Entries at these offsets, with random weights. */
function stream(bench: Bench, R: number, offsets: readonly number[]): number {
  const w = bench.floats(offsets.length * (R + 1));
  const { i32 } = bench.kernels.views();
  offsets.forEach((at, e) => {
    i32[w / 4 + e * (R + 1) + R] = e + 1 < offsets.length ? offsets[e + 1]! - at : 12345;
  });
  return w;
}

/** A random case: up to three parts of nb blocks with up to 7 entries each (none included), packed or not. */
function walkCase(bench: Bench, R: number, P: number, n: number, nb: number): WalkArgs & { scratch: number } {
  const { rng } = bench;
  bench.reset();
  const parts = 1 + rng.below(3);
  const counts = Array.from({ length: parts * nb }, () => rng.below(8));
  const entries = counts.reduce((a, b) => a + b, 0);
  const packed = rng.below(2);
  const xs = (Math.ceil(n / 4) * 4 + rng.below(3)) * 4;
  const row = packed ? P * 4 : xs;
  const offsets = Array.from({ length: entries }, () => rng.below(CHANNELS) * row);
  const ys = (n + rng.below(4)) * 4;
  return {
    nb,
    parts,
    cnt: bench.ints(counts),
    w: stream(bench, R, offsets),
    bias: rng.below(2) ? bench.floats(nb * R) : 0,
    x: bench.floats((CHANNELS * xs) / 4 + 4),
    first: offsets[0] ?? 0,
    y: bench.floats((nb * R * ys) / 4 + 4),
    n,
    ys,
    acc: rng.below(2),
    c: packed * CHANNELS,
    xs,
    ...(rng.below(2) ? { lo: 0, hi: 0.5 } : { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY }),
    scratch: bench.room(CHANNELS * P),
  };
}

describe.each(FLAVORS)("%s walk", (flavor) => {
  for (const [R, P] of WALKING_TILES) {
    const name = `sp${R}d_${P}` as KernelName;
    it(`${name} ${AGREES[flavor]}, writes nothing else`, async () => {
      const bench = new Bench(await testKernels(flavor), createRng(R * 100 + P));
      for (const n of STRIPS) {
        for (const nb of [0, 1, 2, 5]) {
          for (let round = 0; round < 3; round++) {
            const { scratch, ...args } = walkCase(bench, R, P, n, nb);
            compare(bench.kernels, name, walk(R, P), args, { at: scratch, bytes: CHANNELS * P * 4 });
          }
        }
      }
    });
  }
});

it("a clamp waits for the last part", async () => {
  const bench = new Bench(await testKernels(), createRng(6));
  const x = bench.floats(4);
  const w = stream(bench, 1, [0, 0]);
  const y = bench.room(4);
  const { f32 } = bench.kernels.views();
  f32.set([1, 2, 3, 4], x / 4);
  f32[w / 4] = -1;
  f32[w / 4 + 2] = 1.5;
  const list = { cnt: bench.ints([1, 1]), w, bias: 0, x, first: 0, y };
  callKernel(bench.kernels, "sp1d_28", { nb: 1, parts: 2, ...list, n: 4, ys: 16, acc: 0, c: 0, xs: 0, lo: 0, hi: 1.25 });
  expect([...f32.slice(y / 4, y / 4 + 4)]).toEqual([0.5, 1, 1.25, 1.25]);
});

it("weave puts weights and distances together, bit for bit", async () => {
  const bench = new Bench(await testKernels(), createRng(7));
  for (const rows of [1, 2, 4]) {
    for (const n of [0, 1, 5]) {
      bench.reset();
      const idx = bench.ints(Array.from({ length: n }, () => bench.rng.below(1e6) - 5e5));
      const order = bench.ints(Array.from({ length: n * rows }, () => bench.rng.below(9) * 4));
      compare(bench.kernels, "weave", weave, { n, rows, idx, order, x: bench.floats(9), y: bench.room(n * (rows + 1)) });
    }
  }
});

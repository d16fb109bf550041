import { expect, it } from "vitest";
import { createRng } from "../core/index.js";
import { gemv_packed, pack28 } from "./reference/gemv-packed.js";
import { Bench, requireSameBits, runBoth, testKernels } from "./testing.js";

const PAGES = 8;
const scratch = { at: PAGES * 65536 - 128, bytes: 128 };

it("packing and the packed product equal their references bit for bit, for sizes that fill no block", async () => {
  const kernels = await testKernels("plain", PAGES);
  const bench = new Bench(kernels, createRng(11));
  let cases = 0;
  for (const [m, k] of [
    [1, 1],
    [4, 4],
    [5, 7],
    [8, 16],
    [3, 12],
    [10, 33],
    [6, 66],
    [28, 9],
    [61, 12],
  ] as const) {
    for (const biased of [false, true]) {
      bench.reset();
      const room = Math.ceil(m / 28) * k * 28;
      const lda = k * 4 + 8;
      const pack = { m, k, a: bench.floats((m * lda) / 4), lda, out: bench.room(room) };
      requireSameBits(runBoth(kernels, "pack28", pack28, pack), `pack28 ${m}x${k}`);
      const args = {
        m,
        k,
        w: pack.out,
        x: bench.floats(k),
        bias: biased ? bench.floats(m) : 0,
        y: bench.room(m),
        lo: biased ? 0 : Number.NEGATIVE_INFINITY,
        hi: Number.POSITIVE_INFINITY,
      };
      pack28(kernels.views(), pack);
      requireSameBits(runBoth(kernels, "gemv_packed", gemv_packed, args, scratch), `gemv_packed ${m}x${k}`);
      const { f32 } = kernels.views();
      gemv_packed(kernels.views(), args);
      for (let i = 0; i < m; i++) {
        let exact = biased ? f32[args.bias / 4 + i]! : 0;
        for (let c = 0; c < k; c++) exact += f32[(pack.a + i * lda) / 4 + c]! * f32[args.x / 4 + c]!;
        expect(f32[args.y / 4 + i]).toBeCloseTo(biased ? Math.max(0, exact) : exact, 4);
      }
      cases++;
    }
  }
  expect(cases).toBe(18);
});

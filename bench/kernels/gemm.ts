/** Dense products against the roofline. */
import { Arena, encode, GEMM_SCRATCH, GEMM_TILES, type KernelName, loadKernels } from "../../src/kernels/index.js";
import { type Case, type Row, race } from "./measure.js";
import { random, seeded } from "./operands.js";

const NO_CLAMP = { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };

/** [m, n, k]; transposed operands as in a linear layer's gradients. */
const PRODUCTS = [
  [240, 256, 256, "ab"],
  [512, 512, 512, "ab"],
  [1024, 1024, 1024, "ab"],
  [512, 512, 512, "ab^t"],
  [512, 512, 512, "a^tb"],
  [1000, 128, 1000, "ab"],
  [128, 10, 1000, "ab^t"],
  [5, 1024, 1024, "ab"],
] as const;

export async function* gemmBench(): AsyncGenerator<Row & { flops: number }> {
  for (const [m, n, k, form] of PRODUCTS) {
    const arena = new Arena(await loadKernels({ shared: true, pages: 1024 }));
    const rng = seeded();
    const a = random(arena, rng, m * k);
    const b = random(arena, rng, k * n);
    const c = arena.allocateZeroed(m * n * 4);
    const scratch = arena.allocate(GEMM_SCRATCH);
    const [rsa, csa] = form === "a^tb" ? [4, m * 4] : [k * 4, 4];
    const [rsb, csb] = form === "ab^t" ? [4, k * 4] : [n * 4, 4];
    const args = { m, n, k, a, rsa, csa, b, rsb, csb, c, ldc: n * 4, acc: 0, bias: 0, biasMode: 0, ...NO_CLAMP };
    const flops = 2 * m * n * k;
    const cases: Case[] = GEMM_TILES.map(([MR, NR]) => ({
      name: `gemm_${MR}x${NR} ${m}x${n}x${k} ${form}`,
      code: [encode(`gemm_${MR}x${NR}` as KernelName, args)],
      flops,
    }));
    for (const row of race(arena, cases, scratch, 25, 1)) yield { ...row, flops };
  }
  for (const [m, k] of [
    [512, 512],
    [1024, 1024],
    [2048, 2048],
  ] as const) {
    const arena = new Arena(await loadKernels({ shared: true, pages: 1024 }));
    const rng = seeded();
    const args = {
      m,
      k,
      a: random(arena, rng, m * k),
      lda: k * 4,
      x: random(arena, rng, Math.max(m, k)),
      bias: 0,
      acc: 0,
      ...NO_CLAMP,
    };
    const y = arena.allocateZeroed(Math.max(m, k) * 4);
    const flops = 2 * m * k;
    const cases: Case[] = (["gemv", "gemv_t"] as const).map((name) => ({
      name: `${name} ${m}x${k}`,
      code: [encode(name, { ...args, y })],
      flops,
    }));
    for (const row of race(arena, cases, 0, 40, 0.5)) yield { ...row, flops };
  }
}

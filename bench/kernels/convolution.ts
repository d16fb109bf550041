/** 3x3 convolutions on planes of four images, batch 16: Winograd and direct, forward and weight gradient, against the roofline of the direct work. */
import { Arena, encode, type Instruction, loadKernels, WINOGRAD_SCRATCH } from "../../src/kernels/index.js";
import { type Case, type Row, race } from "./measure.js";
import { random, seeded } from "./operands.js";

const BATCH = 16;
/** [channels, height = width, rows of tiles at a time]: the three stages of ResNet-20. */
const STAGES = [
  [16, 32, 1],
  [32, 16, 2],
  [64, 8, 2],
] as const;

export async function* convolutionBench(): AsyncGenerator<Row & { flops: number }> {
  for (const [c, size, tileRows] of STAGES) {
    const arena = new Arena(await loadKernels({ shared: true, pages: 2048 }));
    const rng = seeded();
    const rs = (size + 1) * 16;
    const ps = (size + 2) * rs + 16;
    const groups = BATCH / 4;
    const x = random(arena, rng, (groups * c * ps) / 4);
    const y = random(arena, rng, (groups * c * ps) / 4);
    const origin = rs + 16;
    const [th, tw] = [tileRows, size / 4];
    const ts = th * tw * 16;
    const ufs = c * c * 4 + 64;
    const u = random(arena, rng, 36 * (c * c + 16));
    const vfs = c * ts + 64;
    const v = arena.allocateZeroed(36 * vfs);
    const m = arena.allocateZeroed(36 * vfs);
    const scratch = arena.allocate(WINOGRAD_SCRATCH);
    const taps = Int32Array.from(
      { length: c * 9 },
      (_, k) => Math.floor(k / 9) * ps + (Math.floor((k % 9) / 3) - 1) * rs + ((k % 3) - 1) * 16,
    );
    const idx = arena.put(taps);
    const cnt = arena.put(new Int32Array(c).fill(c * 9));
    const weights = random(arena, rng, c * c * 9);
    const code: Record<string, Instruction[]> = { forward: [], transforms: [], products: [], gradient: [], direct: [], dots: [] };
    for (let g = 0; g < groups; g++) {
      const [xg, yg] = [x + g * c * ps, y + g * c * ps + origin];
      for (let ty = 0; ty < size / 4; ty += tileRows) {
        const down = ty * 4 * rs;
        const shape = { c, ps, rs, h: size - ty * 4, w: size, th, tw, ts, fs: vfs };
        const into = encode("w4_in", { ...shape, x: xg + down, v });
        const product = encode("wgemm", { nf: 36, cob: c / 4, cin: c, t: th * tw, u, ufs, v, vfs, m, mfs: vfs, ts });
        const out = encode("w4_out", { ...shape, y: yg + down, m, acc: 0 });
        const dy = encode("w4_dy", { ...shape, x: yg + down, v: m });
        const dots = encode("wdots", { nf: 36, co: c, ci: c, t: th * tw, d: m, dfs: vfs, v, vfs, ts, du: u, ufs, acc: 1 });
        code.forward!.push(into, product, out);
        code.transforms!.push(into, out);
        code.products!.push(product);
        code.gradient!.push(into, dy, dots);
      }
      const n = size * (size + 1) * 4;
      const free = { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };
      code.direct!.push(
        encode("sp4_8", { nb: c / 4, cnt, idx, w: weights, bias: 0, x: xg + origin, y: yg, n, ys: ps, acc: 0, shared: 1, ...free }),
      );
      for (let r = 0; r < size; r += 8) {
        const band = r * rs;
        code.dots!.push(
          encode("dots", {
            m: c,
            k: c * 9,
            idx,
            dy: yg + band,
            ys: ps,
            x: xg + origin + band,
            n: 8 * (size + 1) * 4,
            out: weights,
            ldo: c * 36,
            acc: 1,
          }),
        );
      }
    }
    const flops = 2 * BATCH * size * size * c * c * 9;
    const cases: Case[] = Object.entries(code).map(([name, list]) => ({ name: `${c}@${size} ${name}`, code: list, flops }));
    for (const row of race(arena, cases, scratch, 40, 0.5)) yield { ...row, flops };
  }
}

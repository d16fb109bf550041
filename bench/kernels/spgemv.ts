/** Sparse matrix times vector (batch 1) against the roofline: rows, blocks of rows, slices of four rows. */
import { Arena, encode, type KernelName, loadKernels } from "../../src/kernels/index.js";
import { type Case, type Row, race } from "./measure.js";
import { random, seeded, sparseMatrix } from "./operands.js";

const NO_CLAMP = { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };

export async function* spgemvBench(): AsyncGenerator<Row & { flops: number }> {
  for (const size of [512, 1024, 2048]) {
    const kernels = await loadKernels({ shared: true });
    const arena = new Arena(kernels);
    const rng = seeded();
    const x = random(arena, rng, size);
    const y = arena.allocateZeroed(size * 4);
    const cases: Case[] = [];
    for (const R of [1, 2, 4]) {
      const matrix = sparseMatrix(arena, rng, { rows: size, cols: size, R, sparsity: 0.9, stride: 4 });
      const { cnt, idx, w } = matrix.parts[0]!;
      const flops = 2 * matrix.entries * R;
      const args = { bias: 0, x, y, ...NO_CLAMP };
      const name = `spgemv${R}` as KernelName;
      cases.push({ name: `${name} ${size}x${size} 90 %`, code: [encode(name, { m: matrix.blocks, cnt, idx, w, ...args })], flops });
      if (R > 1) continue;
      const { i32, f32 } = kernels.views();
      const rows: { row: number; first: number; count: number }[] = [];
      for (let row = 0, first = 0; row < size; row++) {
        const count = i32[cnt / 4 + row]!;
        rows.push({ row, first, count });
        first += count;
      }
      rows.sort((a, b) => b.count - a.count);
      const slices: number[] = [];
      const lanes: number[] = [];
      const weights: number[] = [];
      for (let s = 0; s < size; s += 4) {
        slices.push(rows[s]!.count);
        for (let e = 0; e < rows[s]!.count; e++) {
          for (const { first, count } of rows.slice(s, s + 4)) {
            lanes.push(x + i32[idx / 4 + first + Math.min(e, count - 1)]!);
            weights.push(e < count ? f32[w / 4 + first + e]! : 0);
          }
        }
      }
      const order = arena.put(Int32Array.from(rows, ({ row }) => row * 4));
      const list = {
        cnt: arena.put(Int32Array.from(slices)),
        idx: arena.put(Int32Array.from(lanes)),
        w: arena.put(Float32Array.from(weights)),
      };
      cases.push({
        name: `sell4 ${size}x${size} 90 %`,
        code: [encode("sell4", { m: size / 4, ...list, bias: 0, y, order, ...NO_CLAMP })],
        flops,
      });
    }
    const rates = race(arena, cases, 0, 40, 0.5);
    for (const [i, row] of rates.entries()) yield { ...row, flops: cases[i]!.flops };
  }
}

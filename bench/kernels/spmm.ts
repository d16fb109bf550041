/** Sparse products and their gradients against the roofline. */
import { Arena, encode, type Instruction, type KernelName, loadKernels, WALKING_TILES } from "../../src/kernels/index.js";
import { type Case, type Row, race } from "./measure.js";
import { random, seeded, sparseMatrix, woven } from "./operands.js";

const NO_CLAMP = { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };

/** Pointwise convolutions [channels, channels, pixels, sparsities]. */
const LAYERS = [
  [256, 196, [0.9]],
  [512, 196, [0.8, 0.9]],
  [1024, 49, [0.9]],
] as const;

/** Tiles and numbers of input parts that are tried. */
const VARIANTS = [
  ["sp1_16", 1, 1],
  ["sp1_24", 1, 1],
  ["sp1_28", 1, 1],
  ["sp1_28", 1, 2],
  ["sp1_28", 1, 4],
  ["sp1_32", 1, 1],
  ["sp2_16", 2, 1],
  ["sp4_8", 4, 1],
] as const;

export async function* spmmBench(): AsyncGenerator<Row & { flops: number }> {
  for (const [size, pixels, sparsities] of LAYERS) {
    for (const sparsity of sparsities) {
      const kernels = await loadKernels({ shared: true });
      const arena = new Arena(kernels);
      const rng = seeded();
      const stride = Math.ceil((pixels * 4) / 64) * 64 + ((pixels * 4) % 512 === 0 ? 64 : 0);
      const x = random(arena, rng, (size * stride) / 4);
      const y = arena.allocateZeroed(size * stride);
      const bias = random(arena, rng, size);
      const cases: Case[] = [];
      for (const [kernel, R, parts] of VARIANTS) {
        const matrix = sparseMatrix(arena, rng, { rows: size, cols: size, R, sparsity, stride, parts });
        const flops = 2 * matrix.entries * R * pixels;
        const code = matrix.parts.map(({ cnt, idx, w }, part) =>
          encode(kernel as KernelName, {
            nb: matrix.blocks,
            cnt,
            idx,
            w,
            bias,
            x,
            y,
            n: pixels,
            ys: stride,
            acc: part ? 1 : 0,
            shared: 0,
            ...NO_CLAMP,
          }),
        );
        cases.push({
          name: `${kernel} ${size}x${size}@${pixels} ${sparsity * 100} %${parts > 1 ? ` ${parts} parts` : ""}`,
          code,
          flops,
        });
        if (parts === 1 && kernel !== "sp1_16" && kernel !== "sp1_24" && kernel !== "sp1_32") {
          const { cnt, idx } = matrix.parts[0]!;
          const out = arena.allocateZeroed(matrix.entries * R * 4);
          const gradient: Instruction = encode(`sddmm${R}` as KernelName, {
            m: matrix.blocks,
            cnt,
            idx,
            dy: y,
            ys: stride,
            x,
            n: pixels,
            out,
            acc: 1,
          });
          cases.push({ name: `sddmm${R} ${size}x${size}@${pixels} ${sparsity * 100} %`, code: [gradient], flops });
        }
      }
      for (const [R, P] of WALKING_TILES) {
        for (const parts of [1, 2]) {
          for (const packed of [false, true]) {
            const matrix = sparseMatrix(arena, rng, { rows: size, cols: size, R, sparsity, stride, parts });
            const { cnt, w, first } = woven(arena, matrix, R, (at) => (packed ? (at / stride) * P * 4 : at));
            const list = { nb: matrix.blocks, parts, cnt, w, bias, x, first, y, n: pixels, ys: stride, acc: 0 };
            cases.push({
              name: `sp${R}d_${P} ${size}x${size}@${pixels} ${sparsity * 100} %${parts > 1 ? ` ${parts} parts` : ""}${packed ? " packed" : ""}`,
              code: [encode(`sp${R}d_${P}` as KernelName, { ...list, c: packed ? size : 0, xs: stride, ...NO_CLAMP })],
              flops: 2 * matrix.entries * R * pixels,
            });
          }
        }
      }
      const scratch = arena.allocate(size * 32 * 4);
      const rows = race(arena, cases, scratch, 40, 0.5);
      for (const [i, row] of rows.entries()) yield { ...row, flops: cases[i]!.flops };
    }
  }
}

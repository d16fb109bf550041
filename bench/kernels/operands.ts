/** Seeded random operands for the benchmarks. */
import { createRng, type Rng } from "../../src/core/index.js";
import type { Arena } from "../../src/kernels/index.js";

export const random = (arena: Arena, rng: Rng, n: number): number =>
  arena.put(Float32Array.from({ length: n }, () => rng.uniform() - 0.5));

/** A random sparse matrix in blocks of R rows, cut into parts of consecutive columns. */
export interface SparseOperand {
  readonly blocks: number;
  readonly entries: number;
  /** Addresses, one a part of columns. */
  readonly parts: readonly { readonly cnt: number; readonly idx: number; readonly w: number }[];
}

/** @param stride bytes between the strips that neighbouring columns stand for */
export function sparseMatrix(
  arena: Arena,
  rng: Rng,
  shape: { rows: number; cols: number; R: number; sparsity: number; stride: number; parts?: number },
): SparseOperand {
  const { rows, cols, R, sparsity, stride, parts = 1 } = shape;
  const blocks = rows / R;
  const live = Math.round(blocks * cols * (1 - sparsity));
  const mask = new Uint8Array(blocks * cols);
  const order = rng.permutation(mask.length);
  for (let i = 0; i < live; i++) mask[order[i]!] = 1;
  const made = Array.from({ length: parts }, (_, part) => {
    const counts: number[] = [];
    const idx: number[] = [];
    for (let block = 0; block < blocks; block++) {
      const before = idx.length;
      for (let c = Math.floor((cols * part) / parts); c < Math.floor((cols * (part + 1)) / parts); c++) {
        if (mask[block * cols + c]) idx.push(c * stride);
      }
      counts.push(idx.length - before);
    }
    return { cnt: arena.put(Int32Array.from(counts)), idx: arena.put(Int32Array.from(idx)), w: random(arena, rng, idx.length * R) };
  });
  return { blocks, entries: live, parts: made };
}

/** All parts of a matrix as one stream of weights and distances, as sp<R>d_<P> walk it; `at` places the input of a column. */
export function woven(
  arena: Arena,
  matrix: SparseOperand,
  R: number,
  at: (offset: number) => number,
): { cnt: number; w: number; first: number } {
  const { i32, f32 } = arena.kernels.views();
  const counts = matrix.parts.flatMap(({ cnt }) => [...i32.subarray(cnt / 4, cnt / 4 + matrix.blocks)]);
  const entries = matrix.parts.flatMap(({ idx, w }, part) => {
    const own = counts.slice(part * matrix.blocks, (part + 1) * matrix.blocks).reduce((a, b) => a + b, 0);
    return Array.from({ length: own }, (_, e) => ({
      offset: at(i32[idx / 4 + e]!),
      weights: f32.slice(w / 4 + e * R, w / 4 + (e + 1) * R),
    }));
  });
  const words = new Int32Array(entries.length * (R + 1));
  const values = new Float32Array(words.buffer);
  entries.forEach(({ offset, weights }, e) => {
    words[e * (R + 1) + R] = e + 1 < entries.length ? entries[e + 1]!.offset - offset : 0;
    values.set(weights, e * (R + 1));
  });
  return { cnt: arena.put(Int32Array.from(counts)), w: arena.put(words), first: entries[0]?.offset ?? 0 };
}

export const seeded = (seed = 1): Rng => createRng(seed);

/** Random masks in a pattern: what a layer will look like at some sparsity, before anything is pruned. */
import { createRng } from "../../src/core/index.js";
import type { Product } from "../../src/program/index.js";
import type { Mask } from "../../src/sparsity/index.js";
import type { PrunePattern } from "../../src/train/index.js";

/**
 * A mask of about this sparsity (N:M: exactly its own), with at least one weight kept; the same for the same layer.
 * @param shape the weight's, as it is stored
 */
export function randomMask(
  { path, rows, columns, transposed, kind }: Product,
  shape: readonly number[],
  pattern: PrunePattern,
  sparsity: number,
): Mask {
  const rng = createRng(1).split(path).split(String(sparsity));
  const kernel = kind === "linear" ? 1 : shape[2]! * shape[3]!;
  const [high, wide] =
    pattern.kind === "block" ? [pattern.rows, pattern.cols] : pattern.kind === "kernels" ? [pattern.filters, kernel] : [1, 1];
  const data = new Uint8Array(rows * columns);
  const keep = (r: number, c: number) => {
    for (let y = r; y < Math.min(rows, r + high); y++)
      for (let x = c; x < Math.min(columns, c + wide); x++) data[transposed ? x * rows + y : y * columns + x] = 1;
  };
  for (let r = 0; r < rows; r += high) {
    for (let c = 0; c < columns; c += pattern.kind === "nm" ? pattern.of : wide) {
      if (pattern.kind !== "nm") {
        if (rng.uniform() >= sparsity) keep(r, c);
        continue;
      }
      const chosen = rng.permutation(Math.min(pattern.of, columns - c)).slice(0, pattern.keep);
      for (const i of chosen) keep(r, c + i);
    }
  }
  if (!data.includes(1)) keep(0, 0);
  return { shape, data };
}

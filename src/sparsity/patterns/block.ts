import { requireInteger } from "../../core/index.js";
import { keepCount } from "../keep-count.js";
import { topK } from "../top-k.js";
import type { Mask } from "../types.js";
import { asMatrix } from "./unstructured.js";

/** Rows and columns of a block, and how its score comes from its weights' (default mean). */
export interface BlockOptions {
  readonly rows: number;
  readonly cols: number;
  readonly pool?: "mean" | "max";
}

/**
 * Blocks of the weight seen as a matrix [out, rest]: whole blocks stay or go.
 *
 * The tiling starts at the top left; blocks at the right and bottom edge may be smaller and rank by the mean (or maximum) of the
 * weights that they have. The promised count is in blocks: keepCount(number of blocks, sparsity).
 *
 * @throws OptionError, ShapeError
 *
 * Narang et al. 2017, arXiv:1711.02782; mean or max pooling as in the contrib code of Zhu & Gupta 2017, arXiv:1710.01878.
 */
export function selectBlocks(score: Float32Array, shape: readonly number[], options: BlockOptions, sparsity: number): Mask {
  const { pool = "mean" } = options;
  const height = requireInteger("pattern block.rows", options.rows, 1);
  const width = requireInteger("pattern block.cols", options.cols, 1);
  const [rows, cols] = asMatrix("pattern block", shape);
  const across = Math.ceil(cols / width);
  const blocks = Math.ceil(rows / height) * across;
  const pooled = new Float64Array(blocks).fill(pool === "max" ? Number.NEGATIVE_INFINITY : 0);
  const sizes = new Uint32Array(blocks);
  const blockOf = (r: number, c: number) => Math.floor(r / height) * across + Math.floor(c / width);
  for (let r = 0, at = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++, at++) {
      const b = blockOf(r, c);
      const s = score[at]!;
      // Math.max passes NaN on, so topK still refuses it.
      pooled[b] = pool === "max" ? Math.max(pooled[b]!, s) : pooled[b]! + s;
      sizes[b]!++;
    }
  }
  const chosen = topK(
    Float32Array.from(pooled, (p, b) => (pool === "max" ? p : p / sizes[b]!)),
    keepCount(blocks, sparsity),
  );
  const data = new Uint8Array(score.length);
  for (let r = 0, at = 0; r < rows; r++) for (let c = 0; c < cols; c++, at++) data[at] = chosen[blockOf(r, c)]!;
  return { shape: [...shape], data };
}

/** The definition of the overlap kernels, in plain TypeScript: same layouts, same results, bit for bit. */
import { popcount } from "./bits.js";

/** One code per row of `words` 32-bit words. Adds nothing: `out[r]` becomes the overlap of code r with the query. */
export function overlapRowsReference(codes: Uint32Array, words: number, query: Uint32Array, out: Uint32Array): void {
  for (let r = 0; r < out.length; r++) {
    let sum = 0;
    for (let w = 0; w < words; w++) sum += popcount(codes[r * words + w]! & query[w]!);
    out[r] = sum;
  }
}

/**
 * One cell per column: bit r of column c, `stride` bytes a column, is cell c of code r.
 * `out[r]` becomes the number of listed columns whose bit r is on.
 */
export function overlapColumnsReference(columns: Uint8Array, stride: number, list: Int32Array, out: Uint32Array): void {
  for (let r = 0; r < out.length; r++) {
    let sum = 0;
    for (const cell of list) sum += (columns[stride * cell + (r >>> 3)]! >>> (r & 7)) & 1;
    out[r] = sum;
  }
}

/** The live positions of a sparse param and the index lists that kernels walk. */

/**
 * The pattern of a sparse param seen as a matrix [rows, columns]; a convolution's columns are its flat (in, ky, kx) positions.
 * With `block` > 1, `block` neighbouring rows share each column; row pointers and columns then count blocks.
 */
export interface Topology {
  readonly rows: number;
  readonly columns: number;
  readonly block: 1 | 2 | 4;
  /** Most live values that the memory holds. */
  readonly capacity: number;
  /** [rows / block + 1] first entry of each row of blocks. */
  rowPtr: Int32Array;
  /** [entries] column of each entry, ascending within a row. */
  columnOf: Int32Array;
  /** Rises with every change. */
  version: number;
}

/** Live values of a topology. */
export const liveCount = (t: Topology): number => t.rowPtr[t.rowPtr.length - 1]! * t.block;

/** Entries per row of blocks. */
export function countsOf(t: Topology): Int32Array {
  const counts = new Int32Array(t.rowPtr.length - 1);
  for (let r = 0; r < counts.length; r++) counts[r] = t.rowPtr[r + 1]! - t.rowPtr[r]!;
  return counts;
}

/**
 * The transposed view: for each target (a column, or a plane that several columns share) its entries, in row order.
 *
 * @param targets   number of targets
 * @param targetOf  target of a column
 * @param offsetOf  byte offset that an entry at (row, column) reads at
 * @returns         counts per target, the offsets, and for each the byte position of its value
 */
export function transposed(
  t: Topology,
  targets: number,
  targetOf: (column: number) => number,
  offsetOf: (row: number, column: number) => number,
): { counts: Int32Array; offsets: Int32Array; values: Int32Array } {
  const n = liveCount(t);
  const counts = new Int32Array(targets);
  const entries = t.columnOf.length;
  for (let e = 0; e < t.rowPtr[t.rowPtr.length - 1]!; e++) counts[targetOf(t.columnOf[e]!)]! += t.block;
  const next = new Int32Array(targets);
  for (let k = 1; k < targets; k++) next[k] = next[k - 1]! + counts[k - 1]!;
  const offsets = new Int32Array(n);
  const values = new Int32Array(n);
  for (let r = 0; r + 1 < t.rowPtr.length; r++) {
    for (let e = t.rowPtr[r]!; e < t.rowPtr[r + 1]! && e < entries; e++) {
      const column = t.columnOf[e]!;
      const target = targetOf(column);
      for (let b = 0; b < t.block; b++) {
        const slot = next[target]!++;
        offsets[slot] = offsetOf(r * t.block + b, column);
        values[slot] = (e * t.block + b) * 4;
      }
    }
  }
  return { counts, offsets, values };
}

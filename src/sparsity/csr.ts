/** Compressed sparse rows: the form of layers that are too large to have a dense copy. Nothing here allocates rows x cols. */
import { InputError, type Rng, requireInteger, ShapeError } from "../core/index.js";
import { asMatrix } from "./patterns/unstructured.js";
import type { CsrPattern, Mask } from "./types.js";

/** The most entries an Int32 offset can address. */
const MOST_ENTRIES = 0x7fffffff;

/** Number of entries. */
export function nonZeros(csr: CsrPattern): number {
  return csr.columns.length;
}

/**
 * Checks a pattern from outside: lengths, ascending offsets, columns in range and strictly ascending within each row.
 * @throws InputError naming the first row that is wrong
 */
export function checkCsr({ rows, cols, rowPtr, columns }: CsrPattern): void {
  requireInteger("csr.rows", rows, 0);
  requireInteger("csr.cols", cols, 0);
  if (rowPtr.length !== rows + 1) throw new ShapeError("csr", { rowPtr: [rowPtr.length] }, `${rows + 1} row offsets`);
  if (rowPtr[0] !== 0 || rowPtr[rows] !== columns.length) {
    throw new InputError(
      `csr: row offsets run from ${rowPtr[0]} to ${rowPtr[rows]}; expected 0 to ${columns.length} (the number of columns stored)`,
    );
  }
  for (let r = 0; r < rows; r++) {
    if (rowPtr[r + 1]! < rowPtr[r]!) throw new InputError(`csr: row offsets fall at row ${r}`);
    for (let e = rowPtr[r]!; e < rowPtr[r + 1]!; e++) {
      const column = columns[e]!;
      if (column < 0 || column >= cols) throw new InputError(`csr: row ${r} has column ${column}; expected one in [0, ${cols})`);
      if (e > rowPtr[r]! && columns[e - 1]! >= column) throw new InputError(`csr: columns of row ${r} are not strictly ascending`);
    }
  }
}

/** The pattern of a mask, seen as a matrix [out, rest]. @throws ShapeError below rank 2 */
export function csrOfMask(mask: Mask): CsrPattern {
  const [rows, cols] = asMatrix("csrOfMask", mask.shape);
  const rowPtr = new Int32Array(rows + 1);
  for (let i = 0; i < mask.data.length; i++) rowPtr[Math.floor(i / cols) + 1]! += mask.data[i]!;
  for (let r = 0; r < rows; r++) rowPtr[r + 1]! += rowPtr[r]!;
  const columns = new Int32Array(rowPtr[rows]!);
  for (let i = 0, e = 0; i < mask.data.length; i++) if (mask.data[i] === 1) columns[e++] = i % cols;
  return { rows, cols, rowPtr, columns };
}

/** The mask of a pattern. @param shape shape of the weight, default [rows, cols]. @throws ShapeError when it has another size */
export function maskOfCsr(csr: CsrPattern, shape: readonly number[] = [csr.rows, csr.cols]): Mask {
  const [rows, cols] = asMatrix("maskOfCsr", shape);
  if (rows !== csr.rows || cols !== csr.cols)
    throw new ShapeError("maskOfCsr", { shape, csr: [csr.rows, csr.cols] }, "the same matrix");
  const data = new Uint8Array(rows * cols);
  for (let r = 0; r < rows; r++) for (let e = csr.rowPtr[r]!; e < csr.rowPtr[r + 1]!; e++) data[r * cols + csr.columns[e]!] = 1;
  return { shape: [...shape], data };
}

/** Values at a pattern's entries of a dense row-major matrix. */
export function gatherCsr(csr: CsrPattern, dense: Float32Array): Float32Array {
  if (dense.length !== csr.rows * csr.cols) throw new ShapeError("gatherCsr", { dense: [dense.length], csr: [csr.rows, csr.cols] });
  const values = new Float32Array(csr.columns.length);
  for (let r = 0; r < csr.rows; r++) {
    for (let e = csr.rowPtr[r]!; e < csr.rowPtr[r + 1]!; e++) values[e] = dense[r * csr.cols + csr.columns[e]!]!;
  }
  return values;
}

/** Index of the entry at (row, column), or -1. Binary search. */
export function findEntry(csr: CsrPattern, row: number, column: number): number {
  let low = csr.rowPtr[row]!;
  let high = csr.rowPtr[row + 1]! - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const found = csr.columns[middle]!;
    if (found === column) return middle;
    if (found < column) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** Longest range sorted by insertion: rows of a sparse layer are short, and a view per row costs more than the sort. */
const SHORT = 24;

/** Sorts `data[from..to)` ascending, in place. */
function sortRange(data: Int32Array, from: number, to: number): void {
  if (to - from > SHORT) {
    data.subarray(from, to).sort();
    return;
  }
  for (let i = from + 1; i < to; i++) {
    const value = data[i]!;
    let at = i;
    while (at > from && data[at - 1]! > value) {
      data[at] = data[at - 1]!;
      at--;
    }
    data[at] = value;
  }
}

/** The row of every entry. */
function rowsOf({ rows, rowPtr, columns }: CsrPattern): Int32Array {
  const rowOf = new Int32Array(columns.length);
  for (let r = 0, e = 0; r < rows; r++) while (e < rowPtr[r + 1]!) rowOf[e++] = r;
  return rowOf;
}

/** Sorts entries given as (row, column) into a pattern: a counting sort by row, then each row by column. Duplicates stay. */
export function csrOfEntries(rows: number, cols: number, entryRows: Int32Array, entryColumns: Int32Array): CsrPattern {
  const rowPtr = new Int32Array(rows + 1);
  for (let e = 0; e < entryRows.length; e++) rowPtr[entryRows[e]! + 1]!++;
  for (let r = 0; r < rows; r++) rowPtr[r + 1]! += rowPtr[r]!;
  const next = rowPtr.slice(0, rows);
  const columns = new Int32Array(entryRows.length);
  for (let e = 0; e < entryRows.length; e++) columns[next[entryRows[e]!]!++] = entryColumns[e]!;
  for (let r = 0; r < rows; r++) sortRange(columns, rowPtr[r]!, rowPtr[r + 1]!);
  return { rows, cols, rowPtr, columns };
}

/** The cells that a pattern does not hold. Costs rows x cols steps: only for patterns that are mostly full. */
function complement(csr: CsrPattern): CsrPattern {
  const { rows, cols } = csr;
  const rowPtr = new Int32Array(rows + 1);
  for (let r = 0; r < rows; r++) rowPtr[r + 1] = rowPtr[r]! + cols - (csr.rowPtr[r + 1]! - csr.rowPtr[r]!);
  const columns = new Int32Array(rowPtr[rows]!);
  for (let r = 0, at = 0; r < rows; r++) {
    let e = csr.rowPtr[r]!;
    for (let c = 0; c < cols; c++) {
      if (e < csr.rowPtr[r + 1]! && csr.columns[e] === c) e++;
      else columns[at++] = c;
    }
  }
  return { rows, cols, rowPtr, columns };
}

/** A pattern without repeated entries. */
function withoutRepeats(csr: CsrPattern): CsrPattern {
  const rowPtr = new Int32Array(csr.rows + 1);
  const columns = new Int32Array(csr.columns.length);
  let at = 0;
  for (let r = 0; r < csr.rows; r++) {
    for (let e = csr.rowPtr[r]!; e < csr.rowPtr[r + 1]!; e++) {
      if (e === csr.rowPtr[r] || csr.columns[e] !== csr.columns[e - 1]) columns[at++] = csr.columns[e]!;
    }
    rowPtr[r + 1] = at;
  }
  return { rows: csr.rows, cols: csr.cols, rowPtr, columns: columns.slice(0, at) };
}

/**
 * `count` cells that `taken` does not hold, every choice equally likely. Memory and time follow the entries, never rows x cols.
 *
 * @param taken a pattern; pass one without entries to choose among all cells
 * @throws OptionError when fewer than `count` cells are free, or the result would pass 2^31 - 1 entries
 */
export function randomFreeCells(taken: CsrPattern, count: number, rng: Rng): CsrPattern {
  const { rows, cols } = taken;
  const free = rows * cols - taken.columns.length;
  requireInteger("randomFreeCells.count", count, 0, Math.min(free, MOST_ENTRIES));
  if (count > free / 2 || free < (rows * cols) / 2) return pickFrom(complement(taken), count, rng);
  // Draw with repeats, drop what is taken or repeated, and draw again for what is missing: uniform over the sets.
  let chosen = csrOfEntries(rows, cols, new Int32Array(0), new Int32Array(0));
  while (chosen.columns.length < count) {
    const had = chosen.columns.length;
    const entryRows = new Int32Array(count);
    const entryColumns = new Int32Array(count);
    entryRows.set(rowsOf(chosen));
    entryColumns.set(chosen.columns);
    for (let e = had; e < count; ) {
      const row = rng.below(rows);
      const column = rng.below(cols);
      if (findEntry(taken, row, column) >= 0) continue;
      entryRows[e] = row;
      entryColumns[e++] = column;
    }
    chosen = withoutRepeats(csrOfEntries(rows, cols, entryRows, entryColumns));
  }
  return chosen;
}

/** `count` of a pattern's entries, every choice equally likely. */
function pickFrom(csr: CsrPattern, count: number, rng: Rng): CsrPattern {
  const order = Int32Array.from({ length: csr.columns.length }, (_, i) => i);
  for (let i = 0; i < count; i++) {
    const j = i + rng.below(order.length - i);
    const t = order[i]!;
    order[i] = order[j]!;
    order[j] = t;
  }
  const rowOf = rowsOf(csr);
  const picked = order.subarray(0, count);
  return csrOfEntries(
    csr.rows,
    csr.cols,
    picked.map((e) => rowOf[e]!),
    picked.map((e) => csr.columns[e]!),
  );
}

/**
 * A random pattern with exactly `nnz` entries, every pattern equally likely. No dense array: memory is 4 (nnz + rows) bytes a few times.
 *
 * @param rows at least 1
 * @param cols at least 1
 * @param nnz  in [0, rows x cols], below 2^31
 * @throws OptionError
 */
export function randomCsr(rows: number, cols: number, nnz: number, rng: Rng): CsrPattern {
  requireInteger("randomCsr.rows", rows, 1, MOST_ENTRIES);
  requireInteger("randomCsr.cols", cols, 1, MOST_ENTRIES);
  requireInteger("randomCsr.nnz", nnz, 0, Math.min(rows * cols, MOST_ENTRIES));
  return randomFreeCells({ rows, cols, rowPtr: new Int32Array(rows + 1), columns: new Int32Array(0) }, nnz, rng);
}

/** Rows of non-negative sparse vectors, compressed by row. Documents and batches of queries are both held this way. */
import { InputError, ShapeError } from "../core/index.js";

/**
 * A sparse matrix in compressed-row form. Row r holds entries `offsets[r]` to `offsets[r + 1]`; inside a row the
 * coordinates increase strictly and the values are finite and positive.
 */
export interface SparseMatrix {
  readonly rows: number;
  readonly cols: number;
  /** [rows + 1], starts at 0 and never decreases */
  readonly offsets: Uint32Array;
  /** [entries], coordinate of each entry, below `cols` */
  readonly indices: Uint32Array;
  /** [entries], weight of each entry */
  readonly values: Float32Array;
}

/** One sparse vector: coordinates and their weights, in the same order. */
export interface SparseVector {
  readonly indices: ArrayLike<number>;
  readonly values: ArrayLike<number>;
}

/** Row `r` as views on the matrix. @throws InputError when there is no such row */
export function rowOf(matrix: SparseMatrix, r: number): { indices: Uint32Array; values: Float32Array } {
  if (!(r >= 0 && r < matrix.rows)) throw new InputError(`rowOf: row ${r} of a matrix of ${matrix.rows} rows`);
  const from = matrix.offsets[r]!;
  const to = matrix.offsets[r + 1]!;
  return { indices: matrix.indices.subarray(from, to), values: matrix.values.subarray(from, to) };
}

/**
 * Sorts one vector by coordinate, drops explicit zeros, and checks it.
 *
 * @param place   what to call the vector in messages, such as `document 17`
 * @param vector  coordinates and weights in any order
 * @param cols    number of coordinates
 * @returns       coordinates strictly increasing, weights positive
 * @throws InputError for a coordinate outside [0, cols) or used twice, and for a weight that is negative, NaN or infinite
 */
export function checkVector(place: string, vector: SparseVector, cols: number): { indices: Uint32Array; values: Float32Array } {
  const n = vector.indices.length;
  if (vector.values.length !== n)
    throw new ShapeError(place, { indices: [n], values: [vector.values.length] }, "one weight per coordinate");
  const order: number[] = [];
  let last = -1;
  let tidy = true;
  for (let i = 0; i < n; i++) {
    const c = vector.indices[i]!;
    if (!Number.isInteger(c) || c < 0 || c >= cols) {
      throw new InputError(
        `${place}: coordinate ${c} at position ${i} is outside 0..${cols - 1}; enlarge the vocabulary or drop the entry`,
      );
    }
    const w = Math.fround(vector.values[i]!);
    if (!Number.isFinite(w) || w < 0) {
      throw new InputError(
        `${place}: weight ${vector.values[i]} of coordinate ${c} is not a finite number of at least 0; bounds need non-negative weights`,
      );
    }
    if (w > 0) order.push(i);
    tidy &&= c > last && w > 0;
    last = c;
  }
  if (tidy) return { indices: Uint32Array.from(vector.indices), values: Float32Array.from(vector.values) };
  order.sort((a, b) => vector.indices[a]! - vector.indices[b]!);
  const indices = new Uint32Array(order.length);
  const values = new Float32Array(order.length);
  for (let i = 0; i < order.length; i++) {
    indices[i] = vector.indices[order[i]!]!;
    values[i] = vector.values[order[i]!]!;
    if (i > 0 && indices[i] === indices[i - 1]) {
      throw new InputError(`${place}: coordinate ${indices[i]} comes twice; add its weights into one entry first`);
    }
  }
  return { indices, values };
}

/**
 * Builds a matrix from vectors in any coordinate order.
 *
 * @param vectors one per row
 * @param cols    number of coordinates
 * @param what    what a row is called in messages
 * @throws InputError for a bad coordinate or weight, naming the row
 */
export function matrixFromVectors(vectors: readonly SparseVector[], cols: number, what = "document"): SparseMatrix {
  const checked = vectors.map((v, r) => checkVector(`${what} ${r}`, v, cols));
  const offsets = new Uint32Array(checked.length + 1);
  for (let r = 0; r < checked.length; r++) offsets[r + 1] = offsets[r]! + checked[r]!.indices.length;
  const indices = new Uint32Array(offsets[checked.length]!);
  const values = new Float32Array(indices.length);
  checked.forEach((v, r) => {
    indices.set(v.indices, offsets[r]!);
    values.set(v.values, offsets[r]!);
  });
  return { rows: checked.length, cols, offsets, indices, values };
}

/**
 * Checks a matrix that came from outside, once, before an index trusts it.
 * @throws ShapeError for arrays of the wrong length; InputError for offsets that decrease, coordinates out of order or
 *   out of range, and weights that are not finite and positive, naming row and position
 */
export function checkMatrix(place: string, m: SparseMatrix): void {
  const nnz = m.indices.length;
  if (m.offsets.length !== m.rows + 1 || m.values.length !== nnz) {
    throw new ShapeError(
      place,
      { offsets: [m.offsets.length], indices: [nnz], values: [m.values.length] },
      `${m.rows + 1} offsets and equally many indices and values`,
    );
  }
  if (m.offsets[0] !== 0 || m.offsets[m.rows] !== nnz)
    throw new InputError(`${place}: offsets must run from 0 to ${nnz}, got ${m.offsets[0]} to ${m.offsets[m.rows]}`);
  const { offsets, indices, values, cols } = m;
  for (let r = 0; r < m.rows; r++) {
    const from = offsets[r]!;
    const to = offsets[r + 1]!;
    if (to < from || to > nnz) throw new InputError(`${place}: offsets decrease after row ${r}`);
    let last = -1;
    for (let i = from; i < to; i++) {
      const c = indices[i]!;
      const w = values[i]!;
      if (c <= last || c >= cols) {
        const why = c === last ? "comes twice" : c < last ? "is out of order" : `is outside 0..${cols - 1}`;
        throw new InputError(`${place}: row ${r}: coordinate ${c} ${why}`);
      }
      if (!(w > 0 && w < Number.POSITIVE_INFINITY))
        throw new InputError(`${place}: row ${r}: weight ${w} of coordinate ${c} is not finite and positive`);
      last = c;
    }
  }
}

/** The transpose: row c lists the documents that hold coordinate c, in increasing order. One counting pass, one filling pass. */
export function transpose(m: SparseMatrix): SparseMatrix {
  const offsets = new Uint32Array(m.cols + 1);
  const { indices: from, values: weights } = m;
  for (let i = 0; i < from.length; i++) offsets[from[i]! + 1]!++;
  for (let c = 0; c < m.cols; c++) offsets[c + 1]! += offsets[c]!;
  const at = offsets.slice(0, m.cols);
  const indices = new Uint32Array(from.length);
  const values = new Float32Array(from.length);
  for (let r = 0; r < m.rows; r++) {
    const end = m.offsets[r + 1]!;
    for (let i = m.offsets[r]!; i < end; i++) {
      const p = at[from[i]!]!++;
      indices[p] = r;
      values[p] = weights[i]!;
    }
  }
  return { rows: m.cols, cols: m.rows, offsets, indices, values };
}

/** Rows `rows` of the matrix, in that order. */
export function takeRows(m: SparseMatrix, rows: ArrayLike<number>): SparseMatrix {
  return stackRows(
    Array.from(rows, (r) => rowOf(m, r)),
    m.cols,
  );
}

/** A matrix over vectors that are already sorted and checked. */
export function stackRows(vectors: readonly { indices: Uint32Array; values: Float32Array }[], cols: number): SparseMatrix {
  const offsets = new Uint32Array(vectors.length + 1);
  vectors.forEach((v, r) => {
    offsets[r + 1] = offsets[r]! + v.indices.length;
  });
  const indices = new Uint32Array(offsets[vectors.length]!);
  const values = new Float32Array(indices.length);
  vectors.forEach((v, r) => {
    indices.set(v.indices, offsets[r]!);
    values.set(v.values, offsets[r]!);
  });
  return { rows: vectors.length, cols, offsets, indices, values };
}

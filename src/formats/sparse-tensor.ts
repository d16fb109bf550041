/** Sparse tensors as files hold them: compressed rows over the logical shape, single elements or small blocks. */
import { InputError, requireInteger, sizeOf } from "../core/index.js";

/**
 * A sparse tensor. Its matrix is `[shape[0], product of the rest]`: `[out, in]` as it is, `[out, in, kh, kw]` with one row per
 * output channel and the flat index within the row as column.
 *
 * - `csr`: one value per entry.
 * - `nm`: as `csr`, with exactly `nm.keep` entries in every `nm.of` consecutive columns of a row.
 * - `block`: entries are blocks of `block[0]` rows x `block[1]` columns. `rowPtr` and `columns` count in blocks (block column
 *   j starts at matrix column `j * block[1]`), `values` holds each block row-major. Where the matrix is no multiple of the
 *   block, the grid is rounded up and the overhang is zero.
 */
export interface SparseTensor {
  /** Logical shape; at least one dimension, each at least 1. */
  readonly shape: readonly number[];
  readonly layout: "csr" | "nm" | "block";
  /** Rows and columns of one block; only for `block`. */
  readonly block?: readonly [number, number];
  /** Kept entries in each group of columns; only for `nm`. */
  readonly nm?: { readonly keep: number; readonly of: number };
  /** First entry of each row (or block row), and the number of entries at the end. */
  readonly rowPtr: Int32Array;
  /** Column (or block column) of each entry, increasing within a row. */
  readonly columns: Int32Array;
  /** Values, `block[0] * block[1]` per entry (1 unless `block`). */
  readonly values: Float32Array;
}

/** The sizes that follow from a sparse tensor's shape and layout. */
export interface SparseGrid {
  /** Matrix rows and columns. */
  readonly rows: number;
  readonly cols: number;
  /** Rows and columns of one entry. */
  readonly high: number;
  readonly wide: number;
  /** Rows and columns of the grid of entries. */
  readonly gridRows: number;
  readonly gridCols: number;
}

/**
 * Sizes of the matrix and of its grid of entries.
 * @throws InputError when a dimension or block size is no integer of at least 1, or the grid passes int32
 */
export function sparseGrid(place: string, tensor: Pick<SparseTensor, "shape" | "layout" | "block" | "nm">): SparseGrid {
  const { shape, layout, block, nm } = tensor;
  if (shape.length === 0) throw new InputError(`${place}: a sparse tensor needs at least one dimension`);
  shape.forEach((dim, i) => {
    requireInteger(`${place}: shape[${i}]`, dim, 1);
  });
  if ((layout === "block") !== (block !== undefined))
    throw new InputError(`${place}: give block sizes for the layout block, and only for it`);
  if ((layout === "nm") !== (nm !== undefined)) throw new InputError(`${place}: give nm for the layout nm, and only for it`);
  const rows = shape[0]!;
  const cols = sizeOf(shape.slice(1));
  const high = requireInteger(`${place}: block rows`, block?.[0] ?? 1, 1, 256);
  const wide = requireInteger(`${place}: block columns`, block?.[1] ?? 1, 1, 256);
  requireInteger(`${place}: rows`, rows, 1, 0x7ffffffe);
  requireInteger(`${place}: columns`, cols, 1, 0x7fffffff);
  if (nm) {
    requireInteger(`${place}: nm.of`, nm.of, 2, 256);
    requireInteger(`${place}: nm.keep`, nm.keep, 1, nm.of);
    if (cols % nm.of !== 0) throw new InputError(`${place}: groups of ${nm.of} do not divide rows of ${cols} columns`);
  }
  return { rows, cols, high, wide, gridRows: Math.ceil(rows / high), gridCols: Math.ceil(cols / wide) };
}

/**
 * Checks every index and length of a sparse tensor.
 * @throws InputError that names the first rule broken
 */
export function requireSparse(place: string, tensor: SparseTensor): SparseGrid {
  const grid = sparseGrid(place, tensor);
  const { rowPtr, columns, values, nm } = tensor;
  const area = grid.high * grid.wide;
  if (rowPtr.length !== grid.gridRows + 1) {
    throw new InputError(`${place}: rowPtr has ${rowPtr.length} elements, ${grid.gridRows} rows need ${grid.gridRows + 1}`);
  }
  if (rowPtr[0] !== 0 || rowPtr[grid.gridRows] !== columns.length) {
    throw new InputError(
      `${place}: rowPtr runs from ${rowPtr[0]} to ${rowPtr[grid.gridRows]}, expected 0 to ${columns.length}, the number of columns`,
    );
  }
  if (values.length !== columns.length * area) {
    throw new InputError(`${place}: ${values.length} values for ${columns.length} entries of ${area} each`);
  }
  for (let row = 0; row < grid.gridRows; row++) {
    const end = rowPtr[row + 1]!;
    if (end < rowPtr[row]!) throw new InputError(`${place}: rowPtr falls at row ${row}`);
    for (let at = rowPtr[row]!, last = -1; at < end; at++) {
      const column = columns[at]!;
      if (column <= last || column >= grid.gridCols) {
        throw new InputError(
          `${place}: column ${column} at entry ${at} of row ${row}, expected increasing columns below ${grid.gridCols}`,
        );
      }
      last = column;
    }
    if (nm) requireGroups(place, tensor, nm, row, grid.cols);
  }
  return grid;
}

function requireGroups(place: string, tensor: SparseTensor, nm: { keep: number; of: number }, row: number, cols: number): void {
  const start = tensor.rowPtr[row]!;
  const fits = tensor.rowPtr[row + 1]! - start === (cols / nm.of) * nm.keep;
  for (let i = 0; fits && i < (cols / nm.of) * nm.keep; i++) {
    if (Math.floor(tensor.columns[start + i]! / nm.of) !== Math.floor(i / nm.keep)) {
      throw new InputError(`${place}: row ${row} does not keep exactly ${nm.keep} in group ${Math.floor(i / nm.keep)} of ${nm.of}`);
    }
  }
  if (!fits) throw new InputError(`${place}: row ${row} does not keep exactly ${nm.keep} in every ${nm.of}`);
}

/**
 * Compresses a dense row-major array: keeps what `mask` marks, or every non-zero when there is no mask. A block is kept when
 * any of its elements is.
 * @param dense  one value per position of `shape`
 * @param mask   as `dense`, non-zero = keep (a kept weight may be zero)
 * @throws InputError when the lengths differ from the shape, or the mask breaks the N:M rule
 */
export function compressDense(
  dense: ArrayLike<number>,
  layout: Pick<SparseTensor, "shape" | "layout" | "block" | "nm">,
  mask?: ArrayLike<number>,
): SparseTensor {
  const place = "compressDense";
  const { rows, cols, high, wide, gridRows, gridCols } = sparseGrid(place, layout);
  for (const [name, array] of [["dense", dense] as const, ["mask", mask ?? dense] as const]) {
    if (array.length !== rows * cols)
      throw new InputError(`${place}: ${name} has ${array.length} elements, the shape needs ${rows * cols}`);
  }
  const keep = mask ?? dense;
  const columns: number[] = [];
  const values: number[] = [];
  const rowPtr = new Int32Array(gridRows + 1);
  for (let r = 0; r < gridRows; r++) {
    for (let c = 0; c < gridCols; c++) {
      let live = false;
      for (let y = r * high; y < Math.min(rows, (r + 1) * high) && !live; y++) {
        for (let x = c * wide; x < Math.min(cols, (c + 1) * wide) && !live; x++) live = keep[y * cols + x] !== 0;
      }
      if (!live) continue;
      columns.push(c);
      for (let y = r * high; y < (r + 1) * high; y++) {
        for (let x = c * wide; x < (c + 1) * wide; x++) values.push(y < rows && x < cols ? dense[y * cols + x]! : 0);
      }
    }
    rowPtr[r + 1] = columns.length;
  }
  const { shape, block, nm } = layout;
  const tensor: SparseTensor = {
    shape: [...shape],
    layout: layout.layout,
    ...(block && { block }),
    ...(nm && { nm }),
    rowPtr,
    columns: Int32Array.from(columns),
    values: Float32Array.from(values),
  };
  requireSparse(place, tensor);
  return tensor;
}

/**
 * The dense row-major array of a sparse tensor.
 * @param limit  largest number of elements to allocate; default 2^28 (1 GiB)
 * @throws InputError when an index is out of place or the dense array would pass `limit`
 */
export function expandSparse(tensor: SparseTensor, limit = 2 ** 28): Float32Array {
  const { rows, cols, high, wide, gridRows } = requireSparse("expandSparse", tensor);
  if (rows * cols > limit) throw new InputError(`expandSparse: ${rows} x ${cols} elements are above the limit of ${limit}`);
  const out = new Float32Array(rows * cols);
  let value = 0;
  for (let r = 0; r < gridRows; r++) {
    for (let at = tensor.rowPtr[r]!; at < tensor.rowPtr[r + 1]!; at++) {
      const x0 = tensor.columns[at]! * wide;
      for (let y = r * high; y < (r + 1) * high; y++) {
        for (let x = x0; x < x0 + wide; x++, value++) if (y < rows && x < cols) out[y * cols + x] = tensor.values[value]!;
      }
    }
  }
  return out;
}

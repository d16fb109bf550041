/**
 * The three ways our safetensors convention stores where the entries of a sparse matrix are. Bits fill bytes from the least
 * significant up; the unused bits of the last byte are zero.
 *
 * - `bitmap`: one bit per grid position, row-major.
 * - `gaps`: per row, each entry's distance to the one before it (less one; the first from column 0) in `bits` bits. A code of
 *   all ones means "skip 2^bits - 1 columns and go on". The number of entries of each row is stored beside it.
 * - `positions`: N:M only, each entry's place within its group in ceil(log2(of)) bits.
 */
import { FormatError } from "../core/index.js";
import type { SparseGrid, SparseTensor } from "./sparse-tensor.js";

/** How the indices of one tensor are stored. `bits` is the code width of `gaps`, in [1, 16]. */
export type IndexCode =
  | { readonly code: "bitmap" }
  | { readonly code: "gaps"; readonly bits: number }
  | { readonly code: "positions" };

type Structure = Pick<SparseTensor, "rowPtr" | "columns">;
const FORMAT = "sparse safetensors";

/** Writes fixed-width codes of at most 16 bits into `bytes`, which must be long enough. */
function bitWriter(bytes: Uint8Array): (value: number, bits: number) => void {
  let at = 0;
  return (value, bits) => {
    for (let left = bits, rest = value; left > 0; ) {
      const room = 8 - (at & 7);
      const take = Math.min(room, left);
      bytes[at >>> 3]! |= (rest & ((1 << take) - 1)) << (at & 7);
      rest >>>= take;
      at += take;
      left -= take;
    }
  };
}

/** Reads fixed-width codes of at most 16 bits. */
function bitReader(bytes: Uint8Array) {
  const total = bytes.length * 8;
  let at = 0;
  return {
    /** The next code; -1 past the end. */
    read(bits: number): number {
      if (at + bits > total) return -1;
      const byte = at >>> 3;
      const value = (bytes[byte]! | (bytes[byte + 1]! << 8) | (bytes[byte + 2]! << 16)) >>> (at & 7);
      at += bits;
      return value & ((1 << bits) - 1);
    },
    /**
     * A row of gaps, as columns [from, to). Local variables only: this loop is most of the time of reading a model.
     * @returns the last column; one that is not below `width` ends the row, -1 is the end of the bytes
     */
    gaps(bits: number, columns: Int32Array, from: number, to: number, width: number): number {
      const skip = (1 << bits) - 1;
      let [next, column] = [at, -1];
      for (let e = from; e < to && column < width; e++) {
        column++;
        for (let gap = skip; gap === skip; column += gap) {
          if (next + bits > total) return -1;
          const byte = next >>> 3;
          gap = ((bytes[byte]! | (bytes[byte + 1]! << 8) | (bytes[byte + 2]! << 16)) >>> (next & 7)) & skip;
          next += bits;
        }
        columns[e] = column;
      }
      at = next;
      return column;
    },
    /** Whether only zero bits of the last byte remain. */
    done: () => total - at < 8 && (total === at || bytes[at >>> 3]! >>> (at & 7) === 0),
  };
}

/** Bits that each position takes within a group of `of`. */
function positionBits(of: number): number {
  return 32 - Math.clz32(of - 1);
}

/** Calls `see` with each gap of a structure, row by row. */
function forEachGap({ rowPtr, columns }: Structure, see: (gap: number) => void): void {
  for (let row = 0; row + 1 < rowPtr.length; row++) {
    for (let at = rowPtr[row]!, last = -1; at < rowPtr[row + 1]!; at++) {
      see(columns[at]! - last - 1);
      last = columns[at]!;
    }
  }
}

/** Number of codes that the gaps take at each width: index `bits`, 0 unused. From a histogram, so that the 16 widths cost little. */
function gapCodes(structure: Structure): Float64Array {
  const short = new Float64Array(4096);
  const long: number[] = [];
  forEachGap(structure, (gap) => {
    if (gap < short.length) short[gap]!++;
    else long.push(gap);
  });
  const codes = new Float64Array(17);
  for (let bits = 1; bits <= 16; bits++) {
    const skip = 2 ** bits - 1;
    for (let gap = 0; gap < short.length; gap++) codes[bits]! += short[gap]! * (1 + Math.floor(gap / skip));
    for (const gap of long) codes[bits]! += 1 + Math.floor(gap / skip);
  }
  return codes;
}

/** Bytes per row of the counts that go with `gaps`: the smallest unsigned type that holds the longest row. */
function countBytes({ rowPtr }: Structure): 1 | 2 | 4 {
  let most = 0;
  for (let row = 0; row + 1 < rowPtr.length; row++) most = Math.max(most, rowPtr[row + 1]! - rowPtr[row]!);
  return most < 256 ? 1 : most < 65536 ? 2 : 4;
}

/** The code of fewest bytes for a structure; ties go to the simpler: bitmap, positions, gaps of fewer bits. */
export function smallestCode(tensor: SparseTensor, grid: SparseGrid): IndexCode {
  let best: IndexCode = { code: "bitmap" };
  let bytes = Math.ceil((grid.gridRows * grid.gridCols) / 8);
  const offer = (code: IndexCode, cost: number) => {
    if (cost < bytes) {
      best = code;
      bytes = cost;
    }
  };
  if (tensor.nm) offer({ code: "positions" }, Math.ceil((tensor.columns.length * positionBits(tensor.nm.of)) / 8));
  const counts = countBytes(tensor) * grid.gridRows;
  gapCodes(tensor).forEach((codes, bits) => {
    if (bits > 0) offer({ code: "gaps", bits }, counts + Math.ceil((codes * bits) / 8));
  });
  return best;
}

/** The index bytes of a structure in `code`, and for `gaps` the entries of each row. */
export function encodeIndices(
  tensor: SparseTensor,
  grid: SparseGrid,
  code: IndexCode,
): { indices: Uint8Array; counts?: Uint8Array | Uint16Array | Uint32Array } {
  const { rowPtr, columns, nm } = tensor;
  if (code.code === "bitmap") {
    const indices = new Uint8Array(Math.ceil((grid.gridRows * grid.gridCols) / 8));
    for (let row = 0; row < grid.gridRows; row++) {
      for (let at = rowPtr[row]!; at < rowPtr[row + 1]!; at++) {
        const position = row * grid.gridCols + columns[at]!;
        indices[Math.floor(position / 8)]! |= 1 << (position % 8);
      }
    }
    return { indices };
  }
  if (code.code === "positions") {
    const bits = positionBits(nm!.of);
    const indices = new Uint8Array(Math.ceil((columns.length * bits) / 8));
    const write = bitWriter(indices);
    for (const column of columns) write(column % nm!.of, bits);
    return { indices };
  }
  const { bits } = code;
  const skip = 2 ** bits - 1;
  const indices = new Uint8Array(Math.ceil((gapCodes(tensor)[bits]! * bits) / 8));
  const write = bitWriter(indices);
  forEachGap(tensor, (gap) => {
    let rest = gap;
    for (; rest >= skip; rest -= skip) write(skip, bits);
    write(rest, bits);
  });
  const counts = new { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[countBytes(tensor)](grid.gridRows);
  for (let row = 0; row < grid.gridRows; row++) counts[row] = rowPtr[row + 1]! - rowPtr[row]!;
  return { indices, counts };
}

/**
 * The structure that index bytes describe.
 * @param entries  number of entries, known from the values that are present
 * @throws FormatError when the bytes are too few, too many, or describe another number of entries or a column out of range
 */
export function decodeIndices(
  path: string,
  stored: { indices: Uint8Array; counts?: ArrayLike<number> },
  code: IndexCode,
  grid: SparseGrid,
  entries: number,
  nm?: { readonly keep: number; readonly of: number },
): Structure {
  const fail = (problem: string) => new FormatError(FORMAT, `${path}: ${problem}`);
  const { indices } = stored;
  const expectBytes = (bits: number) => {
    const bytes = Math.ceil(bits / 8);
    if (indices.length !== bytes) throw fail(`${code.code} takes ${bytes} index bytes, got ${indices.length}`);
  };
  const tooMany = () => fail(`the indices hold another number of entries than the ${entries} values`);
  // Every check that bounds the two allocations by bytes present comes first.
  if (code.code === "bitmap") expectBytes(grid.gridRows * grid.gridCols);
  else if (code.code === "gaps") {
    if (stored.counts?.length !== grid.gridRows)
      throw fail(`gaps need one count per row: ${grid.gridRows}, got ${stored.counts?.length ?? "none"}`);
  } else if (!nm) throw fail("positions need the layout nm");
  else {
    if (entries !== grid.gridRows * (grid.gridCols / nm.of) * nm.keep) throw tooMany();
    expectBytes(entries * positionBits(nm.of));
  }
  const columns = new Int32Array(entries);
  const rowPtr = new Int32Array(grid.gridRows + 1);
  const bits = bitReader(indices);
  let at = 0;
  for (let row = 0; row < grid.gridRows; row++) {
    if (code.code === "bitmap") {
      for (let column = 0; column < grid.gridCols; column++) {
        if (bits.read(1) === 0) continue;
        if (at === entries) throw tooMany();
        columns[at++] = column;
      }
    } else if (code.code === "gaps") {
      const end = at + stored.counts![row]!;
      if (end > entries) throw tooMany();
      const column = bits.gaps(code.bits, columns, at, end, grid.gridCols);
      if (at < end && column < 0) throw fail("the index bytes end early");
      if (column >= grid.gridCols) throw fail(`row ${row} holds column ${column}, expected below ${grid.gridCols}`);
      at = end;
    } else {
      const perRow = (grid.gridCols / nm!.of) * nm!.keep;
      for (let i = 0, last = -1; i < perRow; i++, at++) {
        const place = bits.read(positionBits(nm!.of));
        const column = Math.floor(i / nm!.keep) * nm!.of + place;
        if (place >= nm!.of || column <= last) throw fail(`row ${row}: position ${place} at entry ${at} is out of order`);
        columns[at] = last = column;
      }
    }
    rowPtr[row + 1] = at;
  }
  if (at !== entries) throw tooMany();
  if (!bits.done()) throw fail("index bytes remain after the last entry");
  return { rowPtr, columns };
}

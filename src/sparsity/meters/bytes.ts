import { InputError, requireInteger } from "../../core/index.js";

/** Bytes of one tensor in each stored form, values in float32. */
export interface StoredBytes {
  /** 4 n. */
  readonly dense: number;
  /** 4 kept + one bit per position, whole bytes. */
  readonly bitmap: number;
  /** 4 kept + one column index per kept weight + 4 (rows + 1) row offsets. */
  readonly csr: number;
  /** The least of the three, and its name. */
  readonly best: number;
  readonly form: "dense" | "bitmap" | "csr";
}

/**
 * Storage of a masked matrix, index overhead counted.
 *
 * @param rows, cols the weight as a matrix [out, rest]
 * @param kept       kept weights, in [0, rows cols]
 * @param indexBytes bytes of one column index: 2 (cols at most 65536) or 4. Default 4
 * @throws OptionError
 */
export function storedBytes(rows: number, cols: number, kept: number, indexBytes: 2 | 4 = 4): StoredBytes {
  requireInteger("storedBytes.rows", rows, 1);
  requireInteger("storedBytes.cols", cols, 1, indexBytes === 2 ? 65536 : undefined);
  requireInteger("storedBytes.kept", kept, 0, rows * cols);
  const dense = 4 * rows * cols;
  const bitmap = 4 * kept + Math.ceil((rows * cols) / 8);
  const csr = (4 + indexBytes) * kept + 4 * (rows + 1);
  const best = Math.min(dense, bitmap, csr);
  return { dense, bitmap, csr, best, form: best === dense ? "dense" : best === bitmap ? "bitmap" : "csr" };
}

/** Dense bytes over stored bytes, indices or masks INCLUDED. @throws InputError when nothing is stored */
export function compressionRatio(denseBytes: number, storedBytesInAll: number): number {
  if (!(storedBytesInAll > 0)) throw new InputError(`compressionRatio: ${storedBytesInAll} bytes stored; the ratio is undefined`);
  return denseBytes / storedBytesInAll;
}

/** 1 / density: what the ratio would be if indices cost nothing. @throws InputError when the density is 0 */
export function nominalCompression(density: number): number {
  if (!(density > 0 && density <= 1)) throw new InputError(`nominalCompression: density ${density}; expected one in (0, 1]`);
  return 1 / density;
}

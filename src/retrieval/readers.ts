/** Collections of sparse vectors from svmlight and scipy's npz, and the labels that those formats have no place for. */
import { FormatError, InputError, show } from "../core/index.js";
import { type NamedArray, readNpz, readSvmlight } from "../formats/index.js";
import { checkMatrix, matrixFromVectors, type SparseMatrix, type SparseVector } from "./csr.js";
import type { VectorCollection } from "./jsonl.js";

/** Reads svmlight rows as vectors; targets are dropped. @throws InputError for a negative weight */
export function vectorsFromSvmlight(input: Uint8Array | string, firstIndex: 0 | 1 = 1, dim?: number): VectorCollection {
  const rows = readSvmlight(input, firstIndex);
  const vectors: SparseVector[] = Array.from({ length: rows.rows }, (_, r) => ({
    indices: rows.columns.subarray(rows.rowPtr[r]!, rows.rowPtr[r + 1]!),
    values: rows.values.subarray(rows.rowPtr[r]!, rows.rowPtr[r + 1]!),
  }));
  return { matrix: matrixFromVectors(vectors, dim ?? Math.max(1, rows.cols), "svmlight row") };
}

/** Reads a CSR matrix as `scipy.sparse.save_npz` writes it. @throws FormatError when an array is missing or of the wrong kind */
export function vectorsFromNpz(bytes: Uint8Array): VectorCollection {
  const arrays = readNpz(bytes);
  const get = (name: string): NamedArray => {
    const array = arrays[name];
    if (!array)
      throw new FormatError("npz", `no array ${name}; expected data, indices, indptr and shape, as scipy.sparse.save_npz writes`);
    return array;
  };
  const numbers = (name: string) => Array.from(get(name).data as ArrayLike<number | bigint>, Number);
  const [rows, cols] = numbers("shape");
  if (rows === undefined || cols === undefined) throw new FormatError("npz", "shape has not two numbers");
  const offsets = Uint32Array.from(numbers("indptr"));
  const matrix: SparseMatrix = {
    rows,
    cols,
    offsets,
    indices: Uint32Array.from(numbers("indices")),
    values: Float32Array.from(numbers("data")),
  };
  if (offsets.length !== rows + 1)
    throw new FormatError("npz", `indptr has ${offsets.length} numbers for ${rows} rows; is it CSR?`);
  try {
    checkMatrix("npz", matrix);
    return { matrix };
  } catch (cause) {
    if (!(cause instanceof InputError) || offsets[rows] !== matrix.indices.length) throw cause;
    // scipy does not promise sorted coordinates or absent zeros: row by row, with full checks.
    const vectors = Array.from({ length: rows }, (_, r) => ({
      indices: matrix.indices.subarray(offsets[r]!, offsets[r + 1]!),
      values: matrix.values.subarray(offsets[r]!, offsets[r + 1]!),
    }));
    return { matrix: matrixFromVectors(vectors, cols, "npz row") };
  }
}

/**
 * Reads ids and payloads for the rows of a file that has none: lines `{ "id": ..., "payload": ... }`, one per row in order.
 *
 * @param rows how many lines are expected
 * @throws FormatError naming the line, or when their number differs
 */
export function labelsFromJsonl(text: string, rows: number): Pick<VectorCollection, "ids" | "payloads"> {
  const ids: string[] = [];
  const payloads: unknown[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const fail = (problem: string): never => {
      throw new FormatError("labels", `line ${i + 1}: ${problem}; expected {"id": "...", "payload": ...}`);
    };
    let record: { id?: unknown; payload?: unknown } = {};
    try {
      record = JSON.parse(line) as typeof record;
    } catch (cause) {
      fail(`not JSON (${(cause as Error).message})`);
    }
    const { id, payload } = record ?? {};
    if (typeof id !== "string" && typeof id !== "number") fail(`id is ${show(id)}`);
    ids.push(String(id));
    payloads.push(payload ?? null);
  }
  if (ids.length !== rows) throw new FormatError("labels", `${ids.length} lines for ${rows} rows; give one line per row, in order`);
  return { ids, ...(payloads.some((p) => p !== null) ? { payloads } : {}) };
}

/** The tokens of a vocabulary file: one per line, in order of their coordinates. @throws FormatError when a token comes twice or is missing */
export function readVocabulary(text: string): string[] {
  const tokens = text.replace(/\r?\n$/, "").split(/\r?\n/);
  const seen = new Map<string, number>();
  tokens.forEach((token, i) => {
    if (token === "") throw new FormatError("vocabulary", `line ${i + 1} is empty; expected one token per line`);
    const before = seen.get(token);
    if (before !== undefined)
      throw new FormatError("vocabulary", `line ${i + 1}: token ${show(token)} is on line ${before} already`);
    seen.set(token, i + 1);
  });
  return tokens;
}

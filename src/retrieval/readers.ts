/** Collections of sparse vectors from files: JSONL, svmlight, and scipy's npz. */
import { FormatError, InputError, show } from "../core/index.js";
import { type NamedArray, readNpz, readSvmlight } from "../formats/index.js";
import { checkMatrix, checkVector, matrixFromVectors, type SparseMatrix, type SparseVector, stackRows } from "./csr.js";

/** A collection with what the file said about its rows and coordinates. */
export interface VectorCollection {
  readonly matrix: SparseMatrix;
  readonly ids?: readonly string[];
  readonly payloads?: readonly unknown[];
  readonly tokens?: readonly string[];
}

/** Collects JSONL records line by line. */
export interface JsonlReader {
  /** @throws FormatError naming the line */
  line(text: string): void;
  /** @throws FormatError when no record came */
  finish(): VectorCollection;
}

/** How JSONL is read. */
export interface JsonlOptions {
  /** vocabulary to use: other tokens are left out. For queries to an index. */
  readonly tokens?: readonly string[];
  /** number of coordinates, when the vectors have numbers instead of tokens */
  readonly dim?: number;
}

/**
 * Reads records `{ "id": ..., "vector": { token: weight, ... }, "payload": ... }`, one per line. The vector may also be
 * `{ "indices": [...], "values": [...] }`; when every token of every vector is a whole number, tokens are coordinates.
 * Blank lines are skipped. `id` may be left out everywhere, `payload` anywhere.
 */
export function jsonlReader(options: JsonlOptions = {}): JsonlReader {
  const ids: string[] = [];
  const payloads: unknown[] = [];
  const vectors: { tokens: string[]; values: number[]; line: number }[] = [];
  let anyPayload = false;
  let numeric = true;
  let number = 0;
  const fail = (problem: string): never => {
    throw new FormatError("JSONL", `line ${number}: ${problem}`);
  };
  return {
    line(text) {
      number++;
      if (text.trim() === "") return;
      let record: { id?: unknown; vector?: unknown; payload?: unknown } = {};
      try {
        record = JSON.parse(text) as typeof record;
      } catch (cause) {
        fail(`not JSON (${(cause as Error).message}); expected {"id": "...", "vector": {"token": weight}}`);
      }
      if (typeof record !== "object" || record === null || typeof record.vector !== "object" || record.vector === null)
        fail(`expected {"id": "...", "vector": {"token": weight}}, got ${show(record)}`);
      const id =
        record.id ??
        (ids.length === 0 && vectors.length === 0
          ? undefined
          : ids.length > 0
            ? fail("no id, though earlier lines have one")
            : undefined);
      if (id !== undefined && typeof id !== "string" && typeof id !== "number")
        fail(`id must be text or a number, got ${show(id)}`);
      if (id !== undefined && ids.length !== vectors.length) fail("an id, though earlier lines have none");
      if (id !== undefined) ids.push(String(id));
      const pair = record.vector as { indices?: unknown; values?: unknown };
      const listed = Array.isArray(pair.indices) && Array.isArray(pair.values);
      const tokens = listed ? (pair.indices as unknown[]).map(String) : Object.keys(record.vector as object);
      const values = listed ? (pair.values as unknown[]) : Object.values(record.vector as object);
      if (tokens.length !== values.length) fail(`${tokens.length} indices and ${values.length} values`);
      values.forEach((w, i) => {
        if (typeof w !== "number" || !Number.isFinite(w) || w < 0)
          fail(`weight of ${show(tokens[i])} is ${show(w)}, expected a finite number of at least 0`);
      });
      numeric &&= tokens.every((t) => /^(0|[1-9]\d{0,9})$/.test(t));
      vectors.push({ tokens, values: values as number[], line: number });
      payloads.push(record.payload ?? null);
      anyPayload ||= record.payload !== undefined;
    },
    finish() {
      if (vectors.length === 0) throw new FormatError("JSONL", 'no records; expected lines of {"id": ..., "vector": {...}}');
      const labels = { ...(ids.length > 0 ? { ids } : {}), ...(anyPayload ? { payloads } : {}) };
      const asTokens = options.tokens !== undefined || (!numeric && options.dim === undefined);
      if (!asTokens) {
        let dim = options.dim ?? 1;
        if (options.dim === undefined) for (const v of vectors) for (const t of v.tokens) dim = Math.max(dim, Number(t) + 1);
        if (dim > 2 ** 28)
          throw new FormatError(
            "JSONL",
            `coordinate ${dim - 1} is too large (2^28 coordinates are the most); name tokens instead of numbering them so sparsely`,
          );
        return { matrix: fromLines(vectors, (t) => Number(t), dim), ...labels };
      }
      const numbers = new Map<string, number>(options.tokens?.map((t, i) => [t, i]));
      if (!options.tokens) for (const v of vectors) for (const t of v.tokens) if (!numbers.has(t)) numbers.set(t, numbers.size);
      return {
        matrix: fromLines(vectors, (t) => numbers.get(t) ?? -1, Math.max(1, numbers.size)),
        tokens: [...numbers.keys()],
        ...labels,
      };
    },
  };
}

function fromLines(
  vectors: readonly { tokens: string[]; values: number[]; line: number }[],
  coordinate: (token: string) => number,
  dim: number,
): SparseMatrix {
  return stackRows(
    vectors.map(({ tokens, values, line }) => {
      const indices: number[] = [];
      const kept: number[] = [];
      tokens.forEach((t, i) => {
        const c = coordinate(t);
        if (c < 0) return;
        indices.push(c);
        kept.push(values[i]!);
      });
      return checkVector(`JSONL line ${line}`, { indices, values: kept }, dim);
    }),
    dim,
  );
}

/** Reads JSONL from text. @throws FormatError naming the line */
export function readJsonl(text: string, options: JsonlOptions = {}): VectorCollection {
  const reader = jsonlReader(options);
  for (const line of text.split("\n")) reader.line(line);
  return reader.finish();
}

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

/** Index files and collections on disk. */
import { closeSync, createReadStream, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { createInterface } from "node:readline";
import { createGunzip, gunzipSync } from "node:zlib";
import { writeWhole } from "../core/files.node.js";
import { FormatError, InputError } from "../core/index.js";
import { headerBytes, type IndexHeader, readHeader } from "./format.js";
import { openIndexMemory, type SparseIndex } from "./index-handle.js";
import { type JsonlOptions, jsonlReader, type VectorCollection } from "./jsonl.js";
import { labelsFromJsonl, readVocabulary, vectorsFromNpz, vectorsFromSvmlight } from "./readers.js";
import { reserve } from "./store.js";

const CHUNK = 1 << 26;

/** Writes an index file, whole or not at all: whoever looks sees the old index or the new one. */
export const writeIndexFile = (path: string, pieces: readonly Uint8Array[]): void => writeWhole(path, pieces);

/** The header of an index file, without reading the rest. @throws FormatError when it is damaged */
export function readIndexHeader(path: string): { header: IndexHeader; bytes: number } {
  const file = openSync(path, "r");
  try {
    const bytes = fstatSync(file).size;
    const first = new Uint8Array(32);
    const got = readSync(file, first);
    const start = new Uint8Array(headerBytes(first.subarray(0, got), bytes));
    readSync(file, start, 0, start.length, 0);
    return { header: readHeader(start, bytes), bytes };
  } finally {
    closeSync(file);
  }
}

/**
 * Opens an index file: its header is checked first, then the file is read once, straight into the memory of the kernels.
 *
 * @param shared memory that threads can share (`searchBatch`); true
 * @throws FormatError when it is damaged; InputError when it does not fit memory
 */
export async function openIndexFile(path: string, shared = true): Promise<SparseIndex> {
  readIndexHeader(path);
  const file = openSync(path, "r");
  try {
    const size = fstatSync(file).size;
    const memory = reserve(size, shared);
    for (let at = 0; at < size; ) {
      const got = readSync(file, memory.bytes, at, Math.min(size - at, CHUNK), at);
      if (got === 0) throw new FormatError("index file", `${path} ended at byte ${at} of ${size} while it was read`);
      at += got;
    }
    return await openIndexMemory(memory);
  } finally {
    closeSync(file);
  }
}

/** How a collection file is read. */
export interface ReadOptions extends JsonlOptions {
  /** what svmlight calls the first coordinate; 1 */
  readonly firstIndex?: 0 | 1;
  /** file of ids and payloads for the rows of svmlight and npz, which have none: lines of {"id", "payload"} */
  readonly labels?: string;
  /** file of the tokens of the coordinates, one per line (a SPLADE model's vocabulary) */
  readonly vocabulary?: string;
}

const text = (path: string): string => (/\.gz$/i.test(path) ? gunzipSync(readFileSync(path)) : readFileSync(path)).toString("utf8");

/**
 * Reads vectors from `.jsonl`, `.svm`/`.svmlight`/`.libsvm`/`.txt`, or `.npz`; all but the last may be `.gz`.
 * @throws InputError for another ending, or labels or a vocabulary that do not fit; FormatError naming the line
 */
export async function readVectors(path: string, options: ReadOptions = {}): Promise<VectorCollection> {
  const found = await readMatrix(path, options);
  const { labels, vocabulary } = options;
  if (labels !== undefined && found.ids)
    throw new InputError(`${labels}: ${path} has ids of its own; leave the labels out, or the ids`);
  const named = labels === undefined ? found : { ...found, ...labelsFromJsonl(text(labels), found.matrix.rows) };
  if (vocabulary === undefined) return named;
  if (named.tokens) throw new InputError(`${vocabulary}: ${path} is written in tokens, so it needs no vocabulary of numbers`);
  const tokens = readVocabulary(text(vocabulary));
  if (tokens.length < named.matrix.cols)
    throw new InputError(`${vocabulary}: ${tokens.length} tokens, but ${path} has coordinates up to ${named.matrix.cols - 1}`);
  return { ...named, matrix: { ...named.matrix, cols: tokens.length }, tokens };
}

async function readMatrix(path: string, options: ReadOptions): Promise<VectorCollection> {
  const name = path.toLowerCase().replace(/\.gz$/, "");
  if (/\.(jsonl|ndjson)$/.test(name)) {
    const reader = jsonlReader(options);
    const raw = createReadStream(path);
    const input = path.toLowerCase().endsWith(".gz") ? raw.pipe(createGunzip()) : raw;
    raw.on("error", (error) => input.destroy(error));
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) reader.line(line);
    return reader.finish();
  }
  if (/\.(svm|svmlight|libsvm|txt)$/.test(name)) {
    const bytes = readFileSync(path);
    return vectorsFromSvmlight(
      path.toLowerCase().endsWith(".gz") ? gunzipSync(bytes) : bytes,
      options.firstIndex ?? 1,
      options.dim,
    );
  }
  if (name.endsWith(".npz")) return vectorsFromNpz(readFileSync(path));
  throw new InputError(`${path}: expected vectors in .jsonl, .svmlight or .npz (the first two also .gz)`);
}

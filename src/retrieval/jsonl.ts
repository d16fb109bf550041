/** Collections of sparse vectors as JSON lines, read line by line into typed arrays: no line's objects are kept. */
import { FormatError, show } from "../core/index.js";
import { checkVector, type SparseMatrix } from "./csr.js";
import { growingF32, growingU32 } from "./growing.js";

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

/** Coordinate of a token that the given vocabulary does not hold. */
const UNKNOWN = 0xffffffff;
const EXPECTED = 'expected {"id": "...", "vector": {"token": weight}}';

/**
 * Reads records `{ "id": ..., "vector": { token: weight, ... }, "payload": ... }`, one per line. The vector may also be
 * `{ "indices": [...], "values": [...] }`; when every token of every vector is a whole number, tokens are coordinates.
 * Blank lines are skipped. `id` may be left out everywhere, `payload` anywhere.
 */
export function jsonlReader(options: JsonlOptions = {}): JsonlReader {
  const ids: string[] = [];
  const payloads: unknown[] = [];
  const numbers = new Map<string, number>(options.tokens?.map((t, i) => [t, i]));
  const coordinates = growingU32();
  const weights = growingF32();
  const ends = growingU32();
  const lines = growingU32();
  const { dim } = options.tokens ? {} : options;
  let anyPayload = false;
  let numeric = true;
  let number = 0;
  const fail = (problem: string): never => {
    throw new FormatError("JSONL", `line ${number}: ${problem}`);
  };
  const numberOf = (token: string): number => {
    let t = numbers.get(token);
    if (t !== undefined) return t;
    if (options.tokens) return UNKNOWN;
    numbers.set(token, (t = numbers.size));
    return t;
  };
  const readId = (id: unknown) => {
    if (id === undefined || id === null) {
      if (ids.length > 0) fail("no id, though earlier lines have one");
      return;
    }
    if (typeof id !== "string" && typeof id !== "number") fail(`id must be text or a number, got ${show(id)}`);
    if (ids.length !== ends.length) fail("an id, though earlier lines have none");
    ids.push(String(id));
  };
  return {
    line(text) {
      number++;
      if (text.trim() === "") return;
      let record: { id?: unknown; vector?: unknown; payload?: unknown } = {};
      try {
        record = JSON.parse(text) as typeof record;
      } catch (cause) {
        fail(`not JSON (${(cause as Error).message}); ${EXPECTED}`);
      }
      if (typeof record !== "object" || record === null || typeof record.vector !== "object" || record.vector === null)
        fail(`${EXPECTED}, got ${show(record)}`);
      if (keysIn(text) !== keysOf(record))
        fail(`a name comes twice in one object (${repeated(text)}); add its weights into one entry first`);
      readId(record.id);
      const pair = record.vector as { indices?: unknown; values?: unknown };
      const listed = Array.isArray(pair.indices) && Array.isArray(pair.values);
      const tokens = listed ? (pair.indices as unknown[]).map(String) : Object.keys(record.vector as object);
      const values = listed ? (pair.values as unknown[]) : Object.values(record.vector as object);
      if (tokens.length !== values.length) fail(`${tokens.length} indices and ${values.length} values`);
      for (const [i, token] of tokens.entries()) {
        const w = values[i];
        if (typeof w !== "number" || !Number.isFinite(Math.fround(w)) || w < 0)
          fail(`weight of ${show(token)} is ${show(w)}, expected a finite number of at least 0`);
        const whole = /^(0|[1-9]\d{0,9})$/.test(token);
        numeric &&= whole;
        if (dim !== undefined && !(whole && Number(token) < dim))
          fail(`${show(token)} is no coordinate in 0..${dim - 1}; there is no vocabulary, so vectors are written in whole numbers`);
        coordinates.push(numberOf(token));
        weights.push(w as number);
      }
      ends.push(coordinates.length);
      lines.push(number);
      payloads.push(record.payload ?? null);
      anyPayload ||= record.payload !== undefined;
    },
    finish() {
      if (ends.length === 0) throw new FormatError("JSONL", 'no records; expected lines of {"id": ..., "vector": {...}}');
      const labels = { ...(ids.length > 0 ? { ids } : {}), ...(anyPayload ? { payloads } : {}) };
      const asTokens = options.tokens !== undefined || (!numeric && dim === undefined);
      const found = coordinates.join();
      let cols = Math.max(1, numbers.size);
      if (!asTokens) {
        const meaning = Float64Array.from(numbers.keys(), Number);
        cols = dim ?? meaning.reduce((most, c) => Math.max(most, c + 1), 1);
        if (cols > 2 ** 28)
          throw new FormatError(
            "JSONL",
            `coordinate ${cols - 1} is too large (2^28 coordinates are the most); name tokens instead of numbering them so sparsely`,
          );
        for (let i = 0; i < found.length; i++) found[i] = meaning[found[i]!]!;
      }
      const matrix = fromRows(found, weights.join(), ends.join(), lines.join(), cols);
      return asTokens ? { matrix, tokens: [...numbers.keys()], ...labels } : { matrix, ...labels };
    },
  };
}

/** Sorts and checks row by row, in place: a row never grows. */
function fromRows(indices: Uint32Array, values: Float32Array, ends: Uint32Array, lines: Uint32Array, dim: number): SparseMatrix {
  const rows = ends.length;
  const offsets = new Uint32Array(rows + 1);
  let at = 0;
  let from = 0;
  for (let r = 0; r < rows; r++) {
    const to = ends[r]!;
    let known = from;
    for (let i = from; i < to; i++) {
      if (indices[i] === UNKNOWN) continue;
      indices[known] = indices[i]!;
      values[known++] = values[i]!;
    }
    const row = checkVector(
      `JSONL line ${lines[r]}`,
      { indices: indices.subarray(from, known), values: values.subarray(from, known) },
      dim,
    );
    indices.set(row.indices, at);
    values.set(row.values, at);
    offsets[r + 1] = at += row.indices.length;
    from = to;
  }
  return { rows, cols: dim, offsets, indices: indices.subarray(0, at), values: values.subarray(0, at) };
}

/** Names in a line of JSON: strings with a colon behind them. JSON.parse keeps the last of equal names without a word. */
function keysIn(text: string): number {
  let count = 0;
  for (const [, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)) if (colon !== undefined) count++;
  return count;
}

function keysOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const inner = Object.values(value);
  return inner.reduce<number>((sum, v) => sum + keysOf(v), Array.isArray(value) ? 0 : inner.length);
}

/** The first name that a line holds twice; of several objects it may be a harmless one, so it is a hint. */
function repeated(text: string): string {
  const seen = new Set<string>();
  for (const [name, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)) {
    if (colon === undefined) continue;
    const key = name.slice(0, -colon.length);
    if (seen.has(key)) return key;
    seen.add(key);
  }
  return "?";
}

/** Reads JSONL from text. @throws FormatError naming the line */
export function readJsonl(text: string, options: JsonlOptions = {}): VectorCollection {
  const reader = jsonlReader(options);
  for (const line of text.split("\n")) reader.line(line);
  return reader.finish();
}

/** A store of up to millions of sparse binary codes that answers "how much does each overlap this one?" in milliseconds. */
import { InputError, OptionError, requireInteger, requireOneOf } from "../core/index.js";
import { fromBits, toBits } from "./bits.js";
import { createOverlapKernel, FIRST_ADDRESS, type OverlapKernel } from "./overlap-kernel.js";

/** How a store lays its bits out. Both take cells / 8 bytes a code. */
export type CodeLayout = "rows" | "columns";

/** What `createCodeStore` is told. */
export interface CodeStoreOptions {
  /** Cells of a code, n: in [1, 1,000,000]. */
  readonly cells: number;
  /** Codes that fit: memory is taken at once. */
  readonly capacity: number;
  /**
   * `columns` (default) keeps one bit string per cell, so that a query of a active cells reads a / n of the store: the choice
   * for sparse queries. `rows` keeps each code together and reads the whole store: the choice for dense queries (unions).
   */
  readonly layout?: CodeLayout;
}

/** Codes of one length, numbered from 0 in the order they were added. */
export interface CodeStore {
  readonly cells: number;
  readonly capacity: number;
  readonly layout: CodeLayout;
  /** Bytes of memory held. */
  readonly bytes: number;
  /** Codes stored. */
  count(): number;
  /** Stores a code given by its active cells, and returns its number. @throws InputError when full, or for a bad cell */
  add(active: ArrayLike<number>): number;
  /** The active cells of a stored code, ascending. */
  code(id: number): Int32Array;
  /** Overlap of the query with every stored code. @returns [count] */
  overlaps(query: ArrayLike<number>): Uint32Array;
  /** The codes whose overlap with the query is at least `threshold` (>= 1), ascending. */
  matches(query: ArrayLike<number>, threshold: number): Int32Array;
}

const MAX_BYTES = 65535 * 65536;
/** Blocks of 128 codes counted at a time: their digits stay in the first-level cache. */
const CHUNK = 128;
const MAX_PLANES = 16;

/** @throws OptionError for an option outside its range, or a store beyond the 4 GiB of one WebAssembly memory */
export function createCodeStore({ cells, capacity, layout = "columns" }: CodeStoreOptions): CodeStore {
  requireInteger("codeStore.cells", cells, 1, 1_000_000);
  requireInteger("codeStore.capacity", capacity, 1);
  requireOneOf("codeStore.layout", layout, ["rows", "columns"]);
  return layout === "rows" ? rowStore(cells, capacity) : columnStore(cells, capacity);
}

function requireBytes(bytes: number, capacity: number): void {
  if (bytes > MAX_BYTES) {
    throw new OptionError("codeStore.capacity", `a store of at most ${MAX_BYTES} bytes (this one would take ${bytes})`, capacity);
  }
}

function requireRoom(count: number, capacity: number): void {
  if (count >= capacity)
    throw new InputError(`codeStore.add: the store is full (capacity ${capacity}); create it with a larger capacity`);
}

function requireId(id: number, count: number): void {
  if (count === 0) throw new InputError("codeStore.code: the store is empty");
  requireInteger("codeStore.code.id", id, 0, count - 1);
}

function rowStore(cells: number, capacity: number): CodeStore {
  const vectors = Math.ceil(cells / 128);
  const words = vectors * 4;
  const queryAt = FIRST_ADDRESS;
  const codesAt = queryAt + vectors * 16;
  const outAt = codesAt + capacity * vectors * 16;
  const bytes = outAt + capacity * 4;
  requireBytes(bytes, capacity);
  const { kernel, memory } = createOverlapKernel(bytes);
  const queryWords = new Uint32Array(memory.buffer, queryAt, words);
  const codes = new Uint32Array(memory.buffer, codesAt, capacity * words);
  let count = 0;
  const overlaps = (query: ArrayLike<number>) => {
    queryWords.fill(0);
    queryWords.set(toBits(query, cells));
    kernel.overlapRows(codesAt, count, vectors, queryAt, outAt);
    return new Uint32Array(memory.buffer, outAt, count).slice();
  };
  return {
    cells,
    capacity,
    layout: "rows",
    bytes,
    count: () => count,
    add(active) {
      requireRoom(count, capacity);
      codes.set(toBits(active, cells), count * words);
      return count++;
    },
    code(id) {
      requireId(id, count);
      return fromBits(codes.subarray(id * words, (id + 1) * words));
    },
    overlaps,
    matches(query, threshold) {
      requireInteger("codeStore.matches.threshold", threshold, 1);
      const ids: number[] = [];
      overlaps(query).forEach((value, id) => {
        if (value >= threshold) ids.push(id);
      });
      return Int32Array.from(ids);
    },
  };
}

function columnStore(cells: number, capacity: number): CodeStore {
  const allBlocks = Math.ceil(capacity / 128);
  // A stride that is no power of two: equal offsets in all columns would share cache sets.
  const stride = allBlocks * 16 + ((allBlocks & 63) === 0 ? 64 : 0);
  const listAt = FIRST_ADDRESS;
  const columnsAt = Math.ceil((listAt + cells * 4) / 64) * 64;
  const digitsAt = columnsAt + cells * stride;
  const spreadAt = digitsAt + CHUNK * 16 * MAX_PLANES;
  const maskAt = spreadAt + CHUNK * 256;
  const bytes = maskAt + CHUNK * 16;
  requireBytes(bytes, capacity);
  const { kernel, memory } = createOverlapKernel(bytes);
  const list = new Int32Array(memory.buffer, listAt, cells);
  const columns = new Uint8Array(memory.buffer, columnsAt, cells * stride);
  let count = 0;

  /** Counts blocks chunk by chunk and hands each chunk's digits on. */
  const eachChunk = (
    query: ArrayLike<number>,
    use: (from: number, blocks: number, planes: number) => void,
    group: number,
  ): void => {
    toBits(query, cells);
    const blocks = Math.ceil(count / 128);
    for (let start = 0; start < query.length; start += group) {
      const size = Math.min(group, query.length - start);
      const planes = Math.max(3, 32 - Math.clz32(size));
      for (let i = 0; i < size; i++) list[i] = query[start + i]!;
      for (let from = 0; from < blocks; from += CHUNK) {
        const part = Math.min(CHUNK, blocks - from);
        kernel.overlapColumns(columnsAt + from * 16, stride, listAt, size, part, planes, digitsAt);
        use(from, part, planes);
      }
    }
  };
  const overlaps = (query: ArrayLike<number>) => {
    const out = new Uint32Array(count);
    const spread = new Uint16Array(memory.buffer, spreadAt, CHUNK * 128);
    eachChunk(
      query,
      (from, blocks, planes) => {
        kernel.spread(digitsAt, blocks, planes, spreadAt);
        const base = from * 128;
        const last = Math.min(blocks * 128, count - base);
        for (let i = 0; i < last; i++) out[base + i]! += spread[i]!;
      },
      65535,
    );
    return out;
  };
  return {
    cells,
    capacity,
    layout: "columns",
    bytes,
    count: () => count,
    add(active) {
      requireRoom(count, capacity);
      toBits(active, cells);
      const byte = count >>> 3;
      const bit = 1 << (count & 7);
      for (let i = 0; i < active.length; i++) columns[active[i]! * stride + byte]! |= bit;
      return count++;
    },
    code(id) {
      requireId(id, count);
      const active: number[] = [];
      for (let c = 0; c < cells; c++) if ((columns[c * stride + (id >>> 3)]! >>> (id & 7)) & 1) active.push(c);
      return Int32Array.from(active);
    },
    overlaps,
    matches(query, threshold) {
      requireInteger("codeStore.matches.threshold", threshold, 1);
      toBits(query, cells);
      if (threshold > query.length) return new Int32Array(0);
      if (query.length > 65535)
        return Int32Array.from([...overlaps(query).entries()].filter(([, v]) => v >= threshold).map(([id]) => id));
      const ids: number[] = [];
      const mask = new Int32Array(memory.buffer, maskAt, CHUNK * 4);
      eachChunk(
        query,
        (from, blocks, planes) => {
          kernel.atLeast(digitsAt, blocks, planes, threshold, maskAt);
          for (let w = 0; w < blocks * 4; w++) {
            let word = mask[w]!;
            while (word !== 0) {
              const low = word & -word;
              const id = from * 128 + w * 32 + (31 - Math.clz32(low));
              if (id < count) ids.push(id);
              word ^= low;
            }
          }
        },
        65535,
      );
      return Int32Array.from(ids);
    },
  };
}

export type { OverlapKernel };

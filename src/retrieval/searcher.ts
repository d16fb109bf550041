/** One search at a time over an open index: scratch memory, and the calls into the kernels. */
import { InputError, requireInteger, requireNumber } from "../core/index.js";
import { checkVector, type SparseVector } from "./csr.js";
import { VALUE_KINDS } from "./forward.js";
import { extend, FILE_BASE, kernelModule, type Store } from "./store.js";

/** How a query is answered. */
export interface SearchOptions {
  /** results wanted; 10 */
  readonly k?: number;
  /** only the lists of this many heaviest query coordinates are visited [query_cut]; 10 */
  readonly queryCut?: number;
  /**
   * A block is skipped when its score is below `heapFactor` times the worst result so far: 0 skips nothing, larger
   * is faster and misses more [heap_factor, as the authors' code has it]; 0.8
   */
  readonly heapFactor?: number;
  /** this many of the heaviest lists have their blocks visited in descending order of score; 1 */
  readonly sortedLists?: number;
  /** stored neighbours of each result that are scored at the end [n_knn]; 0 */
  readonly neighbours?: number;
}

/** What a search cost. */
export interface SearchStats {
  /** documents scored exactly */
  readonly scored: number;
  /** blocks whose documents were looked at */
  readonly opened: number;
  /** blocks whose summary was scored */
  readonly seen: number;
}

/** Documents by number, best first; equal scores in increasing document number. Fewer than k when fewer match. */
export interface RawHits {
  readonly documents: Uint32Array;
  readonly scores: Float32Array;
}

/** Most results of one search. */
export const MAX_RESULTS = 65536;

interface Exports {
  search(
    ctx: number,
    indices: number,
    values: number,
    n: number,
    k: number,
    cut: number,
    factor: number,
    sorted: number,
    neighbours: number,
  ): number;
  exhaustive(ctx: number, indices: number, values: number, n: number, k: number): number;
}

/** Addresses of one searcher's scratch memory. */
export interface Scratch {
  readonly context: number;
  readonly indices: number;
  readonly values: number;
  readonly heap: number;
  readonly stats: number;
}

/** Searches one query after another. Not for use by two threads at once. */
export interface Searcher {
  /** The approximate search. @throws InputError for a bad query or option */
  search(query: SparseVector, options?: SearchOptions): RawHits;
  /** Every document scored: the oracle. @throws InputError for a bad query or option */
  exact(query: SparseVector, k?: number): RawHits;
  /** What the last approximate search cost. */
  stats(): SearchStats;
}

/** Search options with defaults filled in. @throws OptionError when one is outside its range */
export function searchConfig(options: SearchOptions): Required<SearchOptions> {
  return {
    k: requireInteger("search.k", options.k ?? 10, 1, MAX_RESULTS),
    queryCut: requireInteger("search.queryCut", options.queryCut ?? 10, 1, 0xffffffff),
    heapFactor: requireNumber("search.heapFactor", options.heapFactor ?? 0.8, 0, 1e6),
    sortedLists: requireInteger("search.sortedLists", options.sortedLists ?? 1, 0, 0xffffffff),
    neighbours: requireInteger("search.neighbours", options.neighbours ?? 0, 0, 1000),
  };
}

/** Reserves scratch memory and fills the context that the kernels read. */
export function createScratch(store: Store): Scratch {
  const { header, memory } = store;
  const { docs, dim } = header;
  const results = Math.min(docs, MAX_RESULTS);
  let size = 0;
  const take = (bytes: number) => {
    const at = size;
    size += Math.ceil(bytes / 64) * 64;
    return at;
  };
  const place = {
    context: take(256),
    stats: take(64),
    indices: take(dim * 4),
    values: take(dim * 4),
    dense: take(dim * 4),
    visited: take(docs / 8 + 1),
    log: take(docs * 4),
    scores: take(store.mostBlocks * 4),
    order: take(Math.max(store.mostBlocks * 8, results * 4)),
    heap: take(results * 8),
    chosen: take(dim * 4),
    runs: take(dim * 12),
  };
  const base = extend(memory, size);
  const arrays = store.arrays();
  const at = (view: ArrayBufferView | undefined) => (view ? view.byteOffset : 0);
  const words = new Uint32Array(memory.buffer, base + place.context, 29);
  words.set([
    docs,
    dim,
    header.wideCoords ? 1 : 0,
    VALUE_KINDS.indexOf(header.values),
    header.wideBlocks ? 1 : 0,
    at(arrays.docQuads),
    at(arrays.forward),
    at(arrays.listBlocks),
    at(arrays.blockStarts),
    at(arrays.postings),
    at(arrays.blockMin),
    at(arrays.blockStep),
    at(arrays.listTerms),
    at(arrays.termCoords),
    at(arrays.termStarts),
    at(arrays.listEntries),
    at(arrays.entries),
    header.wideStarts ? 1 : 0,
    base + place.dense,
    base + place.visited,
    base + place.log,
    base + place.scores,
    base + place.order,
    base + place.heap,
    base + place.chosen,
    base + place.stats,
    at(arrays.neighbours),
    header.neighbours,
    base + place.runs,
  ]);
  if (at(arrays.docQuads) < FILE_BASE) throw new Error("searcher: the arrays are not in the kernels' memory");
  return {
    context: base + place.context,
    indices: base + place.indices,
    values: base + place.values,
    heap: base + place.heap,
    stats: base + place.stats,
  };
}

/** A searcher over `store`, with scratch memory of its own. */
export async function createSearcher(store: Store): Promise<Searcher> {
  const { memory, header } = store;
  const instance = await WebAssembly.instantiate(await kernelModule(store.shared), { env: { memory, abort: () => {} } });
  const kernels = instance.exports as unknown as Exports;
  const scratch = createScratch(store);
  const results = Math.min(header.docs, MAX_RESULTS);

  // Growing plain memory moves it: the views are made again when its buffer is another.
  let held = { u32: new Uint32Array(memory.buffer), f32: new Float32Array(memory.buffer) };
  const views = () =>
    held.u32.buffer === memory.buffer
      ? held
      : (held = { u32: new Uint32Array(memory.buffer), f32: new Float32Array(memory.buffer) });
  const put = (query: SparseVector): number => {
    const { indices, values } = checkVector("query", query, header.dim);
    const { u32, f32 } = views();
    u32.set(indices, scratch.indices >>> 2);
    f32.set(values, scratch.values >>> 2);
    return indices.length;
  };
  const take = (count: number): RawHits => {
    const { u32, f32 } = views();
    const documents = new Uint32Array(count);
    const scores = new Float32Array(count);
    for (let i = 0, at = scratch.heap >>> 2; i < count; i++, at += 2) {
      scores[i] = f32[at]!;
      documents[i] = u32[at + 1]!;
    }
    return { documents, scores };
  };
  return {
    search(query, options = {}) {
      const { k, queryCut, heapFactor, sortedLists, neighbours } = searchConfig(options);
      if (neighbours > header.neighbours) {
        throw new InputError(
          `search.neighbours: ${neighbours} wanted, the index stores ${header.neighbours} per document; build it with neighbours: ${neighbours}`,
        );
      }
      const n = put(query);
      return take(
        kernels.search(
          scratch.context,
          scratch.indices,
          scratch.values,
          n,
          Math.min(k, results),
          queryCut,
          heapFactor,
          sortedLists,
          neighbours,
        ),
      );
    },
    exact(query, k = 10) {
      requireInteger("search.k", k, 1, MAX_RESULTS);
      const n = put(query);
      return take(kernels.exhaustive(scratch.context, scratch.indices, scratch.values, n, Math.min(k, results)));
    },
    stats() {
      const { u32 } = views();
      const at = scratch.stats >>> 2;
      return { scored: u32[at]!, opened: u32[at + 1]!, seen: u32[at + 2]! };
    },
  };
}

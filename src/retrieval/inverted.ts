/** The classical baselines on the same kernels: an exact inverted index searched term at a time, and with MaxScore. */
import { InputError, requireInteger } from "../core/index.js";
import { wasmBase64 } from "../kernels/generated/inverted.js";
import { checkVector, type SparseMatrix, type SparseVector, transpose } from "./csr.js";
import { MAX_RESULTS, type RawHits } from "./searcher.js";
import { compileOnce } from "./store.js";

interface Exports {
  termAtATime(
    offsets: number,
    documents: number,
    weights: number,
    docs: number,
    acc: number,
    heap: number,
    indices: number,
    values: number,
    n: number,
    k: number,
  ): number;
  maxScore(
    offsets: number,
    documents: number,
    weights: number,
    maxima: number,
    state: number,
    heap: number,
    indices: number,
    values: number,
    n: number,
    k: number,
    stats: number,
  ): number;
}

/** An exact inverted index over uncompressed postings (document u32, weight f32). */
export interface InvertedIndex {
  readonly bytes: number;
  /** Accumulates every posting of every query coordinate, then selects. */
  termAtATime(query: SparseVector, k?: number): RawHits;
  /** Document at a time with the MaxScore bound (Turtle and Flood 1995). `scored()` tells how many documents it evaluated. */
  maxScore(query: SparseVector, k?: number): RawHits;
  /** documents evaluated by the last `maxScore` */
  scored(): number;
}

/**
 * Builds an exact inverted index.
 *
 * @param documents one row per document
 * @throws InputError when it passes 4 GiB or memory is refused
 */
export async function buildInverted(documents: SparseMatrix): Promise<InvertedIndex> {
  const lists = transpose(documents);
  const { rows: docs, cols: dim } = documents;
  const maxima = new Float32Array(dim);
  for (let c = 0; c < dim; c++)
    for (let p = lists.offsets[c]!; p < lists.offsets[c + 1]!; p++) maxima[c] = Math.max(maxima[c]!, lists.values[p]!);
  let size = 65536;
  const take = (bytes: number) => {
    const at = size;
    size += Math.ceil(bytes / 64) * 64;
    return at;
  };
  const results = Math.min(docs, MAX_RESULTS);
  const entries = lists.indices.length;
  const at = {
    offsets: take(4 * (dim + 1)),
    documents: take(4 * entries),
    weights: take(4 * entries),
    maxima: take(4 * dim),
    acc: take(4 * (docs + 4)),
    heap: take(8 * results),
    indices: take(4 * dim),
    values: take(4 * dim),
    state: take(20 * dim),
    stats: take(64),
  };
  if (size > 2 ** 32 - 65536)
    throw new InputError(`inverted index: ${entries} postings need ${size} bytes, more than 4 GiB: split the collection`);
  const memory = new WebAssembly.Memory({ initial: Math.ceil(size / 65536), maximum: 65536 });
  const instance = await WebAssembly.instantiate(await compileOnce(wasmBase64, false), { env: { memory, abort: () => {} } });
  const kernels = instance.exports as unknown as Exports;
  new Uint32Array(memory.buffer, at.offsets, dim + 1).set(lists.offsets);
  new Uint32Array(memory.buffer, at.documents, entries).set(lists.indices);
  new Float32Array(memory.buffer, at.weights, entries).set(lists.values);
  new Float32Array(memory.buffer, at.maxima, dim).set(maxima);
  const indices = new Uint32Array(memory.buffer, at.indices, dim);
  const values = new Float32Array(memory.buffer, at.values, dim);
  const heapScores = new Float32Array(memory.buffer, at.heap, 2 * results);
  const heapDocuments = new Uint32Array(memory.buffer, at.heap, 2 * results);
  const stats = new Uint32Array(memory.buffer, at.stats, 1);
  const put = (query: SparseVector, k: number) => {
    requireInteger("search.k", k, 1, MAX_RESULTS);
    const checked = checkVector("query", query, dim);
    indices.set(checked.indices);
    values.set(checked.values);
    return checked.indices.length;
  };
  const answer = (count: number): RawHits => ({
    documents: Uint32Array.from({ length: count }, (_, i) => heapDocuments[2 * i + 1]!),
    scores: Float32Array.from({ length: count }, (_, i) => heapScores[2 * i]!),
  });
  return {
    bytes: 8 * entries + 4 * (dim + 1),
    termAtATime(query, k = 10) {
      const n = put(query, k);
      return answer(
        kernels.termAtATime(
          at.offsets,
          at.documents,
          at.weights,
          docs,
          at.acc,
          at.heap,
          at.indices,
          at.values,
          n,
          Math.min(k, results),
        ),
      );
    },
    maxScore(query, k = 10) {
      const n = put(query, k);
      return answer(
        kernels.maxScore(
          at.offsets,
          at.documents,
          at.weights,
          at.maxima,
          at.state,
          at.heap,
          at.indices,
          at.values,
          n,
          Math.min(k, results),
          at.stats,
        ),
      );
    },
    scored: () => stats[0]!,
  };
}

/** Batches of queries on several threads, over one copy of the index in shared memory. */
import { Worker } from "node:worker_threads";
import { InputError, requireInteger } from "../core/index.js";
import { checkMatrix, type SparseMatrix } from "./csr.js";
import { createScratch, MAX_RESULTS, type RawHits, type Scratch, type SearchOptions, searchConfig } from "./searcher.js";
import { extend, kernelModule, type Store } from "./store.js";

/** A pool of searching threads. Call `close` when done: the threads keep a process alive only while they search. */
export interface SearchPool {
  readonly threads: number;
  /** Answers row q of `queries` as result q; the same results for any number of threads. @throws InputError for bad queries */
  search(queries: SparseMatrix, options?: SearchOptions): Promise<RawHits[]>;
  close(): Promise<void>;
}

/**
 * What a thread runs. Queries lie in shared memory: offsets u32[n + 1], indices, values; results follow as a count and
 * k pairs (score, document) per query. Threads take the next query from a shared counter.
 */
const PROGRAM = `
const { parentPort, workerData } = require("node:worker_threads");
const { module, memory, scratch } = workerData;
const { exports: kernels } = new WebAssembly.Instance(module, { env: { memory, abort() {} } });
parentPort.on("message", ({ id, at, n, options }) => {
  try {
    const u32 = new Uint32Array(memory.buffer);
    const next = new Int32Array(memory.buffer, at.counter, 1);
    for (let q; (q = Atomics.add(next, 0, 1)) < n; ) {
      const from = u32[(at.offsets >>> 2) + q];
      const count = u32[(at.offsets >>> 2) + q + 1] - from;
      const got = kernels.search(scratch.context, at.indices + 4 * from, at.values + 4 * from, count,
        options.k, options.queryCut, options.heapFactor, options.sortedLists, options.neighbours);
      const out = (at.results >>> 2) + q * (1 + 2 * options.k);
      u32[out] = got;
      u32.copyWithin(out + 1, scratch.heap >>> 2, (scratch.heap >>> 2) + 2 * got);
    }
    parentPort.postMessage({ id });
  } catch (error) {
    parentPort.postMessage({ id, error: String(error && error.stack || error) });
  }
});
`;

interface Batch {
  readonly address: number;
  readonly bytes: number;
}

/**
 * Starts threads over an open index.
 *
 * @param store   of an index opened in shared memory (`openIndexFile` does)
 * @param threads how many, at least 1
 * @throws InputError when the memory is not shared or there is not enough of it
 */
export async function createSearchPool(store: Store, threads: number): Promise<SearchPool> {
  requireInteger("pool.threads", threads, 1, 256);
  if (!store.shared) throw new InputError("search pool: the index is not in shared memory; open it with openIndexFile(path, true)");
  const module = await kernelModule(true);
  const { memory, header } = store;
  const scratches: Scratch[] = Array.from({ length: threads }, () => createScratch(store));
  const workers = scratches.map((scratch) => new Worker(PROGRAM, { eval: true, workerData: { module, memory, scratch } }));
  for (const worker of workers) worker.unref();
  let batch: Batch = { address: 0, bytes: 0 };
  let jobs = 0;
  let busy: Promise<unknown> = Promise.resolve();

  const run = async (queries: SparseMatrix, options: Required<SearchOptions>): Promise<RawHits[]> => {
    const n = queries.rows;
    const k = Math.min(options.k, header.docs, MAX_RESULTS);
    const entries = queries.indices.length;
    const need = 64 + 4 * (n + 1) + 8 * entries + 4 * n * (1 + 2 * k);
    if (need > batch.bytes) batch = { address: extend(memory, need), bytes: need };
    const at = { counter: batch.address, offsets: batch.address + 64, indices: 0, values: 0, results: 0 };
    at.indices = at.offsets + 4 * (n + 1);
    at.values = at.indices + 4 * entries;
    at.results = at.values + 4 * entries;
    const u32 = new Uint32Array(memory.buffer);
    const f32 = new Float32Array(memory.buffer);
    Atomics.store(new Int32Array(memory.buffer, at.counter, 1), 0, 0);
    u32.set(queries.offsets, at.offsets >>> 2);
    u32.set(queries.indices, at.indices >>> 2);
    f32.set(queries.values, at.values >>> 2);
    const id = ++jobs;
    await Promise.all(
      workers.map(
        (worker) =>
          new Promise<void>((resolve, reject) => {
            worker.ref();
            const done = (error?: Error) => {
              worker.off("message", said);
              worker.off("error", done);
              worker.unref();
              if (error) reject(error);
              else resolve();
            };
            const said = (message: { id: number; error?: string }) => {
              if (message.id === id) done(message.error === undefined ? undefined : new Error(`search thread: ${message.error}`));
            };
            worker.on("message", said);
            worker.on("error", done);
            worker.postMessage({ id, at, n, options: { ...options, k } });
          }),
      ),
    );
    return Array.from({ length: n }, (_, q) => {
      const base = (at.results >>> 2) + q * (1 + 2 * k);
      const count = u32[base]!;
      return {
        documents: Uint32Array.from({ length: count }, (_, i) => u32[base + 2 + 2 * i]!),
        scores: Float32Array.from({ length: count }, (_, i) => f32[base + 1 + 2 * i]!),
      };
    });
  };

  return {
    threads,
    async search(queries, options = {}) {
      const config = searchConfig(options);
      if (queries.cols > header.dim)
        throw new InputError(`search pool: queries have ${queries.cols} coordinates, the index ${header.dim}`);
      if (config.neighbours > header.neighbours)
        throw new InputError(`search.neighbours: ${config.neighbours} wanted, the index stores ${header.neighbours} per document`);
      checkMatrix("queries", queries);
      const job = busy.then(() => run(queries, config));
      busy = job.catch(() => {});
      return job;
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

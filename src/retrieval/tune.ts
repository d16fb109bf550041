/** Finding the fastest search options that keep a promise of accuracy. */
import { InputError, requireFraction, requireInteger } from "../core/index.js";
import { rowOf, type SparseMatrix } from "./csr.js";
import type { SparseIndex } from "./index-handle.js";
import { accuracyAt } from "./metrics.js";
import type { RawHits, SearchOptions } from "./searcher.js";

/** What a setting achieves on the sample queries. */
export interface TuneTrial {
  readonly options: Required<Pick<SearchOptions, "queryCut" | "heapFactor" | "sortedLists">>;
  /** mean accuracy@k against exact search */
  readonly accuracy: number;
  /** median milliseconds of a query */
  readonly median: number;
  /** mean documents scored */
  readonly scored: number;
}

/** The promise, and where to look. */
export interface TuneOptions {
  /** accuracy that must be reached, in [0, 1]; 0.95 */
  readonly accuracy?: number;
  readonly k?: number;
  readonly queryCuts?: readonly number[];
  readonly heapFactors?: readonly number[];
  /** exact results of the queries, one more than k each; found by scoring every document where not given */
  readonly truth?: readonly RawHits[];
}

/**
 * Tries settings and yields each one as it is measured. The fastest that keeps the promise is `bestTrial` of them all.
 *
 * For each `queryCut`, in increasing order, `heapFactor` falls from the largest (fastest) until the promise is kept; a
 * larger cut is not tried once its fastest setting is slower than a setting that keeps the promise.
 *
 * @param queries sample queries; a promise holds for queries like them
 * @param now     a clock in milliseconds
 * @throws InputError without queries, or with exact results of another number
 */
export function* tune(
  index: SparseIndex,
  queries: SparseMatrix,
  options: TuneOptions,
  now: () => number,
): Generator<TuneTrial, void> {
  const promise = requireFraction("tune.accuracy", options.accuracy ?? 0.95);
  const k = requireInteger("tune.k", options.k ?? 10, 1, 65535);
  const {
    queryCuts = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32],
    heapFactors = [1.2, 1.1, 1, 0.9, 0.8, 0.7, 0.6, 0.45, 0.3, 0.15, 0],
  } = options;
  if (queries.rows === 0) throw new InputError("tune: no queries came; give some that are like those to be answered");
  const rows = Array.from({ length: queries.rows }, (_, q) => rowOf(queries, q));
  // One more than k, so that ties with the k-th are seen.
  const truth = options.truth ?? rows.map((q) => index.exactRaw(q, k + 1));
  if (truth.length !== rows.length) throw new InputError(`tune: ${truth.length} exact results for ${rows.length} queries`);
  let fastest = Number.POSITIVE_INFINITY;
  for (const queryCut of [...queryCuts].sort((a, b) => a - b)) {
    let first = true;
    for (const heapFactor of [...heapFactors].sort((a, b) => b - a)) {
      const trial = measure(index, rows, truth, k, { queryCut, heapFactor, sortedLists: 1 }, now);
      yield trial;
      if (trial.accuracy >= promise) {
        fastest = Math.min(fastest, trial.median);
        break;
      }
      if (first && trial.median > fastest) return;
      first = false;
    }
  }
}

/** The fastest trial that keeps the promise, or undefined. */
export function bestTrial(trials: readonly TuneTrial[], accuracy: number): TuneTrial | undefined {
  return trials.filter((t) => t.accuracy >= accuracy).sort((a, b) => a.median - b.median)[0];
}

function measure(
  index: SparseIndex,
  rows: readonly { indices: Uint32Array; values: Float32Array }[],
  truth: readonly RawHits[],
  k: number,
  options: TuneTrial["options"],
  now: () => number,
): TuneTrial {
  const times: number[] = [];
  let accuracy = 0;
  let scored = 0;
  rows.forEach((q, i) => {
    const start = now();
    const found = index.searchRaw(q, { ...options, k });
    times.push(now() - start);
    accuracy += accuracyAt(k, found.documents, truth[i]!);
    scored += index.stats().scored;
  });
  times.sort((a, b) => a - b);
  return { options, accuracy: accuracy / rows.length, median: times[times.length >> 1]!, scored: scored / rows.length };
}

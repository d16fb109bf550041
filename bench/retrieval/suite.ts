/**
 * Approximate search against our own exact inverted index and our own MaxScore, one thread, on SPLADE-shaped vectors.
 * Rounds are interleaved: every round runs all queries through one side, then the other.
 */
import {
  accuracyAt,
  bestTrial,
  buildInverted,
  type RawHits,
  rowOf,
  type SearchOptions,
  type SparseIndex,
  type SparseMatrix,
  takeRows,
  tune,
} from "../../src/retrieval/index.js";
import { createSearchPool } from "../../src/retrieval/index.node.js";
import { median, type Row, type SuiteOptions, wanted } from "../row.js";
import { prepare } from "./prepared.js";

/** Further options of this suite. */
export interface RetrievalOptions extends SuiteOptions {
  /** collection sizes; 100,000 and 1,000,000 */
  readonly sizes?: readonly number[];
  /** measured queries; as many others choose the search options */
  readonly queries?: number;
  /** accuracy@10 that the search options must reach on the tuning queries; 0.955, so that 0.95 holds on the measured ones */
  readonly accuracy?: number;
}

/** Build options by size: postings grow more slowly than documents, as static pruning intends. */
const buildOptions = (documents: number) => ({
  postingsPerList: Math.max(20, Math.round(220 * (documents / 1e6) ** 0.6)),
  maxFraction: 6,
  centroidFraction: 0.1,
  minClusterSize: 1,
  maxClusterSize: 8,
  summaryEnergy: 0.4,
});

type QueryRow = ReturnType<typeof rowOf>;

const sizeName = (documents: number) => (documents >= 1e6 ? `${documents / 1e6}M` : `${documents / 1e3}k`);
const searchName = (documents: number) => `search ${sizeName(documents)} documents, k 10`;
const half = (queries: SparseMatrix, odd: 0 | 1) =>
  takeRows(
    queries,
    Array.from({ length: queries.rows >> 1 }, (_, i) => 2 * i + odd),
  );
const rowsOf = (m: SparseMatrix) => Array.from({ length: m.rows }, (_, r) => rowOf(m, r));

/** Milliseconds of each query. */
function timesOf(rows: readonly QueryRow[], answer: (q: QueryRow) => unknown): number[] {
  return rows.map((q) => {
    const from = performance.now();
    answer(q);
    return performance.now() - from;
  });
}

/** Medians over the queries, round by round, of sides that take turns; the first round warms all of them up. */
function interleaved(rows: readonly QueryRow[], rounds: number, sides: readonly ((q: QueryRow) => unknown)[]) {
  const out = sides.map(() => ({ medians: [] as number[], all: [] as number[] }));
  for (let r = 0; r <= rounds; r++) {
    for (const [i, side] of sides.entries()) {
      const times = timesOf(rows, side);
      if (r === 0) continue;
      out[i]!.medians.push(median(times));
      out[i]!.all.push(...times);
    }
  }
  return out;
}

/** Mean accuracy@10 and documents scored. */
function quality(index: SparseIndex, rows: readonly QueryRow[], truth: readonly RawHits[], setting: SearchOptions) {
  let accuracy = 0;
  let scored = 0;
  rows.forEach((q, i) => {
    accuracy += accuracyAt(10, index.searchRaw(q, setting).documents, truth[i]!) / rows.length;
    scored += index.stats().scored / rows.length;
  });
  return { accuracy, scored };
}

/** Queries per second of a pool of threads over one index. */
async function throughput(index: SparseIndex, queries: SparseMatrix, setting: SearchOptions, threads: number): Promise<number> {
  const pool = await createSearchPool(index.store, threads);
  try {
    await pool.search(queries, setting);
    const from = performance.now();
    for (let i = 0; i < 5; i++) await pool.search(queries, setting);
    return (5 * 1000 * queries.rows) / (performance.now() - from);
  } finally {
    await pool.close();
  }
}

/** Rows of one size. `report` receives the median that growth is computed from. */
async function* sizeRows(documents: number, options: RetrievalOptions, report: (ms: number) => void): AsyncGenerator<Row> {
  const { queries: count = 400, accuracy: promise = 0.955, rounds = 5, say } = options;
  const { documents: matrix, queries, index, buildSeconds } = await prepare(documents, 2 * count, buildOptions(documents), say);
  say("the exact inverted index");
  const inverted = await buildInverted(matrix);
  const exact = (rows: readonly QueryRow[]) => rows.map((q) => inverted.termAtATime(q, 11));
  const [tuning, measured] = [half(queries, 0), half(queries, 1)];
  const rows = rowsOf(measured);
  say("choosing search options");
  const heapFactors = [1.1, 1.05, 1.02, 1, 0.98, 0.96, 0.94, 0.92, 0.9, 0.85, 0.8, 0.7];
  const search = { accuracy: promise, heapFactors, truth: exact(rowsOf(tuning)) };
  const best = bestTrial([...tune(index, tuning, search, () => performance.now())], promise);
  if (!best) throw new Error(`retrieval bench: no setting reached accuracy ${promise} at ${documents} documents`);
  const setting = { ...best.options, k: 10 };
  say("measuring");
  const [own, peer] = interleaved(rows, rounds, [(q) => index.searchRaw(q, setting), (q) => inverted.termAtATime(q, 10)]);
  const [fewOwn, max] = interleaved(rows.slice(0, 40), 1, [(q) => index.searchRaw(q, setting), (q) => inverted.maxScore(q, 10)]);
  const { accuracy, scored } = quality(index, rows, exact(rows), setting);
  const { sections } = index.header;
  const compressed = sections["forward"]!.bytes + sections["docQuads"]!.bytes;
  const p99 = (all: readonly number[]) => [...all].sort((a, b) => a - b)[Math.floor(all.length * 0.99)]!;
  const perSecond = await throughput(index, measured, setting, 1);
  const { fileBytes } = index.store;
  report(median(own!.medians));
  yield row(
    searchName(documents),
    own!.medians,
    "exact inverted index, term at a time",
    peer!.medians,
    `accuracy@10 ${accuracy.toFixed(4)} (cut ${setting.queryCut}, factor ${setting.heapFactor}), ${scored.toFixed(0)} documents scored, ` +
      `p99 ${p99(own!.all).toFixed(3)} ms (exact ${p99(peer!.all).toFixed(3)}), ${perSecond.toFixed(0)} queries/s on one thread, ` +
      `index ${(fileBytes / 1e6).toFixed(0)} MB = ${(fileBytes / compressed).toFixed(2)} x compressed vectors, built in ${buildSeconds.toFixed(0)} s`,
  );
  yield row(searchName(documents), fewOwn!.medians, "MaxScore", max!.medians, "40 queries");
}

/** Rows of all sizes, then the growth from the smallest to the largest. */
export async function* retrievalSuite(options: RetrievalOptions): AsyncGenerator<Row> {
  const { sizes = [100_000, 1_000_000] } = options;
  const growth = `search, from ${sizes[0]} to ${sizes.at(-1)} documents`;
  const medians: { documents: number; ms: number }[] = [];
  for (const documents of sizes) {
    if (!wanted(options, searchName(documents)) && !wanted(options, growth)) continue;
    for await (const found of sizeRows(documents, options, (ms) => medians.push({ documents, ms })))
      if (wanted(options, found.name)) yield found;
  }
  const [first, last] = [medians[0], medians.at(-1)];
  if (first && last && first !== last && wanted(options, growth))
    yield row(
      growth,
      [last.ms],
      `${first.documents} documents`,
      [first.ms],
      `${(last.documents / first.documents).toFixed(0)} times the documents`,
    );
}

function row(name: string, own: readonly number[], peer: string, theirs: readonly number[], note: string): Row {
  const [least, peerMs] = [Math.min(...own), Math.min(...theirs)];
  const [sparselandMs, middle] = [median(own), median(theirs)];
  return {
    name,
    threads: 1,
    sparselandMs: least,
    peer,
    peerMs,
    ratio: least / peerMs,
    median: { sparselandMs, peerMs: middle, ratio: sparselandMs / middle },
    note,
  };
}

/**
 * Approximate search against our own exact inverted index and our own MaxScore, one thread, on SPLADE-shaped vectors.
 * Rounds are interleaved: every round runs all queries through one side, then the other.
 */
import { createRng } from "../../src/core/index.js";
import {
  accuracyAt,
  bestTrial,
  buildIndex,
  buildInverted,
  openIndexMemory,
  type RawHits,
  rowOf,
  type SparseIndex,
  syntheticCollection,
  takeRows,
  tune,
} from "../../src/retrieval/index.js";
import { createSearchPool, indexMemory } from "../../src/retrieval/index.node.js";
import { median, type Row, type SuiteOptions, wanted } from "../row.js";

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

interface Timed {
  /** median over queries, per round */
  readonly medians: number[];
  readonly all: number[];
}

/** Rows of all sizes, then the growth from the smallest to the largest. */
export async function* retrievalSuite(options: RetrievalOptions): AsyncGenerator<Row> {
  const { sizes = [100_000, 1_000_000], queries: count = 400, accuracy: promise = 0.955, rounds = 5, say } = options;
  const medians: { documents: number; ms: number }[] = [];
  for (const documents of sizes) {
    say(`${documents} documents: drawing the collection`);
    const { documents: matrix, queries } = syntheticCollection({ documents, queries: 2 * count }, createRng(1));
    const tuning = takeRows(
      queries,
      Array.from({ length: count }, (_, i) => 2 * i),
    );
    const rows = Array.from({ length: count }, (_, i) => rowOf(queries, 2 * i + 1));
    say("building");
    const started = performance.now();
    const pieces = await buildIndex(matrix, buildOptions(documents), createRng(2));
    const buildSeconds = (performance.now() - started) / 1000;
    const index = await openIndexMemory(indexMemory(pieces));
    pieces.length = 0;
    const inverted = await buildInverted(matrix);

    say("choosing search options");
    const best = bestTrial(
      [
        ...tune(
          index,
          tuning,
          { accuracy: promise, heapFactors: [1.1, 1.05, 1.02, 1, 0.98, 0.96, 0.94, 0.92, 0.9, 0.85, 0.8, 0.7] },
          () => performance.now(),
        ),
      ],
      promise,
    );
    if (!best) throw new Error(`retrieval bench: no setting reached accuracy ${promise} at ${documents} documents`);
    const setting = { ...best.options, k: 10 };
    const exact: Timed = { medians: [], all: [] };
    const own: Timed = { medians: [], all: [] };
    const truth: RawHits[] = rows.map((q) => inverted.termAtATime(q, 11));
    const round = (into: Timed, answer: (q: (typeof rows)[number]) => unknown) => {
      const times = rows.map((q) => {
        const from = performance.now();
        answer(q);
        return performance.now() - from;
      });
      into.medians.push(median(times));
      into.all.push(...times);
    };
    for (let r = 0; r < rounds + 1; r++) {
      round(exact, (q) => inverted.termAtATime(q, 10));
      round(own, (q) => index.searchRaw(q, setting));
      // The first round warms both sides up.
      for (const side of r === 0 ? [exact, own] : []) {
        side.medians.length = 0;
        side.all.length = 0;
      }
    }
    const few: Timed = { medians: [], all: [] };
    const fewOwn: Timed = { medians: [], all: [] };
    const subset = rows.slice(0, Math.min(rows.length, 60));
    for (let r = 0; r < 2; r++) {
      for (const q of subset) {
        let from = performance.now();
        inverted.maxScore(q, 10);
        few.all.push(performance.now() - from);
        from = performance.now();
        index.searchRaw(q, setting);
        fewOwn.all.push(performance.now() - from);
      }
    }
    const quality = measure(index, rows, truth, setting);
    const sections = index.header.sections;
    const compressed = sections["forward"]!.bytes + sections["docQuads"]!.bytes;
    const p99 = [...own.all].sort((a, b) => a - b)[Math.floor(own.all.length * 0.99)]!;
    const pool = await createSearchPool(index.store, 1);
    let perSecond = 0;
    try {
      const batch = takeRows(
        queries,
        Array.from({ length: count }, (_, i) => 2 * i + 1),
      );
      await pool.search(batch, setting);
      const from = performance.now();
      await pool.search(batch, setting);
      perSecond = (1000 * count) / (performance.now() - from);
    } finally {
      await pool.close();
    }
    const note =
      `accuracy@10 ${quality.accuracy.toFixed(4)} (cut ${setting.queryCut}, factor ${setting.heapFactor}), ${quality.scored.toFixed(0)} documents scored, p99 ${p99.toFixed(3)} ms, ` +
      `${perSecond.toFixed(0)} queries/s, index ${(index.store.fileBytes / 1e6).toFixed(0)} MB = ${(index.store.fileBytes / compressed).toFixed(2)} x compressed vectors, built in ${buildSeconds.toFixed(0)} s`;
    const label = documents >= 1e6 ? `${documents / 1e6}M` : `${documents / 1e3}k`;
    const name = `search ${label} documents, k 10`;
    if (wanted(options, name)) yield row(name, own.medians, "exact inverted index, term at a time", exact.medians, note);
    if (wanted(options, name))
      yield row(
        name,
        [median(fewOwn.all)],
        "MaxScore",
        [median(few.all)],
        `${inverted.scored()} documents evaluated by MaxScore in the last query`,
      );
    medians.push({ documents, ms: median(own.medians) });
  }
  const [first, last] = [medians[0], medians[medians.length - 1]];
  if (first && last && first !== last)
    yield row(
      `search, from ${first.documents} to ${last.documents} documents`,
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

function measure(
  index: SparseIndex,
  rows: readonly { indices: Uint32Array; values: Float32Array }[],
  truth: readonly RawHits[],
  setting: object,
) {
  let accuracy = 0;
  let scored = 0;
  rows.forEach((q, i) => {
    accuracy += accuracyAt(10, index.searchRaw(q, setting).documents, truth[i]!) / rows.length;
    scored += index.stats().scored / rows.length;
  });
  return { accuracy, scored };
}

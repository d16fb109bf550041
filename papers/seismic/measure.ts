/** Builds one index and sweeps its heap factor. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { createRng, InputError } from "../../src/core/index.js";
import {
  accuracyAt,
  bm25Collection,
  bm25Query,
  buildIndex,
  buildInverted,
  ndcg,
  openIndexMemory,
  parseCranfield,
  type RawHits,
  rowOf,
  syntheticCollection,
} from "../../src/retrieval/index.js";
import { indexMemory } from "../../src/retrieval/index.node.js";
import { type JobContext, median } from "../harness/index.js";
import { clustering, impactOrdered } from "./baselines.js";
import { type Config, optionsOf, type Point, type Result } from "./config.js";

const heapFactors = [2, 1.7, 1.5, 1.35, 1.2, 1.1, 1, 0.9, 0.8, 0.7, 0.6, 0.5] as const;

/** Measures a configuration. */
export async function measure(config: Config, context: JobContext): Promise<Result> {
  if (config.part === "cranfield") return cranfield(config, context);
  return config.part === "baselines" ? baselines(config, context) : synthetic(config, context);
}

/** The other families, on the queries and the collection of the same seed. */
async function baselines({ documents, queries: count, seed }: Config, { progress }: JobContext): Promise<Result> {
  const { documents: matrix, queries } = syntheticCollection({ documents, queries: count }, createRng(seed));
  const inverted = await buildInverted(matrix);
  const rows = Array.from({ length: count }, (_, q) => rowOf(queries, q));
  const truth = rows.map((q) => inverted.termAtATime(q, 11));
  progress(0.3, "clustering");
  const clusters = clustering(matrix, rows, truth, createRng(seed).split("clustering"));
  progress(0.7, "impact ordered");
  const frequency = new Uint32Array(matrix.cols);
  for (const c of matrix.indices) frequency[c]!++;
  const postings = rows.reduce((sum, { indices }) => sum + indices.reduce((n, c) => n + frequency[c]!, 0) / count, 0);
  return {
    bytes: 0,
    points: [],
    exhaustiveMs: null,
    termAtATimeMs: null,
    maxScoreMs: null,
    exactNdcg: null,
    clustering: clusters,
    impactOrdered: impactOrdered(matrix, rows, truth),
    postings,
  };
}

async function synthetic(
  { part, arm, documents, queries: count, seed, cut }: Config,
  { now, progress }: JobContext,
): Promise<Result> {
  const { documents: matrix, queries } = syntheticCollection({ documents, queries: count }, createRng(seed));
  progress(0.2, "building");
  const pieces = await buildIndex(matrix, optionsOf(arm, documents), createRng(seed + 1000), {}, (_, done) =>
    progress(0.2 + 0.5 * done),
  );
  const bytes = pieces.reduce((n, p) => n + p.length, 0);
  const index = await openIndexMemory(indexMemory(pieces));
  const inverted = await buildInverted(matrix);
  const rows = Array.from({ length: count }, (_, q) => rowOf(queries, q));
  const truth: RawHits[] = rows.map((q) => inverted.termAtATime(q, 11));
  const time = (answer: (q: (typeof rows)[number]) => unknown, over = rows) => {
    // Twice over all queries; the second pass counts.
    const pass = () =>
      over.map((q) => {
        const start = now();
        answer(q);
        return now() - start;
      });
    pass();
    return median(pass());
  };
  const timed = part === "speed" || part === "crossover";
  const points = heapFactors.map((heapFactor): Point => {
    let accuracy = 0;
    let scored = 0;
    const options = { queryCut: cut, heapFactor, k: 10 };
    rows.forEach((q, i) => {
      accuracy += accuracyAt(10, index.searchRaw(q, options).documents, truth[i]!) / count;
      scored += index.stats().scored / count;
    });
    return { heapFactor, accuracy, scored, ms: timed ? time((q) => index.searchRaw(q, options)) : 0 };
  });
  progress(0.9, "baselines");
  const few = rows.slice(0, 30);
  return {
    bytes,
    points,
    exhaustiveMs: timed ? time((q) => index.exactRaw(q, 10), few) : null,
    termAtATimeMs: timed ? time((q) => inverted.termAtATime(q, 10)) : null,
    maxScoreMs: timed ? time((q) => inverted.maxScore(q, 10), few) : null,
    exactNdcg: null,
  };
}

async function cranfield({ arm, seed, cut }: Config, { dataFolder, now }: JobContext): Promise<Result> {
  const folder = join(dataFolder, "cranfield");
  if (!existsSync(folder))
    throw new InputError(
      `${folder}: no such folder; put the Cranfield XML files there (cran.all.1400.xml.gz, cran.qry.xml.gz, cranqrel.trec.txt.gz)`,
    );
  const read = (name: string) => gunzipSync(readFileSync(join(folder, name))).toString("utf8");
  const { documents, queries, judged } = parseCranfield(
    read("cran.all.1400.xml.gz"),
    read("cran.qry.xml.gz"),
    read("cranqrel.trec.txt.gz"),
  );
  const bm25 = bm25Collection(documents.map((d) => `${d.title} ${d.text}`));
  const options = { ...optionsOf(arm, documents.length), postingsPerList: 200, summaryEnergy: 0.5 };
  const pieces = await buildIndex(bm25.documents, options, createRng(seed), {
    ids: documents.map((d) => d.id),
    tokens: bm25.tokens,
  });
  const bytes = pieces.reduce((n, p) => n + p.length, 0);
  const index = await openIndexMemory(indexMemory(pieces));
  const vectors = queries.map((text) => bm25Query(text, bm25.encoder));
  const quality = (ids: (q: number) => string[]) =>
    vectors.reduce((sum, _, q) => sum + ndcg(ids(q), judged[q]!) / vectors.length, 0);
  const points = heapFactors.map((heapFactor): Point => {
    let scored = 0;
    const times: number[] = [];
    const accuracy = quality((q) => {
      const start = now();
      const hits = index.search(vectors[q]!, { queryCut: cut, heapFactor });
      times.push(now() - start);
      scored += index.stats().scored / vectors.length;
      return hits.map((h) => h.id);
    });
    return { heapFactor, accuracy, scored, ms: median(times) };
  });
  return {
    bytes,
    points,
    exhaustiveMs: null,
    termAtATimeMs: null,
    maxScoreMs: null,
    exactNdcg: quality((q) => index.exact(vectors[q]!).map((h) => h.id)),
  };
}

/** Real text: Cranfield with its judgements, and Debian's package descriptions; through BM25 and through the tiny trained encoder. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { createRng } from "../../src/core/index.js";
import { createEngine } from "../../src/engine/index.js";
import {
  accuracyAt,
  bestTrial,
  bm25Collection,
  bm25Query,
  buildIndex,
  encodeDocuments,
  encodeQuery,
  encoderPairs,
  type Judgements,
  matrixFromVectors,
  ndcg,
  openIndexMemory,
  parseCranfield,
  parseDumpavail,
  type SparseMatrix,
  type SparseVector,
  type TextDocument,
  titlePairs,
  tune,
} from "../../src/retrieval/index.js";
import { indexMemory } from "../../src/retrieval/index.node.js";
import { trainSparseEncoder } from "../../src/train/index.js";
import { compare, median, type Row, type SuiteOptions, wanted } from "../row.js";

const data = process.env["SPARSELAND_DATA"] ?? join(fileURLToPath(new URL("../..", import.meta.url)), "../shared/data");

/** accuracy@10 that the search options must keep. */
const PROMISE = 0.95;

/** Text, queries and what is right for each. */
interface Collection {
  readonly name: string;
  /** what is indexed */
  readonly documents: readonly TextDocument[];
  readonly texts: readonly string[];
  readonly queries: readonly string[];
  readonly judged: readonly Judgements[];
  readonly says: string;
}

function cranfield(): Collection | string {
  const read = (name: string) => gunzipSync(readFileSync(join(data, "cranfield", name))).toString("utf8");
  if (!existsSync(join(data, "cranfield"))) return `${join(data, "cranfield")}: no such folder`;
  const { documents, queries, judged } = parseCranfield(
    read("cran.all.1400.xml.gz"),
    read("cran.qry.xml.gz"),
    read("cranqrel.trec.txt.gz"),
  );
  return {
    name: "Cranfield",
    documents,
    texts: documents.map((d) => `${d.title} ${d.text}`),
    queries,
    judged,
    says: "225 judged queries",
  };
}

/** Packages with their tags are searched with their short descriptions, whose words they hold; the own package is the one right answer. */
function debian(): Collection | string {
  let text: string;
  try {
    text = execFileSync("apt-cache", ["dumpavail"], { encoding: "utf8", maxBuffer: 1 << 30, stdio: ["ignore", "pipe", "ignore"] });
  } catch (error) {
    return `apt-cache dumpavail: ${(error as Error).message}`;
  }
  const documents = parseDumpavail(text);
  if (documents.length < 1000) return `apt-cache dumpavail lists ${documents.length} described packages; run apt-get update`;
  const order = createRng(1).permutation(documents.length).subarray(0, 500);
  return {
    name: "Debian packages",
    documents,
    texts: documents.map((d) => d.text),
    queries: Array.from(order, (d) => documents[d]!.title),
    judged: Array.from(order, (d) => new Map([[documents[d]!.id, 1]])),
    says: `${documents.length} packages, 500 of their descriptions as queries, the own package being right`,
  };
}

async function measure(
  collection: Collection,
  through: string,
  matrix: SparseMatrix,
  queryOf: (text: string) => SparseVector,
  rounds: number,
): Promise<Row> {
  const { name, documents, queries, judged, says } = collection;
  const ids = documents.map((d) => d.id);
  const options = { postingsPerList: 400, maxFraction: 20, centroidFraction: 0.1, summaryEnergy: 0.5 };
  const index = await openIndexMemory(indexMemory(await buildIndex(matrix, options, createRng(0), { ids })));
  const vectors = queries.map(queryOf);
  // Options that keep the promise on queries with odd numbers; everything below is measured on all.
  const odd = vectors.filter((_, i) => i % 2 === 1);
  const search = { accuracy: PROMISE, truth: odd.map((q) => index.exactRaw(q, 11)) };
  const best = bestTrial([...tune(index, matrixFromVectors(odd, matrix.cols), search, () => performance.now())], PROMISE);
  if (!best) throw new Error(`retrieval bench: no setting reached accuracy ${PROMISE} on ${name}, ${through}`);
  const setting = { ...best.options, k: 10 };
  const own: number[] = [];
  const exact: number[] = [];
  let accuracy = 0;
  let scored = 0;
  const right = { search: 0, exact: 0 };
  for (let r = 0; r < rounds; r++) {
    const times = { search: [] as number[], exact: [] as number[] };
    vectors.forEach((q, i) => {
      let from = performance.now();
      const found = index.searchRaw(q, setting);
      times.search.push(performance.now() - from);
      if (r === 0) scored += index.stats().scored / vectors.length;
      from = performance.now();
      const truth = index.exactRaw(q, 11);
      times.exact.push(performance.now() - from);
      if (r > 0) return;
      accuracy += accuracyAt(10, found.documents, truth) / vectors.length;
      const gain = (all: Uint32Array) =>
        ndcg(
          Array.from(all.subarray(0, 10), (d) => ids[d]!),
          judged[i]!,
        ) / vectors.length;
      right.search += gain(found.documents);
      right.exact += gain(truth.documents);
    });
    own.push(median(times.search));
    exact.push(median(times.exact));
  }
  return compare(
    `search ${name}, ${through}`,
    1,
    own,
    "every document scored",
    exact,
    `${says}; nDCG@10 ${right.search.toFixed(4)}, exact ${right.exact.toFixed(4)}; accuracy@10 ${accuracy.toFixed(4)} (cut ${setting.queryCut}, factor ${setting.heapFactor}), ${scored.toFixed(0)} of ${ids.length} documents scored`,
  );
}

async function* rowsOf(collection: Collection, options: SuiteOptions): AsyncGenerator<Row> {
  const { name, documents, texts } = collection;
  const rounds = options.rounds ?? 3;
  const label = (through: string) => `search ${name}, ${through}`;
  if (wanted(options, label("BM25"))) {
    const { documents: matrix, encoder, tokens } = bm25Collection(texts);
    const numbers = new Map(tokens.map((t, i) => [t, i]));
    const queryOf = (text: string) => {
      const known = Object.entries(bm25Query(text, encoder)).filter(([token]) => numbers.has(token));
      return { indices: known.map(([token]) => numbers.get(token)!), values: known.map(([, weight]) => weight) };
    };
    yield await measure(collection, "BM25", matrix, queryOf, rounds);
  }
  if (wanted(options, label("trained encoder"))) {
    options.say(`${name}: training an encoder`);
    const engine = await createEngine({ threads: 1 });
    try {
      const bags = encoderPairs(titlePairs(documents).slice(0, 20_000));
      const params = trainSparseEncoder(engine, bags, createRng(0));
      const encoder = { tokens: bags.tokens, text: bags.text, params };
      options.say(`${name}: encoding ${texts.length} texts`);
      const matrix = encodeDocuments(encoder, texts);
      yield await measure(collection, "trained encoder", matrix, (text) => encodeQuery(encoder, text), rounds);
    } finally {
      engine.close();
    }
  }
}

/** Searches of real text. */
export async function* textSuite(options: SuiteOptions): AsyncGenerator<Row> {
  for (const [name, make] of [
    ["Cranfield", cranfield],
    ["Debian packages", debian],
  ] as const) {
    if (!["BM25", "trained encoder"].some((through) => wanted(options, `search ${name}, ${through}`))) continue;
    const collection = make();
    if (typeof collection === "string") options.say(`${name} is left out: ${collection}`);
    else yield* rowsOf(collection, options);
  }
}

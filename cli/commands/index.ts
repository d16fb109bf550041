import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { columnsText } from "../../papers/harness/index.js";
import { createRng, InputError } from "../../src/core/index.js";
import {
  accuracyAt,
  type Bm25Encoder,
  type BuildOptions,
  bestTrial,
  bm25Collection,
  bm25Query,
  buildIndex,
  decodeStrings,
  encodeDocuments,
  matrixFromVectors,
  ndcg,
  parseCranfield,
  type Query,
  recall,
  rowOf,
  type SearchOptions,
  type SparseIndex,
  type TuneTrial,
  tune,
} from "../../src/retrieval/index.js";
import { createSearchPool, openIndexFile, readIndexHeader, readVectors, writeIndexFile } from "../../src/retrieval/index.node.js";
import type { CommonOptions, Register } from "../command.js";
import { printResult } from "../print.js";
import { createProgress } from "../progress.js";
import { learnedQuery, loadEncoder, readTexts, registerTraining, type TextKind, textOf } from "../retrieval/texts.js";
import type { Terminal } from "../terminal.js";

interface BuildFlags extends CommonOptions {
  readonly postings?: number;
  readonly pruning?: "global" | "fixed";
  readonly maxFraction?: number;
  readonly centroids?: number;
  readonly minCluster?: number;
  readonly maxCluster?: number;
  readonly maxBlocks?: number;
  readonly similarity?: "inner" | "cosine";
  readonly energy?: number;
  readonly values?: "f16" | "u8" | "f32";
  readonly neighbours?: number;
  readonly text?: TextKind;
  readonly stem: boolean;
  readonly encoder?: string;
  readonly zeroBased?: true;
}

interface SearchFlags extends CommonOptions {
  readonly k?: number;
  readonly cut?: number;
  readonly factor?: number;
  readonly sorted?: number;
  readonly neighbours?: number;
  readonly exact?: true;
  readonly vector?: string;
  readonly encoder?: string;
}

const numeric = (name: string) => (text: string) => {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value))
    throw new InputError(`--${name}: expected a number, got ${JSON.stringify(text)}`);
  return value;
};
const number = (flags: string, words: string) => new Option(flags, words).argParser(numeric(/--([a-z-]+)/.exec(flags)![1]!));

/** Leaves out options that were not given, so that the library's defaults hold. */
const given = <T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };

const searchOptions = (flags: SearchFlags): SearchOptions =>
  given({ k: flags.k, queryCut: flags.cut, heapFactor: flags.factor, sortedLists: flags.sorted, neighbours: flags.neighbours });

function addSearchOptions(command: Command): Command {
  return command
    .addOption(number("--k <n>", "results of a query (default 10)"))
    .addOption(number("--cut <n>", "lists visited: those of the heaviest query coordinates (default 10)"))
    .addOption(number("--factor <x>", "blocks below this share of the worst result are skipped; larger is faster (default 0.8)"))
    .addOption(number("--sorted <n>", "lists whose blocks are visited best first (default 1)"))
    .addOption(new Option("--encoder <file>", "the trained encoder of the index"))
    .addOption(number("--neighbours <n>", "stored neighbours of each result to score at the end (default 0)"));
}

async function build(input: string, flags: BuildFlags, terminal: Terminal): Promise<void> {
  if (flags.out === undefined) throw new InputError("index build: --out <file> says where the index goes");
  const source = resolve(terminal.folder, input);
  const target = resolve(terminal.folder, flags.out);
  const options: BuildOptions = given({
    postingsPerList: flags.postings,
    pruning: flags.pruning,
    maxFraction: flags.maxFraction,
    centroidFraction: flags.centroids,
    minClusterSize: flags.minCluster,
    maxClusterSize: flags.maxCluster,
    maxBlocks: flags.maxBlocks,
    similarity: flags.similarity,
    summaryEnergy: flags.energy,
    values: flags.values,
    neighbours: flags.neighbours,
  });
  const started = terminal.now();
  const progress = createProgress(terminal);
  try {
    let collection: Awaited<ReturnType<typeof readVectors>>;
    let meta: Record<string, unknown> = {};
    if (flags.encoder !== undefined) {
      if (!flags.text) throw new InputError("index build: --encoder encodes text; say with --text what kind the input is");
      const texts = readTexts(source, flags.text);
      const encoder = loadEncoder(resolve(terminal.folder, flags.encoder));
      const matrix = encodeDocuments(
        encoder,
        texts.map((d) => `${d.title} ${d.text}`),
      );
      collection = {
        matrix,
        tokens: encoder.tokens,
        ids: texts.map((d) => d.id),
        payloads: texts.map((d) => ({ title: d.title })),
      };
      meta = { encoder: { kind: "learned" } };
    } else if (flags.text) {
      const texts = readTexts(source, flags.text);
      const bm25 = bm25Collection(
        texts.map((d) => `${d.title} ${d.text}`),
        { stem: flags.stem },
      );
      collection = {
        matrix: bm25.documents,
        tokens: bm25.tokens,
        ids: texts.map((d) => d.id),
        payloads: texts.map((d) => ({ title: d.title })),
      };
      meta = { encoder: bm25.encoder };
    } else collection = await readVectors(source, { firstIndex: flags.zeroBased ? 0 : 1 });
    const bar = progress.bar("index", 100);
    const { matrix, ...labels } = collection;
    const share = { prune: [0, 5], group: [5, 95], neighbours: [95, 100] } as const;
    const pieces = await buildIndex(matrix, options, createRng(flags.seed ?? 0), { ...labels, meta }, (stage, done) => {
      const [from, to] = share[stage];
      bar.update(from + done * (to - from), stage);
    });
    writeIndexFile(target, pieces);
  } finally {
    progress.stop();
  }
  const { header, bytes } = readIndexHeader(target);
  const document = {
    file: target,
    bytes,
    documents: header.docs,
    coordinates: header.dim,
    entries: header.entries,
    seconds: (terminal.now() - started) / 1000,
  };
  printResult(
    terminal,
    flags,
    document,
    () => `${target}: ${header.docs} documents, ${header.dim} coordinates, ${mib(bytes)} in ${document.seconds.toFixed(1)} s`,
  );
}

const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 24 ? 2 : 0)} MiB`;

function info(file: string, flags: CommonOptions, terminal: Terminal): void {
  const { header, bytes } = readIndexHeader(resolve(terminal.folder, file));
  const { sections, ...rest } = header;
  printResult(
    terminal,
    flags,
    { bytes, ...rest, sections: Object.fromEntries(Object.entries(sections).map(([name, s]) => [name, s.bytes])) },
    () =>
      [
        `${file}: ${header.docs} documents, ${header.dim} coordinates, ${(header.entries / Math.max(1, header.docs)).toFixed(1)} non-zeros a document, ${mib(bytes)}`,
        "",
        columnsText(
          ["option", "value"],
          Object.entries(header.config).map(([name, value]) => [name, String(value)]),
          terminal.columns,
        ),
        "",
        columnsText(
          ["section", "bytes", "share"],
          Object.entries(sections).map(([name, s]) => [name, String(s.bytes), `${((100 * s.bytes) / bytes).toFixed(1)} %`]),
          terminal.columns,
        ),
      ].join("\n"),
  );
}

/** The encoder that the index was built with, when its queries may be text. */
function encoderOf(index: SparseIndex): Bm25Encoder | undefined {
  const encoder = index.header.meta["encoder"] as Bm25Encoder | undefined;
  return encoder?.kind === "bm25" ? encoder : undefined;
}

/** The query of a text, by the encoder that the index was built with. */
function queryText(index: SparseIndex, text: string, flags: SearchFlags, terminal: Terminal): Query {
  if ((index.header.meta["encoder"] as { kind?: string } | undefined)?.kind === "learned") {
    if (flags.encoder === undefined)
      throw new InputError("this index was built with a trained encoder; give it with --encoder <file>");
    return learnedQuery(resolve(terminal.folder, flags.encoder), text);
  }
  const encoder = encoderOf(index);
  if (!encoder)
    throw new InputError('this index was not built from text, so words cannot be encoded; give --vector {"token": weight}');
  return bm25Query(text, encoder);
}

function queryOf(index: SparseIndex, words: readonly string[], flags: SearchFlags, terminal: Terminal): Query {
  if (flags.vector !== undefined) {
    let vector: unknown;
    try {
      vector = JSON.parse(flags.vector);
    } catch {
      throw new InputError(`--vector: not JSON; expected {"token": weight} or {"indices": [...], "values": [...]}`);
    }
    if (typeof vector !== "object" || vector === null)
      throw new InputError(`--vector: expected {"token": weight} or {"indices": [...], "values": [...]}`);
    return vector as Query;
  }
  if (words.length === 0) throw new InputError('index query: give words, or --vector {"token": weight}');
  return queryText(index, words.join(" "), flags, terminal);
}

async function query(file: string, words: readonly string[], flags: SearchFlags, terminal: Terminal): Promise<void> {
  const index = await openIndexFile(resolve(terminal.folder, file));
  const vector = queryOf(index, words, flags, terminal);
  const started = terminal.now();
  const hits = flags.exact ? index.exact(vector, flags.k ?? 10) : index.search(vector, searchOptions(flags));
  const milliseconds = terminal.now() - started;
  printResult(terminal, flags, { milliseconds, hits, ...(flags.exact ? {} : { stats: index.stats() }) }, () => {
    if (hits.length === 0) return "no document shares a coordinate with the query";
    const title = (payload: unknown) =>
      payload === undefined || payload === null
        ? ""
        : typeof payload === "object" && "title" in payload
          ? String(payload.title)
          : JSON.stringify(payload);
    return columnsText(
      ["score", "id", ""],
      hits.map((h) => [h.score.toFixed(4), h.id, title(h.payload)]),
      terminal.columns,
    );
  });
}

async function evaluate(
  file: string,
  queriesFile: string,
  flags: SearchFlags & { readonly qrels?: string },
  terminal: Terminal,
): Promise<void> {
  const index = await openIndexFile(resolve(terminal.folder, file));
  const k = flags.k ?? 10;
  const path = resolve(terminal.folder, queriesFile);
  const text =
    flags.qrels !== undefined ? cranfieldQueries(index, path, resolve(terminal.folder, flags.qrels), flags, terminal) : undefined;
  const rows = text ? text.map((t) => index.vector(t.query)) : await queryRows(index, path);
  const times: { search: number[]; exact: number[] } = { search: [], exact: [] };
  let accuracy = 0;
  let scored = 0;
  const quality = { search: { ndcg: 0, recall: 0 }, exact: { ndcg: 0, recall: 0 } };
  const id = (h: { id: string }) => h.id;
  rows.forEach((row, q) => {
    let start = terminal.now();
    const truth = index.exactRaw(row, k + 1);
    times.exact.push(terminal.now() - start);
    start = terminal.now();
    const found = index.searchRaw(row, { ...searchOptions(flags), k });
    times.search.push(terminal.now() - start);
    scored += index.stats().scored;
    accuracy += accuracyAt(k, found.documents, truth);
    if (text) {
      const judged = text[q]!.judged;
      const deep = { ...searchOptions(flags), k: 100 };
      for (const [name, hits] of [
        ["search", index.search(row, deep)],
        ["exact", index.exact(row, 100)],
      ] as const) {
        quality[name].ndcg += ndcg(hits.map(id), judged) / rows.length;
        quality[name].recall += recall(hits.map(id), judged) / rows.length;
      }
    }
  });
  const at = (list: number[], p: number) => list.sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(p * list.length))]!;
  const document = {
    queries: rows.length,
    k,
    accuracy: accuracy / rows.length,
    documentsScored: scored / rows.length,
    milliseconds: { median: at(times.search, 0.5), p99: at(times.search, 0.99), exactMedian: at(times.exact, 0.5) },
    ...(text ? { quality } : {}),
  };
  printResult(terminal, flags, document, () =>
    columnsText(
      ["quantity", "search", "exact"],
      [
        [`accuracy@${k}`, document.accuracy.toFixed(4), "1"],
        ...(text
          ? [
              ["nDCG@10", quality.search.ndcg.toFixed(4), quality.exact.ndcg.toFixed(4)] as const,
              ["recall@100", quality.search.recall.toFixed(4), quality.exact.recall.toFixed(4)] as const,
            ]
          : []),
        ["documents scored", document.documentsScored.toFixed(0), String(index.header.docs)],
        ["median ms", document.milliseconds.median.toFixed(4), document.milliseconds.exactMedian.toFixed(4)],
        ["p99 ms", document.milliseconds.p99.toFixed(4), ""],
      ],
      terminal.columns,
    ),
  );
}

function cranfieldQueries(index: SparseIndex, queries: string, qrels: string, flags: SearchFlags, terminal: Terminal) {
  const { queries: texts, judged } = parseCranfield("<doc><docno>1</docno></doc>", textOf(queries), textOf(qrels));
  return texts.map((t, q) => ({ query: queryText(index, t, flags, terminal), judged: judged[q]! }));
}

async function queryRows(index: SparseIndex, path: string) {
  const { tokens } = index.store;
  const { matrix } = await readVectors(path, tokens ? { tokens: decodeStrings(tokens) } : { dim: index.header.dim });
  if (matrix.cols > index.header.dim)
    throw new InputError(`${path}: queries have ${matrix.cols} coordinates, the index ${index.header.dim}`);
  return Array.from({ length: matrix.rows }, (_, r) => rowOf(matrix, r));
}

async function tuneIndex(
  file: string,
  queriesFile: string,
  flags: SearchFlags & { readonly accuracy?: number },
  terminal: Terminal,
): Promise<void> {
  const promise = flags.accuracy ?? 0.95;
  const index = await openIndexFile(resolve(terminal.folder, file));
  const rows = await queryRows(index, resolve(terminal.folder, queriesFile));
  const queries = matrixFromVectors(rows, index.header.dim, "query");
  const progress = createProgress(terminal);
  const trials: TuneTrial[] = [];
  try {
    for (const trial of tune(index, queries, { accuracy: promise, ...(flags.k === undefined ? {} : { k: flags.k }) }, () =>
      terminal.now(),
    )) {
      trials.push(trial);
      progress.log(
        `cut ${trial.options.queryCut}, factor ${trial.options.heapFactor}: accuracy ${trial.accuracy.toFixed(4)}, ${trial.median.toFixed(4)} ms`,
      );
    }
  } finally {
    progress.stop();
  }
  const best = bestTrial(trials, promise);
  let perSecond: number | undefined;
  if (best) {
    const pool = await createSearchPool(index.store, flags.threads ?? 1);
    try {
      const start = terminal.now();
      await pool.search(queries, { ...best.options, k: flags.k ?? 10 });
      perSecond = (1000 * rows.length) / (terminal.now() - start);
    } finally {
      await pool.close();
    }
  }
  printResult(
    terminal,
    flags,
    { accuracy: promise, best: best ?? null, queriesPerSecond: perSecond ?? null, threads: flags.threads ?? 1, trials },
    () =>
      best
        ? `accuracy ${promise}: --cut ${best.options.queryCut} --factor ${best.options.heapFactor} (accuracy ${best.accuracy.toFixed(4)}, median ${best.median.toFixed(4)} ms, ${best.scored.toFixed(0)} documents scored, ${perSecond!.toFixed(0)} queries/s on ${flags.threads ?? 1} thread${flags.threads && flags.threads > 1 ? "s" : ""})`
        : `no setting reached accuracy ${promise}; the best was ${Math.max(...trials.map((t) => t.accuracy)).toFixed(4)}. Build the index with more --postings or a larger --energy.`,
  );
}

/** The `index` command. */
export const register: Register = (command, terminal) => {
  const flagsOf = <T>(sub: Command) => sub.optsWithGlobals() as T;
  const buildCommand = command
    .command("build <input>")
    .description("build an index from vectors (.jsonl, .svmlight, .npz) or, with --text, from text through BM25")
    .addOption(number("--postings <n>", "postings per list, on average [lambda] (default 4000)"))
    .addOption(new Option("--pruning <how>", "global: the largest values overall; fixed: per list").choices(["global", "fixed"]))
    .addOption(number("--max-fraction <x>", "cap of one list, times --postings (default 3)"))
    .addOption(number("--centroids <x>", "centroids per document of a list (default 0.1)"))
    .addOption(number("--min-cluster <n>", "groups of at most this many documents are dissolved (default 2)"))
    .addOption(number("--max-cluster <n>", "groups of more are grouped again; 0 leaves them (default 16)"))
    .addOption(number("--max-blocks <n>", "most blocks of a list [beta] (default 65536)"))
    .addOption(new Option("--similarity <how>", "nearness to a centroid").choices(["inner", "cosine"]))
    .addOption(number("--energy <x>", "share of the mass that a summary keeps [alpha] (default 0.4)"))
    .addOption(new Option("--values <kind>", "how weights are stored").choices(["f16", "u8", "f32"]))
    .addOption(number("--neighbours <n>", "nearest neighbours to store per document (default 0)"))
    .addOption(
      new Option("--text <kind>", "the input is text: JSONL of {id, text}, Cranfield XML, or apt-cache dumpavail").choices([
        "jsonl",
        "cranfield",
        "dumpavail",
      ]),
    )
    .addOption(new Option("--encoder <file>", "encode text with a trained encoder instead of BM25"))
    .addOption(new Option("--no-stem", "keep words whole"))
    .addOption(new Option("--zero-based", "svmlight coordinates count from 0"))
    .addHelpText("after", "\nAlso: --out <file> (the index, needed), --seed <n>, --json, --verbose.");
  buildCommand.action((input: string) => build(input, flagsOf<BuildFlags>(buildCommand), terminal));

  registerTraining(command, terminal);

  const infoCommand = command.command("info <file>").description("what an index holds");
  infoCommand.action((file: string) => info(file, flagsOf<CommonOptions>(infoCommand), terminal));

  const queryCommand = addSearchOptions(command.command("query <file> [words...]"))
    .description("search an index with words or a vector")
    .addOption(new Option("--vector <json>", 'the query as {"token": weight} or {"indices": [...], "values": [...]}'))
    .addOption(new Option("--exact", "score every document"));
  queryCommand.action((file: string, words: string[]) => query(file, words, flagsOf<SearchFlags>(queryCommand), terminal));

  const evalCommand = addSearchOptions(command.command("eval <file> <queries>"))
    .description("accuracy against exact search, and time; with --qrels also nDCG@10 and recall@100")
    .addOption(new Option("--qrels <file>", "judgements (TREC lines); the queries are then Cranfield XML"));
  evalCommand.action((file: string, queries: string) =>
    evaluate(file, queries, flagsOf<SearchFlags & { readonly qrels?: string }>(evalCommand), terminal),
  );

  const tuneCommand = command
    .command("tune <file> <queries>")
    .description("the fastest search options that keep a promise of accuracy")
    .addOption(number("--accuracy <x>", "accuracy@k to reach (default 0.95)"))
    .addOption(number("--k <n>", "results of a query (default 10)"))
    .addHelpText("after", "\nAlso: --threads <n> (for queries per second), --json, --verbose.");
  tuneCommand.action((file: string, queries: string) =>
    tuneIndex(file, queries, flagsOf<SearchFlags & { readonly accuracy?: number }>(tuneCommand), terminal),
  );
  command.addHelpText(
    "after",
    "\nExample: sparseland index build docs.jsonl --out docs.index && sparseland index query docs.index --vector '{\"word\": 1.5}'",
  );
};

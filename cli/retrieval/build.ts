/** `sparseland index build`: vectors or text in, one index file out. */
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { createRng, InputError } from "../../src/core/index.js";
import {
  type BuildOptions,
  bm25Collection,
  buildIndex,
  encodeDocuments,
  type TextDocument,
  type VectorCollection,
} from "../../src/retrieval/index.js";
import { readIndexHeader, readVectors, writeIndexFile } from "../../src/retrieval/index.node.js";
import type { CommonOptions } from "../command.js";
import { printResult } from "../print.js";
import { createProgress } from "../progress.js";
import type { Terminal } from "../terminal.js";
import { flagsOf, given, mebibytes, number } from "./flags.js";
import { loadEncoder, readTexts, type TextKind } from "./texts.js";

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
  readonly labels?: string;
  readonly vocabulary?: string;
}

/** Adds `build` to the `index` command. */
export function registerBuild(parent: Command, terminal: Terminal): void {
  const command = parent
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
    .addOption(new Option("--labels <file>", "ids and payloads of svmlight and npz rows: lines of {id, payload}"))
    .addOption(new Option("--vocabulary <file>", "tokens of numbered coordinates, one per line"))
    .addOption(new Option("--zero-based", "svmlight coordinates count from 0"))
    .addHelpText("after", "\nAlso: --out <file> (the index, needed), --seed <n>, --json, --verbose.");
  command.action((input: string) => build(input, flagsOf<BuildFlags>(command), terminal));
}

const optionsOf = (flags: BuildFlags): BuildOptions =>
  given({
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

type Source = VectorCollection & { readonly meta: Readonly<Record<string, unknown>> };

const wordsOf = (texts: readonly TextDocument[]) => texts.map((d) => `${d.title} ${d.text}`);
const labelsOf = (texts: readonly TextDocument[]) => ({
  ids: texts.map((d) => d.id),
  payloads: texts.map((d) => ({ title: d.title })),
});

/** The collection of the command line: vectors as they are, or text through BM25 or a trained encoder. */
async function collectionOf(path: string, flags: BuildFlags, terminal: Terminal): Promise<Source> {
  const place = (file: string) => resolve(terminal.folder, file);
  if (flags.text && (flags.labels !== undefined || flags.vocabulary !== undefined))
    throw new InputError("index build: --labels and --vocabulary belong to vectors; text has ids and words of its own");
  if (flags.encoder !== undefined) {
    if (!flags.text) throw new InputError("index build: --encoder encodes text; say with --text what kind the input is");
    const texts = readTexts(path, flags.text);
    const encoder = loadEncoder(place(flags.encoder));
    const matrix = encodeDocuments(encoder, wordsOf(texts));
    return { matrix, tokens: encoder.tokens, ...labelsOf(texts), meta: { encoder: { kind: "learned" } } };
  }
  if (flags.text) {
    const texts = readTexts(path, flags.text);
    const { documents, tokens, encoder } = bm25Collection(wordsOf(texts), { stem: flags.stem });
    return { matrix: documents, tokens, ...labelsOf(texts), meta: { encoder } };
  }
  const collection = await readVectors(path, {
    firstIndex: flags.zeroBased ? 0 : 1,
    ...(flags.labels === undefined ? {} : { labels: place(flags.labels) }),
    ...(flags.vocabulary === undefined ? {} : { vocabulary: place(flags.vocabulary) }),
  });
  return { ...collection, meta: {} };
}

async function build(input: string, flags: BuildFlags, terminal: Terminal): Promise<void> {
  if (flags.out === undefined) throw new InputError("index build: --out <file> says where the index goes");
  const target = resolve(terminal.folder, flags.out);
  const started = terminal.now();
  const progress = createProgress(terminal);
  try {
    const { matrix, ...labels } = await collectionOf(resolve(terminal.folder, input), flags, terminal);
    const bar = progress.bar("index", 100);
    const share = { prune: [0, 5], group: [5, 95], neighbours: [95, 100] } as const;
    const pieces = await buildIndex(matrix, optionsOf(flags), createRng(flags.seed ?? 0), labels, (stage, done) => {
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
    () => `${target}: ${header.docs} documents, ${header.dim} coordinates, ${mebibytes(bytes)} in ${document.seconds.toFixed(1)} s`,
  );
}

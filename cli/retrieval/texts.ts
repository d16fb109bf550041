/** Text for indexes on the command line: reading it, encoding it, and training an encoder on it. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { type Command, Option } from "commander";
import { writeWhole } from "../../src/core/files.node.js";
import { createRng, InputError } from "../../src/core/index.js";
import { createEngine } from "../../src/engine/index.js";
import {
  encodeQuery,
  parseCranfield,
  parseDumpavail,
  readEncoder,
  type SparseEncoder,
  type TextDocument,
  writeEncoder,
} from "../../src/retrieval/index.js";
import type { CommonOptions } from "../command.js";
import { printResult } from "../print.js";
import { createProgress } from "../progress.js";
import type { Terminal } from "../terminal.js";
import { type TextPair, trainEncoder } from "./train-encoder.js";

/** Kinds of text that are read. */
export type TextKind = "jsonl" | "cranfield" | "dumpavail";

/** Text of a file, unpacked when its name ends in .gz. */
export function textOf(path: string): string {
  const bytes = readFileSync(path);
  return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
}

function jsonlText(text: string): TextDocument[] {
  const out: TextDocument[] = [];
  text.split("\n").forEach((line, i) => {
    if (line.trim() === "") return;
    let record: { id?: unknown; title?: unknown; text?: unknown };
    try {
      record = JSON.parse(line) as typeof record;
    } catch {
      throw new InputError(`JSONL line ${i + 1}: not JSON; expected {"id": "...", "text": "..."}`);
    }
    if (typeof record !== "object" || record === null || typeof record.text !== "string")
      throw new InputError(`JSONL line ${i + 1}: expected {"id": "...", "text": "..."}, got ${line.slice(0, 60)}`);
    out.push({
      id: String(record.id ?? out.length),
      title: typeof record.title === "string" ? record.title : "",
      text: record.text,
    });
  });
  return out;
}

/** Reads documents of text. @throws InputError naming the line */
export function readTexts(path: string, kind: TextKind): TextDocument[] {
  const text = textOf(path);
  if (kind === "jsonl") return jsonlText(text);
  if (kind === "dumpavail") return parseDumpavail(text);
  return [...parseCranfield(text, "<top><title>x</title></top>", "").documents];
}

/** A trained encoder from its file. @throws FormatError when it is another kind of file */
export const loadEncoder = (path: string): SparseEncoder => readEncoder(readFileSync(path));

/** The query vector of a text, by a trained encoder. */
export function learnedQuery(path: string, text: string): { indices: Uint32Array; values: Float32Array } {
  return encodeQuery(loadEncoder(path), text);
}

interface TrainFlags extends CommonOptions {
  readonly text?: TextKind;
  readonly steps?: string;
  readonly batch?: string;
  readonly vocabulary?: string;
  readonly rank?: string;
}

function whole(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new InputError(`--${name}: expected a whole number, got ${JSON.stringify(text)}`);
  return Number(text);
}

/** Adds `train-encoder` to the `index` command. */
export function registerTraining(parent: Command, terminal: Terminal): void {
  const command = parent
    .command("train-encoder <input>")
    .description("train a tiny sparse encoder on titles and texts")
    .addOption(
      new Option("--text <kind>", "the input: JSONL of {id, title, text}, Cranfield XML, or apt-cache dumpavail").choices([
        "jsonl",
        "cranfield",
        "dumpavail",
      ]),
    )
    .addOption(new Option("--steps <n>", "training steps (default 120)"))
    .addOption(new Option("--batch <n>", "pairs in a batch (default 64)"))
    .addOption(new Option("--vocabulary <n>", "tokens known, the most frequent (default 4096)"))
    .addOption(new Option("--rank <n>", "rank of the expansion (default 32)"))
    .addHelpText("after", "\nAlso: --out <file> (the encoder, needed), --seed <n>, --threads <n>, --json, --verbose.");
  command.action((input: string) => train(input, command.optsWithGlobals<TrainFlags>(), terminal));
}

async function train(input: string, flags: TrainFlags, terminal: Terminal): Promise<void> {
  if (flags.out === undefined) throw new InputError("index train-encoder: --out <file> says where the encoder goes");
  const sizes = {
    steps: whole("steps", flags.steps),
    batch: whole("batch", flags.batch),
    vocabulary: whole("vocabulary", flags.vocabulary),
    rank: whole("rank", flags.rank),
  };
  const given = Object.fromEntries(Object.entries(sizes).filter(([, value]) => value !== undefined));
  const texts = readTexts(resolve(terminal.folder, input), flags.text ?? "jsonl");
  // Some collections repeat the title at the head of the text: it must not give the answer away.
  const body = (d: TextDocument) => (d.text.startsWith(d.title) ? d.text.slice(d.title.length) : d.text);
  const pairs: TextPair[] = texts
    .filter((d) => d.title !== "" && body(d).length > 20)
    .map((d) => ({ query: d.title, document: body(d) }));
  const progress = createProgress(terminal);
  const engine = await createEngine({ threads: flags.threads ?? 1 });
  const losses: number[] = [];
  try {
    const bar = progress.bar("encoder", sizes.steps ?? 120);
    const onStep = (step: number, loss: number) => {
      losses.push(loss);
      bar.update(step + 1, `loss ${loss.toFixed(3)}`);
    };
    const encoder = trainEncoder(engine, pairs, createRng(flags.seed ?? 0), { ...given, onStep });
    writeWhole(resolve(terminal.folder, flags.out), writeEncoder(encoder));
  } finally {
    progress.stop();
    engine.close();
  }
  const mean = (list: number[]) => list.reduce((a, b) => a + b, 0) / list.length;
  const document = {
    file: flags.out,
    pairs: pairs.length,
    steps: losses.length,
    firstLoss: mean(losses.slice(0, 10)),
    lastLoss: mean(losses.slice(-10)),
  };
  printResult(
    terminal,
    flags,
    document,
    () =>
      `${flags.out}: trained on ${pairs.length} pairs, loss ${document.firstLoss.toFixed(3)} to ${document.lastLoss.toFixed(3)} in ${document.steps} steps`,
  );
}

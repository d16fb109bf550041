/** `sparseland index train-encoder`: a tiny sparse encoder from titles and texts. */
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { writeWhole } from "../../src/core/files.node.js";
import { createRng, InputError } from "../../src/core/index.js";
import { createEngine } from "../../src/engine/index.js";
import { encoderPairs, titlePairs, writeEncoder } from "../../src/retrieval/index.js";
import { trainSparseEncoder } from "../../src/train/index.js";
import type { CommonOptions } from "../command.js";
import { printResult } from "../print.js";
import { createProgress } from "../progress.js";
import type { Terminal } from "../terminal.js";
import { given } from "./flags.js";
import { readTexts, type TextKind } from "./texts.js";

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
    rank: whole("rank", flags.rank),
  };
  const vocabulary = whole("vocabulary", flags.vocabulary);
  const texts = readTexts(resolve(terminal.folder, input), flags.text ?? "jsonl");
  const pairs = titlePairs(texts);
  const progress = createProgress(terminal);
  const engine = await createEngine({ threads: flags.threads ?? 1 });
  const losses: number[] = [];
  try {
    const bar = progress.bar("encoder", sizes.steps ?? 120);
    const onStep = (step: number, loss: number) => {
      losses.push(loss);
      bar.update(step + 1, `loss ${loss.toFixed(3)}`);
    };
    const bags = encoderPairs(pairs, vocabulary);
    const params = trainSparseEncoder(engine, bags, createRng(flags.seed ?? 0), { ...given(sizes), onStep });
    writeWhole(resolve(terminal.folder, flags.out), writeEncoder({ tokens: bags.tokens, text: bags.text, params }));
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

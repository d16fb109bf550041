/** `sparseland index tune`: the fastest search options that keep a promise. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { bestTrial, matrixFromVectors, type TuneTrial, tune } from "../../src/retrieval/index.js";
import { createSearchPool, openIndexFile } from "../../src/retrieval/index.node.js";
import { printResult } from "../print.js";
import { createProgress } from "../progress.js";
import type { Terminal } from "../terminal.js";
import { flagsOf, number, type SearchFlags } from "./flags.js";
import { queryRows } from "./queries.js";

interface TuneFlags extends SearchFlags {
  readonly accuracy?: number;
}

/** Adds `tune` to the `index` command. */
export function registerTune(parent: Command, terminal: Terminal): void {
  const command = parent
    .command("tune <file> <queries>")
    .description("the fastest search options that keep a promise of accuracy")
    .addOption(number("--accuracy <x>", "accuracy@k to reach (default 0.95)"))
    .addOption(number("--k <n>", "results of a query (default 10)"))
    .addHelpText("after", "\nAlso: --threads <n> (for queries per second), --json, --verbose.");
  command.action((file: string, queries: string) => tuneIndex(file, queries, flagsOf<TuneFlags>(command), terminal));
}

async function tuneIndex(file: string, queriesFile: string, flags: TuneFlags, terminal: Terminal): Promise<void> {
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

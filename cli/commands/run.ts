/** `sparseland run <recipe>`: train, save, reload, time, report. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { Option } from "commander";
import { columnsText } from "../../papers/harness/index.js";
import { InputError } from "../../src/core/index.js";
import type { CommonOptions, Register } from "../command.js";
import { printResult } from "../print.js";
import { type Bar, createProgress } from "../progress.js";
import { quickened, readRecipe } from "../recipe/recipe.js";
import { mostBytes } from "../recipe/yaml.js";
import { bytes, milliseconds, percent, times, whole } from "../report/html.js";
import type { RunResults } from "../run/results.js";
import { type RunProgress, runRecipe } from "../run/runner.js";
import type { TrainedEntry } from "../run/train-entry.js";
import { CheckFailed, type Terminal } from "../terminal.js";
import { version } from "../version.js";

interface Options extends CommonOptions {
  readonly quick?: true;
  readonly force?: true;
}

/** Reads a recipe file. */
function recipeFrom(terminal: Terminal, path: string) {
  const file = resolve(terminal.folder, path);
  if (!existsSync(file)) throw new InputError(`${path}: no such recipe`);
  const { size } = statSync(file);
  if (size > mostBytes) throw new InputError(`${path}: ${size} bytes, expected at most ${mostBytes}`);
  return readRecipe(readFileSync(file, "utf8"), path);
}

/** Progress bars and a table that grows by a row per trained network. */
function progressOf(terminal: Terminal, epochs: number) {
  const progress = createProgress(terminal);
  let bar: Bar | undefined;
  let all: Bar | undefined;
  let finished = 0;
  let heading = false;
  const row = (cells: readonly string[]) =>
    progress.log(`  ${cells.map((cell, i) => (i === 0 ? cell.padEnd(24) : cell.padStart(12))).join("")}`);
  const resultRow = ({ name, testAccuracy, realisedSparsity, nonZeros, bytesOnDisk, trainSeconds }: TrainedEntry) => {
    if (!heading) row(["network", "accuracy", "sparsity", "non-zeros", "on disk", "training, s"]);
    heading = true;
    row([name, percent(testAccuracy), percent(realisedSparsity, 1), whole(nonZeros), bytes(bytesOnDisk), trainSeconds.toFixed(1)]);
  };
  const onProgress = (event: RunProgress) => {
    if (event.kind === "data")
      progress.log(`data: ${whole(event.train)} training and ${whole(event.test)} test examples from ${event.source}`);
    else if (event.kind === "resumed") {
      progress.log(`going on: ${event.finished.length} of ${event.of} networks are trained`);
      event.finished.forEach(resultRow);
    } else if (event.kind === "entry") {
      finished = event.done;
      bar = progress.bar(event.entry.name, 1000);
      all ??= progress.bar("all networks", event.of);
      all.update(finished, `${finished} of ${event.of} trained`);
      if (event.resumedAt) progress.log(`  ${event.entry.name}: going on from its last epoch`);
    } else if (event.kind === "event") {
      const { event: inner } = event;
      if (inner.kind === "step") all?.update(finished + inner.step / inner.steps);
      if (inner.kind === "step")
        bar?.update(
          (1000 * inner.step) / inner.steps,
          `epoch ${inner.epoch + 1}/${epochs}, loss ${inner.loss.toFixed(3)}, sparsity ${percent(inner.sparsity, 1)}`,
        );
      else
        bar?.update(
          (1000 * inner.point.epoch) / epochs,
          `epoch ${inner.point.epoch}/${epochs}, test accuracy ${percent(inner.point.testAccuracy)}`,
        );
    } else if (event.kind === "trained") {
      bar?.stop();
      resultRow(event.result);
    } else {
      if (event.done === 0) {
        all?.stop();
        progress.log("timing every network against the dense one");
        bar = progress.bar("timing", event.of);
      }
      bar?.update(event.done, event.name);
    }
  };
  return { onProgress, stop: () => progress.stop() };
}

/** What the networks are, and what they take: two tables. */
export function resultsText({ entries, machine }: RunResults, width: number): string {
  const dense = entries.find(({ method }) => method === "dense");
  const what = columnsText(
    ["network", "accuracy", "sparsity", "non-zeros", "on disk", "of dense"],
    entries.map((entry) => [
      entry.name,
      percent(entry.testAccuracy),
      percent(entry.realisedSparsity, 1),
      whole(entry.nonZeros),
      bytes(entry.bytesOnDisk),
      dense ? percent(entry.bytesOnDisk / dense.bytesOnDisk, 1) : "-",
    ]),
    width,
  );
  const { threads } = machine;
  const counts = threads === 1 ? ["1t"] : ["1t", `${threads}t`];
  const pairs = (entry: RunResults["entries"][number]) =>
    [
      [entry.msBatch1, entry.speedupBatch1],
      [entry.msBatch64, entry.speedupBatch64],
      [entry.msBatch1Threads, entry.speedupBatch1Threads],
      [entry.msBatch64Threads, entry.speedupBatch64Threads],
    ].slice(0, 2 * counts.length) as [number, number][];
  const time = columnsText(
    ["milliseconds", ...counts.flatMap((count) => [`b1 ${count}`, "gain", `b64 ${count}`, "gain"]), "layers"],
    entries.map((entry) => [
      entry.name,
      ...pairs(entry).flatMap(([ms, gain]) => [milliseconds(ms), entry === dense ? "-" : times(gain)]),
      entry.speedupSparseLayers === undefined ? "-" : times(entry.speedupSparseLayers),
    ]),
    width,
  );
  const notes = [
    `Measured on ${machine.cpu}. b1, b64: a batch of 1, of 64; 1t, ${threads}t: threads. Gain: the dense network's`,
    "time over this one's, least of many runs in turns (medians: in the report). Layers: the same for the layers that run sparse alone, inside the",
    "plans of both networks, batch 1, one thread.",
  ];
  return [what, time, notes.join("\n")].join("\n\n");
}

/** The `run` command. */
export const register: Register = (command, terminal) => {
  command
    .argument("<recipe>", "a recipe file, such as recipes/quickstart.yaml")
    .addOption(new Option("--quick", "the recipe's smaller setting"))
    .addOption(new Option("--force", "start over when the folder holds a run of another recipe"))
    .addHelpText(
      "after",
      "\n--out is the run folder (default: runs/<recipe name>), --seed replaces the recipe's seed.\nStopped in between, the same command goes on and ends with the same numbers.",
    )
    .action(async (path: string, options: Options) => {
      const written = recipeFrom(terminal, path);
      const sized = options.quick ? quickened(written) : { ...written, quick: undefined };
      const recipe = options.seed === undefined ? sized : { ...sized, seed: options.seed };
      const folder = resolve(terminal.folder, options.out ?? join("runs", recipe.name));
      const progress = progressOf(terminal, recipe.train.epochs);
      let results: RunResults;
      try {
        results = await runRecipe({
          recipe,
          quick: options.quick === true,
          folder,
          threads: options.threads ?? availableParallelism(),
          force: options.force === true,
          version: version(),
          env: terminal.env,
          now: terminal.now,
          onProgress: progress.onProgress,
        });
      } finally {
        progress.stop();
      }
      printResult(
        terminal,
        options,
        results,
        () => `\n${resultsText(results, terminal.columns)}\n\nReport: ${join(folder, "report.html")}`,
      );
      const differing = results.entries.filter(({ reloadedEqual }) => !reloadedEqual).map(({ name }) => name);
      if (differing.length > 0) throw new CheckFailed(`after reloading from disk the predictions differ: ${differing.join(", ")}`);
    });
};

/** `sparseland report <run...>`: the report again, from results.json alone; several runs are joined into one page. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { writeWhole } from "../../src/core/files.node.js";
import { InputError } from "../../src/core/index.js";
import type { CommonOptions, Register } from "../command.js";
import { printResult } from "../print.js";
import { type NamedRun, reportPage } from "../report/page.js";
import { parseResults } from "../run/results.js";

const mostBytes = 1 << 28;

/** Reads a run: its folder, or its results.json. @throws InputError */
export function readRun(path: string): NamedRun {
  if (!existsSync(path)) throw new InputError(`${path}: no such file or folder; expected a run folder or its results.json`);
  const file = statSync(path).isDirectory() ? join(path, "results.json") : path;
  if (!existsSync(file)) {
    const pruned = existsSync(join(path, "report.txt"))
      ? "; this is a folder of sparseland prune, whose report is its report.txt"
      : "";
    throw new InputError(`${path}: has no results.json; expected a run folder, as sparseland run <recipe> makes it${pruned}`);
  }
  if (statSync(file).size > mostBytes) throw new InputError(`${file}: ${statSync(file).size} bytes, expected at most ${mostBytes}`);
  return { name: basename(dirname(resolve(file))), results: parseResults(readFileSync(file, "utf8"), file) };
}

/** The `report` command. */
export const register: Register = (command, terminal) => {
  command
    .argument("<runs...>", "run folders, or their results.json files")
    .addHelpText(
      "after",
      "\nOne run: writes report.html into its folder. Several: writes report.html into the current folder. --out names another file.",
    )
    .action((paths: string[], options: CommonOptions) => {
      const runs = paths.map((path) => readRun(resolve(terminal.folder, path)));
      const names = runs.map(({ name }, i) => (runs.some((other, j) => j !== i && other.name === name) ? paths[i]! : name));
      const first = resolve(terminal.folder, paths[0]!);
      const beside = runs.length > 1 ? terminal.folder : statSync(first).isDirectory() ? first : dirname(first);
      const out = options.out ? resolve(terminal.folder, options.out) : join(beside, "report.html");
      writeWhole(out, reportPage(runs.map((run, i) => ({ ...run, name: names[i]! }))));
      const entries = runs.reduce((sum, { results }) => sum + results.entries.length, 0);
      printResult(terminal, options, { report: out, runs: names, entries }, () => `Report of ${entries} networks: ${out}`);
    });
};

/** `sparseland reproduce <slug...|--all>`: the claims of papers, measured here. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { InvalidArgumentError, Option } from "commander";
import {
  columnsText,
  loadPaper,
  type Paper,
  type PaperResult,
  paperFile,
  paperSlugs,
  papersFolder,
  processPool,
  reproduce,
  resultsMarkdown,
  resultText,
  type Scale,
} from "../../papers/harness/index.js";
import { writeWhole } from "../../src/core/files.node.js";
import { InputError } from "../../src/core/index.js";
import type { CommonOptions, Register } from "../command.js";
import { dataFolder } from "../data-folder.js";
import { printResult } from "../print.js";
import { type Bar, createProgress } from "../progress.js";
import { figureFile } from "../report/plots.js";
import { CheckFailed, type Terminal } from "../terminal.js";

interface Options extends CommonOptions {
  readonly all?: true;
  readonly fromResults?: true;
  readonly seeds?: number;
  readonly scale: Scale;
  readonly jobs?: number;
  readonly cache?: string;
}

const positive = (text: string) => {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 10_000) throw new InvalidArgumentError("Expected an integer from 1 to 10000.");
  return value;
};

/** Earlier results of other papers, so that RESULTS.md names them all. */
function earlierResults(folder: string): PaperResult[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => {
      const path = join(folder, name);
      try {
        const result = JSON.parse(readFileSync(path, "utf8")) as PaperResult;
        if (typeof result.slug === "string" && Array.isArray(result.claims) && Array.isArray(result.tables)) return result;
      } catch {
        // Named below.
      }
      throw new InputError(`${path}: not the result of a paper; move it away or measure the paper again`);
    });
}

/** Writes the page of all papers: beside the folder of results, or into the folder that was asked for. */
function writePage(out: string, options: Options, results: readonly PaperResult[], terminal: Terminal): void {
  const page = join(options.out ? out : dirname(out), "RESULTS.md");
  writeWhole(page, resultsMarkdown(results));
  terminal.err(`wrote ${page}\n`);
}

/** Verdicts by paper, and the papers that have no results yet. */
function summary(results: readonly PaperResult[], slugs: readonly string[]): string {
  const count = ({ claims }: PaperResult, verdict: string) => claims.filter((claim) => claim.verdict === verdict).length;
  const rows = results.map((result) => [
    result.slug,
    ...(["reproduced", "direction only", "not reproduced"] as const).map((verdict) => count(result, verdict)),
  ]);
  const missing = slugs.filter((slug) => results.every((result) => result.slug !== slug));
  const table = columnsText(["paper", "reproduced", "direction only", "not reproduced"], rows);
  return missing.length === 0 ? table : `${table}\n\nno results yet: ${missing.join(", ")}`;
}

async function measure(paper: Paper, papers: string, options: Options, out: string, terminal: Terminal): Promise<PaperResult> {
  const first = options.seed ?? 0;
  const seeds = Array.from({ length: options.seeds ?? paper.seeds[options.scale] }, (_, i) => first + i);
  const cores = availableParallelism();
  const threads = options.threads ?? 1;
  const executor = processPool(options.jobs ?? Math.max(1, Math.min(2, Math.floor(cores / threads))));
  const progress = createProgress(terminal);
  progress.log(`${paper.slug}: ${paper.settings[options.scale]}; ${seeds.length} seed${seeds.length === 1 ? "" : "s"}`);
  let whole: Bar | undefined;
  let jobs = 0;
  let done = 0;
  const bars = new Map<string, Bar>();
  try {
    const { result, outcomes } = await reproduce({
      paper,
      file: paperFile(paper.slug, papers),
      scale: options.scale,
      seeds,
      threads,
      dataFolder: dataFolder(terminal),
      cache: resolve(terminal.folder, options.cache ?? ".cache/reproduce"),
      executor,
      onProgress(event) {
        if (event.type === "batch") {
          jobs += event.jobs;
          whole?.stop();
          whole = progress.bar(paper.slug, jobs);
          whole.update(done);
          if (event.cached > 0) progress.log(`  ${event.cached} of ${event.jobs} jobs were measured before`);
        } else if (event.type === "job") {
          let bar = bars.get(event.id);
          if (!bar) bars.set(event.id, (bar = progress.bar(`  ${event.id}`, 100)));
          bar.update(100 * event.fraction, event.words);
        } else {
          bars.get(event.id)?.stop();
          bars.delete(event.id);
          whole?.update(++done, `${done} of ${jobs} jobs`);
          if (!event.cached) progress.log(`  ${event.id} done (${done} of ${jobs})`);
        }
      },
    });
    progress.stop();
    writeWhole(join(out, `${paper.slug}.json`), `${JSON.stringify(result, null, 2)}\n`);
    if (paper.figure) writeWhole(join(out, `${paper.slug}.svg`), figureFile(paper.figure(outcomes)));
    for (const [name, figure] of Object.entries(paper.figures?.(outcomes) ?? {}))
      writeWhole(join(out, `${paper.slug}-${name}.svg`), figureFile(figure));
    return result;
  } finally {
    progress.stop();
    executor.close();
  }
}

/** The `reproduce` command, for the papers of a folder. */
export function registerFor(papers: string): Register {
  return (command, terminal) => {
    command
      .argument("[papers...]", "slugs of papers")
      .addOption(new Option("--all", "every paper; also writes papers/RESULTS.md"))
      .addOption(
        new Option("--from-results", "with --all: write papers/RESULTS.md from the results that are there; measure nothing"),
      )
      .addOption(new Option("--seeds <n>", "number of seeds (default: the paper's own)").argParser(positive))
      .addOption(
        new Option("--scale <scale>", "small: minutes on 2 cores; full: the paper's own setting")
          .choices(["small", "full"])
          .default("small"),
      )
      .addOption(new Option("--jobs <n>", "jobs side by side (default: 2, or 1 where threads take both cores)").argParser(positive))
      .addOption(new Option("--cache <folder>", "where finished measurements are kept (default: .cache/reproduce)"))
      .addHelpText(
        "after",
        () =>
          `\nPapers: ${paperSlugs(papers).join(", ") || "none"}.\n--seed is the first seed, --threads the threads of each job (default 1), --out the folder of results (default: papers/results).\n` +
          "Stopped in between, the same command goes on: finished jobs are kept. Exit code 1 when a claim is not reproduced.",
      )
      .action(async (slugs: string[], options: Options) => {
        const chosen = options.all ? paperSlugs(papers) : slugs;
        if (options.all && slugs.length > 0) throw new InputError("reproduce: name papers, or say --all, not both");
        if (chosen.length === 0)
          throw new InputError(`reproduce: name a paper, or say --all; there are: ${paperSlugs(papers).join(", ") || "none"}`);
        const out = resolve(terminal.folder, options.out ?? "papers/results");
        if (options.fromResults) {
          if (!options.all) throw new InputError("--from-results: writes the page of all papers; say --all");
          const kept = earlierResults(out);
          if (kept.length === 0) throw new InputError(`${out}: holds no results; reproduce a paper first`);
          writePage(out, options, kept, terminal);
          printResult(terminal, options, { papers: kept }, () => summary(kept, chosen));
          return;
        }
        const loaded: Paper[] = [];
        for (const slug of chosen) loaded.push(await loadPaper(slug, papers));
        const results: PaperResult[] = [];
        for (const paper of loaded) {
          results.push(await measure(paper, papers, options, out, terminal));
          if (!options.json) terminal.out(`${resultText(results.at(-1)!, terminal.columns)}\n\n`);
        }
        if (options.all) {
          writePage(out, options, earlierResults(out), terminal);
        }
        if (options.json)
          printResult(terminal, options, results.length === 1 && !options.all ? results[0] : { papers: results }, () => "");
        const failed = results.flatMap(({ slug, claims }) =>
          claims.filter(({ verdict }) => verdict === "not reproduced").map(({ says }) => `${slug}: ${says}`),
        );
        if (failed.length > 0)
          throw new CheckFailed(
            `${failed.length} claim${failed.length === 1 ? "" : "s"} not reproduced:\n  ${failed.join("\n  ")}`,
          );
      });
  };
}

/** The `reproduce` command. */
export const register: Register = registerFor(papersFolder);

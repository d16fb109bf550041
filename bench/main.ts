/**
 * Runs benchmark suites: npm run bench -- [--suite engine] [--json] [--only text] [--rounds n] [--threads n]
 *
 * A suite is a folder here with an index.ts that exports `suite`. Without --suite all of them run.
 */
import { existsSync, readdirSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type { Row, Suite } from "./row.js";

const HERE = fileURLToPath(new URL(".", import.meta.url));

/** Names of the suites beside this file. */
export function suiteNames(): string[] {
  return readdirSync(HERE, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(HERE, entry.name, "index.ts")))
    .map((entry) => entry.name)
    .sort();
}

/** Bad arguments: a message, and exit code 2. */
class UsageError extends Error {}

interface Arguments {
  readonly suites: readonly string[];
  readonly json: boolean;
  readonly only: string | undefined;
  readonly rounds: number | undefined;
  readonly threads: number | undefined;
}

function readArguments(argv: readonly string[]): Arguments {
  const known = suiteNames();
  let values: { suite?: string; json?: boolean; only?: string; rounds?: string; threads?: string };
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        suite: { type: "string" },
        json: { type: "boolean" },
        only: { type: "string" },
        rounds: { type: "string" },
        threads: { type: "string" },
      },
    }));
  } catch (error) {
    throw new UsageError(
      `${(error as Error).message}. Options are --suite <${known.join("|")}>, --json, --only <text>, --rounds <n>, --threads <n>`,
    );
  }
  if (values.suite !== undefined && !known.includes(values.suite))
    throw new UsageError(`--suite: expected one of ${known.join(", ")}, got ${values.suite}`);
  const count = (option: "rounds" | "threads"): number | undefined => {
    const text = values[option];
    if (text !== undefined && !(Number.isInteger(Number(text)) && Number(text) >= 1))
      throw new UsageError(`--${option}: expected an integer of at least 1, got ${text}`);
    return text === undefined ? undefined : Number(text);
  };
  return {
    suites: values.suite === undefined ? known : [values.suite],
    json: values.json === true,
    only: values.only,
    rounds: count("rounds"),
    threads: count("threads"),
  };
}

const milliseconds = (ms: number): string => (ms < 1 ? `${(ms * 1000).toFixed(1)} us` : `${ms.toFixed(ms < 100 ? 2 : 0)} ms`);

/** One line for people. */
export function describe(row: Row): string {
  const ratio = row.ratio === null ? "     -" : row.ratio.toFixed(3).padStart(6);
  const middle = row.median?.ratio == null ? "" : ` (median ${row.median.ratio.toFixed(3)})`;
  const peer = row.peerMs === null ? row.peer : `${row.peer} ${milliseconds(row.peerMs)}`;
  return `${row.name.padEnd(52)} ${row.threads} thread${row.threads > 1 ? "s" : " "} ${milliseconds(row.sparselandMs).padStart(9)}  ratio ${ratio}${middle}  ${peer}${row.note ? `  [${row.note}]` : ""}`;
}

/** @returns the exit code */
export async function main(argv: readonly string[]): Promise<number> {
  let given: Arguments;
  try {
    given = readArguments(argv);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`bench: ${error.message}\n`);
    return 2;
  }
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const rows: (Row & { suite: string })[] = [];
  for (const name of given.suites) {
    const { suite } = (await import(pathToFileURL(join(HERE, name, "index.ts")).href)) as { suite: Suite };
    for await (const row of suite({ only: given.only, rounds: given.rounds, threads: given.threads, say })) {
      rows.push({ suite: name, ...row });
      if (given.json) say(describe(row));
      else process.stdout.write(`${describe(row)}\n`);
    }
  }
  if (given.json) {
    const machine = {
      cpu: cpus()[0]?.model.trim() ?? "unknown",
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      node: process.versions.node,
    };
    process.stdout.write(`${JSON.stringify({ machine, rows }, null, 2)}\n`);
  }
  return 0;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main(process.argv.slice(2)).then(
    (code) => process.exit(code),
    (error: unknown) => {
      process.stderr.write(`bench: ${error instanceof Error ? error.stack : String(error)}\n`);
      process.exit(1);
    },
  );
}

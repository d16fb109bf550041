/** The command line: finds the subcommand, loads it, runs it, and turns errors into one clear line and an exit code. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { InputError } from "../src/core/index.js";
import type { CommandEntry } from "./command.js";
import { commands } from "./registry.js";
import { CheckFailed, type Terminal } from "./terminal.js";
import { version } from "./version.js";

/** Success. */
export const exitOk = 0;
/** A check or a claim failed, or something broke inside. */
export const exitFailed = 1;
/** Bad input: options, recipe, file, value. */
export const exitBadInput = 2;

const integer = (least: number) => (text: string) => {
  const value = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
    throw new InvalidArgumentError(`Expected an integer of at least ${least}.`);
  return value;
};

function addCommonOptions(command: Command): void {
  command
    .addOption(new Option("--json", "one JSON document on standard output, progress on standard error"))
    .addOption(new Option("--seed <n>", "seed of everything random").argParser(integer(0)))
    .addOption(new Option("--threads <n>", "threads to use (default: all cores)").argParser(integer(1)))
    .addOption(new Option("--out <path>", "where results go"))
    .addOption(new Option("--verbose", "stack traces with errors"));
}

/** The subcommand named in the arguments, `help <command>` included. */
function chosen(args: readonly string[], all: readonly CommandEntry[]): CommandEntry | undefined {
  const names = args.filter((argument) => !argument.startsWith("-"));
  const name = names[0] === "help" ? names[1] : names[0];
  return all.find((entry) => entry.name === name);
}

async function build(args: readonly string[], terminal: Terminal, all: readonly CommandEntry[]): Promise<Command> {
  const program = new Command("sparseland");
  const settle = (command: Command) =>
    command
      .exitOverride()
      .configureOutput({
        writeOut: terminal.out,
        writeErr: terminal.err,
        getOutHelpWidth: () => terminal.columns,
        getErrHelpWidth: () => terminal.columns,
      })
      .showHelpAfterError(
        command === program
          ? "Run sparseland --help for the commands."
          : `Run sparseland ${command.name()} --help for its options.`,
      );
  settle(program)
    .description("The sparse neural network toolkit: find, train, prune and run sparse networks.")
    .version(version(), "-V, --version")
    .addHelpText("after", "\nExit codes: 0 success, 1 a check or claim failed, 2 bad input.");
  const selected = chosen(args, all);
  for (const entry of all) {
    const command = settle(program.command(entry.name).description(entry.summary));
    if (entry !== selected) continue;
    (await entry.load()).register(command, terminal);
    addCommonOptions(command);
  }
  return program;
}

/** System errors that are the input's or the machine's fault, in words. */
const systemErrors: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  EACCES: "no permission",
  EPERM: "not permitted",
  EISDIR: "is a folder, expected a file",
  ENOTDIR: "is a file, expected a folder",
  ENOSPC: "no space left on the device",
  EROFS: "the file system is read-only",
};

function explain(error: unknown, terminal: Terminal, verbose: boolean): number {
  const stack = verbose && error instanceof Error ? `\n${error.stack}` : "";
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitOk : exitBadInput;
  if (error instanceof CheckFailed) {
    terminal.err(`sparseland: ${error.message}${stack}\n`);
    return exitFailed;
  }
  if (error instanceof InputError) {
    terminal.err(`sparseland: ${error.message}${stack}\n`);
    return exitBadInput;
  }
  const { code, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (code !== undefined && code in systemErrors) {
    terminal.err(`sparseland: ${path ?? "file system"}: ${systemErrors[code]} (${code})${stack}\n`);
    return exitBadInput;
  }
  if (error instanceof RangeError && /memory|allocation|array length/i.test(error.message)) {
    terminal.err(`sparseland: out of memory: ${error.message}. Use a smaller batch, model or data set.${stack}\n`);
    return exitBadInput;
  }
  const message = error instanceof Error ? error.message : String(error);
  terminal.err(
    `sparseland: something broke inside: ${message}${stack || "\nThis is a fault of Sparseland, not of your input; run again with --verbose for the stack."}\n`,
  );
  return exitFailed;
}

/**
 * Runs the command line.
 *
 * @param args without `node` and the script
 * @returns the exit code: 0 success, 1 a check or claim failed, 2 bad input
 */
export async function runCommandLine(
  args: readonly string[],
  terminal: Terminal,
  all: readonly CommandEntry[] = commands,
): Promise<number> {
  try {
    const program = await build(args, terminal, all);
    if (args.length === 0) {
      program.outputHelp({ error: true });
      return exitBadInput;
    }
    await program.parseAsync([...args], { from: "user" });
    return exitOk;
  } catch (error) {
    return explain(error, terminal, args.includes("--verbose"));
  }
}

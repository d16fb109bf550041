/** Options that the commands on an index share. */
import { type Command, Option } from "commander";
import { InputError } from "../../src/core/index.js";
import type { SearchOptions } from "../../src/retrieval/index.js";
import type { CommonOptions } from "../command.js";

/** How queries are answered. */
export interface SearchFlags extends CommonOptions {
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
/** An option whose value is a number; its long name is part of the message. */
export const number = (flags: string, words: string) => new Option(flags, words).argParser(numeric(/--([a-z-]+)/.exec(flags)![1]!));

/** Leaves out options that were not given, so that the library's defaults hold. */
export const given = <T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };

/** The search options among the flags. */
export const searchOptions = (flags: SearchFlags): SearchOptions =>
  given({ k: flags.k, queryCut: flags.cut, heapFactor: flags.factor, sortedLists: flags.sorted, neighbours: flags.neighbours });

/** Adds the search options to a command. */
export function addSearchOptions(command: Command): Command {
  return command
    .addOption(number("--k <n>", "results of a query (default 10)"))
    .addOption(number("--cut <n>", "lists visited: those of the heaviest query coordinates (default 10)"))
    .addOption(number("--factor <x>", "blocks below this share of the worst result are skipped; larger is faster (default 0.8)"))
    .addOption(number("--sorted <n>", "lists whose blocks are visited best first (default 1)"))
    .addOption(new Option("--encoder <file>", "the trained encoder of the index"))
    .addOption(number("--neighbours <n>", "stored neighbours of each result to score at the end (default 0)"));
}

/** Options of a subcommand together with those of its command. */
export const flagsOf = <T>(sub: Command): T => sub.optsWithGlobals() as T;

/** Bytes as text, in MiB. */
export const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 24 ? 2 : 0)} MiB`;

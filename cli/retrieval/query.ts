/** `sparseland query` and `sparseland index query`: search an index. */
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { columnsText } from "../../papers/harness/index.js";
import { openIndexFile } from "../../src/retrieval/index.node.js";
import { printResult } from "../print.js";
import type { Terminal } from "../terminal.js";
import { addSearchOptions, flagsOf, type SearchFlags, searchOptions } from "./flags.js";
import { queryOf } from "./queries.js";

/** Gives a command the arguments, options and action of a search. */
export function searchCommand(command: Command, terminal: Terminal): void {
  addSearchOptions(command.argument("<file>", "the index").argument("[words...]", "the query, where the index was built from text"))
    .addOption(new Option("--vector <json>", 'the query as {"token": weight} or {"indices": [...], "values": [...]}'))
    .addOption(new Option("--exact", "score every document"));
  command.action((file: string, words: string[]) => query(file, words, flagsOf<SearchFlags>(command), terminal));
}

async function query(file: string, words: readonly string[], flags: SearchFlags, terminal: Terminal): Promise<void> {
  const index = await openIndexFile(resolve(terminal.folder, file));
  const vector = queryOf(index, words, flags, terminal);
  const started = terminal.now();
  const hits = flags.exact ? index.exact(vector, flags.k ?? 10) : index.search(vector, searchOptions(flags));
  const milliseconds = terminal.now() - started;
  printResult(terminal, flags, { milliseconds, hits, ...(flags.exact ? {} : { stats: index.stats() }) }, () => {
    if (hits.length === 0) return "no document shares a coordinate with the query";
    const title = (payload: unknown) =>
      payload === undefined || payload === null
        ? ""
        : typeof payload === "object" && "title" in payload
          ? String(payload.title)
          : JSON.stringify(payload);
    return columnsText(
      ["score", "id", ""],
      hits.map((h) => [h.score.toFixed(4), h.id, title(h.payload)]),
      terminal.columns,
    );
  });
}

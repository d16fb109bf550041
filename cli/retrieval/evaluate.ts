/** `sparseland index eval`: accuracy against exact search, and time. */
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { columnsText } from "../../papers/harness/index.js";
import { accuracyAt, ndcg, parseCranfield, recall, type SparseIndex } from "../../src/retrieval/index.js";
import { openIndexFile } from "../../src/retrieval/index.node.js";
import { printResult } from "../print.js";
import type { Terminal } from "../terminal.js";
import { addSearchOptions, flagsOf, type SearchFlags, searchOptions } from "./flags.js";
import { queryRows, queryText } from "./queries.js";
import { textOf } from "./texts.js";

interface EvalFlags extends SearchFlags {
  readonly qrels?: string;
}

/** Adds `eval` to the `index` command. */
export function registerEval(parent: Command, terminal: Terminal): void {
  const command = addSearchOptions(parent.command("eval <file> <queries>"))
    .description("accuracy against exact search, and time; with --qrels also nDCG@10 and recall@100")
    .addOption(new Option("--qrels <file>", "judgements (TREC lines); the queries are then Cranfield XML"));
  command.action((file: string, queries: string) => evaluate(file, queries, flagsOf<EvalFlags>(command), terminal));
}

async function evaluate(file: string, queriesFile: string, flags: EvalFlags, terminal: Terminal): Promise<void> {
  const index = await openIndexFile(resolve(terminal.folder, file));
  const k = flags.k ?? 10;
  const path = resolve(terminal.folder, queriesFile);
  const text =
    flags.qrels !== undefined ? cranfieldQueries(index, path, resolve(terminal.folder, flags.qrels), flags, terminal) : undefined;
  const rows = text ? text.map((t) => index.vector(t.query)) : await queryRows(index, path);
  const times: { search: number[]; exact: number[] } = { search: [], exact: [] };
  let accuracy = 0;
  let scored = 0;
  const quality = { search: { ndcg: 0, recall: 0 }, exact: { ndcg: 0, recall: 0 } };
  const id = (h: { id: string }) => h.id;
  rows.forEach((row, q) => {
    let start = terminal.now();
    const truth = index.exactRaw(row, k + 1);
    times.exact.push(terminal.now() - start);
    start = terminal.now();
    const found = index.searchRaw(row, { ...searchOptions(flags), k });
    times.search.push(terminal.now() - start);
    scored += index.stats().scored;
    accuracy += accuracyAt(k, found.documents, truth);
    if (text) {
      const judged = text[q]!.judged;
      const deep = { ...searchOptions(flags), k: 100 };
      for (const [name, hits] of [
        ["search", index.search(row, deep)],
        ["exact", index.exact(row, 100)],
      ] as const) {
        quality[name].ndcg += ndcg(hits.map(id), judged) / rows.length;
        quality[name].recall += recall(hits.map(id), judged) / rows.length;
      }
    }
  });
  const at = (list: number[], p: number) => list.sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(p * list.length))]!;
  const document = {
    queries: rows.length,
    k,
    accuracy: accuracy / rows.length,
    documentsScored: scored / rows.length,
    milliseconds: { median: at(times.search, 0.5), p99: at(times.search, 0.99), exactMedian: at(times.exact, 0.5) },
    ...(text ? { quality } : {}),
  };
  printResult(terminal, flags, document, () =>
    columnsText(
      ["quantity", "search", "exact"],
      [
        [`accuracy@${k}`, document.accuracy.toFixed(4), "1"],
        ...(text
          ? [
              ["nDCG@10", quality.search.ndcg.toFixed(4), quality.exact.ndcg.toFixed(4)] as const,
              ["recall@100", quality.search.recall.toFixed(4), quality.exact.recall.toFixed(4)] as const,
            ]
          : []),
        ["documents scored", document.documentsScored.toFixed(0), String(index.header.docs)],
        ["median ms", document.milliseconds.median.toFixed(4), document.milliseconds.exactMedian.toFixed(4)],
        ["p99 ms", document.milliseconds.p99.toFixed(4), ""],
      ],
      terminal.columns,
    ),
  );
}

function cranfieldQueries(index: SparseIndex, queries: string, qrels: string, flags: SearchFlags, terminal: Terminal) {
  const { queries: texts, judged } = parseCranfield("<doc><docno>1</docno></doc>", textOf(queries), textOf(qrels));
  return texts.map((t, q) => ({ query: queryText(index, t, flags, terminal), judged: judged[q]! }));
}

/** `sparseland index`: learned sparse retrieval. Each subcommand is a file of `cli/retrieval/`. */
import { resolve } from "node:path";
import { columnsText } from "../../papers/harness/index.js";
import { readIndexHeader } from "../../src/retrieval/index.node.js";
import type { CommonOptions, Register } from "../command.js";
import { printResult } from "../print.js";
import { registerBuild } from "../retrieval/build.js";
import { registerEval } from "../retrieval/evaluate.js";
import { flagsOf, mebibytes } from "../retrieval/flags.js";
import { searchCommand } from "../retrieval/query.js";
import { registerTraining } from "../retrieval/train.js";
import { registerTune } from "../retrieval/tune.js";
import type { Terminal } from "../terminal.js";

function info(file: string, flags: CommonOptions, terminal: Terminal): void {
  const { header, bytes } = readIndexHeader(resolve(terminal.folder, file));
  const { sections, ...rest } = header;
  printResult(
    terminal,
    flags,
    { bytes, ...rest, sections: Object.fromEntries(Object.entries(sections).map(([name, s]) => [name, s.bytes])) },
    () =>
      [
        `${file}: ${header.docs} documents, ${header.dim} coordinates, ${(header.entries / Math.max(1, header.docs)).toFixed(1)} non-zeros a document, ${mebibytes(bytes)}`,
        "",
        columnsText(
          ["option", "value"],
          Object.entries(header.config).map(([name, value]) => [name, String(value)]),
          terminal.columns,
        ),
        "",
        columnsText(
          ["section", "bytes", "share"],
          Object.entries(sections).map(([name, s]) => [name, String(s.bytes), `${((100 * s.bytes) / bytes).toFixed(1)} %`]),
          terminal.columns,
        ),
      ].join("\n"),
  );
}

/** The `index` command. */
export const register: Register = (command, terminal) => {
  registerBuild(command, terminal);
  registerTraining(command, terminal);
  const infoCommand = command.command("info <file>").description("what an index holds");
  infoCommand.action((file: string) => info(file, flagsOf<CommonOptions>(infoCommand), terminal));
  searchCommand(command.command("query").description("search an index with words or a vector"), terminal);
  registerEval(command, terminal);
  registerTune(command, terminal);
  command.addHelpText(
    "after",
    "\nExample: sparseland index build docs.jsonl --out docs.index && sparseland index query docs.index --vector '{\"word\": 1.5}'",
  );
};

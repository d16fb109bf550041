/** `sparseland graph sample|info|convert`: small directed graphs with the degree structure of large ones. */
import { type Command, Option } from "commander";
import { columnsText } from "../../papers/harness/index.js";
import { type GraphFormat, graphFormats, graphProfile } from "../../src/graphs/index.js";
import type { Register } from "../command.js";
import { describe, loadGraph, type ReadFlags, readLine, readOptions, saveGraph } from "../graph/files.js";
import { registerSample } from "../graph/sample.js";
import { profileRows } from "../graph/tables.js";
import { printResult } from "../print.js";

/** The `graph` command. */
export const register: Register = (command, terminal) => {
  const flagsOf = <T>(sub: Command) => sub.optsWithGlobals() as T;
  registerSample(command, terminal);

  const info = readOptions(command.command("info").description("the numbers of a graph")).argument(
    "<file>",
    "edge list, GraphML, GML or Matrix Market; .gz is unpacked",
  );
  info.action((file: string) => {
    const flags = flagsOf<ReadFlags>(info);
    const original = loadGraph(file, flags, terminal);
    const profile = graphProfile(original.graph);
    printResult(terminal, flags, { file, ...describe(original), profile }, () =>
      [readLine(file, original), "", columnsText(["property", "value"], profileRows([profile]), terminal.columns)].join("\n"),
    );
  });

  const convert = readOptions(command.command("convert").description("the same graph in another format"))
    .argument("<file>", "edge list, GraphML, GML or Matrix Market; .gz is unpacked")
    .argument("<to>", "file to write; its name gives the format")
    .addOption(new Option("--out-format <name>", "format to write (default: by its name)").choices([...graphFormats]));
  convert.action((file: string, to: string) => {
    const flags = flagsOf<ReadFlags & { readonly outFormat?: GraphFormat }>(convert);
    const original = loadGraph(file, flags, terminal);
    saveGraph(to, original.graph, flags.outFormat, original.label, terminal);
    printResult(terminal, flags, { file, to, ...describe(original) }, () => `${readLine(file, original)}\nwritten to ${to}`);
  });
  command.addHelpText("after", "\nExample: sparseland graph sample polblogs.gml.gz --ratio 0.3 --out small.graphml");
};

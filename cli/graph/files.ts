/** Graph files on the command line: reading, writing, and what is said of them. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { type Command, Option } from "commander";
import { writeWhole } from "../../src/core/files.node.js";
import { InputError } from "../../src/core/index.js";
import { gunzip, isGzip } from "../../src/formats/index.js";
import {
  type Digraph,
  type GraphFile,
  type GraphFormat,
  graphFormats,
  guessGraphFormat,
  type ReadOptions,
  readGraph,
  writeGraph,
} from "../../src/graphs/index.js";
import type { CommonOptions } from "../command.js";
import type { Terminal } from "../terminal.js";

/** How a graph file is read. */
export interface ReadFlags extends CommonOptions {
  readonly format?: GraphFormat;
  readonly selfLoops: "drop" | "refuse";
  readonly repeats: "drop" | "refuse";
  readonly undirected: "both" | "refuse";
}

/** Largest graph file, packed or unpacked: what one array of bytes can hold. */
const MAX_BYTES = 2 ** 31 - 1;
/** Adds the options of reading to a command. */
export function readOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--format <name>", "format of the file (default: by its name and first bytes)").choices([...graphFormats]),
    )
    .addOption(new Option("--self-loops <policy>", "self-loops in the file").choices(["drop", "refuse"]).default("drop"))
    .addOption(new Option("--repeats <policy>", "repeated arcs in the file").choices(["drop", "refuse"]).default("drop"))
    .addOption(
      new Option("--undirected <policy>", "edges without direction: two arcs each, or an error")
        .choices(["both", "refuse"])
        .default("both"),
    );
}

/** Reads a graph file, unpacking gzip. @throws InputError for a file that is absent, too large or malformed */
export function loadGraph(file: string, flags: ReadOptions & { readonly format?: GraphFormat }, terminal: Terminal): GraphFile {
  const path = resolve(terminal.folder, file);
  let bytes: Uint8Array = readFileSync(path);
  if (isGzip(bytes)) bytes = gunzip(bytes, MAX_BYTES);
  const format = flags.format ?? guessGraphFormat(path, bytes);
  try {
    return readGraph(bytes, format, flags);
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`${file}: ${error.message}`);
    throw error;
  }
}

/** Writes a graph file whole or not at all; a name that ends in .gz is packed. */
export function saveGraph(
  file: string,
  graph: Digraph,
  format: GraphFormat | undefined,
  label: ((node: number) => string) | undefined,
  terminal: Terminal,
): void {
  const path = resolve(terminal.folder, file);
  const pieces: Buffer[] = [];
  for (const piece of writeGraph(graph, format ?? guessGraphFormat(path), label)) pieces.push(Buffer.from(piece));
  const bytes = Buffer.concat(pieces);
  writeWhole(path, path.endsWith(".gz") ? gzipSync(bytes) : bytes);
}

/** The numbers of a file for JSON. */
export const describe = ({ graph, selfLoops, repeats, undirected }: GraphFile) => ({
  nodes: graph.nodes,
  arcs: graph.arcs,
  selfLoops,
  repeats,
  undirected,
});

/** The numbers of a file in one line. */
export function readLine(file: string, { graph, selfLoops, repeats, undirected }: GraphFile): string {
  const notes = [
    ...(selfLoops > 0 ? [`${selfLoops} self-loops dropped`] : []),
    ...(repeats > 0 ? [`${repeats} repeated arcs dropped`] : []),
    ...(undirected ? ["edges without direction became two arcs"] : []),
  ];
  return `${file}: ${graph.nodes} nodes, ${graph.arcs} arcs${notes.length > 0 ? ` (${notes.join("; ")})` : ""}`;
}

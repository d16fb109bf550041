/** Choosing the reader or writer of a graph file. */
import { requireOneOf } from "../core/index.js";
import type { Digraph } from "./digraph.js";
import { readEdgeList, writeEdgeList } from "./edge-list.js";
import { readGml, writeGml } from "./gml.js";
import type { GraphFile, ReadOptions } from "./graph-file.js";
import { readGraphml, writeGraphml } from "./graphml.js";
import { readMatrixMarket, writeMatrixMarket } from "./matrix-market.js";

/** Formats of graph files. */
export const graphFormats = ["edge-list", "graphml", "gml", "matrix-market"] as const;
/** One of the formats. */
export type GraphFormat = (typeof graphFormats)[number];

/** The format that a file's name and first bytes tell; `edge-list` where neither does. A trailing `.gz` is ignored. */
export function guessGraphFormat(name: string, bytes?: Uint8Array): GraphFormat {
  const ending = name.toLowerCase().replace(/\.gz$/, "").split(".").at(-1);
  if (ending === "graphml" || ending === "xml") return "graphml";
  if (ending === "gml") return "gml";
  if (ending === "mtx" || ending === "mm") return "matrix-market";
  const head = bytes ? new TextDecoder().decode(bytes.subarray(0, 512)).trimStart() : "";
  if (head.startsWith("%%MatrixMarket")) return "matrix-market";
  if (head.startsWith("<?xml") || head.startsWith("<graphml")) return "graphml";
  if (/^(Creator\s+"[^"]*"\s*)?graph\s*\[/.test(head)) return "gml";
  return "edge-list";
}

/** @throws FormatError for a file that is not what `format` says, OptionError for an unknown format */
export function readGraph(bytes: Uint8Array, format: GraphFormat, options: ReadOptions = {}): GraphFile {
  requireOneOf("readGraph.format", format, graphFormats);
  if (format === "graphml") return readGraphml(bytes, options);
  if (format === "gml") return readGml(bytes, options);
  return format === "matrix-market" ? readMatrixMarket(bytes, options) : readEdgeList(bytes, options);
}

/** The pieces of a graph file. @throws OptionError for an unknown format */
export function writeGraph(graph: Digraph, format: GraphFormat, label?: (node: number) => string): Generator<string> {
  requireOneOf("writeGraph.format", format, graphFormats);
  if (format === "graphml") return writeGraphml(graph, label);
  if (format === "gml") return writeGml(graph, label);
  return format === "matrix-market" ? writeMatrixMarket(graph) : writeEdgeList(graph, label);
}

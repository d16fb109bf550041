/**
 * GraphML, read as a stream through `saxes`: no document tree, so the size of a file is bounded by its graph alone.
 * Read are `graph`, `node` and `edge`; data and keys are skipped; nested graphs and hyperedges are refused.
 * Format: http://graphml.graphdrawing.org/specification.html
 */
import { SaxesParser } from "saxes";
import { FormatError, InputError } from "../core/index.js";
import type { Digraph } from "./digraph.js";
import { ArcList, finishGraph, type GraphFile, NodeNames, type ReadOptions } from "./graph-file.js";

const FORMAT = "GraphML";
const CHUNK = 1 << 16;

/**
 * Reads the graph of a GraphML file. Nodes keep their ids as names; an edge's own `directed` wins over the graph's `edgedefault`.
 * @throws FormatError naming the line of an XML error, a missing attribute, a node declared twice or not at all
 */
export function readGraphml(bytes: Uint8Array, options: ReadOptions = {}): GraphFile {
  const names = new NodeNames();
  const declared: boolean[] = [];
  const arcs = new ArcList();
  let graphs = 0;
  let byDefault = true;
  let undirected = false;
  const parser = new SaxesParser({ position: true });
  const where = () => `line ${parser.line}`;
  parser.on("error", (error) => {
    throw new FormatError(FORMAT, error.message.replace(/^undefined:/, "line "));
  });
  parser.on("opentag", ({ name, attributes }) => {
    const tag = name.slice(name.indexOf(":") + 1);
    const attribute = (key: string): string => {
      const value = attributes[key];
      if (typeof value !== "string") throw new FormatError(FORMAT, `${where()}: <${tag}> without the attribute ${key}`);
      return value;
    };
    if (tag === "graph") {
      if (++graphs > 1) throw new FormatError(FORMAT, `${where()}: a second or nested graph; expected one graph a file`);
      const direction = attribute("edgedefault");
      if (direction !== "directed" && direction !== "undirected") {
        throw new FormatError(FORMAT, `${where()}: edgedefault is ${JSON.stringify(direction)}; expected directed or undirected`);
      }
      byDefault = direction === "directed";
    } else if (tag === "node") {
      const id = attribute("id");
      const node = names.number(id);
      if (declared[node]) throw new FormatError(FORMAT, `${where()}: the node id ${JSON.stringify(id)} is given twice`);
      declared[node] = true;
    } else if (tag === "edge") {
      const v = names.number(attribute("source"));
      const w = names.number(attribute("target"));
      const own = attributes["directed"];
      if (own !== undefined && own !== "true" && own !== "false") {
        throw new FormatError(FORMAT, `${where()}: directed is ${JSON.stringify(String(own))}; expected true or false`);
      }
      arcs.push(v, w);
      if (own === undefined ? !byDefault : own === "false") {
        undirected = true;
        arcs.push(w, v);
      }
    } else if (tag === "hyperedge")
      throw new FormatError(FORMAT, `${where()}: hyperedges are not supported; expected edges between two nodes`);
  });
  const decoder = new TextDecoder();
  try {
    for (let at = 0; at < bytes.length; at += CHUNK) parser.write(decoder.decode(bytes.subarray(at, at + CHUNK), { stream: true }));
    parser.write(decoder.decode());
    parser.close();
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new FormatError(FORMAT, error instanceof Error ? error.message : String(error));
  }
  if (graphs === 0) throw new FormatError(FORMAT, "no <graph> found");
  const missing = names.names.findIndex((_, node) => !declared[node]);
  if (missing >= 0)
    throw new FormatError(FORMAT, `an edge names the node ${JSON.stringify(names.names[missing])}, which is not declared`);
  return finishGraph(FORMAT, names.names.length, arcs, (node) => names.names[node]!, undirected, options);
}

/** The graph as GraphML, in pieces to write one after the other. Nodes without names are n0, n1, ... */
export function* writeGraphml(graph: Digraph, label?: (node: number) => string): Generator<string> {
  const id = (v: number) => (label ? escapeXml(label(v)) : `n${v}`);
  yield '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n<graph edgedefault="directed">\n';
  let piece = "";
  for (let v = 0; v < graph.nodes; v++) {
    piece += `<node id="${id(v)}"/>\n`;
    if (piece.length > 65536) {
      yield piece;
      piece = "";
    }
  }
  for (let v = 0; v < graph.nodes; v++) {
    for (let e = graph.outStart[v]!; e < graph.outStart[v + 1]!; e++)
      piece += `<edge source="${id(v)}" target="${id(graph.outTo[e]!)}"/>\n`;
    if (piece.length > 65536) {
      yield piece;
      piece = "";
    }
  }
  yield `${piece}</graph>\n</graphml>\n`;
}

function escapeXml(text: string): string {
  let out = "";
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (char === "&") out += "&amp;";
    else if (char === "<") out += "&lt;";
    else if (char === '"') out += "&quot;";
    else if (code === 9 || code === 10 || code === 13) out += `&#${code};`;
    else if (code < 32 || (code >= 0xd800 && code <= 0xdfff) || code === 0xfffe || code === 0xffff) {
      throw new FormatError(
        FORMAT,
        `the node name ${JSON.stringify(text)} holds a character that XML cannot; rename it, or write GML`,
      );
    } else out += char;
  }
  return out;
}

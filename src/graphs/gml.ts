/**
 * GML, the Graph Modelling Language: nested lists of keys and values. Read are `graph`, `directed`, `node` with `id` and `label`,
 * `edge` with `source` and `target`; everything else is skipped.
 * Himsolt 1996, "GML: a portable graph file format".
 */
import { FormatError } from "../core/index.js";
import type { Digraph } from "./digraph.js";
import { ArcList, finishGraph, type GraphFile, type ReadOptions } from "./graph-file.js";

const FORMAT = "GML";
const MAX_DEPTH = 200;

type Token = { readonly kind: "key" | "number" | "text" | "open" | "close"; readonly text: string; readonly line: number };

function* tokens(source: string): Generator<Token> {
  const pattern = /\s+|#[^\n]*|"([^"]*)"|\[|\]|[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])|[A-Za-z][\w.:-]*/y;
  let line = 1;
  while (pattern.lastIndex < source.length) {
    const at = pattern.lastIndex;
    const found = pattern.exec(source);
    if (!found) {
      const open =
        source[at] === '"' ? "a text without its closing quote" : `the unexpected character ${JSON.stringify(source[at])}`;
      throw new FormatError(FORMAT, `line ${line}: ${open}`);
    }
    const [text, quoted] = found;
    const first = text.charCodeAt(0);
    if (quoted !== undefined) yield { kind: "text", text: plainText(quoted), line };
    else if (text === "[") yield { kind: "open", text, line };
    else if (text === "]") yield { kind: "close", text, line };
    else if ((first >= 65 && first <= 90) || (first >= 97 && first <= 122)) yield { kind: "key", text, line };
    else if (first !== 35 && text.trim() !== "") yield { kind: "number", text, line };
    for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) line++;
  }
}

function plainText(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&(quot|amp|lt|gt|apos|#\d{1,7});/g, (whole, entity: string) => {
    if (entity.startsWith("#")) {
      const code = Number(entity.slice(1));
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    }
    return { quot: '"', amp: "&", lt: "<", gt: ">", apos: "'" }[entity]!;
  });
}

interface Item {
  id?: string;
  label?: string;
  source?: string;
  target?: string;
  readonly line: number;
}

/**
 * Reads the first graph of a GML file. A node's name is its label where every label is there and distinct, otherwise its id.
 * @throws FormatError naming the line of a syntax error, an edge to an unknown node, or an id given twice
 */
export function readGml(bytes: Uint8Array, options: ReadOptions = {}): GraphFile {
  const numbers = new Map<string, number>();
  const ids: string[] = [];
  const labels: (string | undefined)[] = [];
  const edges: { readonly source: string; readonly target: string; readonly line: number }[] = [];
  let directed = false;
  let graphs = 0;
  // The lists that are open: their keys, and the node or edge being read.
  const path: string[] = [];
  let item: Item | undefined;
  let key: Token | undefined;
  const finishItem = (done: Item, kind: string) => {
    if (kind === "node") {
      if (done.id === undefined) throw new FormatError(FORMAT, `line ${done.line}: a node without an id`);
      if (numbers.has(done.id)) throw new FormatError(FORMAT, `line ${done.line}: the node id ${done.id} is given twice`);
      numbers.set(done.id, ids.length);
      ids.push(done.id);
      labels.push(done.label);
      return;
    }
    if (done.source === undefined || done.target === undefined) {
      throw new FormatError(FORMAT, `line ${done.line}: an edge without ${done.source === undefined ? "a source" : "a target"}`);
    }
    edges.push({ source: done.source, target: done.target, line: done.line });
  };
  for (const token of tokens(decode(bytes))) {
    if (token.kind === "close") {
      if (key) throw new FormatError(FORMAT, `line ${token.line}: the key ${key.text} has no value`);
      const closed = path.pop();
      if (closed === undefined) throw new FormatError(FORMAT, `line ${token.line}: a ] without its [`);
      if (path.length === 1 && item) {
        finishItem(item, closed);
        item = undefined;
      }
    } else if (!key) {
      if (token.kind !== "key")
        throw new FormatError(FORMAT, `line ${token.line}: expected a key, got ${JSON.stringify(token.text.slice(0, 40))}`);
      key = token;
    } else if (token.kind === "open") {
      path.push(key.text);
      if (path.length > MAX_DEPTH) throw new FormatError(FORMAT, `line ${token.line}: lists nested deeper than ${MAX_DEPTH}`);
      if (path.length === 1 && key.text === "graph" && ++graphs > 1) {
        throw new FormatError(FORMAT, `line ${token.line}: a second graph; expected one graph a file`);
      }
      if (path.length === 2 && path[0] === "graph" && (key.text === "node" || key.text === "edge")) item = { line: token.line };
      key = undefined;
    } else {
      if (token.kind === "key")
        throw new FormatError(FORMAT, `line ${token.line}: the key ${key.text} is followed by the key ${token.text}, not a value`);
      if (path.length === 1 && path[0] === "graph" && key.text === "directed") directed = Number(token.text) === 1;
      if (
        item &&
        path.length === 2 &&
        (key.text === "id" || key.text === "label" || key.text === "source" || key.text === "target")
      ) {
        item[key.text] = token.text;
      }
      key = undefined;
    }
  }
  if (key) throw new FormatError(FORMAT, `line ${key.line}: the file ends after the key ${key.text}`);
  if (path.length > 0) throw new FormatError(FORMAT, `the file ends inside ${path.join(" [ ")} [; it is cut short`);
  if (graphs === 0) throw new FormatError(FORMAT, "no 'graph [ ... ]' found");
  const arcs = new ArcList();
  for (const { source, target, line } of edges) {
    const v = numbers.get(source);
    const w = numbers.get(target);
    if (v === undefined || w === undefined) {
      throw new FormatError(
        FORMAT,
        `line ${line}: the edge ${source} -> ${target} names the node ${v === undefined ? source : target}, which is not declared`,
      );
    }
    arcs.push(v, w);
  }
  if (!directed) arcs.mirror();
  const named = labels.every((label) => label !== undefined) && new Set(labels).size === labels.length;
  return finishGraph(FORMAT, ids.length, arcs, (node) => (named ? labels[node]! : ids[node]!), !directed, options);
}

function decode(bytes: Uint8Array): string {
  if (bytes.length > 500_000_000)
    throw new FormatError(FORMAT, `${bytes.length} bytes are too long to read as GML; convert to an edge list`);
  return new TextDecoder().decode(bytes);
}

/** The graph as GML, in pieces to write one after the other. */
export function* writeGml(graph: Digraph, label?: (node: number) => string): Generator<string> {
  yield "graph [\n  directed 1\n";
  let piece = "";
  for (let v = 0; v < graph.nodes; v++) {
    piece += `  node [\n    id ${v}\n${label ? `    label "${quotable(label(v))}"\n` : ""}  ]\n`;
    if (piece.length > 65536) {
      yield piece;
      piece = "";
    }
  }
  for (let v = 0; v < graph.nodes; v++) {
    for (let e = graph.outStart[v]!; e < graph.outStart[v + 1]!; e++)
      piece += `  edge [\n    source ${v}\n    target ${graph.outTo[e]}\n  ]\n`;
    if (piece.length > 65536) {
      yield piece;
      piece = "";
    }
  }
  yield `${piece}]\n`;
}

function quotable(text: string): string {
  let out = "";
  for (const char of text) {
    const code = char.codePointAt(0)!;
    out += char === '"' ? "&quot;" : char === "&" ? "&amp;" : code < 32 || code > 126 ? `&#${code};` : char;
  }
  return out;
}

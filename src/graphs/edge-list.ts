/**
 * Edge lists: one arc a line, source and target separated by blanks, tabs, commas or semicolons; further columns (weights, times)
 * are ignored; lines that start with `#` or `%` are comments. The comment `# Nodes: 10876 ...` of SNAP files fixes the number of
 * nodes where all names are numbers below it, so that isolated nodes survive.
 */
import { FormatError } from "../core/index.js";
import type { Digraph } from "./digraph.js";
import { ArcList, finishGraph, type GraphFile, NodeNames, type ReadOptions, requireDeclaredNodes } from "./graph-file.js";

const FORMAT = "edge list";
const NEWLINE = 10;

function isBlank(byte: number): boolean {
  return byte === 32 || byte === 9 || byte === 44 || byte === 59 || byte === 13;
}

/**
 * Reads an edge list. Names are numbers where all are whole numbers, otherwise texts; nodes are numbered in the order they come.
 * @param bytes UTF-8 text
 * @throws FormatError naming the line that has one column, a negative number as a name, or bytes that are no text
 */
export function readEdgeList(bytes: Uint8Array, options: ReadOptions = {}): GraphFile {
  const declared = declaredNodes(bytes);
  return readNumbers(bytes, declared, options) ?? readNames(bytes, declared, options);
}

/** Calls `use(start, end, second, secondEnd, line)` for the first two columns of every line that is no comment. */
function eachLine(bytes: Uint8Array, use: (a: number, aEnd: number, b: number, bEnd: number, line: number) => boolean): boolean {
  let at = 0;
  for (let line = 1; at < bytes.length; line++) {
    let end = bytes.indexOf(NEWLINE, at);
    if (end < 0) end = bytes.length;
    let i = at;
    while (i < end && isBlank(bytes[i]!)) i++;
    if (i < end && bytes[i] !== 35 && bytes[i] !== 37) {
      const a = i;
      while (i < end && !isBlank(bytes[i]!)) i++;
      const aEnd = i;
      while (i < end && isBlank(bytes[i]!)) i++;
      const b = i;
      while (i < end && !isBlank(bytes[i]!)) i++;
      if (b === i)
        throw new FormatError(FORMAT, `line ${line}: expected a source and a target, found one column ${quote(bytes, a, aEnd)}`);
      if (!use(a, aEnd, b, i, line)) return false;
    }
    at = end + 1;
  }
  return true;
}

function readNumbers(bytes: Uint8Array, declared: number | undefined, options: ReadOptions): GraphFile | undefined {
  const arcs = new ArcList();
  let largest = -1;
  const whole = eachLine(bytes, (a, aEnd, b, bEnd) => {
    const v = parseWhole(bytes, a, aEnd);
    const w = parseWhole(bytes, b, bEnd);
    if (v < 0 || w < 0) return false;
    arcs.push(v, w);
    largest = Math.max(largest, v, w);
    return true;
  });
  if (!whole) return undefined;
  if (declared !== undefined && largest < declared) {
    requireDeclaredNodes(FORMAT, "comment '# Nodes:'", declared, bytes.length);
    return finishGraph(FORMAT, declared, arcs, String, false, options);
  }
  // Renumber 0.. in the order of the numbers themselves: dense names keep their number.
  const from = arcs.from();
  const to = arcs.to();
  const names = distinct(from, to, largest, bytes.length);
  const find = finder(names, largest, bytes.length);
  for (let e = 0; e < from.length; e++) {
    from[e] = find(from[e]!);
    to[e] = find(to[e]!);
  }
  return finishGraph(FORMAT, names.length, arcs, (node) => String(names[node]), false, options);
}

/** The numbers that occur, ascending. Uses a table where the largest is not far beyond the file's size. */
function distinct(from: Uint32Array, to: Uint32Array, largest: number, bytes: number): Uint32Array {
  if (largest < 8 * bytes) {
    const seen = new Uint8Array(largest + 1);
    for (const v of from) seen[v] = 1;
    for (const v of to) seen[v] = 1;
    let count = 0;
    for (const s of seen) count += s;
    const names = new Uint32Array(count);
    let at = 0;
    for (let v = 0; v <= largest; v++) if (seen[v]) names[at++] = v;
    return names;
  }
  const all = new Uint32Array(from.length * 2);
  all.set(from);
  all.set(to, from.length);
  all.sort();
  return all.filter((v, i) => i === 0 || v !== all[i - 1]);
}

function finder(names: Uint32Array, largest: number, bytes: number): (name: number) => number {
  if (largest < 8 * bytes) {
    const table = new Uint32Array(largest + 1);
    names.forEach((name, i) => {
      table[name] = i;
    });
    return (name) => table[name]!;
  }
  return (name) => {
    let low = 0;
    let high = names.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (names[middle]! < name) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

function readNames(bytes: Uint8Array, declared: number | undefined, options: ReadOptions): GraphFile {
  const names = new NodeNames();
  const arcs = new ArcList();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  eachLine(bytes, (a, aEnd, b, bEnd, line) => {
    arcs.push(names.number(name(bytes, a, aEnd, line, decoder)), names.number(name(bytes, b, bEnd, line, decoder)));
    return true;
  });
  const nodes = names.names.length;
  if (declared !== undefined && declared < nodes) {
    throw new FormatError(FORMAT, `the comment '# Nodes:' declares ${declared} nodes, but ${nodes} names occur`);
  }
  return finishGraph(FORMAT, nodes, arcs, (node) => names.names[node]!, false, options);
}

function name(bytes: Uint8Array, from: number, to: number, line: number, decoder: TextDecoder): string {
  let text: string;
  try {
    text = decoder.decode(bytes.subarray(from, to));
  } catch {
    throw new FormatError(FORMAT, `line ${line}: a name is no UTF-8 text; is the file compressed or binary?`);
  }
  if (/^-\d+$/.test(text)) throw new FormatError(FORMAT, `line ${line}: ${text} is a negative node number; expected 0 or more`);
  if (text.includes("\0")) throw new FormatError(FORMAT, `line ${line}: a name holds a zero byte; is the file binary?`);
  return text;
}

/** The whole number that spans the bytes, or -1 where they are none below 2^32. */
function parseWhole(bytes: Uint8Array, from: number, to: number): number {
  if (to - from > 10 || (bytes[from] === 48 && to - from > 1)) return -1;
  let value = 0;
  for (let i = from; i < to; i++) {
    const digit = bytes[i]! - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value > 0xffff_ffff ? -1 : value;
}

/** The number in a comment `# Nodes: N` among the comments that open the file. */
function declaredNodes(bytes: Uint8Array): number | undefined {
  const head = new TextDecoder().decode(bytes.subarray(0, 4096));
  for (const line of head.split("\n")) {
    if (!/^\s*[#%]/.test(line)) break;
    const found = /^\s*[#%].*\bnodes:?\s*(\d{1,15})\b/i.exec(line);
    if (found) return Number(found[1]);
  }
  return undefined;
}

function quote(bytes: Uint8Array, from: number, to: number): string {
  return JSON.stringify(new TextDecoder().decode(bytes.subarray(from, Math.min(to, from + 40))));
}

/** The lines of an edge list, in pieces to write one after the other. */
export function* writeEdgeList(graph: Digraph, label?: (node: number) => string): Generator<string> {
  yield `# Nodes: ${graph.nodes} Edges: ${graph.arcs}\n# FromNodeId\tToNodeId\n`;
  let piece = "";
  for (let v = 0; v < graph.nodes; v++) {
    const source = label ? plainName(label(v)) : String(v);
    for (let e = graph.outStart[v]!; e < graph.outStart[v + 1]!; e++) {
      const w = graph.outTo[e]!;
      piece += `${source}\t${label ? plainName(label(w)) : w}\n`;
      if (piece.length > 65536) {
        yield piece;
        piece = "";
      }
    }
  }
  yield piece;
}

function plainName(text: string): string {
  if (text === "" || /[\s,;]/.test(text) || /^[#%]/.test(text)) {
    throw new FormatError(
      FORMAT,
      `the node name ${JSON.stringify(text)} cannot stand in an edge list; write GraphML or GML, or drop the names`,
    );
  }
  return text;
}

/**
 * Matrix Market coordinate files as adjacency matrices: entry (i, j) is the arc i -> j, whatever its value; explicit zeros are no
 * arcs. `symmetric`, `skew-symmetric` and `hermitian` files hold edges without direction.
 * Format: https://math.nist.gov/MatrixMarket/formats.html
 */
import { FormatError } from "../core/index.js";
import type { Digraph } from "./digraph.js";
import { ArcList, finishGraph, type GraphFile, type ReadOptions, requireDeclaredNodes } from "./graph-file.js";

const FORMAT = "Matrix Market";

/**
 * Reads an adjacency matrix. Nodes are named 1..n as in the file.
 * @throws FormatError naming the line of a bad header, a matrix that is not square, an index outside it, or entries too few or too many
 */
export function readMatrixMarket(bytes: Uint8Array, options: ReadOptions = {}): GraphFile {
  const decoder = new TextDecoder();
  let at = 0;
  let line = 0;
  const nextLine = (): string | undefined => {
    if (at >= bytes.length) return undefined;
    let end = bytes.indexOf(10, at);
    if (end < 0) end = bytes.length;
    const text = decoder.decode(bytes.subarray(at, end));
    at = end + 1;
    line++;
    return text;
  };
  const header = (nextLine() ?? "").trim().toLowerCase().split(/\s+/);
  if (header[0] !== "%%matrixmarket" || header[1] !== "matrix") {
    throw new FormatError(FORMAT, "line 1: expected '%%MatrixMarket matrix coordinate ...'");
  }
  const [, , layout, field, symmetry] = header;
  if (layout !== "coordinate") throw new FormatError(FORMAT, `line 1: expected the layout coordinate, got ${layout ?? "nothing"}`);
  const values = { pattern: 0, integer: 1, real: 1, complex: 2 }[field ?? ""];
  if (values === undefined)
    throw new FormatError(FORMAT, `line 1: expected pattern, integer, real or complex, got ${field ?? "nothing"}`);
  if (!["general", "symmetric", "skew-symmetric", "hermitian"].includes(symmetry ?? "")) {
    throw new FormatError(FORMAT, `line 1: expected general, symmetric, skew-symmetric or hermitian, got ${symmetry ?? "nothing"}`);
  }
  let text = nextLine();
  while (text !== undefined && (text.trim() === "" || text.trimStart().startsWith("%"))) text = nextLine();
  const sizes = (text ?? "").trim().split(/\s+/);
  if (sizes.length !== 3 || !sizes.every((word) => /^\d{1,15}$/.test(word))) {
    throw new FormatError(
      FORMAT,
      `line ${line}: expected 'rows columns entries', got ${JSON.stringify((text ?? "").slice(0, 60))}`,
    );
  }
  const [rows, cols, entries] = sizes.map(Number) as [number, number, number];
  if (rows !== cols)
    throw new FormatError(FORMAT, `line ${line}: expected a square matrix, got ${rows} x ${cols}; an adjacency matrix is square`);
  requireDeclaredNodes(FORMAT, `line ${line}`, rows, bytes.length);
  if (entries > bytes.length / 3)
    throw new FormatError(FORMAT, `line ${line}: declares ${entries} entries, more than the file can hold`);
  const undirected = symmetry !== "general";
  const arcs = new ArcList();
  let seen = 0;
  for (text = nextLine(); text !== undefined; text = nextLine()) {
    const words = text.trim().split(/\s+/);
    if (words[0] === "" || words[0]!.startsWith("%")) continue;
    if (++seen > entries) throw new FormatError(FORMAT, `line ${line}: more entries than the ${entries} declared`);
    if (words.length !== 2 + values)
      throw new FormatError(FORMAT, `line ${line}: expected ${2 + values} columns, got ${words.length}`);
    const i = index(words[0]!, rows, line);
    const j = index(words[1]!, rows, line);
    const weights = words.slice(2).map((word) => value(word, line));
    if (values === 0 || weights.some((weight) => weight !== 0)) arcs.push(i - 1, j - 1);
  }
  if (seen < entries) throw new FormatError(FORMAT, `ends after ${seen} of ${entries} entries; the file is cut short`);
  if (undirected) arcs.mirror();
  return finishGraph(FORMAT, rows, arcs, (node) => String(node + 1), undirected, options);
}

function index(word: string, nodes: number, line: number): number {
  const i = /^\d{1,10}$/.test(word) ? Number(word) : Number.NaN;
  if (!(i >= 1 && i <= nodes)) throw new FormatError(FORMAT, `line ${line}: index ${JSON.stringify(word)} is outside 1..${nodes}`);
  return i;
}

function value(word: string, line: number): number {
  const x = Number(word);
  if (word === "" || Number.isNaN(x)) throw new FormatError(FORMAT, `line ${line}: ${JSON.stringify(word)} is no number`);
  return x;
}

/** The graph as a Matrix Market pattern, in pieces to write one after the other. Names are lost: nodes become 1..n. */
export function* writeMatrixMarket(graph: Digraph): Generator<string> {
  yield `%%MatrixMarket matrix coordinate pattern general\n${graph.nodes} ${graph.nodes} ${graph.arcs}\n`;
  let piece = "";
  for (let v = 0; v < graph.nodes; v++) {
    for (let e = graph.outStart[v]!; e < graph.outStart[v + 1]!; e++) {
      piece += `${v + 1} ${graph.outTo[e]! + 1}\n`;
      if (piece.length > 65536) {
        yield piece;
        piece = "";
      }
    }
  }
  yield piece;
}

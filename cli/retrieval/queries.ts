/** From words, JSON and files to queries of an index. */
import { resolve } from "node:path";
import { InputError } from "../../src/core/index.js";
import { type Bm25Encoder, bm25Query, decodeStrings, type Query, rowOf, type SparseIndex } from "../../src/retrieval/index.js";
import { readVectors } from "../../src/retrieval/index.node.js";
import type { Terminal } from "../terminal.js";
import type { SearchFlags } from "./flags.js";
import { learnedQuery } from "./texts.js";

/** The encoder that the index was built with, when its queries may be text. */
function encoderOf(index: SparseIndex): Bm25Encoder | undefined {
  const encoder = index.header.meta["encoder"] as Bm25Encoder | undefined;
  return encoder?.kind === "bm25" ? encoder : undefined;
}

/** The query of a text, by the encoder that the index was built with. */
export function queryText(index: SparseIndex, text: string, flags: SearchFlags, terminal: Terminal): Query {
  if ((index.header.meta["encoder"] as { kind?: string } | undefined)?.kind === "learned") {
    if (flags.encoder === undefined)
      throw new InputError("this index was built with a trained encoder; give it with --encoder <file>");
    return learnedQuery(resolve(terminal.folder, flags.encoder), text);
  }
  const encoder = encoderOf(index);
  if (!encoder)
    throw new InputError('this index was not built from text, so words cannot be encoded; give --vector {"token": weight}');
  return bm25Query(text, encoder);
}

/** The query of the command line. @throws InputError where it does not fit the index */
export function queryOf(index: SparseIndex, words: readonly string[], flags: SearchFlags, terminal: Terminal): Query {
  if (flags.vector !== undefined) {
    let vector: unknown;
    try {
      vector = JSON.parse(flags.vector);
    } catch {
      throw new InputError(`--vector: not JSON; expected {"token": weight} or {"indices": [...], "values": [...]}`);
    }
    if (typeof vector !== "object" || vector === null)
      throw new InputError(`--vector: expected {"token": weight} or {"indices": [...], "values": [...]}`);
    return vector as Query;
  }
  if (words.length === 0) throw new InputError('index query: give words, or --vector {"token": weight}');
  return queryText(index, words.join(" "), flags, terminal);
}

/** Rows of a file of query vectors, in the coordinates of the index. */
export async function queryRows(index: SparseIndex, path: string) {
  const { tokens } = index.store;
  const { matrix } = await readVectors(path, tokens ? { tokens: decodeStrings(tokens) } : { dim: index.header.dim });
  if (matrix.cols > index.header.dim)
    throw new InputError(`${path}: queries have ${matrix.cols} coordinates, the index ${index.header.dim}`);
  return Array.from({ length: matrix.rows }, (_, r) => rowOf(matrix, r));
}

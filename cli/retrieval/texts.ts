/** Text for indexes on the command line: reading it, and encoding it. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { InputError } from "../../src/core/index.js";
import {
  encodeQuery,
  parseCranfield,
  parseDumpavail,
  readEncoder,
  type SparseEncoder,
  type TextDocument,
} from "../../src/retrieval/index.js";

/** Kinds of text that are read. */
export type TextKind = "jsonl" | "cranfield" | "dumpavail";

/** A file that unpacks to more is refused: JavaScript has no longer text. */
const MOST_BYTES = 2 ** 29 - 24;

/** Text of a file, unpacked when its name ends in .gz. @throws InputError when it does not unpack, or is too long */
export function textOf(path: string): string {
  const bytes = readFileSync(path);
  if (!path.endsWith(".gz")) {
    if (bytes.length > MOST_BYTES)
      throw new InputError(`${path}: ${bytes.length} bytes are more than the ${MOST_BYTES} that are read at once; split the file`);
    return bytes.toString("utf8");
  }
  try {
    return gunzipSync(bytes, { maxOutputLength: MOST_BYTES }).toString("utf8");
  } catch (cause) {
    throw new InputError(
      `${path}: does not unpack as gzip (${(cause as Error).message}); expected a whole .gz file of at most ${MOST_BYTES} bytes of text`,
      { cause },
    );
  }
}

/** Documents of lines `{"id": "...", "title": "...", "text": "..."}`; id and title may be left out. @throws InputError naming the line */
export function textsFromJsonl(text: string): TextDocument[] {
  const out: TextDocument[] = [];
  const expected = 'expected {"id": "...", "text": "..."}';
  text.split("\n").forEach((line, i) => {
    if (line.trim() === "") return;
    const at = `JSONL line ${i + 1}`;
    let record: { id?: unknown; title?: unknown; text?: unknown } | null;
    try {
      record = JSON.parse(line) as typeof record;
    } catch {
      throw new InputError(`${at}: not JSON; ${expected}, got ${line.slice(0, 60)}`);
    }
    if (typeof record !== "object" || record === null || typeof record.text !== "string")
      throw new InputError(`${at}: ${expected}, got ${line.slice(0, 60)}`);
    const { id = null, title = null } = record;
    if (id !== null && typeof id !== "string" && typeof id !== "number")
      throw new InputError(`${at}: id must be text or a number, got ${JSON.stringify(id).slice(0, 60)}`);
    if (title !== null && typeof title !== "string")
      throw new InputError(`${at}: title must be text, got ${JSON.stringify(title).slice(0, 60)}`);
    out.push({ id: String(id ?? out.length), title: title ?? "", text: record.text });
  });
  return out;
}

/** Reads documents of text. @throws InputError naming the line */
export function readTexts(path: string, kind: TextKind): TextDocument[] {
  const text = textOf(path);
  if (kind === "jsonl") return textsFromJsonl(text);
  if (kind === "dumpavail") return parseDumpavail(text);
  return [...parseCranfield(text, "<top><title>x</title></top>", "").documents];
}

/** A trained encoder from its file. @throws FormatError when it is another kind of file */
export const loadEncoder = (path: string): SparseEncoder => readEncoder(readFileSync(path));

/** The query vector of a text, by a trained encoder. */
export function learnedQuery(path: string, text: string): { indices: Uint32Array; values: Float32Array } {
  return encodeQuery(loadEncoder(path), text);
}

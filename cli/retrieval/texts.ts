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

/** Text of a file, unpacked when its name ends in .gz. */
export function textOf(path: string): string {
  const bytes = readFileSync(path);
  return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
}

function jsonlText(text: string): TextDocument[] {
  const out: TextDocument[] = [];
  text.split("\n").forEach((line, i) => {
    if (line.trim() === "") return;
    let record: { id?: unknown; title?: unknown; text?: unknown };
    try {
      record = JSON.parse(line) as typeof record;
    } catch {
      throw new InputError(`JSONL line ${i + 1}: not JSON; expected {"id": "...", "text": "..."}`);
    }
    if (typeof record !== "object" || record === null || typeof record.text !== "string")
      throw new InputError(`JSONL line ${i + 1}: expected {"id": "...", "text": "..."}, got ${line.slice(0, 60)}`);
    out.push({
      id: String(record.id ?? out.length),
      title: typeof record.title === "string" ? record.title : "",
      text: record.text,
    });
  });
  return out;
}

/** Reads documents of text. @throws InputError naming the line */
export function readTexts(path: string, kind: TextKind): TextDocument[] {
  const text = textOf(path);
  if (kind === "jsonl") return jsonlText(text);
  if (kind === "dumpavail") return parseDumpavail(text);
  return [...parseCranfield(text, "<top><title>x</title></top>", "").documents];
}

/** A trained encoder from its file. @throws FormatError when it is another kind of file */
export const loadEncoder = (path: string): SparseEncoder => readEncoder(readFileSync(path));

/** The query vector of a text, by a trained encoder. */
export function learnedQuery(path: string, text: string): { indices: Uint32Array; values: Float32Array } {
  return encodeQuery(loadEncoder(path), text);
}

/** From built parts to a file: the sections, with ids, payloads and vocabulary. */
import { InputError, ShapeError } from "../core/index.js";
import type { IndexParts } from "./build.js";
import { layOut } from "./format.js";
import { type FileMemory, requireRoom, reserve } from "./store.js";
import { encodeStrings } from "./strings.js";

/** What is stored beside the vectors. */
export interface IndexLabels {
  /** one per document, all different; without them documents answer by number */
  readonly ids?: readonly string[];
  /** one per document: any JSON value, returned with the hit */
  readonly payloads?: readonly unknown[];
  /** one per coordinate: the vocabulary, so that queries may be written in tokens */
  readonly tokens?: readonly string[];
  /** kept in the header: whatever the maker wants to know later */
  readonly meta?: Readonly<Record<string, unknown>>;
}

/** The pieces of an index file, to be written in order. @throws InputError for labels of the wrong number, duplicate ids, or more than one memory holds */
export function assemble(parts: IndexParts, labels: IndexLabels = {}): Uint8Array[] {
  const { docs, dim, forward } = parts;
  const { wideBlocks, ...lists } = parts.lists;
  const counted = (name: string, list: readonly unknown[] | undefined, expect: number) => {
    if (list && list.length !== expect) throw new ShapeError("index build", { [name]: [list.length] }, `${expect} ${name}`);
  };
  counted("ids", labels.ids, docs);
  counted("payloads", labels.payloads, docs);
  counted("tokens", labels.tokens, dim);
  const table = (name: string, strings: readonly string[] | undefined) => {
    if (!strings) return {};
    const { offsets, bytes } = encodeStrings(strings);
    return { [`${name}Offsets`]: offsets, [name]: bytes };
  };
  if (labels.ids) distinct("document id", labels.ids);
  if (labels.tokens) distinct("token", labels.tokens);
  const arrays: Readonly<Record<string, ArrayBufferView>> = {
    docQuads: forward.quads,
    forward: forward.bytes,
    ...lists,
    ...(parts.neighbours ? { neighbours: parts.neighbours } : {}),
    ...table("ids", labels.ids),
    ...table(
      "payloads",
      labels.payloads?.map((p) => JSON.stringify(p ?? null)),
    ),
    ...table("tokens", labels.tokens),
  };
  requireRoom(Object.values(arrays).reduce((sum, { byteLength }) => sum + byteLength, 0));
  return layOut(
    {
      docs,
      dim,
      entries: parts.entries,
      values: forward.kind,
      wideCoords: forward.wide,
      wideBlocks,
      wideStarts: lists.termStarts.BYTES_PER_ELEMENT === 4,
      neighbours: parts.neighbours ? parts.config.neighbours : 0,
      config: parts.config,
      meta: labels.meta ?? {},
    },
    arrays,
  );
}

function distinct(what: string, strings: readonly string[]): void {
  const seen = new Set<string>();
  for (const [i, s] of strings.entries()) {
    if (seen.has(s)) throw new InputError(`index build: ${what} ${JSON.stringify(s)} comes twice, again at position ${i}`);
    seen.add(s);
  }
}

/** The pieces of a file laid into searchable memory. */
export function toMemory(pieces: readonly Uint8Array[], shared = false): FileMemory {
  let total = 0;
  for (const p of pieces) total += p.length;
  const file = reserve(total, shared);
  let at = 0;
  for (const p of pieces) {
    file.bytes.set(p, at);
    at += p.length;
  }
  return file;
}

/**
 * The index file: one header, one table of sections, sections at multiples of 64 bytes. It is opened with one read:
 * every array is used where it lies.
 *
 *     0   magic "SPLINDEX"          8 bytes
 *     8   version u32               1
 *     12  bytes of the table u32
 *     16  hash of the table u32     xxHash32
 *     20  zero u32
 *     24  bytes of the file, low and high u32
 *     32  table, JSON, UTF-8: IndexHeader
 *
 * Numbers are little-endian. Readers refuse a newer version, a file of another length, and a section whose hash differs.
 */
import { FormatError } from "../core/index.js";
import type { BuildConfig } from "./build.js";
import type { ValueKind } from "./forward.js";
import { xxHash32 } from "./hash.js";

const MAGIC = "SPLINDEX";
/** Version of the format that this code writes, and the newest that it reads. */
export const FORMAT_VERSION = 1;
const FIXED = 32;
const ALIGN = 64;
/** A table of more than this is not believed. */
const MAX_TABLE = 1 << 20;

/** Where a section lies, and the hash of its bytes. */
export interface Section {
  readonly at: number;
  readonly bytes: number;
  readonly hash: number;
}

/** The table of an index file. */
export interface IndexHeader {
  readonly docs: number;
  readonly dim: number;
  readonly entries: number;
  readonly values: ValueKind;
  readonly wideCoords: boolean;
  readonly wideBlocks: boolean;
  readonly wideStarts: boolean;
  readonly neighbours: number;
  readonly config: BuildConfig;
  /** anything the maker of the index wants to keep: the name of the encoder, BM25 statistics */
  readonly meta: Readonly<Record<string, unknown>>;
  readonly sections: Readonly<Record<string, Section>>;
}

const fail = (problem: string): never => {
  throw new FormatError("index file", problem);
};

const align = (n: number) => Math.ceil(n / ALIGN) * ALIGN;

/** Lays out a file: the pieces to write in order, with zero padding between them. */
export function layOut(head: Omit<IndexHeader, "sections">, arrays: Readonly<Record<string, ArrayBufferView>>): Uint8Array[] {
  const views = Object.entries(arrays).map(([name, a]) => [name, new Uint8Array(a.buffer, a.byteOffset, a.byteLength)] as const);
  const hashes = new Map(views.map(([name, bytes]) => [name, xxHash32(bytes)]));
  // Positions depend on the length of the table, and the table on positions: positions are padded to a fixed width.
  const table = (base: number) => {
    const sections: Record<string, Section> = {};
    let at = base;
    for (const [name, bytes] of views) {
      sections[name] = { at, bytes: bytes.length, hash: hashes.get(name)! };
      at = align(at + bytes.length);
    }
    return { text: new TextEncoder().encode(JSON.stringify({ ...head, sections })), end: at, sections };
  };
  const room = align(FIXED + table(0).text.length + views.length * 12);
  const { text, end, sections } = table(room);
  const first = new Uint8Array(room);
  const view = new DataView(first.buffer);
  first.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, FORMAT_VERSION, true);
  view.setUint32(12, text.length, true);
  view.setUint32(16, xxHash32(text), true);
  view.setUint32(24, end >>> 0, true);
  view.setUint32(28, Math.floor(end / 2 ** 32), true);
  first.set(text, FIXED);
  const pieces: Uint8Array[] = [first];
  for (const [name, bytes] of views) {
    pieces.push(bytes);
    const pad = align(sections[name]!.at + bytes.length) - (sections[name]!.at + bytes.length);
    if (pad > 0) pieces.push(new Uint8Array(pad));
  }
  return pieces;
}

/** Bytes of the start of a file that `readHeader` needs, from its first 32. @throws FormatError */
export function headerBytes(start: Uint8Array, fileBytes: number): number {
  if (fileBytes < FIXED || start.length < FIXED)
    fail(`${fileBytes} bytes are too few for a header of ${FIXED}; the file is truncated or not an index`);
  for (let i = 0; i < MAGIC.length; i++)
    if (start[i] !== MAGIC.charCodeAt(i))
      fail("it does not start with SPLINDEX, so it is not an index of this library; build one with `sparseland index build`");
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const version = view.getUint32(8, true);
  if (version > FORMAT_VERSION)
    fail(
      `version ${version} is newer than ${FORMAT_VERSION}, the newest this release reads; upgrade the package or build the index again`,
    );
  if (version < 1) fail(`version ${version} does not exist; the header is damaged`);
  const said = view.getUint32(24, true) + view.getUint32(28, true) * 2 ** 32;
  if (said !== fileBytes)
    fail(`the header says ${said} bytes, the file has ${fileBytes}; it is truncated or altered, build it again`);
  if (view.getUint32(20, true) !== 0) fail("byte 20: reserved bytes are not zero; the header is damaged");
  const table = view.getUint32(12, true);
  if (table > MAX_TABLE || FIXED + table > fileBytes)
    fail(`byte 12: a table of ${table} bytes does not fit; the header is damaged`);
  return FIXED + table;
}

/**
 * Reads and checks the table of a file.
 *
 * @param start     the first bytes, at least `headerBytes(...)`
 * @param fileBytes length of the whole file
 * @throws FormatError when anything in it is damaged or inconsistent
 */
export function readHeader(start: Uint8Array, fileBytes: number): IndexHeader {
  const end = headerBytes(start, fileBytes);
  if (start.length < end) fail(`the table ends at byte ${end}, only ${start.length} bytes came`);
  const text = start.slice(FIXED, end);
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  if (xxHash32(text) !== view.getUint32(16, true)) fail("the table's checksum differs: the file is altered, build it again");
  let header: IndexHeader | undefined;
  try {
    header = JSON.parse(new TextDecoder().decode(text)) as IndexHeader;
  } catch {
    fail("the table is not JSON");
  }
  const h = header!;
  if (
    typeof h !== "object" ||
    h === null ||
    typeof h.sections !== "object" ||
    h.sections === null ||
    typeof h.config !== "object" ||
    h.config === null
  )
    fail("the table lacks sections or config");
  const count = (name: string, value: unknown, max: number) => {
    if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > max)
      fail(`the table's ${name} is ${String(value)}, expected an integer in [0, ${max}]`);
  };
  count("docs", h.docs, 0xfffffffe);
  count("dim", h.dim, 0xfffffffe);
  count("entries", h.entries, 0xffffffff);
  count("neighbours", h.neighbours, 1000);
  if (!["f16", "u8", "f32"].includes(h.values)) fail(`unknown value kind ${String(h.values)}`);
  if (typeof h.wideCoords !== "boolean" || typeof h.wideBlocks !== "boolean" || typeof h.wideStarts !== "boolean")
    fail("the table lacks widths");
  if (h.wideCoords !== h.dim > 65536) fail(`coordinate width does not match ${h.dim} coordinates`);
  for (const [name, s] of Object.entries(h.sections)) {
    if (typeof s !== "object" || s === null) fail(`section ${name} is not described`);
    count(`${name}.at`, s.at, fileBytes);
    count(`${name}.bytes`, s.bytes, fileBytes - s.at);
    count(`${name}.hash`, s.hash, 0xffffffff);
    if (s.at % ALIGN !== 0) fail(`section ${name} starts at ${s.at}, not a multiple of ${ALIGN}`);
  }
  return h;
}

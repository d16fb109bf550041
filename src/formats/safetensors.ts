/**
 * Safetensors: 8 bytes little-endian header length, a JSON header, then raw little-endian tensors without gaps.
 * https://huggingface.co/docs/safetensors (format as of library version 0.8).
 */
import { FormatError, InputError, show, type Tree } from "../core/index.js";
import {
  checkedSize,
  decodeElements,
  type ElementType,
  elementBytes,
  encodeElements,
  type NamedArray,
  requireArray,
} from "./array.js";

/** A safetensors file in memory: ordinary tensors by name, and the string map of the header. */
export interface SafetensorsFile {
  readonly tensors: Tree<NamedArray>;
  readonly metadata: Tree<string>;
}

const FORMAT = "safetensors";
/** The reference library refuses longer headers. */
const MAX_HEADER = 100_000_000;

const names: Readonly<Record<ElementType, string>> = {
  f64: "F64",
  f32: "F32",
  f16: "F16",
  bf16: "BF16",
  i64: "I64",
  u64: "U64",
  i32: "I32",
  u32: "U32",
  i16: "I16",
  u16: "U16",
  i8: "I8",
  u8: "U8",
  bool: "BOOL",
};
const types = new Map(Object.entries(names).map(([type, name]) => [name, type as ElementType]));

/** Order of tensors in files written by the reference library: later types first, then by name. */
const typeOrder: readonly ElementType[] = [
  "bool",
  "u8",
  "i8",
  "i16",
  "u16",
  "f16",
  "bf16",
  "i32",
  "u32",
  "f32",
  "f64",
  "i64",
  "u64",
];

interface Entry {
  name: string;
  dtype: ElementType;
  shape: number[];
  begin: number;
  end: number;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readEntry(name: string, value: unknown, size: number): Entry {
  const fail = (problem: string) => new FormatError(FORMAT, `tensor ${show(name)}: ${problem}`);
  if (!isRecord(value)) throw fail(`expected an object with dtype, shape and data_offsets, got ${show(value)}`);
  const unknown = Object.keys(value).find((key) => !["dtype", "shape", "data_offsets"].includes(key));
  if (unknown !== undefined) throw fail(`unknown key ${show(unknown)}`);
  const dtype = types.get(String(value["dtype"]));
  if (dtype === undefined) throw fail(`unsupported dtype ${show(value["dtype"])}, expected one of ${[...types.keys()].join(", ")}`);
  const { shape, data_offsets: offsets } = value;
  if (!Array.isArray(shape)) throw fail(`expected shape to be a list, got ${show(shape)}`);
  const count = checkedSize(FORMAT, `tensor ${show(name)}`, shape);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every((at) => Number.isSafeInteger(at) && at >= 0)) {
    throw fail(`expected data_offsets to be two non-negative integers, got ${show(offsets)}`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > size) throw fail(`data_offsets [${begin}, ${end}] lie outside the ${size} bytes of tensor data`);
  if (end - begin !== count * elementBytes[dtype]) {
    throw fail(`${end - begin} bytes of data, but ${names[dtype]} [${shape.join(", ")}] takes ${count * elementBytes[dtype]}`);
  }
  return { name, dtype, shape: shape as number[], begin, end };
}

function readHeader(bytes: Uint8Array): { header: Record<string, unknown>; start: number } {
  if (bytes.length < 8)
    throw new FormatError(FORMAT, `${bytes.length} bytes are too few for the header length (8 bytes): the file is truncated`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER))
    throw new FormatError(FORMAT, `header length ${length} is above the limit of ${MAX_HEADER}: not a safetensors file`);
  const start = 8 + Number(length);
  if (start > bytes.length)
    throw new FormatError(
      FORMAT,
      `the header of ${length} bytes ends after the file (${bytes.length} bytes): the file is truncated`,
    );
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, start)));
  } catch (error) {
    throw new FormatError(FORMAT, `the header is not valid JSON (${(error as Error).message})`);
  }
  if (!isRecord(header)) throw new FormatError(FORMAT, `expected the header to be a JSON object, got ${show(header)}`);
  return { header, start };
}

/**
 * Reads a safetensors file. Sparse tensors come back as their ordinary companions: see `readSparseSafetensors`.
 * A name given twice in the header leaves bytes that no tensor covers, and is refused with them.
 * @throws FormatError when the file is truncated, lies about lengths, has gaps, overlaps or unknown element types
 */
export function readSafetensors(bytes: Uint8Array): SafetensorsFile {
  const { header, start } = readHeader(bytes);
  const data = bytes.subarray(start);
  const metadata: [string, string][] = [];
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name !== "__metadata__") {
      entries.push(readEntry(name, value, data.length));
      continue;
    }
    if (!isRecord(value)) throw new FormatError(FORMAT, `expected __metadata__ to be an object, got ${show(value)}`);
    for (const [key, text] of Object.entries(value)) {
      if (typeof text !== "string") throw new FormatError(FORMAT, `expected __metadata__.${key} to be a string, got ${show(text)}`);
      metadata.push([key, text]);
    }
  }
  let at = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at)
      throw new FormatError(
        FORMAT,
        `tensor ${show(name)} begins at ${begin}, expected ${at}: tensors must neither overlap nor leave gaps`,
      );
    at = end;
  }
  if (at !== data.length) throw new FormatError(FORMAT, `${data.length - at} bytes after the last tensor belong to none`);
  const tensors = entries.map(({ name, dtype, shape, begin, end }): [string, NamedArray] => [
    name,
    { dtype, shape, data: decodeElements(FORMAT, dtype, data.subarray(begin, end)) },
  ]);
  return { tensors: Object.fromEntries(tensors), metadata: Object.fromEntries(metadata) };
}

/**
 * Writes a safetensors file: the same content gives the same bytes, in the tensor order of the reference library.
 * @throws InputError when an array does not fit its shape or element type, or is named `__metadata__`
 */
export function writeSafetensors(file: SafetensorsFile): Uint8Array {
  const header: [string, unknown][] = [];
  const metadata = Object.entries(file.metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  if (metadata.length > 0) header.push(["__metadata__", Object.fromEntries(metadata)]);
  const listed = Object.entries(file.tensors).sort(
    ([a, left], [b, right]) => typeOrder.indexOf(right.dtype) - typeOrder.indexOf(left.dtype) || (a < b ? -1 : 1),
  );
  let size = 0;
  for (const [name, array] of listed) {
    if (name === "__metadata__") throw new InputError(`${FORMAT}: a tensor cannot be named __metadata__`);
    requireArray(FORMAT, show(name), array);
    const bytes = array.data.length * elementBytes[array.dtype];
    header.push([name, { dtype: names[array.dtype], shape: [...array.shape], data_offsets: [size, size + bytes] }]);
    size += bytes;
  }
  // Entries one by one: an object would move integer-like names ("0") to the front, and the file order with them.
  let text = `{${header.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",")}}`;
  let head = new TextEncoder().encode(text);
  text += " ".repeat((8 - (head.length % 8)) % 8);
  head = new TextEncoder().encode(text);
  const out = new Uint8Array(8 + head.length + size);
  new DataView(out.buffer).setBigUint64(0, BigInt(head.length), true);
  out.set(head, 8);
  let at = 8 + head.length;
  for (const [, array] of listed) {
    const bytes = encodeElements(array);
    out.set(bytes, at);
    at += bytes.length;
  }
  return out;
}

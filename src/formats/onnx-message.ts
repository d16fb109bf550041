/** Messages to bytes and back, by schema, over the wire reader and writer of the protobuf library. */
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { FormatError } from "../core/index.js";
import type { FieldKind, FieldSchema, MessageSchema } from "./onnx-schema.js";

/** A decoded message: a field that is absent is missing, a list that is absent is missing too. */
export type Message = Record<string, unknown>;

const FORMAT = "onnx";
/** Graphs inside attributes inside graphs: more levels than any real model. */
const MAX_DEPTH = 32;

/**
 * Reads a message. Nothing is copied: bytes are views into the file, and no length is believed before it is checked against it.
 * @throws FormatError when the bytes are no such message
 */
export function readMessage(bytes: Uint8Array, schema: MessageSchema): Message {
  try {
    const reader = new BinaryReader(bytes);
    return read(reader, bytes.length, schema, 0);
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError(
      FORMAT,
      `the file is damaged or is no ONNX model: ${(error instanceof Error ? error.message : String(error)).replace(/^cant /, "cannot ")}`,
    );
  }
}

const byNumber = new WeakMap<MessageSchema, Map<number, [string, FieldSchema]>>();
function fieldsOf(schema: MessageSchema): Map<number, [string, FieldSchema]> {
  let found = byNumber.get(schema);
  if (!found) {
    found = new Map(Object.entries(schema).map(([name, field]) => [field.no, [name, field]]));
    byNumber.set(schema, found);
  }
  return found;
}

function read(reader: BinaryReader, end: number, schema: MessageSchema, depth: number): Message {
  if (depth > MAX_DEPTH) throw new FormatError(FORMAT, `messages are nested more than ${MAX_DEPTH} deep`);
  const fields = fieldsOf(schema);
  const message: Message = {};
  while (reader.pos < end) {
    const [no, wire] = reader.tag();
    const known = fields.get(no);
    if (!known) {
      reader.skip(wire, no);
      continue;
    }
    const [name, { kind, list }] = known;
    if (list && wire === WireType.LengthDelimited && isNumber(kind)) {
      message[name] = packed(reader, kind, message[name] as ArrayLike<number> | undefined);
      continue;
    }
    requireWire(name, wire, kind);
    const value = typeof kind === "function" ? nested(reader, end, kind(), depth) : scalar(reader, kind);
    if (!list) message[name] = value;
    else {
      const items = message[name];
      if (Array.isArray(items)) items.push(value);
      else message[name] = items === undefined ? [value] : [...(items as Float32Array), value];
    }
  }
  if (reader.pos !== end) throw new FormatError(FORMAT, `a message ends at byte ${reader.pos}, past its own length (byte ${end})`);
  return message;
}

function nested(reader: BinaryReader, end: number, schema: MessageSchema, depth: number): Message {
  const length = reader.uint32();
  if (reader.pos + length > end)
    throw new FormatError(FORMAT, `a message at byte ${reader.pos} claims ${length} bytes, ${end - reader.pos} are left`);
  return read(reader, reader.pos + length, schema, depth + 1);
}

const isNumber = (kind: FieldKind): kind is "int32" | "int64" | "uint64" | "float" | "double" =>
  typeof kind === "string" && kind !== "string" && kind !== "bytes";

const wires = {
  int32: WireType.Varint,
  int64: WireType.Varint,
  uint64: WireType.Varint,
  float: WireType.Bit32,
  double: WireType.Bit64,
  string: WireType.LengthDelimited,
  bytes: WireType.LengthDelimited,
};

function requireWire(name: string, wire: WireType, kind: FieldKind): void {
  const expected = typeof kind === "function" ? WireType.LengthDelimited : wires[kind];
  if (wire !== expected) throw new FormatError(FORMAT, `the field "${name}" is stored as wire type ${wire}, expected ${expected}`);
}

/** 64-bit integers become numbers: sizes, axes and slice ends, where a value past 2^53 only means "very large". */
function scalar(reader: BinaryReader, kind: Exclude<FieldKind, () => MessageSchema>): number | string | Uint8Array {
  switch (kind) {
    case "int32":
      return reader.int32();
    case "int64":
      return Number(reader.int64());
    case "uint64":
      return Number(reader.uint64());
    case "float":
      return reader.float();
    case "double":
      return reader.double();
    case "string":
      return reader.string();
    case "bytes":
      return reader.bytes();
  }
}

/** A packed list of numbers, after those already read. Floats go straight into a typed array. */
function packed(
  reader: BinaryReader,
  kind: "int32" | "int64" | "uint64" | "float" | "double",
  before: ArrayLike<number> | undefined,
): ArrayLike<number> {
  const bytes = reader.bytes();
  if (kind === "float" && before === undefined) {
    if (bytes.length % 4 !== 0) throw new FormatError(FORMAT, `${bytes.length} bytes are no whole number of floats`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  }
  const values = before === undefined ? [] : Array.from(before);
  const inner = new BinaryReader(bytes);
  while (inner.pos < bytes.length) values.push(scalar(inner, kind) as number);
  return values;
}

/** The bytes of a message. Fields in the order of the schema; a missing field or an empty list takes no bytes. */
export function writeMessage(message: Message, schema: MessageSchema): Uint8Array {
  const writer = new BinaryWriter();
  write(writer, message, schema);
  return writer.finish();
}

function write(writer: BinaryWriter, message: Message, schema: MessageSchema): void {
  for (const [name, { no, kind, list }] of Object.entries(schema)) {
    const value = message[name];
    if (value === undefined) continue;
    if (list && isNumber(kind)) {
      const values = value as ArrayLike<number>;
      if (values.length === 0) continue;
      writer.tag(no, WireType.LengthDelimited).fork();
      for (let i = 0; i < values.length; i++) put(writer, kind, values[i]!);
      writer.join();
      continue;
    }
    for (const item of list ? (value as readonly unknown[]) : [value]) {
      if (typeof kind === "function") {
        writer.tag(no, WireType.LengthDelimited).fork();
        write(writer, item as Message, kind());
        writer.join();
      } else put(writer.tag(no, wires[kind]), kind, item);
    }
  }
}

function put(writer: BinaryWriter, kind: Exclude<FieldKind, () => MessageSchema>, value: unknown): void {
  if (kind === "int64" || kind === "uint64") writer[kind](wide(value as number));
  else if (kind === "string") writer.string(value as string);
  else if (kind === "bytes") writer.bytes(value as Uint8Array);
  else writer[kind](value as number);
}

/** Numbers at the rim of 64 bits, as read from a file, saturate. */
const wide = (value: number): bigint => {
  if (value >= 2 ** 63) return 2n ** 63n - 1n;
  return BigInt(Math.trunc(value));
};

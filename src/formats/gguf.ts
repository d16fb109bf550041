/**
 * GGUF weights: header, key-value metadata, tensor table, aligned data. Quantised blocks are widened to float32.
 * https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3)
 */
import { FormatError, type Tree } from "../core/index.js";
import { checkedSize, type NamedArray } from "./array.js";
import { blockTypes } from "./gguf-blocks.js";

/** A metadata value. 64-bit integers past 2^53 stay bigint. */
export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];

/** A tensor of a file, before its data are decoded. */
export interface GgufTensor {
  readonly name: string;
  /** Row-major, outermost first (the file lists them innermost first). */
  readonly shape: readonly number[];
  /** `F32`, `F16`, `BF16`, `Q8_0`, `Q4_K`, ... */
  readonly type: string;
  /** The stored bytes, a view into the file. */
  readonly bytes: Uint8Array;
}

/** A file in memory. */
export interface GgufFile {
  readonly version: number;
  readonly metadata: Tree<GgufValue>;
  readonly tensors: Tree<GgufTensor>;
}

const FORMAT = "gguf";
const MAX_ITEMS = 2 ** 24;

/** A cursor whose every step is checked against the file. */
class Cursor {
  at = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  private step(count: number): number {
    const from = this.at;
    if (!(from + count <= this.bytes.length))
      throw new FormatError(FORMAT, `the file ends at byte ${this.bytes.length}, expected ${count} bytes at ${from}`);
    this.at += count;
    return from;
  }

  u8 = (): number => this.view.getUint8(this.step(1));
  i8 = (): number => this.view.getInt8(this.step(1));
  u16 = (): number => this.view.getUint16(this.step(2), true);
  i16 = (): number => this.view.getInt16(this.step(2), true);
  u32 = (): number => this.view.getUint32(this.step(4), true);
  i32 = (): number => this.view.getInt32(this.step(4), true);
  f32 = (): number => this.view.getFloat32(this.step(4), true);
  f64 = (): number => this.view.getFloat64(this.step(8), true);
  u64 = (): bigint => this.view.getBigUint64(this.step(8), true);
  i64 = (): bigint => this.view.getBigInt64(this.step(8), true);

  /** A length or offset. */
  size(what: string): number {
    const value = this.u64();
    if (value > 2n ** 53n) throw new FormatError(FORMAT, `${what} at byte ${this.at - 8} is ${value}`);
    return Number(value);
  }

  text(what: string): string {
    const length = this.size(`the length of ${what}`);
    const from = this.step(length);
    return new TextDecoder().decode(this.bytes.subarray(from, from + length));
  }
}

const whole = (value: bigint): number | bigint => (value >= -(2n ** 53n) && value <= 2n ** 53n ? Number(value) : value);

function metadataValue(c: Cursor, type: number, depth: number): GgufValue {
  switch (type) {
    case 0:
      return c.u8();
    case 1:
      return c.i8();
    case 2:
      return c.u16();
    case 3:
      return c.i16();
    case 4:
      return c.u32();
    case 5:
      return c.i32();
    case 6:
      return c.f32();
    case 7:
      return c.u8() !== 0;
    case 8:
      return c.text("a metadata string");
    case 9: {
      if (depth > 4) throw new FormatError(FORMAT, `metadata arrays are nested more than 4 deep at byte ${c.at}`);
      const inner = c.u32();
      const count = c.size("the length of a metadata array");
      if (count > MAX_ITEMS) throw new FormatError(FORMAT, `a metadata array claims ${count} items, at most ${MAX_ITEMS} are read`);
      const items: GgufValue[] = [];
      for (let i = 0; i < count; i++) items.push(metadataValue(c, inner, depth + 1));
      return items;
    }
    case 10:
      return whole(c.u64());
    case 11:
      return whole(c.i64());
    case 12:
      return c.f64();
    default:
      throw new FormatError(FORMAT, `metadata of type ${type} at byte ${c.at}, expected 0 to 12`);
  }
}

/**
 * Reads a GGUF file: metadata and the table of tensors, whose data stay views into the file.
 * @throws FormatError when it is damaged, big-endian or of another version, or a tensor lies outside the file
 */
export function readGguf(bytes: Uint8Array): GgufFile {
  const c = new Cursor(bytes);
  if (c.u32() !== 0x46554747) throw new FormatError(FORMAT, "the file does not begin with GGUF");
  const version = c.u32();
  if (version !== 2 && version !== 3) throw new FormatError(FORMAT, `version ${version}, expected 2 or 3 (little-endian)`);
  const count = c.size("the number of tensors");
  const keys = c.size("the number of metadata keys");
  const metadata: Record<string, GgufValue> = {};
  for (let i = 0; i < keys; i++) {
    const key = c.text("a metadata key");
    Object.defineProperty(metadata, key, {
      value: metadataValue(c, c.u32(), 0),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  const table: { name: string; shape: number[]; type: number; offset: number }[] = [];
  for (let i = 0; i < count; i++) {
    const name = c.text("a tensor name");
    const rank = c.u32();
    if (rank > 8) throw new FormatError(FORMAT, `the tensor "${name.slice(0, 80)}" has ${rank} dims, at most 8 are read`);
    const dims: number[] = [];
    for (let d = 0; d < rank; d++) dims.push(c.size("a dim"));
    table.push({ name, shape: dims.reverse(), type: c.u32(), offset: c.size("a tensor offset") });
  }
  const stated = metadata["general.alignment"];
  const alignment = stated === undefined ? 32 : stated;
  if (typeof alignment !== "number" || alignment < 1 || alignment > 2 ** 20 || !Number.isInteger(alignment))
    throw new FormatError(FORMAT, `general.alignment is ${String(alignment)}, expected a positive integer`);
  const base = Math.ceil(c.at / alignment) * alignment;
  const tensors: Record<string, GgufTensor> = {};
  for (const { name, shape, type, offset } of table) {
    const what = `the tensor "${name.slice(0, 80)}"`;
    if (Object.hasOwn(tensors, name)) throw new FormatError(FORMAT, `${what} is there twice`);
    const form = blockTypes[type];
    if (!form)
      throw new FormatError(
        FORMAT,
        `${what} has the type ${type}; read are ${Object.values(blockTypes)
          .map((t) => t.name)
          .join(", ")}`,
      );
    const size = checkedSize(FORMAT, what, shape);
    if (size % form.elements !== 0 || (shape.length > 0 && shape.at(-1)! % form.elements !== 0)) {
      throw new FormatError(
        FORMAT,
        `${what} [${shape.join(", ")}] of ${form.name} has rows that are no multiple of ${form.elements} elements`,
      );
    }
    const length = (size / form.elements) * form.bytes;
    if (!(base + offset + length <= bytes.length))
      throw new FormatError(
        FORMAT,
        `${what} lies at bytes ${base + offset} to ${base + offset + length}, the file has ${bytes.length}`,
      );
    Object.defineProperty(tensors, name, {
      value: { name, shape, type: form.name, bytes: bytes.subarray(base + offset, base + offset + length) },
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return { version, metadata, tensors };
}

/** A tensor as float32, whatever its stored type. @throws FormatError for a type that is not read */
export function decodeGguf(tensor: GgufTensor): NamedArray<"f32"> {
  const form = Object.values(blockTypes).find((t) => t.name === tensor.type);
  if (!form) throw new FormatError(FORMAT, `the type ${tensor.type} is not read`);
  const blocks = tensor.bytes.length / form.bytes;
  const data = new Float32Array(blocks * form.elements);
  const view = new DataView(tensor.bytes.buffer, tensor.bytes.byteOffset, tensor.bytes.byteLength);
  for (let b = 0; b < blocks; b++) form.decode(view, b * form.bytes, data, b * form.elements);
  return { dtype: "f32", shape: tensor.shape, data };
}

/** All tensors of a file as float32 arrays by name. @throws FormatError when the file is damaged */
export function loadGguf(bytes: Uint8Array): { tensors: Tree<NamedArray<"f32">>; metadata: Tree<GgufValue> } {
  const file = readGguf(bytes);
  return {
    tensors: Object.fromEntries(Object.entries(file.tensors).map(([name, t]) => [name, decodeGguf(t)])),
    metadata: file.metadata,
  };
}

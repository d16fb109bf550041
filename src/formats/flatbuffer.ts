/**
 * Reading FlatBuffers with every offset checked. The official runtime reads past the end without notice, which a damaged file
 * would exploit; tests build files with its writer. https://flatbuffers.dev/internals
 */
import { FormatError } from "../core/index.js";

/** A table in a buffer. Fields are numbered from 0 in the order of the schema. */
export class FlatTable {
  private readonly vtable: number;
  private readonly fields: number;

  constructor(
    private readonly view: DataView,
    private readonly at: number,
    private readonly format: string,
  ) {
    if (at < 0 || at + 4 > view.byteLength) this.fail(`a table at byte ${at}`);
    this.vtable = at - view.getInt32(at, true);
    if (this.vtable < 0 || this.vtable + 4 > view.byteLength) this.fail(`a vtable at byte ${this.vtable}`);
    const size = view.getUint16(this.vtable, true);
    if (size < 4 || this.vtable + size > view.byteLength) this.fail(`a vtable of ${size} bytes at byte ${this.vtable}`);
    this.fields = (size - 4) >> 1;
  }

  private fail(what: string): never {
    throw new FormatError(this.format, `${what} lies outside the file of ${this.view.byteLength} bytes`);
  }

  /** Byte position of a field's `width` bytes, or undefined when it is absent. */
  private place(field: number, width: number): number | undefined {
    if (field >= this.fields) return undefined;
    const offset = this.view.getUint16(this.vtable + 4 + 2 * field, true);
    if (offset === 0) return undefined;
    const place = this.at + offset;
    if (place + width > this.view.byteLength) this.fail(`field ${field} at byte ${place}`);
    return place;
  }

  int8(field: number, byDefault = 0): number {
    const at = this.place(field, 1);
    return at === undefined ? byDefault : this.view.getInt8(at);
  }

  int32(field: number, byDefault = 0): number {
    const at = this.place(field, 4);
    return at === undefined ? byDefault : this.view.getInt32(at, true);
  }

  uint32(field: number, byDefault = 0): number {
    const at = this.place(field, 4);
    return at === undefined ? byDefault : this.view.getUint32(at, true);
  }

  /** An unsigned 64-bit integer; past 2^53 it is no longer exact. */
  uint64(field: number): number {
    const at = this.place(field, 8);
    return at === undefined ? 0 : Number(this.view.getBigUint64(at, true));
  }

  float32(field: number, byDefault = 0): number {
    const at = this.place(field, 4);
    return at === undefined ? byDefault : this.view.getFloat32(at, true);
  }

  private follow(place: number): number {
    const to = place + this.view.getUint32(place, true);
    if (to + 4 > this.view.byteLength) this.fail(`an offset to byte ${to}`);
    return to;
  }

  /** A table that a field points to. */
  table(field: number): FlatTable | undefined {
    const at = this.place(field, 4);
    return at === undefined ? undefined : new FlatTable(this.view, this.follow(at), this.format);
  }

  /** First byte and length of a vector of elements of `width` bytes, wholly inside the file. */
  private vector(field: number, width: number): { start: number; count: number } | undefined {
    const at = this.place(field, 4);
    if (at === undefined) return undefined;
    const to = this.follow(at);
    const count = this.view.getUint32(to, true);
    if (to + 4 + count * width > this.view.byteLength) this.fail(`a list of ${count} elements at byte ${to}`);
    return { start: to + 4, count };
  }

  bytes(field: number): Uint8Array | undefined {
    const found = this.vector(field, 1);
    return found && new Uint8Array(this.view.buffer, this.view.byteOffset + found.start, found.count);
  }

  text(field: number): string {
    return new TextDecoder().decode(this.bytes(field) ?? new Uint8Array());
  }

  /** A list of numbers: element width in bytes and how to read one. */
  private list(field: number, width: number, read: (at: number) => number): number[] | undefined {
    const found = this.vector(field, width);
    return found && Array.from({ length: found.count }, (_, i) => read(found.start + i * width));
  }

  int32s = (field: number): number[] | undefined => this.list(field, 4, (at) => this.view.getInt32(at, true));
  uint16s = (field: number): number[] | undefined => this.list(field, 2, (at) => this.view.getUint16(at, true));
  uint8s = (field: number): number[] | undefined => this.list(field, 1, (at) => this.view.getUint8(at));
  int64s = (field: number): number[] | undefined => this.list(field, 8, (at) => Number(this.view.getBigInt64(at, true)));
  float32s = (field: number): number[] | undefined => this.list(field, 4, (at) => this.view.getFloat32(at, true));

  /** A list of tables. */
  tables(field: number): FlatTable[] {
    const found = this.vector(field, 4);
    if (!found) return [];
    return Array.from({ length: found.count }, (_, i) => new FlatTable(this.view, this.follow(found.start + 4 * i), this.format));
  }
}

/** The root table of a buffer. @throws FormatError when the buffer is too short or its identifier differs */
export function flatRoot(format: string, bytes: Uint8Array, identifier: string): FlatTable {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = String.fromCharCode(...bytes.subarray(4, 8));
  if (bytes.length < 12 || found !== identifier)
    throw new FormatError(format, `expected the identifier ${identifier} at byte 4, got ${JSON.stringify(found)}`);
  return new FlatTable(view, view.getUint32(0, true), format);
}

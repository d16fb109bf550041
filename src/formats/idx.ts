/** The idx files of MNIST, big-endian, plain or gzipped: http://yann.lecun.com/exdb/mnist/ */
import { FormatError, InputError } from "../core/index.js";
import {
  checkedSize,
  decodeElements,
  type ElementType,
  elementBytes,
  encodeElements,
  type NamedArray,
  requireArray,
} from "./array.js";
import { gunzip, isGzip } from "./gzip.js";

const FORMAT = "idx";
const types: Readonly<Record<number, ElementType>> = { 8: "u8", 9: "i8", 11: "i16", 12: "i32", 13: "f32", 14: "f64" };

/**
 * Reads an idx file; a gzipped one is decompressed first.
 * @param limit  largest decompressed size; default 2^31 - 1 bytes
 * @throws FormatError when the magic, the type or a length does not fit the bytes present
 */
export function readIdx(bytes: Uint8Array, limit?: number): NamedArray {
  const plain = isGzip(bytes) ? gunzip(bytes, limit) : bytes;
  if (plain.length < 4)
    throw new FormatError(FORMAT, `${plain.length} bytes are too few for the magic number: the file is truncated`);
  const [zero, zero2, code, rank] = plain as unknown as [number, number, number, number];
  const dtype = types[code];
  if (zero !== 0 || zero2 !== 0 || dtype === undefined || rank === 0) {
    throw new FormatError(
      FORMAT,
      `magic ${[zero, zero2, code, rank].join(" ")}, expected 0 0, a type of ${Object.keys(types).join(", ")}, and 1 or more dimensions`,
    );
  }
  const start = 4 + 4 * rank;
  if (plain.length < start)
    throw new FormatError(FORMAT, `${rank} dimensions end at byte ${start}, the file at ${plain.length}: the file is truncated`);
  const view = new DataView(plain.buffer, plain.byteOffset, start);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const expected = checkedSize(FORMAT, "the array", shape) * elementBytes[dtype];
  if (plain.length - start !== expected) {
    throw new FormatError(FORMAT, `${plain.length - start} bytes of data, but ${dtype} [${shape.join(", ")}] takes ${expected}`);
  }
  return { dtype, shape, data: decodeElements(FORMAT, dtype, plain.subarray(start), false) };
}

/** Writes an idx file (not gzipped). @throws InputError when the type is none of idx's, or the data does not fit the shape */
export function writeIdx(array: NamedArray): Uint8Array {
  requireArray(FORMAT, "the array", array);
  const code = Object.keys(types).find((key) => types[Number(key)] === array.dtype);
  const { shape } = array;
  if (code === undefined) throw new InputError(`${FORMAT}: the element type ${array.dtype} has no idx code`);
  if (shape.length < 1 || shape.length > 255 || shape.some((dim) => dim > 0xffffffff))
    throw new InputError(`${FORMAT}: cannot hold the shape [${shape.join(", ")}]`);
  const data = encodeElements(array);
  const width = elementBytes[array.dtype];
  if (width > 1) for (let at = 0; at < data.length; at += width) data.subarray(at, at + width).reverse();
  const out = new Uint8Array(4 + 4 * shape.length + data.length);
  const view = new DataView(out.buffer);
  out.set([0, 0, Number(code), shape.length]);
  shape.forEach((dim, i) => {
    view.setUint32(4 + 4 * i, dim);
  });
  out.set(data, 4 + 4 * shape.length);
  return out;
}

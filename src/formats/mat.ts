/**
 * MATLAB's level 5 MAT files, numeric arrays of them: "MAT-File Format", MathWorks, chapter 1. Read only. No library with a free licence
 * reads them in TypeScript.
 */
import { FormatError, show, type Tree } from "../core/index.js";
import { checkedSize, decodeElements, type Elements, type ElementType, elementBytes, type NamedArray } from "./array.js";
import { adler32, inflateExact, inflateStart } from "./gzip.js";
import { rowMajor } from "./npy.js";

/** A numeric array; complex ones have an imaginary part of the same type and shape. */
export type MatArray = NamedArray & { readonly imaginary?: Elements };

/** The numeric arrays of a file, and the names of what it holds besides. */
export interface MatFile {
  readonly arrays: Tree<MatArray>;
  /** Cells, structures, objects, functions and sparse arrays, which are not read. */
  readonly skipped: readonly { readonly name: string; readonly kind: string }[];
}

const FORMAT = "mat";
/** Storage types, chapter 1, table 1-1. */
const storage: Readonly<Record<number, ElementType>> = {
  1: "i8",
  2: "u8",
  3: "i16",
  4: "u16",
  5: "i32",
  6: "u32",
  7: "f32",
  9: "f64",
  12: "i64",
  13: "u64",
  16: "u8",
  17: "u16",
};
const MATRIX = 14;
const COMPRESSED = 15;
/** Array classes, chapter 1, table 1-3; characters are read as their UTF-16 codes. */
const classes: Readonly<Record<number, ElementType>> = {
  4: "u16",
  6: "f64",
  7: "f32",
  8: "i8",
  9: "u8",
  10: "i16",
  11: "u16",
  12: "i32",
  13: "u32",
  14: "i64",
  15: "u64",
};
const otherClasses: Readonly<Record<number, string>> = {
  1: "cell",
  2: "structure",
  3: "object",
  5: "sparse",
  16: "function",
  17: "object",
};

interface Element {
  type: number;
  data: Uint8Array;
  /** Offset behind the element and its padding. */
  next: number;
}

/** One tagged element at `at`. Tags of at most four bytes of data hold the length in their upper half. */
function readElement(bytes: Uint8Array, at: number, little: boolean, place: string): Element {
  if (at + 8 > bytes.length) throw new FormatError(FORMAT, `${place}: an element at byte ${at} is cut off: the file is truncated`);
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 8);
  const first = view.getUint32(0, little);
  const small = first >>> 16;
  if (small > 0) {
    if (small > 4) throw new FormatError(FORMAT, `${place}: a small element of ${small} bytes at byte ${at}, expected at most 4`);
    return { type: first & 0xffff, data: bytes.subarray(at + 4, at + 4 + small), next: at + 8 };
  }
  const size = view.getUint32(4, little);
  const end = at + 8 + size;
  if (end > bytes.length)
    throw new FormatError(
      FORMAT,
      `${place}: the element at byte ${at} ends at ${end}, the data at ${bytes.length}: truncated or lying`,
    );
  // Compressed elements are not padded.
  const next = first === COMPRESSED ? end : at + 8 + Math.ceil(size / 8) * 8;
  return { type: first, data: bytes.subarray(at + 8, end), next };
}

/** The numbers of a storage element as the array type of their class; files store doubles that fit as bytes. */
function readPart(element: Element, dtype: ElementType, count: number, little: boolean, place: string): Elements {
  const stored = storage[element.type];
  if (stored === undefined) throw new FormatError(FORMAT, `${place}: storage type ${element.type} is not supported`);
  if (element.data.length !== count * elementBytes[stored]) {
    throw new FormatError(FORMAT, `${place}: ${element.data.length} bytes of ${stored} for ${count} elements`);
  }
  const data = decodeElements(FORMAT, dtype === "bool" && stored === "u8" ? dtype : stored, element.data, little);
  if (stored === dtype || (stored === "u8" && dtype === "bool")) return data;
  const big = (kind: ElementType) => kind === "i64" || kind === "u64";
  if (big(stored) !== big(dtype)) throw new FormatError(FORMAT, `${place}: ${dtype} stored as ${stored} is not supported`);
  const { data: out } = { data: decodeElements(FORMAT, dtype, new Uint8Array(count * elementBytes[dtype])) };
  (out as Float64Array).set(data as Float64Array);
  return out;
}

function readMatrix(bytes: Uint8Array, little: boolean): { name: string; kind?: string; array?: MatArray } {
  const flags = readElement(bytes, 0, little, "array");
  if (flags.type !== 6 || flags.data.length !== 8) throw new FormatError(FORMAT, "an array does not begin with its flags");
  const word = new DataView(flags.data.buffer, flags.data.byteOffset, 8).getUint32(0, little);
  const dims = readElement(bytes, flags.next, little, "array");
  if (word % 256 === 17) return { name: "", kind: "object" };
  const label = readElement(bytes, dims.next, little, "array");
  const name = new TextDecoder("latin1").decode(label.data);
  const place = `array ${show(name)}`;
  const dtype = (word >>> 9) & 1 ? "bool" : classes[word & 255];
  if (dtype === undefined || otherClasses[word & 255]) {
    const kind = otherClasses[word & 255];
    if (kind === undefined) throw new FormatError(FORMAT, `${place}: unknown class ${word & 255}`);
    return { name, kind };
  }
  if (dims.type !== 5 || dims.data.length < 8) throw new FormatError(FORMAT, `${place}: its dimensions are not two or more int32`);
  const shape = Array.from(decodeElements(FORMAT, "i32", dims.data, little));
  const count = checkedSize(FORMAT, place, shape);
  const real = readElement(bytes, label.next, little, place);
  let end = real.next;
  const part = (element: Element) => rowMajor(readPart(element, dtype, count, little, place), shape);
  const array = { dtype, shape, data: part(real) } as MatArray;
  if (!((word >>> 11) & 1)) return { name, array: closed(array, end, bytes, place) };
  const imaginary = readElement(bytes, end, little, place);
  end = imaginary.next;
  return { name, array: closed({ ...array, imaginary: part(imaginary) }, end, bytes, place) };
}

function closed(array: MatArray, end: number, bytes: Uint8Array, place: string): MatArray {
  if (end < bytes.length) throw new FormatError(FORMAT, `${place}: ${bytes.length - end} bytes follow its data`);
  return array;
}

/** The one element inside a zlib stream, whose own tag says how long it is. */
function inflateElement(data: Uint8Array, little: boolean, limit: number): Uint8Array {
  if (data.length < 6 || (data[0]! & 15) !== 8 || (data[0]! * 256 + data[1]!) % 31 !== 0 || data[1]! & 32) {
    throw new FormatError(FORMAT, "a compressed element is no zlib stream");
  }
  const body = data.subarray(2, -4);
  const tag = inflateStart(body, 8);
  if (tag.length < 8) throw new FormatError(FORMAT, "a compressed element is broken");
  const size = 8 + new DataView(tag.buffer, tag.byteOffset, 8).getUint32(4, little);
  const sum = new DataView(data.buffer, data.byteOffset + data.length - 4, 4).getUint32(0);
  return inflateExact(FORMAT, body, size, sum, limit, adler32);
}

/**
 * Reads the numeric arrays of a level 5 MAT file (MATLAB 5 to 7, `save -v7` and earlier), row-major.
 * @param limit  largest total of decompressed bytes; default 2^31 - 1
 * @throws FormatError when the file is truncated, damaged or of another level (7.3 files are HDF5), or an array lies about its size
 */
export function readMat(bytes: Uint8Array, limit = 0x7fffffff): MatFile {
  if (bytes.length < 128)
    throw new FormatError(FORMAT, `${bytes.length} bytes are too few for the header of 128: the file is truncated`);
  const order = new TextDecoder("latin1").decode(bytes.subarray(126, 128));
  if (order !== "IM" && order !== "MI")
    throw new FormatError(FORMAT, `the byte order mark is ${show(order)}, expected "IM" or "MI": not a level 5 MAT file`);
  const little = order === "IM";
  const version = new DataView(bytes.buffer, bytes.byteOffset + 124, 2).getUint16(0, little);
  if (version !== 0x0100)
    throw new FormatError(FORMAT, `version ${version.toString(16)}, expected 100; save 7.3 files again with -v7`);
  const arrays = new Map<string, MatArray>();
  const skipped: { name: string; kind: string }[] = [];
  let left = limit;
  for (let at = 128; at < bytes.length; ) {
    let element = readElement(bytes, at, little, "file");
    if (element.next > bytes.length)
      throw new FormatError(FORMAT, "the padding of the last element is missing: the file is truncated");
    at = element.next;
    if (element.type === COMPRESSED) {
      const inner = inflateElement(element.data, little, left);
      left -= inner.length;
      element = readElement(inner, 0, little, "compressed element");
      if (element.next !== inner.length) throw new FormatError(FORMAT, "bytes follow the array inside a compressed element");
    }
    if (element.type !== MATRIX) throw new FormatError(FORMAT, `the element of type ${element.type} before byte ${at} is no array`);
    const { name, kind, array } = readMatrix(element.data, little);
    if (kind !== undefined) skipped.push({ name, kind });
    else if (arrays.has(name)) throw new FormatError(FORMAT, `the array ${show(name)} comes twice`);
    else arrays.set(name, array!);
  }
  return { arrays: Object.fromEntries(arrays), skipped };
}

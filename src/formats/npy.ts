/** NumPy's npy files, versions 1 to 3: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
import { FormatError, InputError, show } from "../core/index.js";
import {
  checkedSize,
  decodeElements,
  type ElementType,
  elementBytes,
  encodeElements,
  type NamedArray,
  requireArray,
} from "./array.js";

const FORMAT = "npy";
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

const codes: Readonly<Record<Exclude<ElementType, "bf16">, string>> = {
  f64: "f8",
  f32: "f4",
  f16: "f2",
  i64: "i8",
  u64: "u8",
  i32: "i4",
  u32: "u4",
  i16: "i2",
  u16: "u2",
  i8: "i1",
  u8: "u1",
  bool: "b1",
};
const types = new Map(Object.entries(codes).map(([type, code]) => [code, type as ElementType]));

/** The header is a Python dict literal; NumPy writes exactly these three keys, each once, in any order. */
function readDict(text: string): { descr: string; fortran: boolean; shape: number[] } {
  const body = /^\{(.*)\}\s*$/s.exec(text.trim())?.[1];
  const found = new Map<string, string>();
  let rest = body ?? "";
  for (const item = /^\s*(['"])(\w+)\1\s*:\s*('[^']*'|"[^"]*"|True|False|\([\d\s,L]*\))\s*(?:,|$)/; ; ) {
    const match = item.exec(rest);
    if (!match) break;
    if (found.has(match[2]!)) throw new FormatError(FORMAT, `the header gives ${match[2]} twice`);
    found.set(match[2]!, match[3]!);
    rest = rest.slice(match[0].length);
  }
  const [descr, order, shape] = [found.get("descr"), found.get("fortran_order"), found.get("shape")];
  if (body === undefined || rest.trim() !== "" || found.size !== 3 || !descr || !order || !shape) {
    throw new FormatError(
      FORMAT,
      `expected a header { 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }, got ${show(text.trim())}`,
    );
  }
  if (!/^['"]/.test(descr) || !/^(True|False)$/.test(order) || !/^\(\s*(\d+L?\s*,\s*)*(\d+L?\s*)?\)$/.test(shape)) {
    throw new FormatError(
      FORMAT,
      `descr, fortran_order or shape is of the wrong kind in ${show(text.trim())}; structured types are not supported`,
    );
  }
  const dims = (shape.match(/\d+/g) ?? []).map(Number);
  return { descr: descr.slice(1, -1), fortran: order === "True", shape: dims };
}

/** Row-major copy of column-major data of a row-major `shape`. */
export function rowMajor<T extends NamedArray["data"]>(data: T, shape: readonly number[]): T {
  const out = data.slice() as T;
  const strides: number[] = [];
  let stride = 1;
  for (const dim of shape) {
    strides.push(stride);
    stride *= dim;
  }
  const at = shape.map(() => 0);
  for (let i = 0, from = 0; i < data.length; i++) {
    out[i] = data[from]!;
    for (let d = shape.length - 1; d >= 0; d--) {
      from += strides[d]!;
      if (++at[d]! < shape[d]!) break;
      from -= strides[d]! * shape[d]!;
      at[d] = 0;
    }
  }
  return out;
}

/**
 * Reads one npy file; big-endian and Fortran-ordered data come back little-endian and row-major.
 * @throws FormatError when the file is truncated, longer than its shape says, or of an element type without a typed array
 */
export function readNpy(bytes: Uint8Array): NamedArray {
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) throw new FormatError(FORMAT, "the file does not begin with \\x93NUMPY");
  const version = bytes[6];
  if (version !== 1 && version !== 2 && version !== 3)
    throw new FormatError(FORMAT, `version ${version ?? "missing"}, expected 1, 2 or 3`);
  const lengthEnd = version === 1 ? 10 : 12;
  if (bytes.length < lengthEnd) throw new FormatError(FORMAT, "the header length is missing: the file is truncated");
  const view = new DataView(bytes.buffer, bytes.byteOffset, lengthEnd);
  const start = lengthEnd + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (start > bytes.length)
    throw new FormatError(FORMAT, `the header ends at byte ${start}, the file at ${bytes.length}: the file is truncated`);
  if (start - lengthEnd > 65536) throw new FormatError(FORMAT, `a header of ${start - lengthEnd} bytes, expected at most 65536`);
  const { descr, fortran, shape } = readDict(
    new TextDecoder(version === 3 ? "utf-8" : "latin1").decode(bytes.subarray(lengthEnd, start)),
  );
  const dtype = types.get(descr.slice(1));
  const order = descr[0]!;
  if (dtype === undefined || !"<>|=".includes(order)) {
    throw new FormatError(
      FORMAT,
      `element type ${show(descr)} is not supported, expected one of ${Object.values(codes).join(", ")} with < or >`,
    );
  }
  const expected = checkedSize(FORMAT, "the array", shape) * elementBytes[dtype];
  if (bytes.length - start !== expected) {
    throw new FormatError(FORMAT, `${bytes.length - start} bytes of data, but ${descr} [${shape.join(", ")}] takes ${expected}`);
  }
  const data = decodeElements(FORMAT, dtype, bytes.subarray(start), order !== ">");
  return { dtype, shape, data: fortran && shape.length > 1 ? rowMajor(data, shape) : data };
}

/**
 * Writes a version 1 npy file, little-endian and row-major: the bytes that `numpy.save` writes.
 * @throws InputError when the data does not fit its shape or type, or the type is bf16, which NumPy lacks
 */
export function writeNpy(array: NamedArray): Uint8Array {
  if (array.dtype === "bf16") throw new InputError("npy: NumPy has no bf16; convert to f32 or f16 first");
  requireArray(FORMAT, "the array", array);
  const code = codes[array.dtype];
  const order = elementBytes[array.dtype] === 1 ? "|" : "<";
  const shape = array.shape.length === 1 ? `(${array.shape[0]},)` : `(${array.shape.join(", ")})`;
  const dict = `{'descr': '${order}${code}', 'fortran_order': False, 'shape': ${shape}, }`;
  // NumPy leaves room for the first dimension to grow to 21 digits, then pads to 64 bytes with a newline at the end.
  const grow = array.shape.length > 0 ? Math.max(0, 21 - String(array.shape[0]).length) : 0;
  const padded = dict + " ".repeat(grow);
  const text = `${padded}${" ".repeat(63 - ((10 + padded.length) % 64))}\n`;
  if (text.length > 65535) throw new InputError(`npy: a shape of ${array.shape.length} dimensions does not fit the header`);
  const data = encodeElements(array);
  const out = new Uint8Array(10 + text.length + data.length);
  out.set([...MAGIC, 1, 0, text.length & 255, text.length >> 8]);
  out.set(new TextEncoder().encode(text), 10);
  out.set(data, 10 + text.length);
  return out;
}

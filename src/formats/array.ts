/** Plain named arrays: what every format reads into and writes from. */
import { FormatError, fromBfloat, fromHalf, InputError, sizeOf, toBfloat, toHalf } from "../core/index.js";

/** Element types that files store. f16 and bf16 are widened to float32 in memory, bool is 0 or 1 in bytes. */
export type ElementType = "f64" | "f32" | "f16" | "bf16" | "i64" | "u64" | "i32" | "u32" | "i16" | "u16" | "i8" | "u8" | "bool";

/** The typed array that holds each element type in memory. */
export type ElementsOf = {
  f64: Float64Array;
  f32: Float32Array;
  f16: Float32Array;
  bf16: Float32Array;
  i64: BigInt64Array;
  u64: BigUint64Array;
  i32: Int32Array;
  u32: Uint32Array;
  i16: Int16Array;
  u16: Uint16Array;
  i8: Int8Array;
  u8: Uint8Array;
  bool: Uint8Array;
};

/** Any of the typed arrays that hold elements. */
export type Elements = ElementsOf[ElementType];

/** One array of a file: its element type there, its shape, its data row-major. */
export interface NamedArray<E extends ElementType = ElementType> {
  readonly dtype: E;
  readonly shape: readonly number[];
  readonly data: ElementsOf[E];
}

/** Bytes per element in a file. */
export const elementBytes: Readonly<Record<ElementType, number>> = {
  f64: 8,
  f32: 4,
  f16: 2,
  bf16: 2,
  i64: 8,
  u64: 8,
  i32: 4,
  u32: 4,
  i16: 2,
  u16: 2,
  i8: 1,
  u8: 1,
  bool: 1,
};

const holders = {
  f64: Float64Array,
  f32: Float32Array,
  f16: Float32Array,
  bf16: Float32Array,
  i64: BigInt64Array,
  u64: BigUint64Array,
  i32: Int32Array,
  u32: Uint32Array,
  i16: Int16Array,
  u16: Uint16Array,
  i8: Int8Array,
  u8: Uint8Array,
  bool: Uint8Array,
} as const;

const hostIsLittle = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * The number of elements of a shape read from a file.
 * @throws FormatError when a dimension is no integer in [0, 2^53), or the product passes 2^53
 */
export function checkedSize(format: string, what: string, shape: readonly unknown[]): number {
  let product = 1;
  let empty = false;
  for (const dim of shape) {
    if (typeof dim !== "number" || !Number.isSafeInteger(dim) || dim < 0) {
      throw new FormatError(
        format,
        `${what}: the shape [${shape.join(", ")}] holds a dimension that is not a non-negative integer`,
      );
    }
    if (dim === 0) empty = true;
    else product *= dim;
    if (product > Number.MAX_SAFE_INTEGER)
      throw new FormatError(format, `${what}: the shape [${shape.join(", ")}] has more than 2^53 elements`);
  }
  return empty ? 0 : product;
}

/** A sparse tensor of few values may not claim memory without measure. */
const SMALL_DENSE = 2 ** 24;
const MOST_PER_VALUE = 4096;

/**
 * Bounds what expanding a sparse tensor allocates by what its file holds.
 * @throws FormatError when a large tensor has fewer than one stored value per 4,096 elements
 */
export function requireDensity(format: string, what: string, size: number, stored: number): void {
  if (size > Math.max(SMALL_DENSE, MOST_PER_VALUE * stored))
    throw new FormatError(
      format,
      `${what} has ${size} elements and only ${stored} stored values; expected at least one in ${MOST_PER_VALUE}`,
    );
}

function swapped(bytes: Uint8Array, width: number): Uint8Array {
  for (let at = 0; at < bytes.length; at += width) bytes.subarray(at, at + width).reverse();
  return bytes;
}

/**
 * Copies `bytes` (a whole number of elements, already checked against the file) into the typed array of `dtype`.
 * @param little the byte order of the file
 * @throws FormatError when a bool is neither 0 nor 1
 */
export function decodeElements<E extends ElementType>(format: string, dtype: E, bytes: Uint8Array, little = true): ElementsOf[E] {
  const width = elementBytes[dtype];
  if (bytes.length % width !== 0) throw new FormatError(format, `${bytes.length} bytes are no whole number of ${dtype} elements`);
  const own = new Uint8Array(bytes); // A copy; `slice` of a Node Buffer would be a view.
  if (width > 1 && little !== hostIsLittle) swapped(own, width);
  if (dtype === "f16" || dtype === "bf16") {
    const bits = new Uint16Array(own.buffer);
    const widen = dtype === "f16" ? fromHalf : fromBfloat;
    const out = new Float32Array(bits.length);
    // From 65,536 elements on, a table of every pattern costs less than widening each.
    const table = bits.length > 65536 ? Float32Array.from({ length: 65536 }, (_, pattern) => widen(pattern)) : null;
    for (let i = 0; i < bits.length; i++) out[i] = table ? table[bits[i]!]! : widen(bits[i]!);
    return out as ElementsOf[E];
  }
  if (dtype === "bool") {
    const bad = own.findIndex((value) => value > 1);
    if (bad >= 0) throw new FormatError(format, `element ${bad} of a bool array is ${own[bad]}, expected 0 or 1`);
  }
  return new holders[dtype](own.buffer) as ElementsOf[E];
}

/** The little-endian file bytes of an array; f16 and bf16 are rounded to nearest even. */
export function encodeElements(array: NamedArray): Uint8Array {
  const { dtype, data } = array;
  const width = elementBytes[dtype];
  let out: Uint8Array;
  if (dtype === "f16" || dtype === "bf16") {
    const narrow = dtype === "f16" ? toHalf : toBfloat;
    const values = data as Float32Array;
    const bits = new Uint16Array(values.length);
    for (let i = 0; i < bits.length; i++) bits[i] = narrow(values[i]!);
    out = new Uint8Array(bits.buffer);
  } else {
    out = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  }
  return width > 1 && !hostIsLittle ? swapped(out, width) : out;
}

/**
 * Checks an array before it is written.
 * @throws InputError when the data is not the typed array of `dtype`, or has not one element per position of `shape`
 */
export function requireArray(place: string, name: string, array: NamedArray): void {
  const holder = holders[array.dtype];
  if (!holder) throw new InputError(`${place}: ${name} has the unknown element type ${String(array.dtype)}`);
  if (!(array.data instanceof holder)) {
    throw new InputError(`${place}: ${name} is ${array.dtype} and needs a ${holder.name}, got ${array.data?.constructor?.name}`);
  }
  if (array.data.length !== sizeOf(array.shape)) {
    throw new InputError(
      `${place}: ${name} has ${array.data.length} elements, its shape [${array.shape.join(", ")}] needs ${sizeOf(array.shape)}`,
    );
  }
  if (array.dtype === "bool" && (array.data as Uint8Array).some((value) => value > 1)) {
    throw new InputError(`${place}: ${name} is bool and holds a value other than 0 and 1`);
  }
}

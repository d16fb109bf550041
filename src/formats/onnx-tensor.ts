/** Tensors of ONNX files: dense, sparse, or in a file beside the model. */
import { FormatError, fromBfloat, fromHalf, type Tree } from "../core/index.js";
import { checkedSize, decodeElements, type ElementType, elementBytes, type NamedArray, requireDensity } from "./array.js";

/** A tensor as stored. Exactly one of the data fields holds it. */
export interface OnnxTensor {
  readonly name?: string;
  readonly dims?: readonly number[];
  /** Element type code; see `onnxTypes`. */
  readonly dataType?: number;
  readonly rawData?: Uint8Array;
  readonly floatData?: ArrayLike<number>;
  readonly int32Data?: readonly number[];
  readonly int64Data?: readonly number[];
  readonly doubleData?: readonly number[];
  readonly uint64Data?: readonly number[];
  readonly stringData?: readonly Uint8Array[];
  readonly externalData?: readonly { readonly key?: string; readonly value?: string }[];
  /** 1: the data are in another file. */
  readonly dataLocation?: number;
}

/** A tensor of which only some elements are stored. `values` carries the name. */
export interface OnnxSparseTensor {
  readonly values?: OnnxTensor;
  /** [count] flat indices, or [count, rank] coordinates; ascending. */
  readonly indices?: OnnxTensor;
  readonly dims?: readonly number[];
}

/** Gives the bytes of a file beside the model, by its checked relative path; undefined when there is none. */
export type ExternalData = (location: string) => Uint8Array | undefined;

/** Element types by their code in ONNX files. */
export const onnxTypes: Readonly<Record<number, ElementType>> = {
  1: "f32",
  2: "u8",
  3: "i8",
  4: "u16",
  5: "i16",
  6: "i32",
  7: "i64",
  9: "bool",
  10: "f16",
  11: "f64",
  12: "u32",
  13: "u64",
  16: "bf16",
};
const typeNames: Readonly<Record<number, string>> = {
  0: "undefined",
  8: "string",
  14: "complex64",
  15: "complex128",
  17: "float8e4m3fn",
  18: "float8e4m3fnuz",
  19: "float8e5m2",
  20: "float8e5m2fnuz",
  21: "uint4",
  22: "int4",
  23: "float4e2m1",
};

/** Name of an element type code, for messages. */
export const onnxTypeName = (code: number | undefined): string => onnxTypes[code ?? 0] ?? typeNames[code ?? 0] ?? `type ${code}`;

/** What `decodeOnnxTensor` may use. */
export interface DecodeOptions {
  readonly external?: ExternalData | undefined;
  /** Most elements of one tensor; default 2^28 (1 GiB of float32). */
  readonly limit?: number;
}

const FORMAT = "onnx";
const LIMIT = 2 ** 28;

const named = (tensor: OnnxTensor): string => `the tensor "${tensor.name ?? ""}"`;

function shapeOf(what: string, dims: readonly number[] | undefined, limit: number): { shape: readonly number[]; size: number } {
  const shape = [...(dims ?? [])];
  if (shape.length > 32) throw new FormatError(FORMAT, `${what} has ${shape.length} dims, at most 32 are read`);
  const size = checkedSize(FORMAT, what, shape);
  if (size > limit)
    throw new FormatError(FORMAT, `${what} [${shape.join(", ")}] has ${size} elements, more than the limit of ${limit}`);
  return { shape, size };
}

/**
 * The values of a stored tensor.
 * @throws FormatError when its type is not supported, or the number of values differs from its shape's; for data in another file
 *         also when the path leaves the model's folder, the file is missing or the range lies outside it
 */
export function decodeOnnxTensor(tensor: OnnxTensor, { external, limit = LIMIT }: DecodeOptions = {}): NamedArray {
  const what = named(tensor);
  const dtype = onnxTypes[tensor.dataType ?? 0];
  if (!dtype)
    throw new FormatError(
      FORMAT,
      `${what} has the element type ${onnxTypeName(tensor.dataType)}; read are ${Object.values(onnxTypes).join(", ")}`,
    );
  const { shape, size } = shapeOf(what, tensor.dims, limit);
  const raw = tensor.dataLocation === 1 ? externalBytes(tensor, size * elementBytes[dtype], external) : tensor.rawData;
  if (raw !== undefined && (raw.length > 0 || size === 0)) {
    if (raw.length !== size * elementBytes[dtype]) {
      throw new FormatError(
        FORMAT,
        `${what} of ${dtype} [${shape.join(", ")}] needs ${size * elementBytes[dtype]} bytes, has ${raw.length}`,
      );
    }
    return { dtype, shape, data: decodeElements(FORMAT, dtype, raw) };
  }
  return fromFields(tensor, dtype, shape, size);
}

function fromFields(tensor: OnnxTensor, dtype: ElementType, shape: readonly number[], size: number): NamedArray {
  const field =
    { f32: tensor.floatData, f64: tensor.doubleData, i64: tensor.int64Data, u64: tensor.uint64Data, u32: tensor.uint64Data }[
      dtype as string
    ] ?? tensor.int32Data;
  const values: ArrayLike<number> = field ?? [];
  if (values.length !== size) {
    throw new FormatError(FORMAT, `${named(tensor)} of ${dtype} [${shape.join(", ")}] needs ${size} values, has ${values.length}`);
  }
  const from = values as number[];
  const whole = (i: number): bigint => BigInt.asIntN(64, BigInt(Math.trunc(from[i]!)));
  switch (dtype) {
    case "f32":
      return { dtype, shape, data: from instanceof Float32Array ? from : Float32Array.from(from) };
    case "f64":
      return { dtype, shape, data: Float64Array.from(from) };
    case "f16":
      return { dtype, shape, data: Float32Array.from(from, fromHalf) };
    case "bf16":
      return { dtype, shape, data: Float32Array.from(from, fromBfloat) };
    case "i64":
      return { dtype, shape, data: BigInt64Array.from({ length: size }, (_, i) => whole(i)) };
    case "u64":
      return { dtype, shape, data: BigUint64Array.from({ length: size }, (_, i) => BigInt.asUintN(64, whole(i))) };
    case "i32":
      return { dtype, shape, data: Int32Array.from(from) };
    case "u32":
      return { dtype, shape, data: Uint32Array.from(from) };
    case "i16":
      return { dtype, shape, data: Int16Array.from(from) };
    case "u16":
      return { dtype, shape, data: Uint16Array.from(from) };
    case "i8":
      return { dtype, shape, data: Int8Array.from(from) };
    case "u8":
      return { dtype, shape, data: Uint8Array.from(from) };
    case "bool":
      return { dtype, shape, data: Uint8Array.from(from, (v) => (v ? 1 : 0)) };
  }
}

function entries(tensor: OnnxTensor): Tree<string> {
  return Object.fromEntries((tensor.externalData ?? []).map(({ key = "", value = "" }) => [key, value]));
}

/**
 * The relative path of a file that a model may read: inside the model's own folder.
 * @throws FormatError for an absolute path, a drive, a scheme, `..`, a backslash or a NUL
 */
export function checkedLocation(location: string): string {
  const parts = location.split("/");
  // A control character in a path is an attack or damage.
  const control = [...location].some((c) => c < " ");
  if (
    location === "" ||
    location.startsWith("/") ||
    control ||
    /[\\:]/.test(location) ||
    parts.includes("..") ||
    location.length > 1024
  ) {
    throw new FormatError(
      FORMAT,
      `external data at ${JSON.stringify(location.slice(0, 100))}: expected a relative path inside the model's folder`,
    );
  }
  return parts.filter((p) => p !== "." && p !== "").join("/");
}

function externalBytes(tensor: OnnxTensor, bytes: number, external: ExternalData | undefined): Uint8Array {
  const { location = "", offset = "0", length } = entries(tensor);
  const path = checkedLocation(location);
  const number = (key: string, text: string): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isNaN(value))
      throw new FormatError(
        FORMAT,
        `${named(tensor)}: the ${key} of its external data is ${JSON.stringify(text.slice(0, 40))}, expected a number of bytes`,
      );
    return value;
  };
  const from = number("offset", offset);
  const count = length === undefined ? bytes : number("length", length);
  if (count !== bytes) throw new FormatError(FORMAT, `${named(tensor)} needs ${bytes} bytes, its external data claim ${count}`);
  if (!external)
    throw new FormatError(FORMAT, `${named(tensor)} is in the file "${path}" beside the model; give \`external\` to read it`);
  const file = external(path);
  if (!file) throw new FormatError(FORMAT, `${named(tensor)} is in the file "${path}" beside the model, which is missing`);
  if (from + bytes > file.length)
    throw new FormatError(FORMAT, `${named(tensor)} is at bytes ${from} to ${from + bytes} of "${path}", which has ${file.length}`);
  return file.subarray(from, from + bytes);
}

/** The files beside the model that its tensors name, checked. @throws FormatError for a path outside the model's folder */
export function externalLocations(tensors: readonly OnnxTensor[]): string[] {
  const found = new Set<string>();
  for (const tensor of tensors) if (tensor.dataLocation === 1) found.add(checkedLocation(entries(tensor)["location"] ?? ""));
  return [...found];
}

/** A sparse tensor made dense, with the positions that were stored. */
export interface SparseDecoded {
  readonly name: string;
  readonly dense: NamedArray<"f32">;
  /** 1 where an element was stored. */
  readonly mask: Uint8Array;
}

/**
 * The values of a sparse tensor of floats.
 * @throws FormatError when an index lies outside, or indices do not ascend
 */
export function decodeOnnxSparse(sparse: OnnxSparseTensor, options: DecodeOptions = {}): SparseDecoded {
  const name = sparse.values?.name ?? "";
  const what = `the sparse tensor "${name}"`;
  if (!sparse.values || !sparse.indices) throw new FormatError(FORMAT, `${what} lacks its ${sparse.values ? "indices" : "values"}`);
  const { shape, size } = shapeOf(what, sparse.dims, options.limit ?? LIMIT);
  const values = decodeOnnxTensor(sparse.values, options);
  const indices = decodeOnnxTensor(sparse.indices, options);
  if (values.dtype !== "f32" && values.dtype !== "f16" && values.dtype !== "bf16")
    throw new FormatError(FORMAT, `${what} holds ${values.dtype}, expected floats`);
  if (indices.dtype !== "i64") throw new FormatError(FORMAT, `${what} has indices of ${indices.dtype}, expected i64`);
  const count = values.data.length;
  const flat = indices.shape.length === 1 && indices.shape[0] === count;
  if (!flat && (indices.shape.length !== 2 || indices.shape[0] !== count || indices.shape[1] !== shape.length)) {
    throw new FormatError(
      FORMAT,
      `${what} of ${count} values has indices [${indices.shape.join(", ")}], expected [${count}] or [${count}, ${shape.length}]`,
    );
  }
  requireDensity(FORMAT, what, size, count);
  const at = indices.data as BigInt64Array;
  const data = new Float32Array(size);
  const mask = new Uint8Array(size);
  let last = -1;
  for (let i = 0; i < count; i++) {
    let index = 0;
    if (flat) index = Number(at[i]!);
    else {
      for (let d = 0; d < shape.length; d++) {
        const c = Number(at[i * shape.length + d]!);
        if (c < 0 || c >= shape[d]!)
          throw new FormatError(FORMAT, `${what}: coordinate ${c} of value ${i} lies outside [0, ${shape[d]})`);
        index = index * shape[d]! + c;
      }
    }
    if (index <= last || index >= size)
      throw new FormatError(
        FORMAT,
        `${what}: index ${index} of value ${i} follows ${last}; expected ascending indices below ${size}`,
      );
    last = index;
    data[index] = values.data[i] as number;
    mask[index] = 1;
  }
  return { name, dense: { dtype: "f32", shape, data }, mask };
}

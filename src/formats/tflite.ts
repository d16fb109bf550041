/**
 * TFLite models: bytes to plain objects. https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
 * What the operators mean is src/program/import's business.
 */
import { FormatError } from "../core/index.js";
import { checkedSize, decodeElements, type ElementType, elementBytes, type NamedArray } from "./array.js";
import { type FlatTable, flatRoot } from "./flatbuffer.js";
import { operatorNames, readOptions } from "./tflite-operators.js";
import { expandTfliteSparse } from "./tflite-sparse.js";

/** How integers stand for reals: real = scale (q - zeroPoint), per tensor or per slice of one axis. */
export interface Quantization {
  readonly scale: readonly number[];
  readonly zeroPoint: readonly number[];
  readonly axis: number;
}

/** A tensor: a constant when it has data. */
export interface TfliteTensor {
  readonly name: string;
  readonly dtype: ElementType | "string" | "other";
  readonly shape: readonly number[];
  readonly data?: NamedArray;
  readonly quantization?: Quantization;
  /** Positions that a sparse tensor stored. */
  readonly mask?: Uint8Array;
}

/** One operator by its upper-case name; operands by tensor number, -1 for one left out. */
export interface TfliteOperator {
  readonly op: string;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options: Readonly<Record<string, number | string | readonly number[]>>;
}

/** A file's main graph. */
export interface TfliteModel {
  readonly description: string;
  readonly tensors: readonly TfliteTensor[];
  readonly operators: readonly TfliteOperator[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

const FORMAT = "tflite";
const LIMIT = 2 ** 28;

/** Element types by number in the schema. */
const types: Readonly<Record<number, TfliteTensor["dtype"]>> = {
  0: "f32",
  1: "f16",
  2: "i32",
  3: "u8",
  4: "i64",
  5: "string",
  6: "bool",
  7: "i16",
  9: "i8",
  10: "f64",
  12: "u64",
  15: "u32",
  16: "u16",
  18: "bf16",
};

/**
 * Reads a TFLite file.
 * @throws FormatError when it is damaged, is no TFLite file, or has several subgraphs
 */
export function readTflite(bytes: Uint8Array, limit = LIMIT): TfliteModel {
  const model = flatRoot(FORMAT, bytes, "TFL3");
  const subgraphs = model.tables(2);
  if (subgraphs.length !== 1) throw new FormatError(FORMAT, `the file has ${subgraphs.length} subgraphs, models of one are read`);
  const buffers = model.tables(4);
  const codes = model.tables(1).map(operatorName);
  const graph = subgraphs[0]!;
  const tensors = graph.tables(0).map((t, i) => tensorOf(bytes, t, buffers, i, limit));
  const number = (what: string, at: number): number => {
    if (at < -1 || at >= tensors.length) throw new FormatError(FORMAT, `${what} names tensor ${at} of ${tensors.length}`);
    return at;
  };
  return {
    description: model.text(3),
    tensors,
    operators: graph.tables(3).map((o, i): TfliteOperator => {
      const op = codes[o.uint32(0)];
      if (op === undefined) throw new FormatError(FORMAT, `operator ${i} has the code ${o.uint32(0)} of ${codes.length}`);
      const options = o.table(4);
      return {
        op,
        inputs: (o.int32s(1) ?? []).map((at) => number(`operator ${i} (${op})`, at)),
        outputs: (o.int32s(2) ?? []).map((at) => number(`operator ${i} (${op})`, at)),
        options: options ? (readOptions[op]?.(options) ?? {}) : {},
      };
    }),
    inputs: (graph.int32s(1) ?? []).map((at) => number("the graph", at)),
    outputs: (graph.int32s(2) ?? []).map((at) => number("the graph", at)),
  };
}

function operatorName(code: FlatTable): string {
  // Codes above 127 do not fit the old field; files of old writers have only that.
  const number = Math.max(code.int8(0), code.int32(3));
  return number === 32 ? `CUSTOM ${code.text(1)}` : (operatorNames[number] ?? `operator ${number}`);
}

function tensorOf(bytes: Uint8Array, t: FlatTable, buffers: readonly FlatTable[], index: number, limit: number): TfliteTensor {
  const name = t.text(3);
  const what = `tensor ${index} "${name.slice(0, 100)}"`;
  const shape = t.int32s(0) ?? [];
  const dtype = types[t.int8(1)] ?? "other";
  const quantization = t.table(4);
  const scale = quantization?.float32s(2) ?? [];
  const at = t.uint32(2);
  const buffer = buffers[at];
  if (!buffer && at !== 0) throw new FormatError(FORMAT, `${what} names buffer ${at} of ${buffers.length}`);
  const raw = buffer && dataOf(bytes, buffer, what);
  const sparsity = t.table(6);
  return {
    name,
    dtype,
    shape,
    ...(scale.length > 0
      ? { quantization: { scale, zeroPoint: quantization!.int64s(3) ?? scale.map(() => 0), axis: quantization!.int32(6) } }
      : {}),
    ...(raw && raw.length > 0 && dtype !== "string" && dtype !== "other" ? constant(what, dtype, shape, raw, sparsity, limit) : {}),
  };
}

function dataOf(bytes: Uint8Array, buffer: FlatTable, what: string): Uint8Array | undefined {
  const inside = buffer.bytes(0);
  if (inside && inside.length > 0) return inside;
  // Files above 2 GB keep data behind the tables.
  const [offset, size] = [buffer.uint64(1), buffer.uint64(2)];
  if (offset <= 1) return inside;
  if (!(offset + size <= bytes.length))
    throw new FormatError(FORMAT, `${what}: its data at byte ${offset} of ${size} bytes lie outside the file of ${bytes.length}`);
  return bytes.subarray(offset, offset + size);
}

function constant(
  what: string,
  dtype: ElementType,
  shape: readonly number[],
  raw: Uint8Array,
  sparsity: FlatTable | undefined,
  limit: number,
): Pick<TfliteTensor, "data" | "mask"> {
  const size = checkedSize(FORMAT, what, shape);
  if (size > limit)
    throw new FormatError(FORMAT, `${what} [${shape.join(", ")}] has ${size} elements, more than the limit of ${limit}`);
  if (sparsity) {
    if (raw.length % elementBytes[dtype] !== 0)
      throw new FormatError(FORMAT, `${what}: ${raw.length} bytes are no whole number of ${dtype} elements`);
    return expandTfliteSparse(
      what,
      { dtype, shape: [raw.length / elementBytes[dtype]], data: decodeElements(FORMAT, dtype, raw) },
      shape,
      sparsity,
    );
  }
  if (raw.length !== size * elementBytes[dtype])
    throw new FormatError(
      FORMAT,
      `${what} of ${dtype} [${shape.join(", ")}] needs ${size * elementBytes[dtype]} bytes, has ${raw.length}`,
    );
  return { data: { dtype, shape, data: decodeElements(FORMAT, dtype, raw) } };
}

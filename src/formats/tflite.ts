/**
 * TFLite models: bytes to plain objects. https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
 * What the operators mean is src/program/import's business.
 */
import { FormatError } from "../core/index.js";
import { checkedSize, decodeElements, type ElementType, elementBytes, type NamedArray } from "./array.js";
import { type FlatTable, flatRoot } from "./flatbuffer.js";
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
const types: Readonly<Record<number, TfliteTensor["dtype"]>> = { 0: "f32", 1: "f16", 2: "i32", 3: "u8", 4: "i64", 5: "string", 6: "bool", 7: "i16", 9: "i8", 10: "f64", 12: "u64", 15: "u32", 16: "u16", 18: "bf16" };

/** Operators by number, as far as the importer or its messages need them. */
const operatorNames: Readonly<Record<number, string>> = {
  0: "ADD", 1: "AVERAGE_POOL_2D", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 5: "DEPTH_TO_SPACE", 6: "DEQUANTIZE", 7: "EMBEDDING_LOOKUP", 8: "FLOOR", 9: "FULLY_CONNECTED", 11: "L2_NORMALIZATION", 12: "L2_POOL_2D", 13: "LOCAL_RESPONSE_NORMALIZATION", 14: "LOGISTIC", 16: "LSTM", 17: "MAX_POOL_2D", 18: "MUL", 19: "RELU", 20: "RELU_N1_TO_1", 21: "RELU6", 22: "RESHAPE", 23: "RESIZE_BILINEAR", 24: "RNN", 25: "SOFTMAX", 26: "SPACE_TO_DEPTH", 27: "SVDF", 28: "TANH", 32: "CUSTOM", 34: "PAD", 36: "GATHER", 37: "BATCH_TO_SPACE_ND", 38: "SPACE_TO_BATCH_ND", 39: "TRANSPOSE", 40: "MEAN", 41: "SUB", 42: "DIV", 43: "SQUEEZE", 44: "UNIDIRECTIONAL_SEQUENCE_LSTM", 45: "STRIDED_SLICE", 47: "EXP", 48: "TOPK_V2", 49: "SPLIT", 50: "LOG_SOFTMAX", 53: "CAST", 54: "PRELU", 55: "MAXIMUM", 56: "ARG_MAX", 57: "MINIMUM", 58: "LESS", 59: "NEG", 60: "PADV2", 61: "GREATER", 64: "SELECT", 65: "SLICE", 66: "SIN", 67: "TRANSPOSE_CONV", 70: "EXPAND_DIMS", 71: "EQUAL", 73: "LOG", 74: "SUM", 75: "SQRT", 76: "RSQRT", 77: "SHAPE", 78: "POW", 81: "REDUCE_PROD", 82: "REDUCE_MAX", 83: "PACK", 85: "ONE_HOT", 88: "UNPACK", 89: "REDUCE_MIN", 92: "SQUARE", 94: "FILL", 97: "RESIZE_NEAREST_NEIGHBOR", 98: "LEAKY_RELU", 99: "SQUARED_DIFFERENCE", 100: "MIRROR_PAD", 101: "ABS", 102: "SPLIT_V", 104: "CEIL", 106: "ADD_N", 108: "COS", 111: "ELU", 114: "QUANTIZE", 116: "ROUND", 117: "HARD_SWISH", 118: "IF", 119: "WHILE", 123: "SELECT_V2", 124: "DENSIFY", 126: "BATCH_MATMUL", 130: "BROADCAST_TO", 150: "GELU",
};

const paddings = ["SAME", "VALID"];
const activations = ["NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT"];
const choice = (names: readonly string[], index: number, what: string): string => {
  const name = names[index];
  if (name === undefined) throw new FormatError(FORMAT, `the ${what} is number ${index}, expected 0 to ${names.length - 1}`);
  return name;
};

type Options = Record<string, number | string | readonly number[]>;
const padding = (t: FlatTable): Options => ({ padding: choice(paddings, t.int8(0), "padding") });
const activation = (t: FlatTable, field: number): Options => ({ activation: choice(activations, t.int8(field), "activation") });
const strides = (t: FlatTable): Options => ({ strideW: t.int32(1), strideH: t.int32(2) });
const keepDims = (t: FlatTable): Options => ({ keepDims: t.int8(0) });
const justActivation = (t: FlatTable): Options => activation(t, 0);

/** The options that matter, by operator. */
const readOptions: Readonly<Record<string, (t: FlatTable) => Options>> = {
  CONV_2D: (t) => ({ ...padding(t), ...strides(t), ...activation(t, 3), dilationW: t.int32(4, 1), dilationH: t.int32(5, 1) }),
  DEPTHWISE_CONV_2D: (t) => ({ ...padding(t), ...strides(t), ...activation(t, 4), dilationW: t.int32(5, 1), dilationH: t.int32(6, 1) }),
  TRANSPOSE_CONV: (t) => ({ ...padding(t), ...strides(t), ...activation(t, 3) }),
  AVERAGE_POOL_2D: (t) => ({ ...padding(t), ...strides(t), filterW: t.int32(3), filterH: t.int32(4), ...activation(t, 5) }),
  MAX_POOL_2D: (t) => ({ ...padding(t), ...strides(t), filterW: t.int32(3), filterH: t.int32(4), ...activation(t, 5) }),
  FULLY_CONNECTED: (t) => ({ ...activation(t, 0), keepDims: t.int8(2) }),
  SOFTMAX: (t) => ({ beta: t.float32(0) }),
  CONCATENATION: (t) => ({ axis: t.int32(0), ...activation(t, 1) }),
  ADD: justActivation,
  SUB: justActivation,
  MUL: justActivation,
  DIV: justActivation,
  RESHAPE: (t) => ({ newShape: t.int32s(0) ?? [] }),
  SQUEEZE: (t) => ({ squeezeDims: t.int32s(0) ?? [] }),
  MEAN: keepDims,
  SUM: keepDims,
  REDUCE_MAX: keepDims,
  REDUCE_MIN: keepDims,
  RESIZE_BILINEAR: (t) => ({ alignCorners: t.int8(2), halfPixelCenters: t.int8(3) }),
  RESIZE_NEAREST_NEIGHBOR: (t) => ({ alignCorners: t.int8(0), halfPixelCenters: t.int8(1) }),
  LEAKY_RELU: (t) => ({ alpha: t.float32(0) }),
  GELU: (t) => ({ approximate: t.int8(0) }),
  BATCH_MATMUL: (t) => ({ adjX: t.int8(0), adjY: t.int8(1) }),
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
    ...(scale.length > 0 ? { quantization: { scale, zeroPoint: quantization!.int64s(3) ?? scale.map(() => 0), axis: quantization!.int32(6) } } : {}),
    ...(raw && raw.length > 0 && dtype !== "string" && dtype !== "other" ? constant(what, dtype, shape, raw, sparsity, limit) : {}),
  };
}

function dataOf(bytes: Uint8Array, buffer: FlatTable, what: string): Uint8Array | undefined {
  const inside = buffer.bytes(0);
  if (inside && inside.length > 0) return inside;
  // Files above 2 GB keep data behind the tables.
  const [offset, size] = [buffer.uint64(1), buffer.uint64(2)];
  if (offset <= 1) return inside;
  if (!(offset + size <= bytes.length)) throw new FormatError(FORMAT, `${what}: its data at byte ${offset} of ${size} bytes lie outside the file of ${bytes.length}`);
  return bytes.subarray(offset, offset + size);
}

function constant(what: string, dtype: ElementType, shape: readonly number[], raw: Uint8Array, sparsity: FlatTable | undefined, limit: number): Pick<TfliteTensor, "data" | "mask"> {
  const size = checkedSize(FORMAT, what, shape);
  if (size > limit) throw new FormatError(FORMAT, `${what} [${shape.join(", ")}] has ${size} elements, more than the limit of ${limit}`);
  if (sparsity) {
    if (raw.length % elementBytes[dtype] !== 0) throw new FormatError(FORMAT, `${what}: ${raw.length} bytes are no whole number of ${dtype} elements`);
    return expandTfliteSparse(what, { dtype, shape: [raw.length / elementBytes[dtype]], data: decodeElements(FORMAT, dtype, raw) }, shape, sparsity);
  }
  if (raw.length !== size * elementBytes[dtype]) throw new FormatError(FORMAT, `${what} of ${dtype} [${shape.join(", ")}] needs ${size * elementBytes[dtype]} bytes, has ${raw.length}`);
  return { data: { dtype, shape, data: decodeElements(FORMAT, dtype, raw) } };
}

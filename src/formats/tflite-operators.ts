/** Operators of TFLite by number, and the options of those that the importer knows. */
import { FormatError } from "../core/index.js";
import type { FlatTable } from "./flatbuffer.js";

const FORMAT = "tflite";

/** Operators by number, as far as the importer or its messages need them. */
export const operatorNames: Readonly<Record<number, string>> = {
  0: "ADD",
  1: "AVERAGE_POOL_2D",
  2: "CONCATENATION",
  3: "CONV_2D",
  4: "DEPTHWISE_CONV_2D",
  5: "DEPTH_TO_SPACE",
  6: "DEQUANTIZE",
  7: "EMBEDDING_LOOKUP",
  8: "FLOOR",
  9: "FULLY_CONNECTED",
  11: "L2_NORMALIZATION",
  12: "L2_POOL_2D",
  13: "LOCAL_RESPONSE_NORMALIZATION",
  14: "LOGISTIC",
  16: "LSTM",
  17: "MAX_POOL_2D",
  18: "MUL",
  19: "RELU",
  20: "RELU_N1_TO_1",
  21: "RELU6",
  22: "RESHAPE",
  23: "RESIZE_BILINEAR",
  24: "RNN",
  25: "SOFTMAX",
  26: "SPACE_TO_DEPTH",
  27: "SVDF",
  28: "TANH",
  32: "CUSTOM",
  34: "PAD",
  36: "GATHER",
  37: "BATCH_TO_SPACE_ND",
  38: "SPACE_TO_BATCH_ND",
  39: "TRANSPOSE",
  40: "MEAN",
  41: "SUB",
  42: "DIV",
  43: "SQUEEZE",
  44: "UNIDIRECTIONAL_SEQUENCE_LSTM",
  45: "STRIDED_SLICE",
  47: "EXP",
  48: "TOPK_V2",
  49: "SPLIT",
  50: "LOG_SOFTMAX",
  53: "CAST",
  54: "PRELU",
  55: "MAXIMUM",
  56: "ARG_MAX",
  57: "MINIMUM",
  58: "LESS",
  59: "NEG",
  60: "PADV2",
  61: "GREATER",
  64: "SELECT",
  65: "SLICE",
  66: "SIN",
  67: "TRANSPOSE_CONV",
  70: "EXPAND_DIMS",
  71: "EQUAL",
  73: "LOG",
  74: "SUM",
  75: "SQRT",
  76: "RSQRT",
  77: "SHAPE",
  78: "POW",
  81: "REDUCE_PROD",
  82: "REDUCE_MAX",
  83: "PACK",
  85: "ONE_HOT",
  88: "UNPACK",
  89: "REDUCE_MIN",
  92: "SQUARE",
  94: "FILL",
  97: "RESIZE_NEAREST_NEIGHBOR",
  98: "LEAKY_RELU",
  99: "SQUARED_DIFFERENCE",
  100: "MIRROR_PAD",
  101: "ABS",
  102: "SPLIT_V",
  104: "CEIL",
  106: "ADD_N",
  108: "COS",
  111: "ELU",
  114: "QUANTIZE",
  116: "ROUND",
  117: "HARD_SWISH",
  118: "IF",
  119: "WHILE",
  123: "SELECT_V2",
  124: "DENSIFY",
  126: "BATCH_MATMUL",
  130: "BROADCAST_TO",
  150: "GELU",
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
export const readOptions: Readonly<Record<string, (t: FlatTable) => Options>> = {
  CONV_2D: (t) => ({ ...padding(t), ...strides(t), ...activation(t, 3), dilationW: t.int32(4, 1), dilationH: t.int32(5, 1) }),
  DEPTHWISE_CONV_2D: (t) => ({
    ...padding(t),
    ...strides(t),
    ...activation(t, 4),
    dilationW: t.int32(5, 1),
    dilationH: t.int32(6, 1),
  }),
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

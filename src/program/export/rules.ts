/** How each operation is written in standard ONNX operators. */
import { InputError } from "../../core/index.js";
import type { Operation } from "../types.js";
import { floatTensor, type GraphWriter, intTensorOf } from "./writer.js";

/** What a rule gets: the writer, the operation, its place, names of operands and results. */
export interface Emission {
  readonly w: GraphWriter;
  readonly operation: Operation;
  readonly index: number;
  readonly x: readonly string[];
  readonly y: readonly string[];
}

type ExportRule = (e: Emission) => void;

const named =
  (opType: string): ExportRule =>
  ({ w, x, y }) =>
    w.add(opType, x, y);

const number = (operation: Operation, key: string, byDefault = 0): number =>
  (operation.attrs[key] as number | undefined) ?? byDefault;

/** A comparison gives booleans, the program's are 0 and 1. */
const compared =
  (opType: string): ExportRule =>
  ({ w, x, y }) =>
    w.node("Cast", [w.node(opType, x)], { to: 1 }, y[0]);

const reduced =
  (opType: string, axesAsInput: boolean): ExportRule =>
  ({ w, operation, x, y, index }) => {
    const axes = w.still(index, "axes");
    const keepdims = operation.attrs["keepDims"] ? 1 : 0;
    // An empty list would mean all axes.
    if (axes.length === 0)
      w.add(opType === "ReduceSumSquare" ? "Mul" : "Identity", opType === "ReduceSumSquare" ? [x[0]!, x[0]!] : x, y);
    else if (axesAsInput) w.add(opType, [x[0]!, w.longs(axes)], y, { keepdims });
    else w.add(opType, x, y, { axes, keepdims });
  };

const constant: ExportRule = ({ w, operation, y, index }) => {
  const { value, dtype } = operation.attrs;
  const id = operation.outputs[0]!;
  const shape = w.shape(id);
  if (shape.some(({ by }) => by !== 0)) {
    if (typeof value !== "number")
      throw new InputError(
        `exportOnnx: operation ${index} is a table of constants that grows with the batch; export at one batch size, atBatch(program, n)`,
      );
    const one = w.float(value);
    w.node("Expand", [one, w.sizesOf(shape)], {}, y[0]);
    return;
  }
  const dims = shape.map(({ at }) => at);
  const count = dims.reduce((a, b) => a * b, 1);
  const values = typeof value === "number" ? new Array<number>(count).fill(value) : (value as readonly number[]);
  if (typeof value !== "number") w.still(index, "value");
  w.initializers.push(dtype === "f32" ? floatTensor(y[0]!, dims, values) : intTensorOf(y[0]!, dims, values));
};

const affine: ExportRule = ({ w, operation, x, y }) => {
  const [a, b] = [number(operation, "a"), number(operation, "b")];
  if (a === 1 && b === 0) return w.add("Identity", x, y);
  const scaled = a === 1 ? x[0]! : w.node("Mul", [x[0]!, w.float(a)], {}, b === 0 ? y[0] : undefined);
  if (b !== 0) w.node("Add", [scaled, w.float(b)], {}, y[0]);
};

const hardSigmoid = (operation: Operation) => ({
  alpha: { f: number(operation, "a") },
  beta: { f: number(operation, "b") },
});

/** x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): Gelu itself needs operator set 20. */
const gelu: ExportRule = ({ w, x: [x], y }) => {
  const cube = w.node("Mul", [x!, w.node("Mul", [x!, x!])]);
  const inner = w.node("Add", [x!, w.node("Mul", [cube, w.float(0.044715)])]);
  const tanh = w.node("Tanh", [w.node("Mul", [inner, w.float(Math.sqrt(2 / Math.PI))])]);
  w.node("Mul", [w.node("Mul", [x!, w.float(0.5)]), w.node("Add", [tanh, w.float(1)])], {}, y[0]);
};

const reshape: ExportRule = ({ w, x, y, index }) => {
  const sizes = w.list(index, "shape");
  const growing = sizes.filter(({ by }) => by !== 0).length;
  const zero = sizes.some(({ at, by }) => by === 0 && at === 0);
  const shape = growing === 1 && !zero ? w.longs(sizes.map(({ at, by }) => (by === 0 ? at : -1))) : w.sizesOf(sizes);
  w.add("Reshape", [x[0]!, shape], y, zero ? { allowzero: 1 } : {});
};

const slice: ExportRule = ({ w, operation, x, y, index }) => {
  const rank = w.type(operation.inputs[0]!).shape.length;
  const axes = w.longs(Array.from({ length: rank }, (_, i) => i));
  if (rank === 0) return w.add("Identity", x, y);
  w.add(
    "Slice",
    [x[0]!, w.sizesOf(w.list(index, "starts")), w.sizesOf(w.list(index, "stops")), axes, w.longs(w.still(index, "steps"))],
    y,
  );
};

/** Into zeros: between steps zeros are written by a transposed convolution in no general way, so only steps of 1. */
const scatterSlice: ExportRule = ({ w, operation, x, y, index }) => {
  const steps = w.still(index, "steps");
  if (steps.some((s) => s !== 1))
    throw new InputError(`exportOnnx: operation ${index} (scatterSlice) with steps [${steps.join(", ")}] has no ONNX counterpart`);
  const starts = w.still(index, "starts");
  const input = w.type(operation.inputs[0]!).shape;
  const whole = operation.attrs["shape"] as readonly number[];
  const after = whole.map((d, i) => d - starts[i]! - input[i]!);
  w.add("Pad", [x[0]!, w.longs([...starts, ...after])], y);
};

const pad: ExportRule = ({ w, operation, x, y, index }) =>
  w.add("Pad", [x[0]!, w.longs([...w.still(index, "before"), ...w.still(index, "after")]), w.float(number(operation, "value"))], y);

const matmul: ExportRule = ({ w, operation, x: [a, b], y }) => {
  const { transposeA, transposeB } = operation.attrs;
  const rank = w.type(operation.inputs[0]!).shape.length;
  if (rank === 2 && (transposeA || transposeB))
    return w.add("Gemm", [a!, b!], y, { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 });
  const perm = Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : i === rank - 2 ? rank - 1 : rank - 2));
  const turned = (v: string, turn: unknown): string => (turn ? w.node("Transpose", [v], { perm }) : v);
  w.add("MatMul", [turned(a!, transposeA), turned(b!, transposeB)], y);
};

/** The attributes of a convolution. */
export const convAttributes = (operation: Operation): Record<string, number | readonly number[]> => ({
  strides: operation.attrs["stride"] as readonly number[],
  pads: operation.attrs["padding"] as readonly number[],
  dilations: operation.attrs["dilation"] as readonly number[],
  group: operation.attrs["groups"] as number,
});

const convInputGrad: ExportRule = ({ w, operation, x, y }) => {
  const [sy, sx] = operation.attrs["stride"] as readonly [number, number];
  const [top, left, bottom, right] = operation.attrs["padding"] as readonly [number, number, number, number];
  const [dy, dx] = operation.attrs["dilation"] as readonly [number, number];
  const from = w.type(operation.inputs[0]!).shape;
  const kernel = w.type(operation.inputs[1]!).shape;
  const to = operation.attrs["inputShape"] as readonly number[];
  const rest = [
    to[2]! - (sy * (from[2]! - 1) + dy * (kernel[2]! - 1) + 1 - top - bottom),
    to[3]! - (sx * (from[3]! - 1) + dx * (kernel[3]! - 1) + 1 - left - right),
  ];
  w.add("ConvTranspose", x, y, { ...convAttributes(operation), output_padding: rest });
};

const pool =
  (opType: "MaxPool" | "AveragePool"): ExportRule =>
  ({ w, operation, x, y }) => {
    const { kernel, stride, padding, countPad } = operation.attrs;
    w.add(opType, x, y, {
      kernel_shape: kernel as readonly number[],
      strides: stride as readonly number[],
      pads: padding as readonly number[],
      ...(opType === "AveragePool" ? { count_include_pad: countPad ? 1 : 0 } : {}),
    });
  };

const rmsNorm: ExportRule = ({ w, operation, x: [x, gamma], y }) => {
  const squares = w.node("ReduceMean", [w.node("Mul", [x!, x!])], { axes: [-1], keepdims: 1 });
  const spread = w.node("Sqrt", [w.node("Add", [squares, w.float(number(operation, "eps"))])]);
  w.node("Mul", [w.node("Div", [x!, spread]), gamma!], {}, y[0]);
};

const types: Readonly<Record<string, number>> = { f32: 1, i32: 6, u8: 2 };

const argmax: ExportRule = ({ w, operation, x, y }) => {
  w.node("Cast", [w.node("ArgMax", x, { axis: number(operation, "axis"), keepdims: 0 })], { to: 6 }, y[0]);
};

const topK: ExportRule = ({ w, operation, x, y }) => {
  const places = w.claim("topk_places");
  w.add("TopK", [x[0]!, w.longs([number(operation, "k")])], [y[0]!, places], { axis: -1 });
  w.node("Cast", [places], { to: 6 }, y[1]);
};

const pick: ExportRule = ({ w, x: [x, labels], y }) => {
  const found = w.node("GatherElements", [x!, w.node("Unsqueeze", [labels!, w.longs([1])])], { axis: 1 });
  w.node("Squeeze", [found, w.longs([1])], {}, y[0]);
};

const oneHot: ExportRule = ({ w, operation, x, y }) => {
  const values = w.claim("off_on");
  w.initializers.push(floatTensor(values, [2], [0, 1]));
  w.add("OneHot", [w.node("Cast", x, { to: 7 }), w.longs([number(operation, "depth")], true), values], y, { axis: -1 });
};

/** Rules by operation name. */
export const exportRules: Readonly<Record<string, ExportRule>> = {
  constant,
  affine,
  gelu,
  reshape,
  slice,
  scatterSlice,
  pad,
  matmul,
  argmax,
  topK,
  pick,
  oneHot,
  rmsNorm,
  neg: named("Neg"),
  abs: named("Abs"),
  sqrt: named("Sqrt"),
  recip: named("Reciprocal"),
  exp: named("Exp"),
  log: named("Log"),
  tanh: named("Tanh"),
  sigmoid: named("Sigmoid"),
  relu: named("Relu"),
  sign: named("Sign"),
  sin: named("Sin"),
  cos: named("Cos"),
  floor: named("Floor"),
  softplus: named("Softplus"),
  erf: named("Erf"),
  stopGradient: named("Identity"),
  customGradient: ({ w, x, y }) => {
    y.forEach((out, i) => {
      w.add("Identity", [x[i]!], [out]);
    });
  },
  rsqrt: ({ w, x, y }) => w.node("Reciprocal", [w.node("Sqrt", x)], {}, y[0]),
  square: ({ w, x: [x], y }) => w.add("Mul", [x!, x!], y),
  step: ({ w, x, y }) => w.node("Cast", [w.node("Greater", [x[0]!, w.float(0)])], { to: 1 }, y[0]),
  silu: ({ w, x: [x], y }) => w.node("Mul", [x!, w.node("Sigmoid", [x!])], {}, y[0]),
  hardSigmoid: ({ w, operation, x, y }) => w.add("HardSigmoid", x, y, hardSigmoid(operation)),
  hardSwish: ({ w, operation, x: [x], y }) => w.node("Mul", [x!, w.node("HardSigmoid", [x!], hardSigmoid(operation))], {}, y[0]),
  log1p: ({ w, x, y }) => w.node("Log", [w.node("Add", [x[0]!, w.float(1)])], {}, y[0]),
  clamp: ({ w, operation, x, y }) => w.add("Clip", [x[0]!, w.float(number(operation, "a")), w.float(number(operation, "b"))], y),
  leaky: ({ w, operation, x, y }) => w.add("LeakyRelu", x, y, { alpha: { f: number(operation, "a") } }),
  powScalar: ({ w, operation, x, y }) => w.add("Pow", [x[0]!, w.float(number(operation, "a"))], y),
  add: named("Add"),
  sub: named("Sub"),
  mul: named("Mul"),
  div: named("Div"),
  max: named("Max"),
  min: named("Min"),
  pow: named("Pow"),
  greater: compared("Greater"),
  greaterEqual: compared("GreaterOrEqual"),
  equal: compared("Equal"),
  reluGrad: ({ w, x: [dy, v], y }) => w.node("Where", [w.node("Greater", [v!, w.float(0)]), dy!, w.float(0)], {}, y[0]),
  where: ({ w, x: [c, a, b], y }) => w.node("Where", [w.node("Cast", [c!], { to: 9 }), a!, b!], {}, y[0]),
  sum: reduced("ReduceSum", true),
  mean: reduced("ReduceMean", false),
  reduceMax: reduced("ReduceMax", false),
  reduceMin: reduced("ReduceMin", false),
  sumSquares: reduced("ReduceSumSquare", false),
  broadcastTo: ({ w, x, y, index }) => w.add("Expand", [x[0]!, w.sizesOf(w.list(index, "shape"))], y),
  transpose: ({ w, operation, x, y }) => w.add("Transpose", x, y, { perm: operation.attrs["perm"] as readonly number[] }),
  concat: ({ w, operation, x, y }) => w.add("Concat", x, y, { axis: number(operation, "axis") }),
  conv2d: ({ w, operation, x, y }) => w.add("Conv", x, y, convAttributes(operation)),
  conv2dInputGrad: convInputGrad,
  maxPool2d: pool("MaxPool"),
  avgPool2d: pool("AveragePool"),
  batchNormInference: ({ w, operation, x, y }) => w.add("BatchNormalization", x, y, { epsilon: { f: number(operation, "eps") } }),
  layerNorm: ({ w, operation, x, y }) => w.add("LayerNormalization", x, y, { axis: -1, epsilon: { f: number(operation, "eps") } }),
  softmax: ({ w, operation, x, y }) => w.add("Softmax", x, y, { axis: number(operation, "axis") }),
  logSoftmax: ({ w, operation, x, y }) => w.add("LogSoftmax", x, y, { axis: number(operation, "axis") }),
  gather: ({ w, x, y }) => w.add("Gather", x, y, { axis: 0 }),
  cast: ({ w, operation, x, y }) => w.add("Cast", x, y, { to: types[operation.attrs["dtype"] as string]! }),
};

/** Every operator against onnxruntime: the interpreter and the engine give its numbers. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mapTree } from "../../core/index.js";
import { createEngine, type Engine } from "../../engine/index.js";
import { specsOf } from "../../engine/testing/agree.js";
import { interpret } from "../interpret.js";
import { importOnnx, supportedOnnxOperators } from "./onnx.js";
import { input, long, longs, numbers, type Operand, oneNode, stored, weights } from "./testing/models.js";
import { type Fed, runOnnx, runtime, tensorOf, worst } from "./testing/onnxruntime.js";

type Given = Parameters<typeof oneNode>[2];
type Case = readonly [string, readonly Operand[], Given?, { opset?: number; outputs?: number }?];

const x = (shape: readonly number[], seed = 1): Operand => input(numbers(shape, seed));
const positive = (shape: readonly number[]): Operand => {
  const n = numbers(shape, 3);
  return input({ ...n, data: Float32Array.from(n.data, (v) => Math.abs(v) + 0.3) });
};
const typed = (type: Fed["type"], shape: readonly number[], data: readonly number[]): Operand => input({ type, shape, data });
const flags = (shape: readonly number[]): Operand => {
  const n = numbers(shape, 8);
  return typed(
    "bool",
    shape,
    Array.from(n.data, (v) => (v > 0 ? 1 : 0)),
  );
};
const coarse = (shape: readonly number[], seed: number): Operand => {
  const n = numbers(shape, seed, 2);
  return input({ ...n, data: Float32Array.from(n.data, Math.round) });
};
const halves = typed("float32", [8], [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 1.2, -3.7]);
const s = [2, 3, 5, 6];

const unary = [
  "Abs",
  "Neg",
  "Exp",
  "Tanh",
  "Sigmoid",
  "Relu",
  "Erf",
  "Sin",
  "Tan",
  "Sinh",
  "Cosh",
  "Cos",
  "Sign",
  "Softplus",
  "Reciprocal",
  "Floor",
  "Ceil",
  "Softsign",
  "HardSwish",
  "Identity",
  "LeakyRelu",
  "Elu",
  "Selu",
  "Celu",
  "HardSigmoid",
  "ThresholdedRelu",
  "Dropout",
];
const binary = ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"];

const cases: Case[] = [
  ...unary.map((op): Case => [op, [x(s)]]),
  ["Sqrt", [positive(s)]],
  ["Log", [positive(s)]],
  ["Round", [halves]],
  ["Mish", [x(s)], {}, { opset: 18 }],
  ["LeakyRelu", [x(s)], { alpha: { f: 0.2 } }],
  ["HardSigmoid", [x(s)], { alpha: { f: 1 / 6 }, beta: { f: 0.5 } }],
  ["Gelu", [x(s)], {}, { opset: 20 }],
  ["Gelu", [x(s)], { approximate: "tanh" }, { opset: 20 }],
  ["PRelu", [x(s), weights([3, 1, 1])]],
  ["Clip", [x(s), stored([], [-0.5]), stored([], [0.7])]],
  ["Clip", [x(s), undefined, stored([], [0.7])]],
  ["Clip", [x(s)], { min: { f: 0 }, max: { f: 6 } }, { opset: 9 }],
  ...binary.map((op): Case => [op, [x(s), x([3, 1, 6], 4)]]),
  ...["Add", "Sub", "Mul", "Div"].map((op): Case => [op, [x(s), stored([], [1.7])]]),
  ...["Sub", "Div"].map((op): Case => [op, [stored([1], [1.7]), positive(s)]]),
  ["Div", [typed("int32", [6], [7, -7, 8, 9, -1, 5]), typed("int32", [1], [2])]],
  ["Mod", [typed("int32", [6], [7, -7, 8, 9, -1, 5]), typed("int32", [6], [3, 3, -3, 4, 4, 5])]],
  ["Mod", [typed("float32", [4], [7.5, -7.5, 8, 9]), typed("float32", [4], [2, 2, -3, 4])], { fmod: 1 }],
  ["Pow", [positive(s), stored([], [2.5])]],
  ["Pow", [x(s), stored([], [2])]],
  ["Pow", [positive(s), x([6], 3)]],
  ...["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"].map((op): Case => [op, [coarse(s, 5), coarse([3, 5, 6], 6)]]),
  ...["And", "Or", "Xor"].map((op): Case => [op, [flags(s), flags([1, 6])]]),
  ["Not", [flags(s)]],
  ["Where", [flags([5, 6]), x(s), stored([1], [9])]],
  ["Cast", [x(s)], { to: 6 }],
  ["Cast", [typed("int64", [4], [1, 0, -3, 5])], { to: 1 }],
  ["Cast", [coarse(s, 2)], { to: 9 }],
  ["CastLike", [x(s), typed("int32", [1], [1])]],
  ["Reshape", [x(s), longs(0, -1, 3)]],
  ["Flatten", [x(s)], { axis: 2 }],
  ["Flatten", [x(s)], { axis: -3 }],
  ["Squeeze", [x([2, 1, 3, 1]), longs(1)]],
  ["Squeeze", [x([2, 1, 3, 1])]],
  ["Squeeze", [x([2, 1, 3, 1])], { axes: [1, -1] }, { opset: 11 }],
  ["Unsqueeze", [x([2, 3]), longs(0, -1)]],
  ["Unsqueeze", [x([2, 3])], { axes: [1] }, { opset: 11 }],
  ["Transpose", [x(s)], { perm: [0, 2, 3, 1] }],
  ["Transpose", [x([2, 3, 4])]],
  ["Concat", [x(s), x([2, 4, 5, 6], 7), weights([2, 1, 5, 6])], { axis: 1 }],
  ["Split", [x([2, 6, 3]), longs(1, 2, 3)], { axis: 1 }, { outputs: 3 }],
  ["Split", [x([2, 7])], { axis: -1, num_outputs: 3 }, { opset: 18, outputs: 3 }],
  ["Slice", [x(s), longs(1, -3), longs(Number.MAX_SAFE_INTEGER, -1), longs(1, 3), longs(1, 2)]],
  ["Slice", [x(s), longs(-1), longs(-Number.MAX_SAFE_INTEGER), longs(2), longs(-2)]],
  ["Slice", [x(s)], { starts: [1], ends: [3], axes: [2] }, { opset: 9 }],
  ["Gather", [x([7, 4]), typed("int64", [2, 3], [0, 6, 2, 2, 5, 1])]],
  ["Gather", [x([3, 7, 4]), typed("int32", [2], [6, 1])], { axis: 1 }],
  ["Gather", [x([3, 7, 4]), long(-1)], { axis: 1 }],
  ["Gather", [weights([9, 4]), typed("int64", [5], [0, 8, 2, 2, 5])]],
  ["Gather", [x([3, 7, 4]), longs(5, -1, 0)], { axis: 1 }],
  ["Expand", [x([3, 1]), longs(2, 1, 4)]],
  ["Tile", [x([2, 3]), longs(2, 3)]],
  ["Pad", [x([2, 3, 4, 4]), longs(0, 0, 1, 2, 0, 1, 2, 0), stored([], [0.5])]],
  ["Pad", [x([1, 2, 4, 5]), longs(0, 0, 1, 2, 0, 0, 2, 1)], { mode: "reflect" }],
  ["Pad", [x([1, 2, 4, 5]), longs(0, 0, 1, 2, 0, 0, 2, 1)], { mode: "edge" }],
  ["Pad", [x([1, 2, 4, 5]), longs(0, 0, -1, 2, 0, 0, 2, -1)]],
  ["DepthToSpace", [x([1, 8, 2, 3])], { blocksize: 2 }],
  ["DepthToSpace", [x([1, 8, 2, 3])], { blocksize: 2, mode: "CRD" }],
  ["SpaceToDepth", [x([1, 2, 4, 6])], { blocksize: 2 }],
  ["MatMul", [x([2, 3, 4]), weights([4, 5])]],
  ["MatMul", [x([2, 3, 4]), x([2, 4, 5], 9)]],
  ["MatMul", [x([2, 2, 3, 4]), x([2, 1, 4, 5], 9)]],
  ["MatMul", [weights([3, 4]), x([4, 5])]],
  ["MatMul", [x([4]), x([2, 4, 3], 5)]],
  ["MatMul", [x([2, 3, 4]), x([4], 5)]],
  ["Gemm", [x([3, 4]), weights([5, 4]), weights([5], 3)], { transB: 1 }],
  ["Gemm", [x([4, 3]), weights([4, 5]), weights([3, 1], 3)], { transA: 1, alpha: { f: 0.5 }, beta: { f: 2 } }],
  ["Gemm", [x([3, 4]), x([4, 5], 6)]],
  ["Einsum", [x([2, 3, 4]), x([2, 5, 4], 9)], { equation: "bij,bkj->bki" }],
  ["Einsum", [x([2, 3, 4, 5]), x([4, 6, 2], 9)], { equation: "abcd, cea -> eab" }],
  ["Einsum", [x([3]), x([4], 9)], { equation: "i,j->ij" }],
  ["DequantizeLinear", [typed("uint8", [2, 3], [0, 5, 255, 128, 7, 9]), stored([], [0.1]), bytes([], [128])]],
  ["DequantizeLinear", [typed("uint8", [2, 3], [0, 5, 255, 128, 7, 9]), stored([2], [0.1, 2]), bytes([2], [128, 3])], { axis: 0 }],
  ["QuantizeLinear", [x(s), stored([], [0.02]), bytes([], [100])]],
  ["QuantizeLinear", [positive(s), stored([], [0.004])]],
  ["LpNormalization", [x(s)], { axis: 1 }],
  ["LRN", [x([2, 7, 3, 4])], { size: 5, alpha: { f: 0.3 }, beta: { f: 0.6 }, bias: { f: 1.5 } }],
  ["LRN", [x([1, 3, 2, 2])], { size: 3 }],
  ["Shrink", [x(s)], { lambd: { f: 0.7 }, bias: { f: 0.2 } }],
  [
    "GatherElements",
    [
      x([3, 7, 4]),
      typed(
        "int64",
        [3, 2, 4],
        Array.from({ length: 24 }, (_, i) => ((5 * i) % 14) - 7),
      ),
    ],
    { axis: 1 },
  ],
  ["GatherElements", [x([3, 4]), typed("int64", [2, 4], [0, 2, 1, 0, -1, 1, 0, -3])]],
  ["LpNormalization", [x(s)], { p: 1 }],
  ["MeanVarianceNormalization", [x(s)]],
  ["Conv", [x([2, 3, 7, 8]), weights([4, 3, 3, 3]), weights([4], 5)], { pads: [1, 1, 1, 1] }],
  ["Conv", [x([2, 4, 7, 8]), weights([4, 1, 3, 3])], { group: 4, strides: [2, 1], pads: [0, 1, 2, 1] }],
  ["Conv", [x([1, 4, 9, 8]), weights([6, 2, 3, 3]), weights([6], 5)], { group: 2, dilations: [2, 2], pads: [2, 1, 0, 3] }],
  ["Conv", [x([1, 3, 7, 8]), weights([4, 3, 3, 2])], { strides: [2, 3], auto_pad: "SAME_UPPER" }],
  ["Conv", [x([1, 3, 7, 8]), weights([4, 3, 2, 2])], { strides: [2, 2], auto_pad: "SAME_LOWER" }],
  ["Conv", [x([2, 3, 11]), weights([4, 3, 3]), weights([4], 5)], { pads: [1, 2], strides: [2] }],
  ["ConvTranspose", [x([1, 3, 4, 5]), weights([3, 4, 2, 2]), weights([4], 5)], { strides: [2, 2] }],
  [
    "ConvTranspose",
    [x([1, 4, 4, 5]), weights([4, 3, 3, 3])],
    { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1], group: 2 },
  ],
  ["ConvTranspose", [x([1, 3, 4, 5]), weights([3, 2, 3, 3])], { strides: [2, 2], output_shape: [8, 10] }],
  ["ConvTranspose", [x([1, 3, 4, 5]), weights([3, 2, 3, 3])], { strides: [2, 2], auto_pad: "SAME_UPPER" }],
  ["ConvTranspose", [x([1, 3, 6]), weights([3, 2, 4])], { strides: [2], pads: [1, 1] }],
  ["MaxPool", [x([2, 3, 7, 8])], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }],
  ["MaxPool", [x([2, 3, 8, 8])], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }],
  ["MaxPool", [x([2, 3, 9])], { kernel_shape: [2], strides: [2] }],
  ["AveragePool", [x([2, 3, 7, 8])], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }],
  ["AveragePool", [x([2, 3, 7, 8])], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], count_include_pad: 1 }],
  ["AveragePool", [x([2, 3, 8, 8])], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }],
  ["AveragePool", [x([2, 3, 7, 8])], { kernel_shape: [3, 2], auto_pad: "SAME_UPPER" }],
  ["GlobalAveragePool", [x(s)]],
  ["GlobalMaxPool", [x(s)]],
  ["BatchNormalization", [x(s), weights([3], 3), weights([3], 4), weights([3], 5), positiveStored([3])]],
  ["InstanceNormalization", [x(s), weights([3], 3), weights([3], 4)]],
  ["GroupNormalization", [x([2, 4, 3, 3]), weights([4], 3), weights([4], 4)], { num_groups: 2 }, { opset: 21 }],
  ["LayerNormalization", [x([2, 3, 6]), weights([6], 3), weights([6], 4)], { epsilon: { f: 1e-6 } }],
  ["LayerNormalization", [x([2, 3, 6]), weights([3, 6], 3)], { axis: 1 }],
  ["RMSNormalization", [x([2, 3, 6]), weights([6], 3)], { epsilon: { f: 1e-6 } }, { opset: 23 }],
  ["Softmax", [x(s)], { axis: 1 }],
  ["Softmax", [x([2, 3, 4])], { axis: 1 }, { opset: 11 }],
  ["LogSoftmax", [x(s)]],
  ...["ReduceMean", "ReduceMax", "ReduceMin", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceLogSumExp"].map(
    (op): Case => [op, [x(s)], { axes: [1, -1], keepdims: 0 }],
  ),
  ["ReduceLogSum", [positive(s)], { axes: [2] }],
  ["ReduceProd", [x(s)], { axes: [1, 2] }],
  ["ReduceMean", [x(s), longs(2)], { keepdims: 1 }, { opset: 18 }],
  ["ReduceMean", [x(s)], {}],
  ["ReduceSum", [x(s), longs(-1, 0)], { keepdims: 0 }],
  ["ReduceSum", [x(s)], { noop_with_empty_axes: 1 }],
  ["ArgMax", [x(s)], { axis: 1 }],
  ["ArgMin", [x(s)], { axis: -1, keepdims: 0 }],
  ["TopK", [x([3, 8]), longs(3)], {}, { outputs: 2 }],
  ["TopK", [x([8, 3]), longs(2)], { axis: 0, largest: 0 }, { outputs: 2 }],
  ["CumSum", [x([3, 8]), long(1)]],
  ["OneHot", [typed("int64", [2, 3], [0, 4, 2, 1, 1, 3]), long(5), stored([2], [-1, 2])]],
  ["OneHot", [typed("int64", [3], [0, 4, 2]), long(5), stored([2], [0, 1])], { axis: 0 }],
  ["Trilu", [x([2, 4, 5]), long(1)]],
  ["Trilu", [x([4, 4])], { upper: 0 }],
  [
    "Resize",
    [x([1, 2, 3, 4]), undefined, stored([4], [1, 1, 2, 3])],
    { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
  ],
  ["Resize", [x([1, 2, 4, 5]), undefined, undefined, longs(1, 2, 7, 3)], { mode: "nearest" }],
  ["Resize", [x([1, 2, 4, 5]), undefined, stored([4], [1, 1, 2, 1.5])], { mode: "linear" }],
  [
    "Resize",
    [x([1, 2, 4, 5]), undefined, undefined, longs(1, 2, 9, 11)],
    { mode: "linear", coordinate_transformation_mode: "align_corners" },
  ],
  ["Resize", [x([1, 2, 4, 5]), undefined, stored([4], [1, 1, 2, 2])], { mode: "cubic", cubic_coeff_a: { f: -0.5 } }],
  ["Upsample", [x([1, 2, 3, 4]), stored([4], [1, 1, 2, 2])], { mode: "nearest" }, { opset: 9 }],
  ["Upsample", [x([1, 2, 3, 4]), stored([4], [1, 1, 2, 2])], { mode: "linear" }, { opset: 9 }],
  ["LSTM", [x([5, 2, 3]), weights([1, 16, 3]), weights([1, 16, 4], 3), weights([1, 32], 4)], { hidden_size: 4 }, { outputs: 3 }],
  [
    "LSTM",
    [
      x([4, 2, 3]),
      weights([2, 16, 3]),
      weights([2, 16, 4], 3),
      weights([2, 32], 4),
      undefined,
      x([2, 2, 4], 7),
      x([2, 2, 4], 8),
      weights([2, 12], 9),
    ],
    { hidden_size: 4, direction: "bidirectional" },
    { outputs: 3 },
  ],
  ["GRU", [x([5, 2, 3]), weights([1, 12, 3]), weights([1, 12, 4], 3), weights([1, 24], 4)], { hidden_size: 4 }, { outputs: 2 }],
  [
    "GRU",
    [x([5, 2, 3]), weights([1, 12, 3]), weights([1, 12, 4], 3), weights([1, 24], 4)],
    { hidden_size: 4, linear_before_reset: 1, direction: "reverse" },
    { outputs: 2 },
  ],
  [
    "RNN",
    [x([5, 2, 3]), weights([1, 4, 3]), weights([1, 4, 4], 3), weights([1, 8], 4)],
    { hidden_size: 4, activations: { texts: ["Relu"] } },
    { outputs: 2 },
  ],
  ["Shape", [x(s)]],
  ["Shape", [x(s)], { start: 1, end: -1 }],
  ["Size", [x(s)]],
  ["ConstantOfShape", [longs(2, 3)]],
  ["Range", [stored([], [1]), stored([], [4]), stored([], [0.5])]],
];

function bytes(shape: readonly number[], values: readonly number[]): Operand {
  return { stored: { dims: shape, dataType: 2, rawData: Uint8Array.from(values) } };
}

function positiveStored(shape: readonly number[]): Operand {
  return stored(
    shape,
    Float32Array.from(numbers(shape, 6).data, (v) => Math.abs(v) + 0.5),
  );
}

describe.skipIf(!runtime)("operators give onnxruntime's numbers (1e-4 of the greatest; skipped without its binary)", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine();
  });
  afterAll(() => engine.close());

  it.each(cases.map((c, i) => [`${c[0]} ${i}`, c] as const))("%s", async (_, [op, operands, given, options]) => {
    const { bytes, feeds } = oneNode(op, operands, given, options);
    const expected = await runOnnx(bytes, feeds);
    const { program, params } = importOnnx(bytes);
    const inputs = mapTree(feeds, tensorOf);
    const { outputs } = interpret(program.one, { params, inputs });
    const store = engine.params(specsOf(program.one), params);
    const plan = engine.compile(program.one, store);
    const planned = plan.run(inputs);
    for (const [name, { dims, data }] of Object.entries(expected)) {
      expect(outputs[name]!.shape, "shape").toEqual([...dims]);
      expect(worst(outputs[name]!.data, data), "interpreter").toBeLessThan(1e-4);
      expect(worst(planned[name]!.data, data), "engine").toBeLessThan(1e-4);
    }
    plan.close();
    store.close();
  });

  it("covers every supported operator", () => {
    const covered = new Set([...cases.map(([op]) => op), "Constant"]);
    expect(supportedOnnxOperators().filter((op) => !covered.has(op))).toEqual([]);
  });
});

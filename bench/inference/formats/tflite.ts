/**
 * A program as a TFLite model: channels last, explicit padding, sparse weights as TFLite sparse tensors behind DENSIFY. In this form
 * XNNPACK's sparse inference engages: a 3x3 stem of stride 2, 1x1 and depthwise layers, a spatial mean at the end.
 */
import { InputError, type Tensor, type Tree } from "../../../src/core/index.js";
import { compressDense } from "../../../src/formats/index.js";
import type { Mask } from "../../../src/sparsity/index.js";
import type { Activation, PeerGraph, PeerNode } from "../graph.js";
import { type FlatOperator, type FlatTensor, type OptionField, writeFlatModel } from "./flat-model.js";

/** Operator codes of the schema with the number of their options table. */
const CODES = {
  add: [0, 11],
  concatenation: [2, 10],
  conv2d: [3, 1],
  depthwise: [4, 2],
  fullyConnected: [9, 8],
  logistic: [14, 0],
  maxPool: [17, 5],
  mul: [18, 21],
  relu: [19, 0],
  reshape: [22, 17],
  softmax: [25, 9],
  tanh: [28, 0],
  pad: [34, 22],
  transpose: [39, 26],
  mean: [40, 27],
  sub: [41, 28],
  stridedSlice: [45, 32],
  rsqrt: [76, 0],
  densify: [124, 99],
  batchMatmul: [126, 101],
  gelu: [150, 122],
} as const;

const ACTIVATIONS: Record<Activation, number> = { none: 0, relu: 1, relu6: 3 };
const SAME = 0;
const VALID = 1;

/** NCHW to NHWC for pictures, other ranks alone. */
const last = (shape: readonly number[]): number[] =>
  shape.length === 4 ? [shape[0]!, shape[2]!, shape[3]!, shape[1]!] : [...shape];
const LAST_AXIS = [0, 3, 1, 2];

/** What `toTflite` is given. */
export interface TfliteInput {
  readonly graph: PeerGraph;
  readonly params: Tree<Tensor>;
  /** Params to store as sparse tensors. */
  readonly masks?: Tree<Mask>;
}

/**
 * @throws InputError for an operation that this writer does not know
 */
export function toTflite({ graph, params, masks = {} }: TfliteInput): Uint8Array {
  const tensors: FlatTensor[] = [];
  const operators: FlatOperator[] = [];
  const places = new Map<number, number>();
  const picture = graph.nodes.some((node) => node.op === "conv2d");
  const laid = (shape: readonly number[]): number[] => (picture ? last(shape) : [...shape]);
  const tensorOf = (t: FlatTensor): number => tensors.push(t) - 1;
  const floats = (shape: readonly number[], data?: Float32Array): number => tensorOf({ shape, type: "f32", data });
  const constant = (values: readonly number[], shape = [values.length]): number =>
    tensorOf({ shape, type: "i32", data: Int32Array.from(values) });
  const shapeOf = (id: number): readonly number[] => graph.program.values[id]!.shape;
  const emit = (op: keyof typeof CODES, inputs: readonly number[], output: number, fields: readonly OptionField[] = []): void => {
    const [code, type] = CODES[op];
    operators.push({ code, inputs, outputs: [output], options: { type, fields } });
  };
  const input = floats(laid(shapeOf(graph.input)));
  places.set(graph.input, input);
  const at = (id: number): number => {
    const found = places.get(id);
    if (found !== undefined) return found;
    const path = graph.paths.get(id);
    if (path === undefined) throw new InputError(`toTflite: value ${id} is made by no node`);
    const made = floats(shapeOf(id), params[path]!.data);
    places.set(id, made);
    return made;
  };
  const out = (node: PeerNode): number => {
    const place = floats(laid(shapeOf(node.output)));
    places.set(node.output, place);
    return place;
  };
  const zeros = (n: number): Float32Array => new Float32Array(n);
  const biasOf = (node: PeerNode, channels: number): number =>
    floats([channels], node.bias === undefined ? zeros(channels) : params[node.bias]!.data);

  function padded(x: number, [top, left, bottom, right]: readonly number[]): number {
    const [n, h, w, c] = tensors[x]!.shape as [number, number, number, number];
    const y = floats([n, h + top! + bottom!, w + left! + right!, c]);
    emit("pad", [x, constant([0, 0, top!, bottom!, left!, right!, 0, 0], [4, 2])], y);
    return y;
  }

  function pointwiseWeight(path: string, rows: number, columns: number): number {
    const { data } = params[path]!;
    const mask = masks[path];
    const shape = [rows, 1, 1, columns];
    if (!mask) return floats(shape, data);
    const { rowPtr, columns: live, values } = compressDense(data, { shape: [rows, columns], layout: "csr" }, mask.data);
    const stored = tensorOf({ shape, type: "f32", data: values, sparse: { rowPtr, columns: live } });
    const dense = floats(shape);
    emit("densify", [stored], dense);
    return dense;
  }

  function conv(node: PeerNode): void {
    const [co, each, kh, kw] = params[node.weight!]!.shape as [number, number, number, number];
    const { stride, padding, groups } = node.attrs as unknown as { stride: number[]; padding: number[]; groups: number };
    const { data } = params[node.weight!]!;
    const [, , height] = shapeOf(node.inputs[0]!) as [number, number, number, number];
    const even = padding.every((p) => p === padding[0]);
    // SAME of stride 1 is symmetric; SAME of stride 2 on even planes is not, so it gets its own PAD.
    const same = even && padding[0]! * 2 === kh - 1 && (stride[0] === 1 || height % stride[0]! !== 0);
    let x = at(node.inputs[0]!);
    if (!same && padding.some((p) => p > 0)) x = padded(x, padding);
    const scheme = same && padding[0]! > 0 ? SAME : VALID;
    const common: OptionField[] = [
      [0, "i8", scheme],
      [1, "i32", stride[1]!],
      [2, "i32", stride[0]!],
    ];
    const bias = biasOf(node, co);
    if (groups > 1) {
      if (each !== 1) throw new InputError("toTflite: grouped convolutions must be depthwise");
      const turned = new Float32Array(data.length);
      for (let c = 0; c < co; c++) for (let k = 0; k < kh * kw; k++) turned[k * co + c] = data[c * kh * kw + k]!;
      emit("depthwise", [x, floats([1, kh, kw, co], turned), bias], out(node), [
        ...common,
        [3, "i32", 1],
        [4, "i8", ACTIVATIONS[node.activation]],
      ]);
      return;
    }
    let weight: number;
    if (kh === 1 && kw === 1) weight = pointwiseWeight(node.weight!, co, each);
    else {
      const turned = new Float32Array(data.length);
      for (let o = 0; o < co; o++)
        for (let i = 0; i < each; i++)
          for (let k = 0; k < kh * kw; k++) turned[(o * kh * kw + k) * each + i] = data[(o * each + i) * kh * kw + k]!;
      weight = floats([co, kh, kw, each], turned);
    }
    emit("conv2d", [x, weight, bias], out(node), [...common, [3, "i8", ACTIVATIONS[node.activation]]]);
  }

  const turned = (values: readonly number[]): number[] => (picture ? last(values) : [...values]);

  function pool(node: PeerNode): void {
    const { kernel, stride, padding } = node.attrs as unknown as Record<string, number[]>;
    let x = at(node.inputs[0]!);
    // Zeros stand for the border: right after a ReLU only.
    if (padding!.some((p) => p > 0)) x = padded(x, padding!);
    emit("maxPool", [x], out(node), [
      [0, "i8", VALID],
      [1, "i32", stride![1]!],
      [2, "i32", stride![0]!],
      [3, "i32", kernel![1]!],
      [4, "i32", kernel![0]!],
    ]);
  }

  /** (x - mean) / sqrt(variance + eps) * weight + bias in the operators that TFLite has. */
  function layerNorm(node: PeerNode): void {
    const [x, weight, bias] = node.inputs.map(at) as [number, number, number];
    const shape = shapeOf(node.output);
    const narrow = [...shape.slice(0, -1), 1];
    const step = (
      op: keyof typeof CODES,
      inputs: readonly number[],
      dims: readonly number[],
      fields: readonly OptionField[] = [],
    ): number => {
      const y = floats(dims);
      emit(op, inputs, y, fields);
      return y;
    };
    const axis = constant([shape.length - 1]);
    const plain: OptionField[] = [[0, "i8", 0]];
    const mean = step("mean", [x, axis], narrow, [[0, "i8", 1]]);
    const centred = step("sub", [x, mean], shape, plain);
    const variance = step("mean", [step("mul", [centred, centred], shape, plain), axis], narrow, [[0, "i8", 1]]);
    const eps = floats([1], Float32Array.of(node.attrs["eps"] as number));
    const scale = step("rsqrt", [step("add", [variance, eps], narrow, plain)], narrow);
    const scaled = step("mul", [step("mul", [centred, scale], shape, plain), weight], shape, plain);
    emit("add", [scaled, bias], out(node), plain);
  }

  for (const node of graph.nodes) {
    const { op, attrs } = node;
    const fused: OptionField[] = [[0, "i8", ACTIVATIONS[node.activation]]];
    if (op === "conv2d") conv(node);
    else if (op === "linear") {
      const [rows, columns] = params[node.weight!]!.shape as [number, number];
      const x = at(node.inputs[0]!);
      const weight = floats([rows, columns], params[node.weight!]!.data);
      // With keep_num_dims set, LiteRT counts a classifier behind the mean among the layers that must be sparse.
      const rank = shapeOf(node.inputs[0]!).length;
      emit("fullyConnected", [x, weight, biasOf(node, rows)], out(node), rank > 2 ? [...fused, [2, "i8", 1]] : fused);
    } else if (op === "add" || op === "mul" || op === "sub") {
      const [a, b] = [at(node.inputs[0]!), at(node.inputs[1]!)];
      emit(op, [a, b], out(node), fused);
    } else if (op === "mean") {
      const axes = (attrs["axes"] as number[]).map((axis) => (picture ? LAST_AXIS[axis]! : axis)).sort();
      const x = at(node.inputs[0]!);
      emit("mean", [x, constant(axes)], out(node), attrs["keepDims"] ? [[0, "i8", 1]] : []);
    } else if (op === "relu" || op === "sigmoid" || op === "tanh" || op === "gelu") {
      const x = at(node.inputs[0]!);
      // gelu: the tanh form.
      emit(op === "sigmoid" ? "logistic" : op, [x], out(node), op === "gelu" ? [[0, "i8", 1]] : []);
    } else if (op === "softmax") {
      const x = at(node.inputs[0]!);
      if (attrs["axis"] !== shapeOf(node.inputs[0]!).length - 1) throw new InputError("toTflite: softmax is over the last axis");
      emit("softmax", [x], out(node), [[0, "f32", 1]]);
    } else if (op === "affine") {
      const x = at(node.inputs[0]!);
      const [a, b] = [attrs["a"] as number, attrs["b"] as number];
      if (b !== 0) throw new InputError("toTflite: affine has no offset");
      emit("mul", [x, floats([1], Float32Array.of(a))], out(node), [[0, "i8", 0]]);
    } else if (op === "matmul") {
      const [a, b] = [at(node.inputs[0]!), at(node.inputs[1]!)];
      emit("batchMatmul", [a, b], out(node), [
        [0, "i8", attrs["transposeA"] ? 1 : 0],
        [1, "i8", attrs["transposeB"] ? 1 : 0],
      ]);
    } else if (op === "layerNorm") layerNorm(node);
    else if (op === "concat") {
      const inputs = node.inputs.map(at);
      const axis = attrs["axis"] as number;
      emit("concatenation", inputs, out(node), [[0, "i32", picture ? LAST_AXIS[axis]! : axis]]);
    } else if (op === "maxPool2d") pool(node);
    else if (op === "pad") {
      const x = at(node.inputs[0]!);
      const [low, high] = [turned(attrs["before"] as number[]), turned(attrs["after"] as number[])];
      emit(
        "pad",
        [
          x,
          constant(
            low.flatMap((v, i) => [v, high[i]!]),
            [low.length, 2],
          ),
        ],
        out(node),
      );
    } else if (op === "slice") {
      const x = at(node.inputs[0]!);
      const [starts, stops, steps] = ["starts", "stops", "steps"].map((key) => constant(turned(attrs[key] as number[]))) as [
        number,
        number,
        number,
      ];
      emit("stridedSlice", [x, starts, stops, steps], out(node));
    } else if (op === "reshape" || op === "transpose") {
      if (picture) throw new InputError(`toTflite: ${op} beside convolutions`);
      const x = at(node.inputs[0]!);
      emit(op, [x, constant(op === "reshape" ? shapeOf(node.output) : (attrs["perm"] as number[]))], out(node));
    } else throw new InputError(`toTflite: no rule for ${op}`);
  }
  return writeFlatModel({ tensors, operators, inputs: [input], outputs: [at(graph.output)] });
}

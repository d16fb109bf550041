/** TFLite convolutions, pooling and fully connected layers. */
import { InputError } from "../../core/index.js";
import type { Value } from "../graph.js";
import * as op from "../ops/index.js";
import { refuse } from "./node.js";
import { sharePadding } from "./rules/conv.js";
import type { TfliteHeld, TfliteRule, TfliteView } from "./tflite-node.js";

/** A result in planes. */
export const planar = (value: Value): TfliteHeld => ({ value, planar: true });
/** A result in the order of axes of the file. */
export const plain = (value: Value): TfliteHeld => ({ value, planar: false });

/** With the activation that is fused into the operator. */
export function activated(n: TfliteView, x: Value): Value {
  const name = n.word("activation", "NONE");
  const known: Record<string, (x: Value) => Value> = {
    NONE: (v) => v,
    RELU: op.relu,
    RELU6: (v) => op.clamp(v, 0, 6),
    RELU_N1_TO_1: (v) => op.clamp(v, -1, 1),
    TANH: op.tanh,
  };
  return (known[name] ?? (() => refuse(`the fused activation ${name}`)))(x);
}

interface Sides {
  readonly stride: [number, number];
  readonly dilation: [number, number];
  readonly padding: [number, number, number, number];
}

function sidesOf(n: TfliteView, size: readonly number[], kernel: readonly [number, number]): Sides {
  const stride: [number, number] = [n.number("strideH", 1), n.number("strideW", 1)];
  const dilation: [number, number] = [n.number("dilationH", 1), n.number("dilationW", 1)];
  if ([...stride, ...dilation].some((v) => v < 1))
    throw new InputError(`strides [${stride.join(", ")}] and dilations [${dilation.join(", ")}]: expected positive numbers`);
  if (n.word("padding", "VALID") === "VALID") return { stride, dilation, padding: [0, 0, 0, 0] };
  const [top, bottom] = sharePadding(size[0]!, kernel[0], stride[0], dilation[0]);
  const [left, right] = sharePadding(size[1]!, kernel[1], stride[1], dilation[1]);
  return { stride, dilation, padding: [top, left, bottom, right] };
}

const withBias = (n: TfliteView, y: Value, i: number): Value => (n.has(i) ? op.add(y, op.reshape(n.weight(i), [1, -1, 1, 1])) : y);

function filter(n: TfliteView, i: number): readonly [number, number, number, number] {
  const w = n.shape(i);
  if (w.length !== 4) throw new InputError(`the weight is [${w.join(", ")}], expected rank 4`);
  return w as readonly [number, number, number, number];
}

/** Weight [O, kh, kw, C/g]. */
const conv: TfliteRule = (n) => {
  const x = n.plane(0);
  const [, kh, kw, per] = filter(n, 1);
  const groups = x.shape[1]! / per;
  const y = op.conv2d(x, n.weight(1, { perm: [0, 3, 1, 2] }), { ...sidesOf(n, x.shape.slice(2), [kh, kw]), groups });
  return planar(activated(n, withBias(n, y, 2)));
};

/** Weight [1, kh, kw, C m]. */
const depthwise: TfliteRule = (n) => {
  const x = n.plane(0);
  const [one, kh, kw] = filter(n, 1);
  if (one !== 1) throw new InputError(`the weight's first dim is ${one}, expected 1`);
  const y = op.conv2d(x, n.weight(1, { perm: [3, 0, 1, 2] }), { ...sidesOf(n, x.shape.slice(2), [kh, kw]), groups: x.shape[1]! });
  return planar(activated(n, withBias(n, y, 2)));
};

/** Operands: output shape, weight [O, kh, kw, C], x, bias. */
const transposeConv: TfliteRule = (n) => {
  const x = n.plane(2);
  const [outputs, kh, kw] = filter(n, 1);
  const [, h, w] = n.integers(0, "the output shape");
  if (h === undefined || w === undefined) throw new InputError("the output shape has no height and width");
  const { stride, dilation, padding } = sidesOf(n, [h, w], [kh, kw]);
  const y = op.conv2dInputGrad(x, n.weight(1, { perm: [3, 0, 1, 2] }), [x.shape[0]!, outputs, h, w], {
    stride,
    dilation,
    padding,
    groups: 1,
  });
  return planar(activated(n, withBias(n, y, 3)));
};

const pool =
  (f: (x: Value, options: { kernel: number[]; stride: number[]; padding: number[] }) => Value): TfliteRule =>
  (n) => {
    const x = n.plane(0);
    const kernel: [number, number] = [n.number("filterH"), n.number("filterW")];
    const { stride, padding } = sidesOf(n, x.shape.slice(2), kernel);
    return planar(activated(n, f(x, { kernel, stride, padding })));
  };

const fullyConnected: TfliteRule = (n) => {
  const [, features] = n.shape(1);
  const x = n.last(0);
  const rows = n.number("keepDims") ? x : op.reshape(x, [-1, features ?? 1]);
  const y = op.linear(rows, n.weight(1), n.has(2) ? n.weight(2) : undefined);
  return plain(activated(n, y));
};

/** Operators with weights or windows, by name. */
export const tfliteConvRules: Readonly<Record<string, TfliteRule>> = {
  CONV_2D: conv,
  DEPTHWISE_CONV_2D: depthwise,
  TRANSPOSE_CONV: transposeConv,
  AVERAGE_POOL_2D: pool((x, o) => op.avgPool2d(x, { ...o, countPad: false })),
  MAX_POOL_2D: pool((x, o) => op.maxPool2d(x, o)),
  FULLY_CONNECTED: fullyConnected,
};

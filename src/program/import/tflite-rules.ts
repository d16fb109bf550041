/** TFLite operators. Planes stay planar through convolutions, pooling and elementwise operators. */
import { InputError, sizeOf } from "../../core/index.js";
import type { Value } from "../graph.js";
import * as op from "../ops/index.js";
import { refuse } from "./node.js";
import { sharePadding } from "./rules/conv.js";
import type { TfliteHeld, TfliteRule, TfliteView } from "./tflite-node.js";

const planar = (value: Value): TfliteHeld => ({ value, planar: true });
const plain = (value: Value): TfliteHeld => ({ value, planar: false });

function activated(n: TfliteView, x: Value): Value {
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

const unary =
  (f: (x: Value, n: TfliteView) => Value): TfliteRule =>
  (n) =>
    n.isPlanar(0) ? planar(f(n.plane(0), n)) : plain(f(n.last(0), n));

const scalarOf = (n: TfliteView, i: number): op.Operand => {
  const known = n.known(i);
  return known?.data.length === 1 ? known.data[0]! : n.last(i);
};

const binary =
  (f: (a: op.Operand, b: op.Operand) => Value): TfliteRule =>
  (n) => {
    const either = n.isPlanar(0) || n.isPlanar(1);
    if (either && [0, 1].every((i) => n.known(i) || n.shape(i).length === 4))
      return planar(activated(n, f(n.besidePlane(0), n.besidePlane(1))));
    if (n.known(0) && n.known(1)) return plain(activated(n, f(n.last(0), n.last(1))));
    return plain(activated(n, f(scalarOf(n, 0), scalarOf(n, 1))));
  };

/** A stated shape of batch 1 takes the batch of the trace. */
const reshape: TfliteRule = (n) => {
  const x = n.last(0);
  const asked = n.has(1) && n.known(1) ? n.integers(1, "the shape") : [...(n.list("newShape") ?? [])];
  const [first, ...rest] = asked;
  const size = sizeOf(x.shape);
  const batch = x.shape[0] ?? 1;
  const grown = first === 1 && !rest.includes(-1) && sizeOf(rest) * batch === size ? [batch, ...rest] : asked;
  return plain(op.reshape(x, grown));
};

const squeeze: TfliteRule = (n) => {
  const x = n.last(0);
  const given = n.list("squeezeDims") ?? [];
  const axes = given.length > 0 ? given.map((a) => n.axis(a, x.shape.length)) : x.shape.flatMap((d, i) => (d === 1 ? [i] : []));
  for (const a of axes) if (x.shape[a] !== 1) throw new InputError(`axis ${a} of [${x.shape.join(", ")}] is not of size 1`);
  return plain(
    op.reshape(
      x,
      x.shape.filter((_, i) => !axes.includes(i)),
    ),
  );
};

const expandDims: TfliteRule = (n) => {
  const x = n.last(0);
  const at = n.axis(n.integers(1, "axis")[0] ?? 0, x.shape.length + 1);
  return plain(op.reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]));
};

/** Place of each axis of the file in a plane. */
const PLACE = [0, 2, 3, 1];

const reduction =
  (f: (x: Value, axes: readonly number[], keep: boolean) => Value): TfliteRule =>
  (n) => {
    const rank = n.shape(0).length;
    const axes = n.integers(1, "axes").map((a) => n.axis(a, rank));
    const keep = n.number("keepDims") !== 0;
    if (!n.isPlanar(0)) return plain(f(n.last(0), axes, keep));
    const y = f(
      n.plane(0),
      axes.map((a) => PLACE[a]!).sort((a, b) => a - b),
      true,
    );
    if (keep) return planar(y);
    const last = n.shape(0).map((d, i) => (axes.includes(i) ? 1 : d));
    // Without the reduced axes, channels last: only planes that kept height or width move.
    const moved = op.transpose(y, [0, 2, 3, 1]);
    return plain(
      op.reshape(
        moved,
        last.filter((_, i) => !axes.includes(i)),
      ),
    );
  };

const concat: TfliteRule = (n) => {
  const rank = n.shape(0).length;
  const axis = n.axis(n.number("axis"), rank);
  const all = Array.from({ length: n.count }, (_, i) => i);
  const planes = all.some((i) => n.isPlanar(i));
  const y = planes
    ? op.concat(
        all.map((i) => n.plane(i)),
        PLACE[axis]!,
      )
    : op.concat(
        all.map((i) => n.last(i)),
        axis,
      );
  return planes ? planar(activated(n, y)) : plain(activated(n, y));
};

const pad: TfliteRule = (n) => {
  const shape = n.shape(0);
  const pairs = n.integers(1, "paddings");
  if (pairs.length !== 2 * shape.length || pairs.some((p) => !Number.isInteger(p) || p < 0))
    throw new InputError(`paddings are [${pairs.slice(0, 16).join(", ")}], expected ${2 * shape.length} numbers of at least 0`);
  const before = shape.map((_, i) => pairs[2 * i]!);
  const after = shape.map((_, i) => pairs[2 * i + 1]!);
  const value = n.has(2) ? (n.integers(2, "the padding value")[0] ?? 0) : 0;
  if (!n.isPlanar(0)) return plain(op.pad(n.last(0), before, after, value));
  const order = [0, 3, 1, 2];
  return planar(
    op.pad(
      n.plane(0),
      order.map((a) => before[a]!),
      order.map((a) => after[a]!),
      value,
    ),
  );
};

const transpose: TfliteRule = (n) => {
  const x = n.last(0);
  const perm = n.integers(1, "perm");
  if (perm.length !== x.shape.length || [...perm].sort((a, b) => a - b).some((p, i) => p !== i))
    throw new InputError(`perm [${perm.slice(0, 16).join(", ")}] is no order of the axes of [${x.shape.join(", ")}]`);
  return plain(op.transpose(x, perm));
};

const softmax: TfliteRule = (n) => {
  const x = n.last(0);
  const beta = n.number("beta", 1);
  return plain(op.softmax(beta === 1 ? x : op.affine(x, beta, 0)));
};

const prelu: TfliteRule = (n) => {
  const both = (x: Value, slope: op.Operand) => op.add(op.relu(x), op.mul(op.min(x, 0), slope));
  return n.isPlanar(0) ? planar(both(n.plane(0), n.besidePlane(1))) : plain(both(n.last(0), n.last(1)));
};

const argmax: TfliteRule = (n) => {
  const x = n.last(0);
  return plain(op.cast(op.argmax(x, n.axis(n.integers(1, "axis")[0] ?? 0, x.shape.length)), "f32"));
};

const same: TfliteRule = (n) => (n.isPlanar(0) ? planar(n.plane(0)) : plain(n.last(0)));

const gelu = (x: Value, n: TfliteView): Value =>
  n.number("approximate") ? op.gelu(x) : op.mul(op.affine(x, 0.5, 0), op.affine(op.erf(op.affine(x, Math.SQRT1_2, 0)), 1, 1));

const batchMatmul: TfliteRule = (n) =>
  plain(op.matmul(n.last(0), n.last(1), { transposeA: n.number("adjX") !== 0, transposeB: n.number("adjY") !== 0 }));

/** Whole multiples of nearest neighbours repeat pixels. */
const resizeNearest: TfliteRule = (n) => {
  const x = n.plane(0);
  const [h = 0, w = 0] = n.integers(1, "the size");
  const [, , fromH, fromW] = x.shape as [number, number, number, number];
  if (n.number("alignCorners") || h % fromH !== 0 || w % fromW !== 0)
    refuse(`resizing [${fromH}, ${fromW}] to [${h}, ${w}] (whole multiples are)`);
  const [b, c] = x.shape as [number, number];
  const wide = op.broadcastTo(op.reshape(x, [b, c, fromH, 1, fromW, 1]), [b, c, fromH, h / fromH, fromW, w / fromW]);
  return planar(op.reshape(wide, [b, c, h, w]));
};

/** Operators by name. */
export const tfliteRules: Readonly<Record<string, TfliteRule>> = {
  CONV_2D: conv,
  DEPTHWISE_CONV_2D: depthwise,
  TRANSPOSE_CONV: transposeConv,
  AVERAGE_POOL_2D: pool((x, o) => op.avgPool2d(x, { ...o, countPad: false })),
  MAX_POOL_2D: pool((x, o) => op.maxPool2d(x, o)),
  FULLY_CONNECTED: fullyConnected,
  BATCH_MATMUL: batchMatmul,
  ADD: binary(op.add),
  SUB: binary(op.sub),
  MUL: binary(op.mul),
  DIV: binary(op.div),
  MAXIMUM: binary(op.max),
  MINIMUM: binary(op.min),
  SQUARED_DIFFERENCE: binary((a, b) => op.square(op.sub(a, b))),
  RELU: unary(op.relu),
  RELU6: unary((x) => op.clamp(x, 0, 6)),
  RELU_N1_TO_1: unary((x) => op.clamp(x, -1, 1)),
  LEAKY_RELU: unary((x, n) => op.leaky(x, n.number("alpha"))),
  HARD_SWISH: unary((x) => op.mul(x, op.clamp(op.affine(x, 1 / 6, 0.5), 0, 1))),
  ELU: unary((x) => op.where(op.greater(x, 0), x, op.affine(op.exp(op.min(x, 0)), 1, -1))),
  GELU: unary(gelu),
  LOGISTIC: unary(op.sigmoid),
  TANH: unary(op.tanh),
  ABS: unary(op.abs),
  NEG: unary((x) => op.affine(x, -1, 0)),
  EXP: unary(op.exp),
  LOG: unary(op.log),
  SIN: unary(op.sin),
  COS: unary(op.cos),
  SQRT: unary(op.sqrt),
  RSQRT: unary(op.rsqrt),
  SQUARE: unary(op.square),
  FLOOR: unary(op.floor),
  PRELU: prelu,
  SOFTMAX: softmax,
  LOG_SOFTMAX: (n) => plain(op.logSoftmax(n.last(0))),
  MEAN: reduction(op.mean),
  SUM: reduction(op.sum),
  REDUCE_MAX: reduction(op.reduceMax),
  REDUCE_MIN: reduction(op.reduceMin),
  ARG_MAX: argmax,
  CONCATENATION: concat,
  RESHAPE: reshape,
  SQUEEZE: squeeze,
  EXPAND_DIMS: expandDims,
  TRANSPOSE: transpose,
  PAD: pad,
  PADV2: pad,
  RESIZE_NEAREST_NEIGHBOR: resizeNearest,
  DEQUANTIZE: same,
  QUANTIZE: same,
  DENSIFY: same,
};

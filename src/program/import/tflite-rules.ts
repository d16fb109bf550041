/** TFLite operators. Planes stay planar through convolutions, pooling and elementwise operators. */
import { InputError, sizeOf } from "../../core/index.js";
import type { Value } from "../graph.js";
import * as op from "../ops/index.js";
import { refuse } from "./node.js";
import { along, linearTable, MOST } from "./rules/resize.js";
import { activated, plain, planar, tfliteConvRules } from "./tflite-conv.js";
import type { TfliteRule, TfliteView } from "./tflite-node.js";

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

const resizeBilinear: TfliteRule = (n) => {
  let y = n.plane(0);
  const sizes = n.integers(1, "the size");
  const mode = n.number("alignCorners") ? "align_corners" : n.number("halfPixelCenters") ? "half_pixel" : "asymmetric";
  for (const [i, axis] of [2, 3].entries()) {
    const [from, to] = [y.shape[axis]!, sizes[i] ?? 0];
    if (!(to >= 1) || from * to > MOST) refuse(`resizing from ${from} to ${to}`);
    const along1 = { axis, from, to, scale: to / from };
    if (from !== to) y = along(y, linearTable(mode, along1), along1);
  }
  return planar(y);
};

const stridedSlice: TfliteRule = (n) => {
  const x = n.last(0);
  const rank = x.shape.length;
  const [begin, end, steps] = [n.integers(1, "begin"), n.integers(2, "end"), n.integers(3, "strides")];
  if ([begin, end, steps].some((l) => l.length !== rank)) refuse(`begin, end and strides for ${begin.length} of ${rank} axes`);
  if (n.number("ellipsisMask") || n.number("newAxisMask")) refuse("an ellipsis or new axis");
  const bit = (mask: string, i: number): boolean => ((n.number(mask) >> i) & 1) === 1;
  if (steps.some((s, i) => s < 1 && !bit("shrinkAxisMask", i))) refuse(`strides [${steps.slice(0, 16).join(", ")}]`);
  const at = (v: number, d: number): number => Math.min(Math.max(v < 0 ? v + d : v, 0), d);
  const starts = x.shape.map((d, i) => (bit("beginMask", i) ? 0 : at(begin[i]!, d)));
  const stops = x.shape.map((d, i) =>
    bit("shrinkAxisMask", i) ? starts[i]! + 1 : bit("endMask", i) ? d : Math.max(starts[i]!, at(end[i]!, d)),
  );
  const y = op.slice(
    x,
    starts,
    stops,
    steps.map((s, i) => (bit("shrinkAxisMask", i) ? 1 : s)),
  );
  return plain(
    op.reshape(
      y,
      y.shape.filter((_, i) => !bit("shrinkAxisMask", i)),
    ),
  );
};

/** Operands: axis, x. */
const split: TfliteRule = (n) => {
  const rank = n.shape(1).length;
  const axis = n.axis(n.integers(0, "axis")[0] ?? 0, rank);
  const planes = n.isPlanar(1);
  const x = planes ? n.plane(1) : n.last(1);
  const at = planes ? PLACE[axis]! : axis;
  const count = n.operator.outputs.length;
  const size = x.shape[at]! / count;
  if (!Number.isInteger(size))
    throw new InputError(`axis ${axis} of [${n.shape(1).join(", ")}] does not divide into ${count} outputs`);
  return n.operator.outputs.map((_, i) => {
    const part = op.sliceAxis(x, at, i * size, (i + 1) * size);
    return planes ? planar(part) : plain(part);
  });
};

/** Channels hold blocks row by row, pixel by pixel, then the new channels. */
const depthToSpace: TfliteRule = (n) => {
  const x = n.plane(0);
  const b = n.number("blockSize");
  const [batch, c, h, w] = x.shape as [number, number, number, number];
  if (b < 1 || c % (b * b) !== 0) throw new InputError(`a block of ${b} does not divide ${c} channels`);
  const y = op.transpose(op.reshape(x, [batch, b, b, c / (b * b), h, w]), [0, 3, 4, 1, 5, 2]);
  return planar(op.reshape(y, [batch, c / (b * b), h * b, w * b]));
};

/** Operators by name. */
export const tfliteRules: Readonly<Record<string, TfliteRule>> = {
  ...tfliteConvRules,
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
  HARD_SWISH: unary((x) => op.hardSwish(x)),
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
  RESIZE_BILINEAR: resizeBilinear,
  STRIDED_SLICE: stridedSlice,
  SPLIT: split,
  DEPTH_TO_SPACE: depthToSpace,
  DEQUANTIZE: same,
  QUANTIZE: same,
  DENSIFY: same,
};

/**
 * Int8 inference. Activations are u8 values in [0, 127] that stand for `scale * (byte - zero)`; weights are f32 params whose values lie
 * on a grid, `scale[o] * q` with q in [-127, 127] for output channel o (the layout `int8` stores q). Sums are exact in whole numbers;
 * what comes out is rounded in f32 in one stated way, so every kernel gives these very bits.
 *
 * Seven bits, because the dot product of relaxed SIMD multiplies 8-bit by 7-bit values: with more, its result depends on the machine.
 *
 * Per-channel scales and integer-only sums: Jacob et al. 2018, arXiv:1712.05877, section 2. Differs from the paper: f32 multipliers.
 */
import { type AnyTensor, InputError, ShapeError, sizeOf, type Tensor } from "../../core/index.js";
import type { OpDef } from "../graph.js";
import type { Attrs, ValueType } from "../types.js";
import { type ConvAttrs, convOutput, windowsOf } from "./conv2d.js";
import { requireDense, requireDType } from "./support.js";

/** The greatest activation byte. */
export const INT8_TOP = 127;

/** How bytes stand for numbers: `scale * (byte - zero)`; scale above 0, zero in [0, 127]. */
export interface Int8Range {
  readonly scale: number;
  readonly zero: number;
}

/** Attributes of what rounds to bytes: operand `x`, result `y`, and the bytes that an activation function leaves. */
type Rounding = { xScale: number; xZero: number; yScale: number; yZero: number; lo: number; hi: number };
/** Attributes of `conv2dInt8`. `rScale` and `rZero` are those of the residual. */
export type Int8ConvAttrs = ConvAttrs & Rounding & { rScale?: number; rZero?: number };
type MeanAttrs = Rounding & { keepDims: boolean };
type PoolAttrs = { kernel: readonly number[]; stride: readonly number[]; padding: readonly number[] };

const f = Math.fround;
const MAGIC = 12582912;
/** To the nearest whole number, halves to even, as f32 arithmetic does it. */
const roundEven = (v: number): number => f(f(v + MAGIC) - MAGIC);
const held = (v: number, zero: number, lo: number, hi: number): number => Math.min(hi, Math.max(lo, roundEven(v) + zero));
/** Below this the rounding is exact. */
const MOST = 2 ** 21;

const u8 = (shape: readonly number[]): ValueType => ({ shape, dtype: "u8" });
const bytes = (shape: readonly number[]): Tensor<"u8"> => ({ shape, dtype: "u8", data: new Uint8Array(sizeOf(shape)) });

function requireRange(op: string, { scale, zero }: Int8Range): void {
  if (!(scale > 0 && scale < 1e30)) throw new InputError(`${op}: expected a scale above 0, got ${scale}`);
  if (!(Number.isInteger(zero) && zero >= 0 && zero <= INT8_TOP))
    throw new InputError(`${op}: expected a zero point in [0, ${INT8_TOP}], got ${zero}`);
}

function requireRounding(op: string, { xScale, xZero, yScale, yZero, lo, hi }: Rounding): void {
  requireRange(op, { scale: xScale, zero: xZero });
  requireRange(op, { scale: yScale, zero: yZero });
  if (!(Number.isInteger(lo) && Number.isInteger(hi) && lo >= 0 && lo <= hi && hi <= INT8_TOP))
    throw new InputError(`${op}: expected bounds 0 <= lo <= hi <= ${INT8_TOP}, got ${lo} and ${hi}`);
}

/** x and weight, scale and bias of one value per output channel. */
function requireWeights(op: string, inputs: readonly ValueType[]): void {
  requireDType(op, inputs, 0, "u8");
  for (const i of [1, 2, 3]) requireDType(op, inputs, i, "f32");
  requireDense(op, inputs, [0, 2, 3]);
  const [, w, scale, bias] = inputs.map(({ shape }) => shape);
  if (scale!.join() !== `${w![0]}` || bias!.join() !== `${w![0]}`)
    throw new ShapeError(op, { weight: w!, scale: scale!, bias: bias! }, `scale and bias [${w![0]}]`);
}

/** The whole numbers of a weight: q[o][i] = round(w[o][i] / scale[o]). @throws InputError when one leaves [-127, 127] */
export function int8Weights(weight: ArrayLike<number>, scale: ArrayLike<number>): Int8Array {
  const row = weight.length / scale.length;
  const q = new Int8Array(weight.length);
  for (let i = 0; i < q.length; i++) {
    const v = Math.round(weight[i]! / scale[Math.floor(i / row)]!);
    if (!(Math.abs(v) <= INT8_TOP))
      throw new InputError(`int8 weight ${i} is ${weight[i]}, beyond ${INT8_TOP} of its channel's scale`);
    q[i] = v;
  }
  return q;
}

/**
 * What each output channel's sum starts at and is multiplied by:
 *
 *     start = round(bias / (scale * xScale)) - xZero * sum of q,   multiplier = scale * xScale / yScale   (f32)
 *
 * @param rows for each output channel the sum of q and of |q|
 * @param yScale 1 where the result is no byte but f32: then the bias is not in `start`
 * @throws InputError when a sum could leave 32 bits, or a result the range in which rounding is exact
 */
export function int8Constants(
  op: string,
  rows: { readonly sum: ArrayLike<number>; readonly absolute: ArrayLike<number> },
  scale: ArrayLike<number>,
  bias: ArrayLike<number> | undefined,
  { xScale, xZero, yScale }: Pick<Rounding, "xScale" | "xZero" | "yScale">,
): { start: Int32Array; multiplier: Float32Array } {
  const start = new Int32Array(scale.length);
  const multiplier = new Float32Array(scale.length);
  for (let o = 0; o < scale.length; o++) {
    const first = (bias ? Math.round(bias[o]! / (scale[o]! * xScale)) : 0) - xZero * rows.sum[o]!;
    const most = Math.abs(first) + INT8_TOP * rows.absolute[o]!;
    multiplier[o] = (scale[o]! * xScale) / yScale;
    if (!(most < 2 ** 31) || (bias && !(most * multiplier[o]! < MOST)))
      throw new InputError(
        `${op}: channel ${o} can reach a sum of ${most}, ${most * multiplier[o]!} after scaling; its bias (${bias?.[o]}) or scale (${scale[o]}) does not fit its ranges`,
      );
    start[o] = first;
  }
  return { start, multiplier };
}

/** Sums of each row of q and of its absolute values. */
export function int8RowSums(q: Int8Array, rows: number): { sum: Float64Array; absolute: Float64Array } {
  const sum = new Float64Array(rows);
  const absolute = new Float64Array(rows);
  const row = q.length / rows;
  for (let i = 0; i < q.length; i++) {
    const o = Math.floor(i / row);
    sum[o]! += q[i]!;
    absolute[o]! += Math.abs(q[i]!);
  }
  return { sum, absolute };
}

/** `byte = clamp(round(x / scale) + zero, 0, 127)` of [N, C, H, W], with x times f32(1 / scale); NaN gives 0. */
export const quantiseOp: OpDef<Attrs & Int8Range> = {
  name: "quantise",
  type(inputs, attrs) {
    requireDType("quantise", inputs, 0, "f32");
    requireDense("quantise", inputs);
    requireRange("quantise", attrs);
    if (inputs[0]!.shape.length !== 4) throw new ShapeError("quantise", { x: inputs[0]!.shape }, "x [N, C, H, W]");
    return [u8(inputs[0]!.shape)];
  },
  reference([x], { scale, zero }) {
    const y = bytes(x!.shape);
    const inverse = f(1 / scale);
    x!.data.forEach((v, i) => {
      const t = f(f(v) * inverse);
      y.data[i] = held(Number.isNaN(t) ? -zero : Math.min(INT8_TOP - zero, Math.max(-zero, t)), zero, 0, INT8_TOP);
    });
    return [y];
  },
};

/** `x = f32(scale) * (byte - zero)`. */
export const dequantiseOp: OpDef<Attrs & Int8Range> = {
  name: "dequantise",
  type(inputs, attrs) {
    requireDType("dequantise", inputs, 0, "u8");
    requireRange("dequantise", attrs);
    if (inputs[0]!.shape.length !== 4) throw new ShapeError("dequantise", { x: inputs[0]!.shape }, "x [N, C, H, W]");
    return [{ shape: inputs[0]!.shape, dtype: "f32" }];
  },
  reference: ([x], { scale, zero }) => [
    { shape: x!.shape, dtype: "f32", data: Float32Array.from(x!.data, (v) => f(f(scale) * (v - zero))) },
  ],
};

/**
 * Convolution of bytes, then bias, residual and activation:
 *
 *     y = clamp(yZero + round(multiplier * (start + sum of q x) [+ (rScale / yScale) (r - rZero)]), lo, hi)
 *
 * Operands: x u8 [N, C, H, W]; weight [O, C/groups, kh, kw], scale [O], bias [O] (in real numbers), and maybe a residual u8 of the
 * result's shape. Padding stands for zero, so it holds the byte xZero. Groups: 1, or C (depthwise).
 */
export const conv2dInt8Op: OpDef<Attrs & Int8ConvAttrs> = {
  name: "conv2dInt8",
  type(inputs, attrs) {
    requireWeights("conv2dInt8", inputs);
    requireRounding("conv2dInt8", attrs);
    const shape = convOutput("conv2dInt8", inputs[0]!.shape, inputs[1]!.shape, attrs);
    if (attrs.groups !== 1 && !(attrs.groups === inputs[0]!.shape[1] && inputs[1]!.shape[0] === attrs.groups))
      throw new InputError(`conv2dInt8: expected 1 group, or one per channel, got ${attrs.groups}`);
    if (inputs[4]) {
      requireDType("conv2dInt8", inputs, 4, "u8");
      requireRange("conv2dInt8 residual", { scale: attrs.rScale ?? 0, zero: attrs.rZero ?? 0 });
      if (inputs[4].shape.join() !== shape.join())
        throw new ShapeError("conv2dInt8", { residual: inputs[4].shape }, `a residual [${shape.join(", ")}]`);
    }
    return [u8(shape)];
  },
  reference([x, w, scale, bias, r], attrs, [type]) {
    const y = bytes(type!.shape);
    const q = int8Weights(w!.data, scale!.data);
    const { start, multiplier } = int8Constants("conv2dInt8", int8RowSums(q, scale!.data.length), scale!.data, bias!.data, attrs);
    const rs = f((attrs.rScale ?? 0) / attrs.yScale);
    const total = sums(x!, w!.shape, q, y.shape, attrs);
    const plane = y.shape[2]! * y.shape[3]!;
    for (let i = 0; i < total.length; i++) {
      const o = Math.floor(i / plane) % y.shape[1]!;
      let v = f(multiplier[o]! * f(start[o]! + total[i]!));
      if (r) v = f(v + f(rs * (r.data[i]! - attrs.rZero!)));
      y.data[i] = held(v, attrs.yZero, attrs.lo, attrs.hi);
    }
    return [y];
  },
};

/** Sums of weight times byte, the byte xZero outside the planes. */
function sums(x: AnyTensor, weight: readonly number[], q: Int8Array, shape: readonly number[], attrs: Int8ConvAttrs): Float64Array {
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const [o, cg, kh, kw] = weight as [number, number, number, number];
  const [, , oh, ow] = shape as [number, number, number, number];
  const total = new Float64Array(sizeOf(shape));
  const { stride, padding, dilation, groups, xZero } = attrs;
  for (let b = 0, at = 0; b < n; b++) {
    for (let k = 0; k < o; k++) {
      const first = Math.floor(k / (o / groups)) * cg;
      for (let i = 0; i < oh; i++) {
        for (let j = 0; j < ow; j++, at++) {
          let sum = 0;
          for (let u = 0; u < kh; u++) {
            const row = i * stride[0]! - padding[0]! + u * dilation[0]!;
            for (let v = 0; v < kw; v++) {
              const col = j * stride[1]! - padding[1]! + v * dilation[1]!;
              const inside = row >= 0 && row < h && col >= 0 && col < w;
              for (let g = 0; g < cg; g++) {
                const value = inside ? x.data[((b * c + first + g) * h + row) * w + col]! : xZero;
                sum += value * q[((k * cg + g) * kh + u) * kw + v]!;
              }
            }
          }
          total[at] = sum;
        }
      }
    }
  }
  return total;
}

/** Mean over the plane: [N, C, H, W] to [N, C], or with keepDims [N, C, 1, 1]. */
export const meanInt8Op: OpDef<Attrs & MeanAttrs> = {
  name: "meanInt8",
  type(inputs, attrs) {
    requireDType("meanInt8", inputs, 0, "u8");
    requireRounding("meanInt8", attrs);
    const { shape } = inputs[0]!;
    if (shape.length !== 4) throw new ShapeError("meanInt8", { x: shape }, "x [N, C, H, W]");
    return [u8(attrs.keepDims ? [shape[0]!, shape[1]!, 1, 1] : shape.slice(0, 2))];
  },
  reference([x], { xScale, xZero, yScale, yZero, lo, hi }, [type]) {
    const y = bytes(type!.shape);
    const plane = x!.shape[2]! * x!.shape[3]!;
    const scale = f(xScale / (yScale * plane));
    for (let i = 0; i < y.data.length; i++) {
      let sum = -xZero * plane;
      for (let k = 0; k < plane; k++) sum += x!.data[i * plane + k]!;
      y.data[i] = held(f(scale * f(sum)), yZero, lo, hi);
    }
    return [y];
  },
};

/** The largest byte of each window; padding counts as nothing. Scale and zero point stay. */
export const maxPoolInt8Op: OpDef<Attrs & PoolAttrs> = {
  name: "maxPoolInt8",
  type(inputs, { kernel, stride, padding }) {
    requireDType("maxPoolInt8", inputs, 0, "u8");
    const { shape } = inputs[0]!;
    if (shape.length !== 4 || kernel?.length !== 2 || stride?.length !== 2 || padding?.length !== 4)
      throw new ShapeError("maxPoolInt8", { x: shape }, "x [N, C, H, W], kernel and stride of two numbers, padding of four");
    const [oh, ow] = windowsOf(shape.slice(2), kernel, { stride, padding });
    if (oh < 1 || ow < 1) throw new ShapeError("maxPoolInt8", { x: shape }, "an input at least as large as the window");
    return [u8([shape[0]!, shape[1]!, oh, ow])];
  },
  reference([x], { kernel, stride, padding }, [type]) {
    const y = bytes(type!.shape);
    const [, , h, w] = x!.shape as [number, number, number, number];
    const [n, c, oh, ow] = type!.shape as [number, number, number, number];
    for (let i = 0, at = 0; i < n * c; i++) {
      for (let r = 0; r < oh; r++) {
        for (let q = 0; q < ow; q++, at++) {
          for (let u = 0; u < kernel[0]!; u++) {
            for (let v = 0; v < kernel[1]!; v++) {
              const [row, col] = [r * stride[0]! - padding[0]! + u, q * stride[1]! - padding[1]! + v];
              if (row >= 0 && row < h && col >= 0 && col < w) y.data[at] = Math.max(y.data[at]!, x!.data[(i * h + row) * w + col]!);
            }
          }
        }
      }
    }
    return [y];
  },
};

/**
 * The classifier: bytes to f32, `y = f32(scale * xScale) * (sum of q (x - xZero)) + bias`.
 * Operands: x u8 [N, K] or [N, K, 1, 1]; weight [O, K] or [O, K, 1, 1], scale [O], bias [O].
 */
export const linearInt8Op: OpDef<Attrs & { xScale: number; xZero: number }> = {
  name: "linearInt8",
  type(inputs, { xScale, xZero }) {
    requireWeights("linearInt8", inputs);
    requireRange("linearInt8", { scale: xScale, zero: xZero });
    const [x, w] = inputs.map(({ shape }) => shape) as [readonly number[], readonly number[]];
    const flat = (shape: readonly number[]) => shape.length === 2 || (shape.length === 4 && shape[2] === 1 && shape[3] === 1);
    if (!flat(x) || !flat(w) || x[1] !== w[1]) throw new ShapeError("linearInt8", { x, weight: w }, "x [N, K] and weight [O, K]");
    return [{ shape: [x[0]!, w[0]!, ...x.slice(2)], dtype: "f32" }];
  },
  reference([x, w, scale, bias], { xScale, xZero }, [type]) {
    const [n, k] = x!.shape as [number, number];
    const o = scale!.data.length;
    const q = int8Weights(w!.data, scale!.data);
    const { start, multiplier } = int8Constants("linearInt8", int8RowSums(q, o), scale!.data, undefined, {
      xScale,
      xZero,
      yScale: 1,
    });
    const data = new Float32Array(n * o);
    for (let b = 0; b < n; b++) {
      for (let i = 0; i < o; i++) {
        let sum = start[i]!;
        for (let j = 0; j < k; j++) sum += q[i * k + j]! * x!.data[b * k + j]!;
        data[b * o + i] = f(f(multiplier[i]! * f(sum)) + bias!.data[i]!);
      }
    }
    return [{ shape: type!.shape, dtype: "f32", data }];
  },
};

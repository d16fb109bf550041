/** Two-dimensional convolution (cross-correlation) and its two adjoints; each is differentiable through the others. */
import { InputError, ShapeError } from "../../core/index.js";
import type { OpDef, Value } from "../graph.js";
import { add, reshape } from "./arithmetic.js";
import { f32, floats, named, requireDense, requireDType } from "./support.js";

/** Attributes of the three. `padding` is top, left, bottom, right. */
export type ConvAttrs = { stride: readonly number[]; padding: readonly number[]; dilation: readonly number[]; groups: number };
type InputGradAttrs = ConvAttrs & { inputShape: readonly number[] };
type WeightGradAttrs = ConvAttrs & { weightShape: readonly number[]; pattern?: string };

/** Output height and width of a window sliding over a padded plane. */
export function windowsOf(
  [h, w]: readonly number[],
  [kh, kw]: readonly number[],
  {
    stride: [sy, sx],
    padding: [top, left, bottom, right],
    dilation: [dy, dx] = [1, 1],
  }: { stride: readonly number[]; padding: readonly number[]; dilation?: readonly number[] },
): [number, number] {
  return [
    Math.floor((h! + top! + bottom! - dy! * (kh! - 1) - 1) / sy!) + 1,
    Math.floor((w! + left! + right! - dx! * (kw! - 1) - 1) / sx!) + 1,
  ];
}

/** Shape of a convolution's result. @throws ShapeError, InputError */
export function convOutput(op: string, x: readonly number[], w: readonly number[], attrs: ConvAttrs): number[] {
  const { groups, stride, padding, dilation } = attrs;
  const shapes = { x, weight: w };
  if (x.length !== 4 || w.length !== 4) throw new ShapeError(op, shapes, "x [N, C, H, W] and weight [O, C/groups, kh, kw]");
  if (x[1] !== w[1]! * groups || w[0]! % groups !== 0)
    throw new ShapeError(op, shapes, `C and O to fit ${groups} group${groups === 1 ? "" : "s"}`);
  if (
    stride.length !== 2 ||
    padding.length !== 4 ||
    dilation.length !== 2 ||
    [...stride, ...dilation].some((v) => v < 1) ||
    padding.some((v) => v < 0)
  ) {
    throw new InputError(
      `${op}: expected stride and dilation of two positive numbers and padding of four, got [${stride}], [${dilation}], [${padding}]`,
    );
  }
  const [oh, ow] = windowsOf(x.slice(2), w.slice(2), attrs);
  if (oh < 1 || ow < 1) throw new ShapeError(op, shapes, "an input at least as large as the kernel");
  return [x[0]!, w[0]!, oh, ow];
}

/** Calls `visit(x index, weight index, output index)` for every multiplication of the convolution. */
function products(
  x: readonly number[],
  w: readonly number[],
  y: readonly number[],
  { stride, padding, dilation, groups }: ConvAttrs,
  visit: (x: number, w: number, y: number) => void,
): void {
  const [n, c, h, width] = x as [number, number, number, number];
  const [o, cg, kh, kw] = w as [number, number, number, number];
  const [, , oh, ow] = y as [number, number, number, number];
  const perGroup = o / groups;
  for (let b = 0; b < n; b++) {
    for (let f = 0; f < o; f++) {
      const first = Math.floor(f / perGroup) * cg;
      for (let i = 0; i < oh; i++) {
        for (let j = 0; j < ow; j++) {
          const out = ((b * o + f) * oh + i) * ow + j;
          for (let q = 0; q < cg; q++) {
            for (let u = 0; u < kh; u++) {
              const row = i * stride[0]! - padding[0]! + u * dilation[0]!;
              if (row < 0 || row >= h) continue;
              for (let v = 0; v < kw; v++) {
                const col = j * stride[1]! - padding[1]! + v * dilation[1]!;
                if (col < 0 || col >= width) continue;
                visit(((b * c + first + q) * h + row) * width + col, ((f * cg + q) * kh + u) * kw + v, out);
              }
            }
          }
        }
      }
    }
  }
}

export const conv2dOp: OpDef<ConvAttrs> = {
  name: "conv2d",
  type(inputs, attrs) {
    for (const i of [0, 1]) requireDType("conv2d", inputs, i, "f32");
    requireDense("conv2d", inputs, [0]);
    return [f32(convOutput("conv2d", inputs[0]!.shape, inputs[1]!.shape, attrs))];
  },
  reference([x, w], attrs, [type]) {
    const y = floats(type!.shape, [x!, w!]);
    const total = new Float64Array(y.data.length);
    products(x!.shape, w!.shape, y.shape, attrs, (i, j, k) => {
      total[k]! += x!.data[i]! * w!.data[j]!;
    });
    y.data.set(total);
    return [y];
  },
  gradient: ({ inputs: [x, w], grads: [g], attrs, needs }) => [
    needs[0] ? conv2dInputGrad(g!, w!, x!.shape, attrs) : undefined,
    needs[1] ? conv2dWeightGrad(x!, g!, w!.shape, attrs, w!.type.pattern) : undefined,
  ],
};

export const conv2dInputGradOp: OpDef<InputGradAttrs> = {
  name: "conv2dInputGrad",
  type(inputs, attrs) {
    for (const i of [0, 1]) requireDType("conv2dInputGrad", inputs, i, "f32");
    requireDense("conv2dInputGrad", inputs, [0]);
    const y = convOutput("conv2dInputGrad", attrs.inputShape, inputs[1]!.shape, attrs);
    if (y.join() !== inputs[0]!.shape.join())
      throw new ShapeError("conv2dInputGrad", named(["dy", "weight"], inputs), `dy [${y.join(", ")}]`);
    return [f32(attrs.inputShape)];
  },
  reference([dy, w], attrs) {
    const dx = floats(attrs.inputShape, [dy!, w!]);
    const total = new Float64Array(dx.data.length);
    products(attrs.inputShape, w!.shape, dy!.shape, attrs, (i, j, k) => {
      total[i]! += dy!.data[k]! * w!.data[j]!;
    });
    dx.data.set(total);
    return [dx];
  },
  gradient: ({ inputs: [dy, w], grads: [g], attrs, needs }) => [
    needs[0] ? emitConv(g!, w!, attrs) : undefined,
    needs[1] ? conv2dWeightGrad(g!, dy!, w!.shape, attrs, w!.type.pattern) : undefined,
  ],
};

export const conv2dWeightGradOp: OpDef<WeightGradAttrs> = {
  name: "conv2dWeightGrad",
  type(inputs, attrs) {
    for (const i of [0, 1]) requireDType("conv2dWeightGrad", inputs, i, "f32");
    requireDense("conv2dWeightGrad", inputs);
    const y = convOutput("conv2dWeightGrad", inputs[0]!.shape, attrs.weightShape, attrs);
    if (y.join() !== inputs[1]!.shape.join())
      throw new ShapeError("conv2dWeightGrad", named(["x", "dy"], inputs), `dy [${y.join(", ")}]`);
    return [f32(attrs.weightShape, attrs.pattern)];
  },
  reference([x, dy], attrs) {
    const dw = floats(attrs.weightShape, [x!, dy!]);
    const total = new Float64Array(dw.data.length);
    products(x!.shape, attrs.weightShape, dy!.shape, attrs, (i, j, k) => {
      total[j]! += x!.data[i]! * dy!.data[k]!;
    });
    dw.data.set(total);
    return [dw];
  },
  gradient: ({ inputs: [x, dy], grads: [g], attrs, needs }) => [
    needs[0] ? conv2dInputGrad(dy!, g!, x!.shape, attrs) : undefined,
    needs[1] ? emitConv(x!, g!, attrs) : undefined,
  ],
};

const plain = ({ stride, padding, dilation, groups }: ConvAttrs): ConvAttrs => ({ stride, padding, dilation, groups });
const emitConv = (x: Value, w: Value, attrs: ConvAttrs): Value => x.graph.emit(conv2dOp, [x, w], plain(attrs))[0]!;

/** The input gradient of conv2d. @param inputShape [N, C, H, W] */
export const conv2dInputGrad = (dy: Value, w: Value, inputShape: readonly number[], attrs: ConvAttrs): Value =>
  dy.graph.emit(conv2dInputGradOp, [dy, w], { ...plain(attrs), inputShape: [...inputShape] })[0]!;

/** The weight gradient of conv2d; with `pattern`, only at that sparse param's live positions. @param weightShape [O, C/groups, kh, kw] */
export const conv2dWeightGrad = (x: Value, dy: Value, weightShape: readonly number[], attrs: ConvAttrs, pattern?: string): Value =>
  x.graph.emit(conv2dWeightGradOp, [x, dy], {
    ...plain(attrs),
    weightShape: [...weightShape],
    ...(pattern === undefined ? {} : { pattern }),
  })[0]!;

/** Options of `conv2d`: one number, or per axis (rows, columns); padding also as top, left, bottom, right. */
export interface ConvOptions {
  /** Default 1. */
  readonly stride?: number | readonly number[];
  /** Zeros around the plane, default 0. */
  readonly padding?: number | readonly number[];
  /** Default 1. */
  readonly dilation?: number | readonly number[];
  /** Default 1; C for a depthwise convolution. */
  readonly groups?: number;
  /** [O], added to every pixel of each output channel. */
  readonly bias?: Value | undefined;
}

/** One number or two, as two. */
export const two = (v: number | readonly number[]): number[] => (typeof v === "number" ? [v, v] : [...v]);
/** One, two (rows, columns) or four (top, left, bottom, right) numbers, as four. */
export const four = (v: number | readonly number[]): number[] => {
  if (typeof v === "number") return [v, v, v, v];
  return v.length === 2 ? [v[0]!, v[1]!, v[0]!, v[1]!] : [...v];
};

/**
 * Convolution (cross-correlation, as in every framework).
 * @param x [N, C, H, W]
 * @param w [O, C/groups, kh, kw], may be sparse
 * @returns [N, O, H', W'] with H' = floor((H + top + bottom - dilation (kh - 1) - 1) / stride) + 1
 * @throws ShapeError
 */
export function conv2d(x: Value, w: Value, { stride = 1, padding = 0, dilation = 1, groups = 1, bias }: ConvOptions = {}): Value {
  const y = emitConv(x, w, { stride: two(stride), padding: four(padding), dilation: two(dilation), groups });
  return bias ? add(y, reshape(bias, [1, bias.shape[0]!, 1, 1])) : y;
}

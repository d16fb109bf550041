/** Convolutions and pooling, over one or two spatial axes. */
import { InputError } from "../../../core/index.js";
import type { Value } from "../../graph.js";
import * as op from "../../ops/index.js";
import { type NodeView, type Rule, refuse } from "../node.js";

/** A window in two axes; one spatial axis is a plane of height 1. */
interface Window {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
  /** top, left, bottom, right */
  readonly padding: readonly [number, number, number, number];
}

function pairOf(n: NodeView, name: string, spatial: number): [number, number] {
  const given = n.ints(name) ?? new Array<number>(spatial).fill(1);
  if (given.length !== spatial || given.some((v) => v < 1))
    throw new InputError(`${name} is [${given.join(", ")}], expected ${spatial} positive numbers`);
  return spatial === 1 ? [1, given[0]!] : [given[0]!, given[1]!];
}

function spatialOf(x: readonly number[]): number {
  const spatial = x.length - 2;
  if (spatial < 1 || spatial > 2) refuse(`an input [${x.join(", ")}] with ${spatial} spatial axes (1 or 2 are)`);
  return spatial;
}

/** The plane of x: [N, C, L] as [N, C, 1, L]. */
const planeOf = (x: Value): Value => (x.shape.length === 4 ? x : op.reshape(x, [x.shape[0]!, x.shape[1]!, 1, x.shape[2]!]));
const unplane = (y: Value, spatial: number): Value => (spatial === 2 ? y : op.reshape(y, [y.shape[0]!, y.shape[1]!, y.shape[3]!]));

function windowOf(n: NodeView, x: readonly number[], kernel: readonly [number, number]): Window {
  const spatial = spatialOf(x);
  const stride = pairOf(n, "strides", spatial);
  const dilation = pairOf(n, "dilations", spatial);
  const size = spatial === 1 ? [1, x[2]!] : x.slice(2);
  const auto = n.text("auto_pad", "NOTSET");
  if (auto === "SAME_UPPER" || auto === "SAME_LOWER") {
    const [top, bottom] = sharePadding(size[0]!, kernel[0], stride[0], dilation[0], auto);
    const [left, right] = sharePadding(size[1]!, kernel[1], stride[1], dilation[1], auto);
    return { kernel, stride, dilation, padding: [top, left, bottom, right] };
  }
  if (auto === "VALID") return { kernel, stride, dilation, padding: [0, 0, 0, 0] };
  if (auto !== "NOTSET" && auto !== "")
    throw new InputError(`auto_pad is "${auto}", expected NOTSET, SAME_UPPER, SAME_LOWER or VALID`);
  const pads = n.ints("pads") ?? new Array<number>(2 * spatial).fill(0);
  if (pads.length !== 2 * spatial) throw new InputError(`pads are [${pads.join(", ")}], expected ${2 * spatial} numbers`);
  if (pads.some((p) => p < 0)) refuse(`negative padding [${pads.join(", ")}]`);
  const [a, b, c, d] = pads as [number, number, number, number];
  return { kernel, stride, dilation, padding: spatial === 1 ? [0, a, 0, b] : [a, b, c, d] };
}

/** Padding that keeps ceil(size / stride) outputs; the odd one goes after (SAME_UPPER) or before. */
export function sharePadding(
  size: number,
  kernel: number,
  stride: number,
  dilation: number,
  mode: "SAME_UPPER" | "SAME_LOWER" = "SAME_UPPER",
): [number, number] {
  const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + dilation * (kernel - 1) + 1 - size);
  const less = Math.floor(total / 2);
  return mode === "SAME_UPPER" ? [less, total - less] : [total - less, less];
}

function kernelOf(n: NodeView, w: readonly number[], spatial: number): [number, number] {
  if (w.length !== spatial + 2) throw new InputError(`the weight is [${w.join(", ")}], expected rank ${spatial + 2}`);
  const stated = n.ints("kernel_shape");
  if (stated && stated.join() !== w.slice(2).join())
    throw new InputError(`kernel_shape is [${stated.join(", ")}], the weight is [${w.join(", ")}]`);
  return spatial === 1 ? [1, w[2]!] : [w[2]!, w[3]!];
}

/** A convolution's weight as [O, C/g, kh, kw]. */
function weightOf(n: NodeView, spatial: number): Value {
  const w = n.shape(1);
  const shape = spatial === 1 ? [w[0]!, w[1]!, 1, w[2]!] : undefined;
  return n.weight(1, shape ? { shape } : {}) ?? planeOf(n.value(1));
}

const withBias = (n: NodeView, y: Value, i: number): Value => (n.has(i) ? op.add(y, op.reshape(n.value(i), [1, -1, 1, 1])) : y);

const conv: Rule = (n) => {
  const x = n.value(0);
  const spatial = spatialOf(x.shape);
  const w = windowOf(n, x.shape, kernelOf(n, n.shape(1), spatial));
  const y = op.conv2d(planeOf(x), weightOf(n, spatial), {
    stride: w.stride,
    padding: w.padding,
    dilation: w.dilation,
    groups: n.int("group", 1),
  });
  return unplane(withBias(n, y, 2), spatial);
};

/** The transposed convolution is the input gradient of the convolution that would undo its shape. */
const convTranspose: Rule = (n) => {
  const x = n.value(0);
  const spatial = spatialOf(x.shape);
  const kernel = kernelOf(n, n.shape(1), spatial);
  const stride = pairOf(n, "strides", spatial);
  const dilation = pairOf(n, "dilations", spatial);
  const groups = n.int("group", 1);
  const extra = n.ints("output_padding") ?? new Array<number>(spatial).fill(0);
  if (extra.length !== spatial || extra.some((v) => v < 0))
    throw new InputError(`output_padding is [${extra.join(", ")}], expected ${spatial} numbers of at least 0`);
  const plane = planeOf(x);
  const full = [0, 1].map((i) => {
    const more = spatial === 2 ? extra[i]! : i === 1 ? extra[0]! : 0;
    return stride[i]! * (plane.shape[2 + i]! - 1) + dilation[i]! * (kernel[i]! - 1) + 1 + more;
  });
  const asked = n.ints("output_shape");
  const auto = n.text("auto_pad", "NOTSET");
  let padding: readonly [number, number, number, number];
  if (asked || auto.startsWith("SAME")) {
    const last = asked?.slice(-spatial);
    const goal = last ? (spatial === 1 ? [1, last[0]!] : last) : [0, 1].map((i) => plane.shape[2 + i]! * stride[i]!);
    const total = full.map((f, i) => f - goal[i]!);
    if (total.some((t) => t < 0)) refuse(`an output_shape [${goal.join(", ")}] larger than the operation makes`);
    const less = total.map((t) => Math.floor(t / 2));
    const upper = auto === "SAME_UPPER";
    const before = upper ? less : total.map((t, i) => t - less[i]!);
    padding = [before[0]!, before[1]!, total[0]! - before[0]!, total[1]! - before[1]!];
  } else padding = windowOf(n, x.shape, kernel).padding;
  const outputs = n.shape(1)[1]! * groups;
  const shape = [x.shape[0]!, outputs, full[0]! - padding[0] - padding[2], full[1]! - padding[1] - padding[3]];
  const y = op.conv2dInputGrad(plane, weightOf(n, spatial), shape, { stride, padding, dilation, groups });
  return unplane(withBias(n, y, 2), spatial);
};

/** With ceil_mode, the padding after grows until the last window that starts inside is whole. */
function ceiled({ kernel, stride, padding, dilation }: Window, size: readonly number[]): Window["padding"] {
  const after = [0, 1].map((i) => {
    const span = size[i]! + padding[i]! + padding[i + 2]! - kernel[i]!;
    let count = Math.ceil(span / stride[i]!) + 1;
    if ((count - 1) * stride[i]! >= size[i]! + padding[i]!) count--;
    return Math.max(padding[i + 2]!, (count - 1) * stride[i]! + kernel[i]! - size[i]! - padding[i]!);
  });
  void dilation;
  return [padding[0], padding[1], after[0]!, after[1]!];
}

function pool(n: NodeView, f: (plane: Value, w: Window, grown: boolean) => Value): Value {
  const x = n.value(0);
  const spatial = spatialOf(x.shape);
  const kernel = pairOf(n, "kernel_shape", spatial);
  const w = windowOf(n, x.shape, kernel);
  if (w.dilation.some((d) => d !== 1)) refuse(`pooling with dilations [${w.dilation.join(", ")}]`);
  const plane = planeOf(x);
  const padding = n.int("ceil_mode", 0) ? ceiled(w, plane.shape.slice(2)) : w.padding;
  const grown = padding.some((p, i) => p !== w.padding[i]);
  return unplane(f(plane, { ...w, padding }, grown), spatial);
}

const maxPool: Rule = (n) => {
  if (n.isUsed(1)) refuse("the indices output of MaxPool");
  return pool(n, (x, { kernel, stride, padding }) => op.maxPool2d(x, { kernel, stride, padding }));
};

const averagePool: Rule = (n) =>
  pool(n, (x, { kernel, stride, padding }, grown) => {
    const countPad = n.int("count_include_pad", 0) === 1;
    if (countPad && grown) refuse("AveragePool with both ceil_mode and count_include_pad where windows reach past the padding");
    return op.avgPool2d(x, { kernel, stride, padding, countPad });
  });

const spatialAxes = (x: Value): number[] => {
  if (x.shape.length < 3) throw new InputError(`expected [N, C, ...], got [${x.shape.join(", ")}]`);
  return x.shape.map((_, i) => i).slice(2);
};

/** Convolution and pooling operators by name. */
export const convRules: Readonly<Record<string, Rule>> = {
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: (n) => op.mean(n.value(0), spatialAxes(n.value(0)), true),
  GlobalMaxPool: (n) => op.reduceMax(n.value(0), spatialAxes(n.value(0)), true),
};

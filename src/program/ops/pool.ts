/** Max and average pooling over planes, with their gradients as operations. */
import { type AnyTensor, InputError, ShapeError } from "../../core/index.js";
import type { OpDef, Value } from "../graph.js";
import { add, mul, sub } from "./arithmetic.js";
import { equal } from "./compare.js";
import { four, two, windowsOf } from "./conv2d.js";
import { pad, slice } from "./layout.js";
import { f32, floats, named, requireDenseF32 } from "./support.js";

type PoolAttrs = { kernel: readonly number[]; stride: readonly number[]; padding: readonly number[] };
type AvgAttrs = PoolAttrs & { countPad: boolean };
type AvgGradAttrs = AvgAttrs & { inputShape: readonly number[] };

function outputShape(op: string, x: readonly number[], attrs: PoolAttrs): number[] {
  const { kernel, stride, padding } = attrs;
  if (x.length !== 4) throw new ShapeError(op, { x }, "x [N, C, H, W]");
  if (
    kernel.length !== 2 ||
    stride.length !== 2 ||
    padding.length !== 4 ||
    [...kernel, ...stride].some((v) => v < 1) ||
    padding.some((v, i) => v < 0 || v >= kernel[i % 2]!)
  ) {
    throw new InputError(
      `${op}: expected kernel and stride of two positive numbers and padding of four below the kernel, got [${kernel}], [${stride}], [${padding}]`,
    );
  }
  const [oh, ow] = windowsOf(x.slice(2), kernel, attrs);
  if (oh < 1 || ow < 1) throw new ShapeError(op, { x, kernel }, "an input at least as large as the kernel");
  return [x[0]!, x[1]!, oh, ow];
}

/** For each window in order: its output index and the flat input indices inside the plane, row-major. */
function eachWindow(
  x: readonly number[],
  y: readonly number[],
  { kernel, stride, padding }: PoolAttrs,
  visit: (out: number, inside: readonly number[]) => void,
): void {
  const [, , h, w] = x as [number, number, number, number];
  const [n, c, oh, ow] = y as [number, number, number, number];
  for (let p = 0; p < n * c; p++) {
    for (let i = 0; i < oh; i++) {
      for (let j = 0; j < ow; j++) {
        const inside: number[] = [];
        for (let u = 0; u < kernel[0]!; u++) {
          const row = i * stride[0]! - padding[0]! + u;
          if (row < 0 || row >= h) continue;
          for (let v = 0; v < kernel[1]!; v++) {
            const col = j * stride[1]! - padding[1]! + v;
            if (col >= 0 && col < w) inside.push((p * h + row) * w + col);
          }
        }
        visit((p * oh + i) * ow + j, inside);
      }
    }
  }
}

/** The position of the first maximum; a NaN wins. */
function firstMaximum(x: AnyTensor, inside: readonly number[]): number {
  let best = inside[0]!;
  for (const at of inside)
    if (x.data[at]! > x.data[best]! || (Number.isNaN(x.data[at]!) && !Number.isNaN(x.data[best]!))) best = at;
  return best;
}

export const maxPool2dOp: OpDef<PoolAttrs> = {
  name: "maxPool2d",
  type(inputs, attrs) {
    requireDenseF32("maxPool2d", inputs);
    return [f32(outputShape("maxPool2d", inputs[0]!.shape, attrs))];
  },
  reference([x], attrs, [type]) {
    const y = floats(type!.shape, [x!]);
    eachWindow(x!.shape, y.shape, attrs, (out, inside) => {
      y.data[out] = x!.data[firstMaximum(x!, inside)]!;
    });
    return [y];
  },
  gradient: ({ inputs: [x], outputs: [y], grads: [g], attrs }) => [maxPool2dGrad(x!, y!, g!, attrs)],
};

export const maxPool2dGradOp: OpDef<PoolAttrs> = {
  name: "maxPool2dGrad",
  type(inputs, attrs) {
    requireDenseF32("maxPool2dGrad", inputs);
    const y = outputShape("maxPool2dGrad", inputs[0]!.shape, attrs);
    if ([1, 2].some((i) => inputs[i]!.shape.join() !== y.join()))
      throw new ShapeError("maxPool2dGrad", named(["x", "y", "dy"], inputs), `y and dy [${y.join(", ")}]`);
    return [f32(inputs[0]!.shape)];
  },
  reference([x, y, dy], attrs) {
    const dx = floats(x!.shape, [x!, dy!]);
    eachWindow(x!.shape, y!.shape, attrs, (out, inside) => {
      dx.data[firstMaximum(x!, inside)]! += dy!.data[out]!;
    });
    return [dx];
  },
  gradient: ({ inputs: [x, y], grads: [g], attrs }) => [undefined, undefined, pickWinners(g!, x!, y!, attrs)],
};

/** The elements of g at the first maximum of each window of x: the adjoint of maxPool2dGrad, from slices. */
function pickWinners(g: Value, x: Value, y: Value, { kernel, stride, padding }: PoolAttrs): Value {
  const [top, left, bottom, right] = padding as [number, number, number, number];
  const wide = (v: Value, value: number) =>
    padding.some((p) => p > 0) ? pad(v, [0, 0, top, left], [0, 0, bottom, right], value) : v;
  const [n, c, oh, ow] = y.shape as [number, number, number, number];
  const windows = (v: Value) => {
    const taps: Value[] = [];
    for (let u = 0; u < kernel[0]!; u++) {
      for (let w = 0; w < kernel[1]!; w++) {
        taps.push(
          slice(
            v,
            [0, 0, u, w],
            [n, c, u + (oh - 1) * stride[0]! + 1, w + (ow - 1) * stride[1]! + 1],
            [1, 1, stride[0]!, stride[1]!],
          ),
        );
      }
    }
    return taps;
  };
  const from = windows(wide(g, 0));
  let total: Value | undefined;
  let open: Value | undefined;
  windows(wide(x, -3.4028234663852886e38)).forEach((tap, i) => {
    const hit = equal(tap, y);
    const first = open ? mul(hit, open) : hit;
    open = open ? mul(open, sub(1, hit)) : sub(1, hit);
    const part = mul(from[i]!, first);
    total = total ? add(total, part) : part;
  });
  return total!;
}

export const avgPool2dOp: OpDef<AvgAttrs> = {
  name: "avgPool2d",
  type(inputs, attrs) {
    requireDenseF32("avgPool2d", inputs);
    return [f32(outputShape("avgPool2d", inputs[0]!.shape, attrs))];
  },
  reference([x], attrs, [type]) {
    const y = floats(type!.shape, [x!]);
    const area = attrs.kernel[0]! * attrs.kernel[1]!;
    eachWindow(x!.shape, y.shape, attrs, (out, inside) => {
      let total = 0;
      for (const at of inside) total += x!.data[at]!;
      y.data[out] = total / (attrs.countPad ? area : inside.length);
    });
    return [y];
  },
  gradient: ({ inputs: [x], grads: [g], attrs }) => [avgPool2dGrad(g!, x!.shape, attrs)],
};

export const avgPool2dGradOp: OpDef<AvgGradAttrs> = {
  name: "avgPool2dGrad",
  type(inputs, attrs) {
    requireDenseF32("avgPool2dGrad", inputs);
    const y = outputShape("avgPool2dGrad", attrs.inputShape, attrs);
    if (inputs[0]!.shape.join() !== y.join()) throw new ShapeError("avgPool2dGrad", named(["dy"], inputs), `dy [${y.join(", ")}]`);
    return [f32(attrs.inputShape)];
  },
  reference([dy], attrs) {
    const dx = floats(attrs.inputShape, [dy!]);
    const total = new Float64Array(dx.data.length);
    const area = attrs.kernel[0]! * attrs.kernel[1]!;
    eachWindow(attrs.inputShape, dy!.shape, attrs, (out, inside) => {
      for (const at of inside) total[at]! += dy!.data[out]! / (attrs.countPad ? area : inside.length);
    });
    dx.data.set(total);
    return [dx];
  },
  gradient: ({ grads: [g], attrs: { kernel, stride, padding, countPad } }) => [
    g!.graph.emit(avgPool2dOp, [g!], { kernel, stride, padding, countPad })[0]!,
  ],
};

/** Options of pooling: one number, or rows and columns; padding also as top, left, bottom, right. */
export interface PoolOptions {
  readonly kernel: number | readonly number[];
  /** Default: the kernel. */
  readonly stride?: number | readonly number[];
  /** Below the kernel; default 0. */
  readonly padding?: number | readonly number[];
}

const attrsOf = ({ kernel, stride = kernel, padding = 0 }: PoolOptions): PoolAttrs => ({
  kernel: two(kernel),
  stride: two(stride),
  padding: four(padding),
});

/** Greatest element of each window; padding never wins. @param x [N, C, H, W]  @throws ShapeError */
export const maxPool2d = (x: Value, options: PoolOptions): Value => x.graph.emit(maxPool2dOp, [x], attrsOf(options))[0]!;
/** The gradient of maxPool2d: dy goes to the FIRST maximum of each window in row-major order. */
export const maxPool2dGrad = (x: Value, y: Value, dy: Value, { kernel, stride, padding }: PoolAttrs): Value =>
  x.graph.emit(maxPool2dGradOp, [x, y, dy], { kernel, stride, padding })[0]!;
/** Mean of each window. @param countPad whether padding counts in the mean, default true (as PyTorch)  @throws ShapeError */
export const avgPool2d = (x: Value, { countPad = true, ...options }: PoolOptions & { countPad?: boolean }): Value =>
  x.graph.emit(avgPool2dOp, [x], { ...attrsOf(options), countPad })[0]!;
/** The gradient of avgPool2d. */
export const avgPool2dGrad = (dy: Value, inputShape: readonly number[], { kernel, stride, padding, countPad }: AvgAttrs): Value =>
  dy.graph.emit(avgPool2dGradOp, [dy], { kernel, stride, padding, countPad, inputShape: [...inputShape] })[0]!;

/** Operations that only move elements: transpose, slice, scatterSlice, pad, concat. */
import { InputError, ShapeError, stridesOf } from "../../core/index.js";
import type { OpDef, Value } from "../graph.js";
import { reshape } from "./arithmetic.js";
import { around, f32, floats, named, normaliseAxis, requireDenseF32 } from "./support.js";

type PermAttrs = { perm: readonly number[] };

export const transposeOp: OpDef<PermAttrs> = {
  name: "transpose",
  type(inputs, { perm }) {
    requireDenseF32("transpose", inputs);
    const { shape } = inputs[0]!;
    if (perm.length !== shape.length || shape.some((_, i) => !perm.includes(i))) {
      throw new ShapeError("transpose", { x: shape, perm }, "perm to be a permutation of the axes");
    }
    return [f32(perm.map((p) => shape[p]!))];
  },
  reference([x], { perm }, [type]) {
    const y = floats(type!.shape, [x!]);
    const from = stridesOf(x!.shape);
    walk(
      y.shape,
      perm.map((p) => from[p]!),
      0,
      (to, at) => {
        y.data[to] = x!.data[at]!;
      },
    );
    return [y];
  },
  gradient: ({ grads: [g], attrs: { perm } }) => [transpose(g!, inverse(perm))],
};

const inverse = (perm: readonly number[]): number[] => perm.map((_, i) => perm.indexOf(i));

/** Visits every position of `shape` in order, with the flat index under other strides. */
function walk(
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
  visit: (flat: number, at: number) => void,
): void {
  let flat = 0;
  const step = (axis: number, at: number): void => {
    if (axis === shape.length) {
      visit(flat++, at);
      return;
    }
    for (let i = 0; i < shape[axis]!; i++) step(axis + 1, at + i * strides[axis]!);
  };
  step(0, offset);
}

/** Axes in another order (default: reversed). @throws ShapeError when perm is not a permutation */
export function transpose(x: Value, perm: readonly number[] = x.shape.map((_, i) => x.shape.length - 1 - i)): Value {
  return perm.every((p, i) => p === i) && perm.length === x.shape.length
    ? x
    : x.graph.emit(transposeOp, [x], { perm: [...perm] })[0]!;
}

type SliceAttrs = { starts: readonly number[]; stops: readonly number[]; steps: readonly number[] };

export const sliceOp: OpDef<SliceAttrs> = {
  name: "slice",
  type(inputs, { starts, stops, steps }) {
    requireDenseF32("slice", inputs);
    const { shape } = inputs[0]!;
    const fits = shape.every((d, i) => {
      const [start, stop, step] = [starts[i]!, stops[i]!, steps[i]!];
      return (
        Number.isInteger(start) &&
        Number.isInteger(stop) &&
        Number.isInteger(step) &&
        start >= 0 &&
        start <= stop &&
        stop <= d &&
        step >= 1
      );
    });
    if (!fits || [starts, stops, steps].some((a) => a.length !== shape.length)) {
      throw new ShapeError("slice", { x: shape, starts, stops, steps }, "0 <= start <= stop <= size and step >= 1 for each axis");
    }
    return [f32(shape.map((_, i) => Math.ceil((stops[i]! - starts[i]!) / steps[i]!)))];
  },
  reference([x], { starts, steps }, [type]) {
    const y = floats(type!.shape, [x!]);
    const own = stridesOf(x!.shape);
    walk(
      y.shape,
      own.map((s, i) => s * steps[i]!),
      offsetOf(own, starts),
      (to, at) => {
        y.data[to] = x!.data[at]!;
      },
    );
    return [y];
  },
  gradient: ({ inputs: [x], grads: [g], attrs: { starts, steps } }) => [scatterSlice(g!, x!.shape, starts, steps)],
};

const offsetOf = (strides: readonly number[], starts: readonly number[]): number =>
  strides.reduce((sum, s, i) => sum + s * starts[i]!, 0);

/**
 * Every `step`-th element of [start, stop) along each axis.
 * @param starts per axis, at least 0
 * @param stops  per axis, default the size; negative counts from the end
 * @param steps  per axis, positive, default 1
 * @throws ShapeError outside the value
 */
export function slice(
  x: Value,
  starts: readonly number[],
  stops: readonly number[] = x.shape,
  steps: readonly number[] = x.shape.map(() => 1),
): Value {
  const ends = stops.map((s, i) => (s < 0 ? s + x.shape[i]! : s));
  return x.graph.emit(sliceOp, [x], { starts: [...starts], stops: ends, steps: [...steps] })[0]!;
}

/** Elements start..stop of one axis. */
export function sliceAxis(x: Value, axis: number, start: number, stop: number): Value {
  const at = normaliseAxis("slice", x.shape.length, axis);
  return slice(
    x,
    x.shape.map((_, i) => (i === at ? start : 0)),
    x.shape.map((d, i) => (i === at ? stop : d)),
  );
}

type ScatterSliceAttrs = { shape: readonly number[]; starts: readonly number[]; steps: readonly number[] };

export const scatterSliceOp: OpDef<ScatterSliceAttrs> = {
  name: "scatterSlice",
  type(inputs, { shape, starts, steps }) {
    requireDenseF32("scatterSlice", inputs);
    const from = inputs[0]!.shape;
    const fits =
      from.length === shape.length &&
      from.every((d, i) => starts[i]! >= 0 && steps[i]! >= 1 && (d === 0 || starts[i]! + (d - 1) * steps[i]! < shape[i]!));
    if (!fits) throw new ShapeError("scatterSlice", { x: from, to: shape, starts, steps });
    return [f32(shape)];
  },
  reference([x], { shape, starts, steps }) {
    const y = floats(shape, [x!]);
    const own = stridesOf(shape);
    walk(
      x!.shape,
      own.map((s, i) => s * steps[i]!),
      offsetOf(own, starts),
      (from, at) => {
        y.data[at] = x!.data[from]!;
      },
    );
    return [y];
  },
  gradient({ inputs: [x], grads: [g], attrs: { starts, steps } }) {
    const stops = x!.shape.map((d, i) => (d === 0 ? starts[i]! : starts[i]! + (d - 1) * steps[i]! + 1));
    return [slice(g!, starts, stops, steps)];
  },
};

/** Zeros of `shape` with x at every `step`-th element from `starts`: the adjoint of slice. @throws ShapeError */
export const scatterSlice = (x: Value, shape: readonly number[], starts: readonly number[], steps: readonly number[]): Value =>
  x.graph.emit(scatterSliceOp, [x], { shape: [...shape], starts: [...starts], steps: [...steps] })[0]!;

type PadAttrs = { before: readonly number[]; after: readonly number[]; value: number };

export const padOp: OpDef<PadAttrs> = {
  name: "pad",
  type(inputs, { before, after }) {
    requireDenseF32("pad", inputs);
    const { shape } = inputs[0]!;
    if (
      before.length !== shape.length ||
      after.length !== shape.length ||
      [...before, ...after].some((p) => !Number.isInteger(p) || p < 0)
    ) {
      throw new ShapeError("pad", { x: shape, before, after }, "non-negative widths for each axis");
    }
    return [f32(shape.map((d, i) => d + before[i]! + after[i]!))];
  },
  reference([x], { before, value }, [type]) {
    const y = floats(type!.shape, [x!]);
    y.data.fill(value);
    const own = stridesOf(y.shape);
    walk(x!.shape, own, offsetOf(own, before), (from, at) => {
      y.data[at] = x!.data[from]!;
    });
    return [y];
  },
  gradient: ({ inputs: [x], grads: [g], attrs: { before } }) => [
    slice(
      g!,
      before,
      before.map((b, i) => b + x!.shape[i]!),
    ),
  ],
};

/** `value` around x: `before` and `after` elements along each axis. @throws ShapeError */
export const pad = (x: Value, before: readonly number[], after: readonly number[], value = 0): Value =>
  x.graph.emit(padOp, [x], { before: [...before], after: [...after], value })[0]!;

type ConcatAttrs = { axis: number };

export const concatOp: OpDef<ConcatAttrs> = {
  name: "concat",
  type(inputs, { axis }) {
    requireDenseF32("concat", inputs);
    const first = inputs[0]!.shape;
    if (inputs.some(({ shape }) => shape.length !== first.length || shape.some((d, i) => i !== axis && d !== first[i]))) {
      throw new ShapeError("concat", named([], inputs), `equal sizes except along axis ${axis}`);
    }
    return [f32(first.map((d, i) => (i === axis ? inputs.reduce((sum, t) => sum + t.shape[axis]!, 0) : d)))];
  },
  reference(inputs, { axis }, [type]) {
    const y = floats(type!.shape, inputs);
    const whole = around(y.shape, axis);
    let offset = 0;
    for (const x of inputs) {
      const { before, along, after } = around(x.shape, axis);
      const width = along * after;
      for (let b = 0; b < before; b++) {
        for (let i = 0; i < width; i++) y.data[(b * whole.along + offset) * after + i] = x.data[b * width + i]!;
      }
      offset += along;
    }
    return [y];
  },
  gradient({ inputs, grads: [g], attrs: { axis }, needs }) {
    let offset = 0;
    return inputs.map((x, i) => {
      const start = offset;
      offset += x.shape[axis]!;
      return needs[i] ? sliceAxis(g!, axis, start, offset) : undefined;
    });
  },
};

/** Values joined along an axis. @throws ShapeError when other sizes differ; InputError on an empty list */
export function concat(values: readonly Value[], axis = 0): Value {
  const [first] = values;
  if (!first) throw new InputError("concat: expected at least one value, got none");
  if (values.length === 1) return first;
  return first.graph.emit(concatOp, values, { axis: normaliseAxis("concat", first.shape.length, axis) })[0]!;
}

/** Values of one shape along a new axis. @throws ShapeError */
export function stack(values: readonly Value[], axis = 0): Value {
  return concat(
    values.map((v) => {
      const at = axis < 0 ? axis + v.shape.length + 1 : axis;
      return reshape(v, [...v.shape.slice(0, at), 1, ...v.shape.slice(at)]);
    }),
    axis,
  );
}

/** The operations that all gradients are written in: constant, + - * /, negation, sum, broadcastTo, reshape. */
import { type AnyTensor, type DType, InputError, intTensor, ShapeError, sameShape, sizeOf } from "../../core/index.js";
import type { Graph, OpDef, Value } from "../graph.js";
import type { ValueType } from "../types.js";
import {
  broadcastIndex,
  elementwiseType,
  f32,
  floats,
  normaliseAxes,
  type Operand,
  reducedShape,
  requireDense,
  requireDType,
} from "./support.js";

type ConstantAttrs = { value: number | readonly number[]; shape: readonly number[]; dtype: DType; pattern?: string };

/** A constant: one number everywhere, or one number per element. */
export const constantOp: OpDef<ConstantAttrs> = {
  name: "constant",
  type(_, { value, shape, dtype, pattern }) {
    if (typeof value !== "number" && value.length !== sizeOf(shape)) {
      throw new ShapeError("constant", { shape, value: [value.length] }, `one value or ${sizeOf(shape)}`);
    }
    return [{ shape, dtype, ...(pattern === undefined ? {} : { pattern }) }];
  },
  reference(_, { value, shape, dtype }) {
    const values = typeof value === "number" ? new Array<number>(sizeOf(shape)).fill(value) : value;
    if (dtype === "i32") return [intTensor(shape, values)];
    if (dtype === "u8") return [{ shape, dtype, data: Uint8Array.from(values) }];
    return [{ shape, dtype, data: Float32Array.from(values) }];
  },
  gradient: () => [],
};

/**
 * A constant value: `value` everywhere, or one number per element (row-major).
 * @param pattern path of the sparse param whose live positions carry it
 * @param dtype   f32 (default), i32 or u8
 * @throws ShapeError when a list has not one number per element
 */
export function constant(
  graph: Graph,
  shape: readonly number[],
  value: number | readonly number[],
  pattern?: string,
  dtype: DType = "f32",
): Value {
  return graph.emit(constantOp, [], { value, shape: [...shape], dtype, ...(pattern === undefined ? {} : { pattern }) })[0]!;
}

/** A pair of operands as values; numbers become scalars. */
export function pair(op: string, a: Operand, b: Operand): [Value, Value] {
  if (typeof a !== "number") return [a, typeof b === "number" ? constant(a.graph, [], b) : b];
  if (typeof b !== "number") return [constant(b.graph, [], a), b];
  throw new InputError(`${op}: expected a Value for at least one operand, got two numbers`);
}

/** An elementwise operation of two operands with broadcasting. */
export function binaryOp(
  name: string,
  f: (a: number, b: number) => number,
  gradient: (g: Value, a: Value, b: Value, y: Value, needs: readonly boolean[]) => (Value | undefined)[],
  options: { anyDType?: boolean } = {},
): OpDef {
  return {
    name,
    type(inputs) {
      if (options.anyDType) requireDType(name, inputs, 1, inputs[0]!.dtype);
      else for (const i of [0, 1]) requireDType(name, inputs, i, "f32");
      return [elementwiseType(name, inputs)];
    },
    reference([a, b], _, [type]) {
      const y = floats(type!.shape, [a!, b!]);
      const ia = sameShape(a!.shape, y.shape) ? undefined : broadcastIndex(a!.shape, y.shape);
      const ib = sameShape(b!.shape, y.shape) ? undefined : broadcastIndex(b!.shape, y.shape);
      for (let i = 0; i < y.data.length; i++) y.data[i] = f(a!.data[ia ? ia[i]! : i]!, b!.data[ib ? ib[i]! : i]!);
      return [y];
    },
    gradient({ inputs: [a, b], outputs: [y], grads: [g], needs }) {
      const [da, db] = gradient(g!, a!, b!, y!, needs);
      return [da && unbroadcast(da, a!.shape), db && unbroadcast(db, b!.shape)];
    },
  };
}

/** The user's function of a two-operand operation. */
export const binary =
  (def: OpDef) =>
  (a: Operand, b: Operand): Value => {
    const [x, y] = pair(def.name, a, b);
    return x.graph.emit(def, [x, y], {})[0]!;
  };

/** The gradient of broadcasting: sums over the axes that were repeated. */
export function unbroadcast(g: Value, shape: readonly number[]): Value {
  if (sameShape(g.shape, shape)) return g;
  if (sizeOf(shape) === 1) return reshape(sum(g), shape);
  const lead = g.shape.length - shape.length;
  const axes = g.shape.map((_, i) => i).filter((i) => i < lead || (shape[i - lead] === 1 && g.shape[i] !== 1));
  return reshape(sum(g, axes), shape);
}

export const negOp: OpDef = {
  name: "neg",
  type(inputs) {
    requireDType("neg", inputs, 0, "f32");
    return [elementwiseType("neg", inputs, ["x"])];
  },
  reference([x]) {
    const y = floats(x!.shape, [x!]);
    for (let i = 0; i < y.data.length; i++) y.data[i] = -x!.data[i]!;
    return [y];
  },
  gradient: ({ grads: [g] }) => [neg(g!)],
};
/** a x + b with the numbers `a` and `b`. */
export const affineOp: OpDef<{ a: number; b: number }> = {
  name: "affine",
  type(inputs) {
    requireDType("affine", inputs, 0, "f32");
    return [elementwiseType("affine", inputs, ["x"])];
  },
  reference([x], { a, b }) {
    const y = floats(x!.shape, [x!]);
    for (let i = 0; i < y.data.length; i++) y.data[i] = a * x!.data[i]! + b;
    return [y];
  },
  gradient: ({ grads: [g], attrs: { a } }) => [affine(g!, a, 0)],
};

/** Whether a number beside this operand makes an affine map of it. */
const scales = (x: Operand): x is Value => typeof x !== "number" && x.type.dtype === "f32";

/** a x + b with numbers a and b, which count as float32. */
export const affine = (x: Value, a: number, b: number): Value =>
  x.graph.emit(affineOp, [x], { a: Math.fround(a), b: Math.fround(b) })[0]!;
export const addOp = binaryOp(
  "add",
  (a, b) => a + b,
  (g) => [g, g],
);
export const subOp = binaryOp(
  "sub",
  (a, b) => a - b,
  (g, _a, _b, _y, needs) => [g, needs[1] ? neg(g) : undefined],
);
export const mulOp = binaryOp(
  "mul",
  (a, b) => a * b,
  (g, a, b, _y, needs) => [needs[0] ? mul(g, b) : undefined, needs[1] ? mul(g, a) : undefined],
);
export const divOp = binaryOp(
  "div",
  (a, b) => a / b,
  (g, _a, b, y, needs) => [needs[0] ? div(g, b) : undefined, needs[1] ? neg(div(mul(g, y), b)) : undefined],
);

/** -x. */
export const neg = (x: Value): Value => x.graph.emit(negOp, [x], {})[0]!;
/** a + b with numpy broadcasting; numbers count as scalars. @throws ShapeError */
export const add = (a: Operand, b: Operand): Value => {
  if (typeof a === "number" && scales(b)) return affine(b, 1, a);
  return typeof b === "number" && scales(a) ? affine(a, 1, b) : binary(addOp)(a, b);
};
/** a - b with numpy broadcasting. @throws ShapeError */
export const sub = (a: Operand, b: Operand): Value => {
  if (typeof a === "number" && scales(b)) return affine(b, -1, a);
  return typeof b === "number" && scales(a) ? affine(a, 1, -b) : binary(subOp)(a, b);
};
/** a * b with numpy broadcasting. @throws ShapeError */
export const mul = (a: Operand, b: Operand): Value => {
  if (typeof a === "number" && scales(b)) return affine(b, a, 0);
  return typeof b === "number" && scales(a) ? affine(a, b, 0) : binary(mulOp)(a, b);
};
/** a / b with numpy broadcasting. @throws ShapeError */
export const div = binary(divOp);

/** Attributes of a reduction: sorted non-negative axes. */
export type ReduceAttrs = { axes: readonly number[]; keepDims: boolean };

/** The type rule of reductions: a value with a pattern can only be reduced fully. */
export function reduceType(op: string, inputs: readonly ValueType[], { axes, keepDims }: ReduceAttrs): ValueType[] {
  requireDType(op, inputs, 0, "f32");
  const { shape, pattern } = inputs[0]!;
  if (pattern !== undefined && axes.length !== shape.length) requireDense(op, inputs);
  return [f32(reducedShape(shape, axes, keepDims))];
}

/** Sums `f(x)` over axes in double, then divides by `over`. */
export function reduceSum(x: AnyTensor, { axes, keepDims }: ReduceAttrs, f: (v: number) => number, over = 1): AnyTensor {
  const y = floats(reducedShape(x.shape, axes, keepDims), [x]);
  const index = broadcastIndex(reducedShape(x.shape, axes, true), x.shape);
  const total = new Float64Array(y.data.length);
  for (let i = 0; i < index.length; i++) total[index[i]!]! += f(x.data[i]!);
  for (let i = 0; i < total.length; i++) y.data[i] = total[i]! / over;
  return y;
}

/** A reduced value laid over the shape that it came from; over a sparse shape only at live positions. */
export function spread(g: Value, x: Value, axes: readonly number[]): Value {
  if (x.type.pattern !== undefined) return mul(constant(x.graph, x.shape, 1, x.type.pattern), g);
  return broadcastTo(reshape(g, reducedShape(x.shape, axes, true)), x.shape);
}

export const sumOp: OpDef<ReduceAttrs> = {
  name: "sum",
  type: (inputs, attrs) => reduceType("sum", inputs, attrs),
  reference: ([x], attrs) => [reduceSum(x!, attrs, (v) => v)],
  gradient: ({ inputs: [x], grads: [g], attrs }) => [spread(g!, x!, attrs.axes)],
};

/** Emits a reduction. */
export const reduce = (def: OpDef<ReduceAttrs>, x: Value, axes: number | readonly number[] | undefined, keepDims: boolean): Value =>
  x.graph.emit(def, [x], { axes: normaliseAxes(def.name, x.shape.length, axes), keepDims })[0]!;

/** Sum over `axes` (default all; negative axes count from the end). */
export const sum = (x: Value, axes?: number | readonly number[], keepDims = false): Value => reduce(sumOp, x, axes, keepDims);

type ShapeAttrs = { shape: readonly number[] };

export const broadcastToOp: OpDef<ShapeAttrs> = {
  name: "broadcastTo",
  type(inputs, { shape }) {
    requireDType("broadcastTo", inputs, 0, "f32");
    requireDense("broadcastTo", inputs);
    const from = inputs[0]!.shape;
    const lead = shape.length - from.length;
    if (lead < 0 || from.some((d, i) => d !== 1 && d !== shape[lead + i]))
      throw new ShapeError("broadcastTo", { x: from, to: shape });
    return [f32(shape)];
  },
  reference([x], { shape }) {
    const y = floats(shape, [x!]);
    const index = broadcastIndex(x!.shape, shape);
    for (let i = 0; i < index.length; i++) y.data[i] = x!.data[index[i]!]!;
    return [y];
  },
  gradient: ({ inputs: [x], grads: [g] }) => [unbroadcast(g!, x!.shape)],
};

/** Repeats x along its size-1 and missing leading axes until it has `shape`. @throws ShapeError */
export const broadcastTo = (x: Value, shape: readonly number[]): Value =>
  sameShape(x.shape, shape) ? x : x.graph.emit(broadcastToOp, [x], { shape: [...shape] })[0]!;

export const reshapeOp: OpDef<ShapeAttrs> = {
  name: "reshape",
  type(inputs, { shape }) {
    requireDense("reshape", inputs);
    const x = inputs[0]!;
    if (sizeOf(x.shape) !== sizeOf(shape))
      throw new ShapeError("reshape", { x: x.shape, to: shape }, "the same number of elements");
    return [{ shape, dtype: x.dtype }];
  },
  reference: ([x], { shape }) => [{ ...x!, shape, data: x!.data.slice() } as AnyTensor],
  gradient: ({ inputs: [x], grads: [g] }) => [reshape(g!, x!.shape)],
};

/**
 * The same elements under another shape; one entry may be -1.
 * @throws ShapeError when the number of elements differs
 */
export function reshape(x: Value, shape: readonly number[]): Value {
  const open = shape.filter((d) => d === -1).length;
  const known = sizeOf(shape.filter((d) => d !== -1));
  if (open > 1 || (open === 1 && (known === 0 || sizeOf(x.shape) % known !== 0)))
    throw new ShapeError("reshape", { x: x.shape, to: shape });
  const to = shape.map((d) => (d === -1 ? sizeOf(x.shape) / known : d));
  return sameShape(to, x.shape) ? x : x.graph.emit(reshapeOp, [x], { shape: to })[0]!;
}

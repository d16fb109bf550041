/** Operations addressed by integer values: pick, gather, scatterAddRows, segmentSum, oneHot, topK, argmax, cast. */
import { type AnyTensor, type DType, InputError, intTensor, ShapeError, sizeOf } from "../../core/index.js";
import type { OpDef, Value } from "../graph.js";
import type { ValueType } from "../types.js";
import { mul, reshape, sum } from "./arithmetic.js";
import { around, f32, floats, named, normaliseAxis, requireDense, requireDType } from "./support.js";

function check(
  op: string,
  inputs: readonly ValueType[],
  names: readonly string[],
  ranks: readonly (number | undefined)[],
  expected: string,
): void {
  requireDType(op, inputs, 0, "f32");
  requireDType(op, inputs, 1, "i32");
  requireDense(op, inputs);
  if (ranks.some((r, i) => r !== undefined && inputs[i]!.shape.length !== r))
    throw new ShapeError(op, named(names, inputs), expected);
}

/** @throws InputError when an index lies outside [0, n) */
function indexAt(op: string, indices: AnyTensor, i: number, n: number): number {
  const at = indices.data[i]!;
  if (!(at >= 0 && at < n)) throw new InputError(`${op}: expected indices in [0, ${n}), got ${at} at position ${i}`);
  return at;
}

type DepthAttrs = { depth: number };

export const pickOp: OpDef = {
  name: "pick",
  type(inputs) {
    check("pick", inputs, ["x", "labels"], [2, 1], "x [N, K] and labels [N]");
    if (inputs[0]!.shape[0] !== inputs[1]!.shape[0])
      throw new ShapeError("pick", named(["x", "labels"], inputs), "x [N, K] and labels [N]");
    return [f32([inputs[0]!.shape[0]!])];
  },
  reference([x, labels]) {
    const [n, k] = x!.shape as [number, number];
    const y = floats([n], [x!]);
    for (let i = 0; i < n; i++) y.data[i] = x!.data[i * k + indexAt("pick", labels!, i, k)]!;
    return [y];
  },
  gradient: ({ inputs: [x, labels], grads: [g] }) => [pickGrad(g!, labels!, x!.shape[1]!), undefined],
};

export const pickGradOp: OpDef<DepthAttrs> = {
  name: "pickGrad",
  type(inputs, { depth }) {
    check("pickGrad", inputs, ["dy", "labels"], [1, 1], "dy [N] and labels [N]");
    if (inputs[0]!.shape[0] !== inputs[1]!.shape[0])
      throw new ShapeError("pickGrad", named(["dy", "labels"], inputs), "equal lengths");
    return [f32([inputs[0]!.shape[0]!, depth])];
  },
  reference([dy, labels], { depth }) {
    const n = dy!.shape[0]!;
    const dx = floats([n, depth], [dy!]);
    for (let i = 0; i < n; i++) dx.data[i * depth + indexAt("pickGrad", labels!, i, depth)] = dy!.data[i]!;
    return [dx];
  },
  gradient: ({ inputs: [, labels], grads: [g] }) => [pick(g!, labels!), undefined],
};

export const gatherOp: OpDef = {
  name: "gather",
  type(inputs) {
    check("gather", inputs, ["table", "indices"], [2, undefined], "a table [V, D]");
    return [f32([...inputs[1]!.shape, inputs[0]!.shape[1]!])];
  },
  reference([table, indices], _, [type]) {
    const [v, d] = table!.shape as [number, number];
    const y = floats(type!.shape, [table!]);
    for (let i = 0; i < indices!.data.length; i++) {
      const row = indexAt("gather", indices!, i, v);
      for (let j = 0; j < d; j++) y.data[i * d + j] = table!.data[row * d + j]!;
    }
    return [y];
  },
  gradient({ inputs: [table, indices], grads: [g] }) {
    const [v, d] = table!.shape as [number, number];
    const n = sizeOf(indices!.shape);
    return [scatterAddRows(reshape(g!, [n, d]), reshape(indices!, [n]), v), undefined];
  },
};

/** Rows added up by number: scatterAddRows and segmentSum share it. */
function rowSums<A extends { [key: string]: number }>(name: string, count: (attrs: A) => number): OpDef<A> {
  return {
    name,
    type(inputs, attrs) {
      check(name, inputs, ["x", "rows"], [2, 1], "x [n, D] and one row number per row of x");
      if (inputs[0]!.shape[0] !== inputs[1]!.shape[0])
        throw new ShapeError(name, named(["x", "rows"], inputs), "one row number per row of x");
      return [f32([count(attrs), inputs[0]!.shape[1]!])];
    },
    reference([x, rows], attrs) {
      const [n, d] = x!.shape as [number, number];
      const y = floats([count(attrs), d], [x!]);
      const total = new Float64Array(y.data.length);
      for (let i = 0; i < n; i++) {
        const row = indexAt(name, rows!, i, count(attrs));
        for (let j = 0; j < d; j++) total[row * d + j]! += x!.data[i * d + j]!;
      }
      y.data.set(total);
      return [y];
    },
    gradient: ({ inputs: [, rows], grads: [g] }) => [gather(g!, rows!), undefined],
  };
}
export const scatterAddRowsOp = rowSums<{ rows: number }>("scatterAddRows", ({ rows }) => rows);
export const segmentSumOp = rowSums<{ count: number }>("segmentSum", ({ count }) => count);

export const oneHotOp: OpDef<DepthAttrs> = {
  name: "oneHot",
  type(inputs, { depth }) {
    requireDType("oneHot", inputs, 0, "i32");
    return [f32([...inputs[0]!.shape, depth])];
  },
  reference([indices], { depth }, [type]) {
    const y = floats(type!.shape, []);
    for (let i = 0; i < indices!.data.length; i++) y.data[i * depth + indexAt("oneHot", indices!, i, depth)] = 1;
    return [y];
  },
  gradient: () => [undefined],
};

type TopKAttrs = { k: number };

export const topKOp: OpDef<TopKAttrs> = {
  name: "topK",
  type(inputs, { k }) {
    requireDType("topK", inputs, 0, "f32");
    requireDense("topK", inputs);
    const { shape } = inputs[0]!;
    const n = shape.at(-1) ?? 0;
    if (!Number.isInteger(k) || k < 1 || k > n)
      throw new ShapeError("topK", { x: shape, k: [k] }, "k in [1, size of the last axis]");
    const out = [...shape.slice(0, -1), k];
    return [f32(out), { shape: out, dtype: "i32" }];
  },
  reference([x], { k }, [type]) {
    const n = x!.shape.at(-1)!;
    const values = floats(type!.shape, [x!]);
    const indices = intTensor(type!.shape);
    for (let r = 0; r < values.data.length / k; r++) {
      const at = (i: number) => x!.data[r * n + i]!;
      const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => at(j) - at(i) || i - j);
      for (let i = 0; i < k; i++) {
        indices.data[r * k + i] = order[i]!;
        values.data[r * k + i] = at(order[i]!);
      }
    }
    return [values, indices];
  },
  gradient({ inputs: [x], outputs: [, indices], grads: [g] }) {
    if (!g) return [undefined];
    return [sum(mul(oneHot(indices!, x!.shape.at(-1)!), reshape(g, [...g.shape, 1])), -2)];
  },
};

type AxisAttrs = { axis: number };

export const argmaxOp: OpDef<AxisAttrs> = {
  name: "argmax",
  type(inputs, { axis }) {
    requireDType("argmax", inputs, 0, "f32");
    requireDense("argmax", inputs);
    return [{ shape: inputs[0]!.shape.filter((_, i) => i !== axis), dtype: "i32" }];
  },
  reference([x], { axis }, [type]) {
    const { before, along, after } = around(x!.shape, axis);
    const y = intTensor(type!.shape);
    for (let b = 0; b < before; b++) {
      for (let a = 0; a < after; a++) {
        let best = 0;
        for (let k = 1; k < along; k++)
          if (x!.data[(b * along + k) * after + a]! > x!.data[(b * along + best) * after + a]!) best = k;
        y.data[b * after + a] = best;
      }
    }
    return [y];
  },
  gradient: () => [undefined],
};

type CastAttrs = { dtype: DType };

export const castOp: OpDef<CastAttrs> = {
  name: "cast",
  type(inputs, { dtype }) {
    requireDense("cast", inputs);
    return [{ shape: inputs[0]!.shape, dtype }];
  },
  reference([x], { dtype }) {
    if (dtype === "f32") {
      const y = floats(x!.shape, [x!]);
      y.data.set(x!.data);
      return [y];
    }
    if (dtype === "i32") return [intTensor(x!.shape, Int32Array.from(x!.data, Math.trunc))];
    return [{ shape: x!.shape, dtype, data: Uint8Array.from(x!.data, Math.trunc) }];
  },
  gradient: () => [undefined],
};

/** x[i, labels[i]]. @param x [N, K]  @param labels i32 [N]  @throws ShapeError */
export const pick = (x: Value, labels: Value): Value => x.graph.emit(pickOp, [x, labels], {})[0]!;
/** Zeros [N, depth] with dy[i] at column labels[i]: the adjoint of pick. */
export const pickGrad = (dy: Value, labels: Value, depth: number): Value => dy.graph.emit(pickGradOp, [dy, labels], { depth })[0]!;
/** Rows of a table [V, D] by number: [..., D]. @throws ShapeError */
export const gather = (table: Value, indices: Value): Value => table.graph.emit(gatherOp, [table, indices], {})[0]!;
/** Zeros [rows, D] to which row i of x [n, D] is added at indices[i]: the adjoint of gather. */
export const scatterAddRows = (x: Value, indices: Value, rows: number): Value =>
  x.graph.emit(scatterAddRowsOp, [x, indices], { rows })[0]!;
/** Sums of the rows of x [n, D] by segment number i32 [n]: [count, D]. */
export const segmentSum = (x: Value, segments: Value, count: number): Value =>
  x.graph.emit(segmentSumOp, [x, segments], { count })[0]!;
/** 1 at each index along a new last axis of `depth`, else 0. */
export const oneHot = (indices: Value, depth: number): Value => indices.graph.emit(oneHotOp, [indices], { depth })[0]!;
/** The k greatest along the last axis, descending, ties to the lowest index. */
export function topK(x: Value, k: number): { values: Value; indices: Value } {
  const [values, indices] = x.graph.emit(topKOp, [x], { k });
  return { values: values!, indices: indices! };
}
/** Index of the greatest element along an axis (default the last), the first at a tie; i32. */
export const argmax = (x: Value, axis = -1): Value =>
  x.graph.emit(argmaxOp, [x], { axis: normaliseAxis("argmax", x.shape.length, axis) })[0]!;
/** Another element type; f32 -> i32 truncates towards zero. */
export const cast = (x: Value, dtype: DType): Value => (x.type.dtype === dtype ? x : x.graph.emit(castOp, [x], { dtype })[0]!);

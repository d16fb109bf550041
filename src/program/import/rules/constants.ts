/** Operators whose results are known at import: constants, shapes, ranges. */
import { FormatError, InputError, sizeOf } from "../../../core/index.js";
import { decodeOnnxSparse, decodeOnnxTensor } from "../../../formats/index.js";
import * as op from "../../ops/index.js";
import { type Constant, constantOf, type Held, intConstant } from "../held.js";
import { checkedShape, type NodeView, type Rule, refuse } from "../node.js";

const MOST = 2 ** 24;

const constant: Rule = (n) => {
  const name = n.node.outputs[0] ?? "";
  const [attribute] = n.node.attributes;
  switch (attribute?.name) {
    case "value":
      if (!attribute.t) throw new FormatError("onnx", "the attribute value holds no tensor");
      return { constant: constantOf(decodeOnnxTensor({ ...attribute.t, name }), name) };
    case "sparse_value": {
      if (!attribute.sparseTensor) throw new FormatError("onnx", "the attribute sparse_value holds no tensor");
      const { dense, mask } = decodeOnnxSparse(attribute.sparseTensor);
      return { constant: constantOf(dense, name, mask) };
    }
    case "value_int":
      return intConstant([], [n.int("value_int", 0)], true, name);
    case "value_ints": {
      const values = n.ints("value_ints") ?? [];
      return intConstant([values.length], values, true, name);
    }
    case "value_float":
      return floats([], [n.float("value_float", 0)], name);
    case "value_floats": {
      const values = n.floats("value_floats") ?? [];
      return floats([values.length], values, name);
    }
    default:
      return refuse(`a Constant of ${attribute ? `"${attribute.name}"` : "nothing"}`);
  }
};

const floats = (shape: readonly number[], values: readonly number[], name: string): Held => ({
  constant: { kind: "float", shape, data: Float32Array.from(values), fixed: true, name },
});

/** The shape of a value is known, for values of any kind; it holds for this batch only unless the value is a fixed constant. */
function shape(n: NodeView): Held {
  const dims = n.shape(0);
  const clamped = (at: number) => Math.min(Math.max(at < 0 ? at + dims.length : at, 0), dims.length);
  const part = dims.slice(clamped(n.int("start", 0)), clamped(n.int("end", dims.length)));
  return intConstant([part.length], part, n.known(0)?.fixed ?? false, n.node.outputs[0] ?? "");
}

const constantOfShape: Rule = (n) => {
  const dims = checkedShape("the shape", n.integers(0, "the shape"), MOST);
  const value = n.tensor("value");
  if (value && value.data.length !== 1) throw new InputError(`the value has ${value.data.length} elements, expected 1`);
  const kind = value?.kind ?? "float";
  const size = sizeOf(dims);
  const data = kind === "float" ? new Float32Array(size) : new Float64Array(size);
  data.fill(value?.data[0] ?? 0);
  const made: Constant = { kind, shape: dims, data, fixed: n.known(0)?.fixed ?? false, name: n.node.outputs[0] ?? "" };
  return { constant: made };
};

const range: Rule = (n) => {
  const [start, limit, delta] = [0, 1, 2].map((i) => n.numbers(i, ["start", "limit", "delta"][i]!)[0]!) as [number, number, number];
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  if (!(count <= MOST))
    throw new InputError(`from ${start} to ${limit} by ${delta} are ${count} numbers, at most ${MOST} are made`);
  const kind = n.kind(0);
  const data = kind === "float" ? new Float32Array(count) : new Float64Array(count);
  for (let i = 0; i < count; i++) data[i] = start + i * delta;
  const fixed = [0, 1, 2].every((i) => n.known(i)?.fixed);
  return { constant: { kind, shape: [count], data, fixed, name: n.node.outputs[0] ?? "" } };
};

const size: Rule = (n) => intConstant([], [sizeOf(n.shape(0))], n.known(0)?.fixed ?? false, n.node.outputs[0] ?? "");

/** 1 at each index along a new axis. */
const oneHot: Rule = (n) => {
  const depth = n.integers(1, "depth")[0] ?? 0;
  if (depth < 1 || depth > MOST) throw new InputError(`depth is ${depth}, expected 1 to ${MOST}`);
  const [off = 0, on = 1] = n.numbers(2, "values");
  const rank = n.shape(0).length + 1;
  const axis = n.axis(n.int("axis", -1), rank);
  const hot = op.affine(op.oneHot(n.indices(0), depth), on - off, off);
  const order = Array.from({ length: rank }, (_, i) => (i < axis ? i : i === axis ? rank - 1 : i - 1));
  return n.of(op.transpose(hot, order), n.kind(2));
};

/** Keeps the upper or lower triangle of matrices. */
const trilu: Rule = (n) => {
  const x = n.value(0);
  const rank = x.shape.length;
  if (rank < 2) throw new InputError(`expected matrices, got [${x.shape.join(", ")}]`);
  const k = n.has(1) ? n.integers(1, "k")[0]! : 0;
  const upper = n.int("upper", 1) !== 0;
  const [rows, columns] = [x.shape[rank - 2]!, x.shape[rank - 1]!];
  if (rows * columns > MOST) refuse(`Trilu of a matrix of ${rows} x ${columns}`);
  const keep = Array.from({ length: rows * columns }, (_, i) => {
    const gap = (i % columns) - Math.floor(i / columns) - k;
    return (upper ? gap >= 0 : gap <= 0) ? 1 : 0;
  });
  return n.of(op.where(op.constant(n.graph, [rows, columns], keep), x, 0), n.kind(0));
};

/** Operators known at import, by name. */
export const constantRules: Readonly<Record<string, Rule>> = {
  Constant: constant,
  Shape: shape,
  Size: size,
  ConstantOfShape: constantOfShape,
  Range: range,
  OneHot: oneHot,
  Trilu: trilu,
};

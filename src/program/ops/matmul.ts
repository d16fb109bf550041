/** Matrix multiplication, and the linear layer over it. */
import { ShapeError, sameShape, sizeOf } from "../../core/index.js";
import type { OpDef, Value } from "../graph.js";
import type { ValueType } from "../types.js";
import { add, broadcastTo, reshape } from "./arithmetic.js";
import { broadcastShape, f32, floats, named, requireDense, requireDType } from "./support.js";

type MatmulAttrs = { transposeA: boolean; transposeB: boolean; pattern?: string };

function dimensions([a, b]: readonly { shape: readonly number[] }[], { transposeA, transposeB }: MatmulAttrs) {
  const [r, c] = a!.shape.slice(-2) as [number, number];
  const [p, q] = b!.shape.slice(-2) as [number, number];
  return {
    m: transposeA ? c : r,
    k: transposeA ? r : c,
    kb: transposeB ? q : p,
    n: transposeB ? p : q,
    batch: a!.shape.slice(0, -2),
  };
}

/**
 * y = op(a) op(b), op transposing where asked. Rank 2, or equal leading batch dims. One operand may have a pattern (SpMM).
 * With the attribute `pattern` the result exists only at that pattern's live positions (SDDMM).
 */
export const matmulOp: OpDef<MatmulAttrs> = {
  name: "matmul",
  type(inputs, attrs) {
    for (const i of [0, 1]) requireDType("matmul", inputs, i, "f32");
    const [a, b] = inputs as [ValueType, ValueType];
    const shapes = named(["a", "b"], inputs);
    if (a.shape.length < 2 || b.shape.length < 2) throw new ShapeError("matmul", shapes, "matrices (rank 2 or more)");
    const { m, k, kb, n, batch } = dimensions(inputs, attrs);
    if (k !== kb || !sameShape(batch, b.shape.slice(0, -2))) {
      const how = `a${attrs.transposeA ? "^T" : ""} b${attrs.transposeB ? "^T" : ""}`;
      throw new ShapeError("matmul", shapes, `inner sizes of ${how} and batch sizes to agree`);
    }
    if (a.pattern !== undefined && b.pattern !== undefined) requireDense("matmul", inputs, [1]);
    if (batch.length > 0) requireDense("matmul", inputs);
    return [f32([...batch, m, n], attrs.pattern)];
  },
  reference([a, b], attrs, [type]) {
    const { m, k, n, batch } = dimensions([a!, b!], attrs);
    const y = floats(type!.shape, [a!, b!]);
    const [ai, ak] = attrs.transposeA ? [1, m] : [k, 1];
    const [bk, bj] = attrs.transposeB ? [1, k] : [n, 1];
    for (let t = 0; t < sizeOf(batch); t++) {
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let q = 0; q < k; q++) sum += a!.data[t * m * k + i * ai + q * ak]! * b!.data[t * k * n + q * bk + j * bj]!;
          y.data[(t * m + i) * n + j] = sum;
        }
      }
    }
    return [y];
  },
  gradient({ inputs: [a, b], grads: [g], attrs: { transposeA, transposeB }, needs }) {
    const to = (x: Value) => ({ pattern: x.type.pattern });
    const da = () =>
      transposeA
        ? matmul(b!, g!, { transposeA: transposeB, transposeB: true, ...to(a!) })
        : matmul(g!, b!, { transposeB: !transposeB, ...to(a!) });
    const db = () =>
      transposeB
        ? matmul(g!, a!, { transposeA: true, transposeB: transposeA, ...to(b!) })
        : matmul(a!, g!, { transposeA: !transposeA, ...to(b!) });
    return [needs[0] ? da() : undefined, needs[1] ? db() : undefined];
  },
};

/** Options of `matmul`. */
export interface MatmulOptions {
  /** Use a with its last two axes swapped. Default false. */
  readonly transposeA?: boolean;
  /** Use b with its last two axes swapped. Default false. */
  readonly transposeB?: boolean;
  /** Compute only the live positions of this sparse param. */
  readonly pattern?: string | undefined;
}

/**
 * Matrix product of the last two axes; leading axes broadcast.
 * @param a [..., m, k], or [..., k, m] with transposeA; rank at least 2
 * @param b [..., k, n], or [..., n, k] with transposeB; rank at least 2
 * @returns [..., m, n]
 * @throws ShapeError
 */
export function matmul(a: Value, b: Value, { transposeA = false, transposeB = false, pattern }: MatmulOptions = {}): Value {
  const attrs = { transposeA, transposeB, ...(pattern === undefined ? {} : { pattern }) };
  const [ra, rb] = [a.shape.length, b.shape.length];
  if (ra >= 3 && rb === 2 && !transposeA) {
    const flat = reshape(a, [sizeOf(a.shape.slice(0, -1)), a.shape[ra - 1]!]);
    const y = a.graph.emit(matmulOp, [flat, b], attrs)[0]!;
    return reshape(y, [...a.shape.slice(0, -1), y.shape[1]!]);
  }
  if (ra < 2 || rb < 2 || (ra === 2 && rb === 2)) return a.graph.emit(matmulOp, [a, b], attrs)[0]!;
  const batch = broadcastShape("matmul", [a.shape.slice(0, -2), b.shape.slice(0, -2)]);
  const [x, y] = [a, b].map((v) => broadcastTo(v, [...batch, ...v.shape.slice(-2)]));
  return a.graph.emit(matmulOp, [x!, y!], attrs)[0]!;
}

/**
 * y = x w^T + bias.
 * @param x    [..., in]
 * @param w    [out, in], may be sparse
 * @param bias [out]
 * @throws ShapeError
 */
export function linear(x: Value, w: Value, bias?: Value): Value {
  if (x.shape.length === 1) return reshape(linear(reshape(x, [1, x.shape[0]!]), w, bias), [w.shape[0]!]);
  const y = matmul(x, w, { transposeB: true });
  return bias ? add(y, bias) : y;
}

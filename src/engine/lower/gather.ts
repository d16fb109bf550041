/** Rows by number, sums of rows by number, top-k, one-hot, and counter-based random values. */
import type { Operation } from "../../program/index.js";
import { ROWS } from "../layout.js";
import { at, type Lowering, ONE, whole } from "../lowering.js";

/** gather(table, indices). */
export function lowerGather(l: Lowering, operation: Operation): void {
  const [table, indices] = operation.inputs as [number, number];
  const [y] = operation.outputs as [number];
  const t = l.rows(table);
  const i = l.rows(indices);
  const to = l.allocate(y, ROWS);
  const bytes = l.type(table).shape[1]! * 4;
  l.step({
    name: "gather",
    domain: ONE,
    reads: [whole(t), whole(i)],
    writes: [whole(to)],
    emit: (call) => call("gather_rows", { n: l.size(indices), bytes, idx: at(i), table: at(t), y: at(to) }),
  });
}

/** scatterAddRows and segmentSum. */
export function lowerRowSums(l: Lowering, operation: Operation): void {
  const [x, rows] = operation.inputs as [number, number];
  const [y] = operation.outputs as [number];
  const a = l.rows(x);
  const i = l.rows(rows);
  const to = l.allocate(y, ROWS);
  const [n, cols] = l.type(x).shape as [number, number];
  l.step({
    name: operation.op,
    domain: ONE,
    reads: [whole(a), whole(i)],
    writes: [whole(to)],
    emit(call) {
      call("zero", { bytes: l.size(y) * 4, y: at(to) });
      call("scatter_add_rows", { n, cols, idx: at(i), x: at(a), table: at(to) });
    },
  });
}

/** The k greatest values of each row of the last axis, and where they stand. */
export function lowerTopK(l: Lowering, operation: Operation): void {
  const [x] = operation.inputs as [number];
  const [values, indices] = operation.outputs as [number, number];
  const a = l.rows(x);
  const v = l.allocate(values, ROWS);
  const i = l.allocate(indices, ROWS);
  const cols = l.type(x).shape.at(-1)!;
  const k = operation.attrs["k"] as number;
  l.step({
    name: "topK",
    domain: ONE,
    reads: [whole(a)],
    writes: [whole(v), whole(i)],
    emit: (call) => call("topk", { rows: l.size(x) / cols, cols, k, x: at(a), xs: cols * 4, values: at(v), indices: at(i) }),
  });
}

/** Rows of zeros with a one. */
export function lowerOneHot(l: Lowering, operation: Operation): void {
  const [x] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  const a = l.rows(x);
  const to = l.allocate(y, ROWS);
  const cols = operation.attrs["depth"] as number;
  l.step({
    name: "oneHot",
    domain: ONE,
    reads: [whole(a)],
    writes: [whole(to)],
    emit: (call) => call("one_hot", { n: l.size(x), cols, idx: at(a), on: 1, off: 0, y: at(to) }),
  });
}

/** randomUniform, randomNormal and dropoutMask: value k depends on the key and k alone. */
export function lowerRandom(l: Lowering, operation: Operation): void {
  const [key] = operation.inputs as [number];
  const [y] = operation.outputs as [number];
  const k = l.rows(key);
  const to = l.allocate(y, ROWS);
  const { offset = 0, keep } = operation.attrs as { offset?: number; keep?: number };
  const n = l.size(y);
  l.step({
    name: operation.op,
    domain: ONE,
    reads: [whole(k)],
    writes: [whole(to)],
    emit(call) {
      if (operation.op === "randomUniform") call("philox_uniform", { n, key: at(k), offset, y: at(to) });
      else if (operation.op === "randomNormal") call("philox_normal", { n, key: at(k), offset, mean: 0, deviation: 1, y: at(to) });
      else call("dropout_mask", { n, key: at(k), offset, keep: keep!, y: at(to) });
    },
  });
}

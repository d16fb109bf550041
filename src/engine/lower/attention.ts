/**
 * Attention of whole heads in one step: softmax(scale q k^T) v of each head, from the memory of the projections to that of the joined heads.
 * No head is split off or joined by a copy, and the scores of one head at a time stay in the caches. They are written keys by queries, so
 * that both products read them along memory and every lane of the softmax walks its own query.
 *
 * The pattern, in the program: split heads (reshape, transpose) of q, k and v -> matmul -> affine -> softmax -> matmul -> transpose, reshape.
 */
import { UNARY } from "../../kernels/index.js";
import type { Operation } from "../../program/index.js";
import { type Columns, columnsOf, ROWS } from "../layout.js";
import { at, type Lowering, type Placed, whole } from "../lowering.js";

/** Attention found in a program. */
export interface Attention {
  /** Numbers of its operations; the last one makes its result. */
  readonly operations: readonly number[];
  /** Values [.., heads x d] before they are split. */
  readonly q: number;
  readonly k: number;
  readonly v: number;
  readonly y: number;
  readonly scale: number;
  readonly images: number;
  readonly heads: number;
  /** Queries and keys of an image; floats of a head's query and key, and of its value. */
  readonly t: number;
  readonly s: number;
  readonly d: number;
  readonly dv: number;
}

/** Fewer queries than this would leave most of a tile of the products idle. */
const LEAST_QUERIES = 8;

/** Every attention whose intermediate values nothing else needs. */
export function attentions(l: Lowering): Attention[] {
  const { operations } = l.program;
  if (!operations.some(({ op }) => op === "softmax")) return [];
  const maker = new Map<number, number>();
  operations.forEach(({ outputs }, i) => {
    for (const y of outputs) maker.set(y, i);
  });
  return operations.flatMap(({ op }, i) => (op === "softmax" ? (match(l, maker, i) ?? []) : []));
}

function match(l: Lowering, maker: ReadonlyMap<number, number>, softmax: number): Attention | undefined {
  const { operations } = l.program;
  const found: number[] = [softmax];
  /** The operation behind a value that nothing else uses. */
  const behind = (value: number, op: string): Operation | undefined => {
    const i = maker.get(value);
    if (i === undefined || operations[i]!.op !== op || l.consumers[value]!.length !== 1 || l.isEnd(value)) return undefined;
    found.push(i);
    return operations[i];
  };
  /** The only operation that uses what this one makes. */
  const next = (from: Operation, op: string): Operation | undefined => {
    const users = l.consumers[from.outputs[0]!]!;
    if (users.length !== 1 || l.isEnd(from.outputs[0]!) || operations[users[0]!]!.op !== op) return undefined;
    found.push(users[0]!);
    return operations[users[0]!];
  };
  const crossed = (operation: Operation): boolean => (operation.attrs["perm"] as readonly number[]).join() === "0,2,1,3";
  /** [images, positions, heads, d] of split heads, and the value before. */
  const split = (value: number) => {
    const turned = behind(value, "transpose");
    const shaped = turned && crossed(turned) ? behind(turned.inputs[0]!, "reshape") : undefined;
    if (!shaped) return undefined;
    const shape = l.type(shaped.outputs[0]!).shape as readonly [number, number, number, number];
    const [source] = shaped.inputs as [number];
    return l.type(source).shape.at(-1) === shape[2] * shape[3] ? { source, shape } : undefined;
  };
  const weights = operations[softmax]!;
  if (weights.attrs["axis"] !== 3 || l.type(weights.outputs[0]!).shape.length !== 4) return undefined;
  const scaled = behind(weights.inputs[0]!, "affine");
  if (scaled && scaled.attrs["b"] !== 0) return undefined;
  const scores = behind(scaled ? scaled.inputs[0]! : weights.inputs[0]!, "matmul");
  if (!scores || scores.attrs["transposeA"] || !scores.attrs["transposeB"]) return undefined;
  const mixed = next(weights, "matmul");
  if (!mixed || mixed.inputs[0] !== weights.outputs[0] || mixed.attrs["transposeA"] || mixed.attrs["transposeB"]) return undefined;
  const back = next(mixed, "transpose");
  const joined = back && crossed(back) ? next(back, "reshape") : undefined;
  const [q, k, v] = [split(scores.inputs[0]!), split(scores.inputs[1]!), split(mixed.inputs[1]!)];
  if (!joined || !q || !k || !v) return undefined;
  const [images, t, heads, d] = q.shape;
  const dv = v.shape[3];
  const y = joined.outputs[0]!;
  if (k.shape[2] !== heads || v.shape[2] !== heads || t < LEAST_QUERIES || l.type(y).shape.at(-1) !== heads * dv) return undefined;
  return {
    operations: found.sort((a, b) => a - b),
    ...{ q: q.source, k: k.source, v: v.source, y, images, heads, t, s: k.shape[1], d, dv },
    scale: scaled ? (scaled.attrs["a"] as number) : 1,
  };
}

/** A head's matrix in memory: bytes to its first float, from feature to feature, from position to position. */
function headOf(placed: Placed, features: number, d: number, positions: number) {
  const columns = placed.layout.kind === "columns" ? placed.layout : undefined;
  const [f, p] = columns ? [columns.stride, 4] : [4, features * 4];
  return { f, p, columns, start: (image: number, head: number) => at(placed) + image * positions * p + head * d * f };
}

/** Emits the step. Called at the last of its operations. */
export function lowerAttention(l: Lowering, attention: Attention): void {
  const { images, heads, t, s, d, dv, scale } = attention;
  const place = (value: number): Placed => {
    const placed = l.any(value);
    return placed.layout.kind === "columns" ? placed : l.rows(value);
  };
  const [a, b, c] = [place(attention.q), place(attention.k), place(attention.v)];
  const to = l.allocate(attention.y, a.layout.kind === "columns" ? columnsOf(images * t, heads * dv) : ROWS);
  const [q, k, v, y] = [
    headOf(a, heads * d, d, t),
    headOf(b, heads * d, d, s),
    headOf(c, heads * dv, dv, s),
    headOf(to, heads * dv, dv, t),
  ];
  const units = images * heads;
  const parts = Math.min(units, l.options.threads);
  const scores = columnsOf(t, s);
  const scratch = (layout: Columns, name: string) => l.temporary(layout.stride * layout.f * parts, name);
  const ownQuery = q.columns ? columnsOf(t, d) : columnsOf(d, t);
  const queries = scratch(ownQuery, "scaled queries");
  const weights = scratch(scores, "scores");
  const kernel = l.options.tiles.gemm;
  l.step({
    name: "attention",
    domain: { key: `heads:${units}`, units, parts },
    reads: [whole(a), whole(b), whole(c)],
    writes: [whole(to), { buffer: queries, local: true }, { buffer: weights, local: true }],
    emit(call, { unit, part }) {
      const head = unit % heads;
      const image = (unit - head) / heads;
      const own = queries.address + part * ownQuery.stride * ownQuery.f;
      const p = weights.address + part * scores.stride * s;
      const none = { acc: 0, bias: 0, biasMode: 0, lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };
      const [outer, inner, xs] = q.columns ? [d, t, q.f] : [t, d, q.p];
      const ys = ownQuery.stride;
      call("unary2d", { outer, inner, kind: UNARY.affine, x: q.start(image, head), xs, y: own, ys, a: scale, b: 0 });
      const [rsb, csb] = q.columns ? [ys, 4] : [4, ys];
      const keys = { a: k.start(image, head), rsa: k.p, csa: k.f };
      call(kernel, { m: s, n: t, k: d, ...keys, b: own, rsb, csb, c: p, ldc: scores.stride, ...none });
      const walk = { x: p, so: 0, sa: scores.stride, y: p, yo: 0, ya: scores.stride };
      call("softmax", { outer: 1, axis: s, inner: t, ...walk });
      const [values, result] = [v.start(image, head), y.start(image, head)];
      const out = { k: s, c: result, ...none };
      if (y.columns)
        call(kernel, { m: dv, n: t, a: values, rsa: v.f, csa: v.p, b: p, rsb: scores.stride, csb: 4, ldc: y.f, ...out });
      else call(kernel, { m: t, n: dv, a: p, rsa: 4, csa: scores.stride, b: values, rsb: v.p, csb: v.f, ldc: y.p, ...out });
    },
  });
  l.decide(l.program.operations[attention.operations.at(-1)!]!, kernel, "dense, head by head, scores in the caches");
}

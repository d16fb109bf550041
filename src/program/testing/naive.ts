/** Independent element formulas: what output 0 of an operation is at one index, written from the mathematics. */
import { type AnyTensor, stridesOf } from "../../core/index.js";
import type { Attrs } from "../types.js";

/** The value of output 0 at an index. */
export type Naive = (inputs: readonly AnyTensor[], attrs: Attrs) => (index: readonly number[]) => number;

/** x at an index; size-1 axes repeat, missing leading axes are skipped. */
export function at(x: AnyTensor, index: readonly number[]): number {
  const own = index.slice(index.length - x.shape.length);
  const strides = stridesOf(x.shape);
  return x.data[own.reduce((sum, c, i) => sum + (x.shape[i] === 1 ? 0 : c) * strides[i]!, 0)]!;
}

/** x at an index, 0 outside. */
const inside = (x: AnyTensor, index: readonly number[]): number =>
  index.every((c, i) => c >= 0 && c < x.shape[i]!) ? at(x, index) : 0;

const list = (attrs: Attrs, key: string): readonly number[] => attrs[key] as readonly number[];

/** Every index of a shape. */
export function* indices(shape: readonly number[]): Generator<number[]> {
  if (shape.length === 0) {
    yield [];
    return;
  }
  for (let i = 0; i < shape[0]!; i++) for (const rest of indices(shape.slice(1))) yield [i, ...rest];
}

/** All elements of x whose kept coordinates agree with `index`. */
function line(x: AnyTensor, axes: readonly number[], keepDims: boolean, index: readonly number[]): number[] {
  const found: number[] = [];
  for (const place of indices(x.shape)) {
    const kept = keepDims ? place.map((c, i) => (axes.includes(i) ? 0 : c)) : place.filter((_, i) => !axes.includes(i));
    if (kept.every((c, i) => c === index[i])) found.push(at(x, place));
  }
  return found;
}

const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const average = (values: readonly number[]): number => total(values) / values.length;
const binary =
  (f: (a: number, b: number) => number): Naive =>
  ([a, b]) =>
  (i) =>
    f(at(a!, i), at(b!, i));
const reduction =
  (f: (values: number[]) => number): Naive =>
  ([x], attrs) =>
  (i) =>
    f(line(x!, list(attrs, "axes"), attrs["keepDims"] === true, i));
const alongAxis =
  (f: (own: number, values: number[]) => number): Naive =>
  ([x], { axis }) =>
  (i) =>
    f(
      at(x!, i),
      line(
        x!,
        [axis as number],
        true,
        i.map((c, k) => (k === axis ? 0 : c)),
      ),
    );

/** The elements of x [N, C, H, W] under one window. */
function window(x: AnyTensor, [n, c, i, j]: readonly number[], attrs: Attrs): number[] {
  const [kernel, stride, padding] = [list(attrs, "kernel"), list(attrs, "stride"), list(attrs, "padding")];
  const found: number[] = [];
  for (const [u, v] of indices(kernel)) {
    const place = [n!, c!, i! * stride[0]! - padding[0]! + u!, j! * stride[1]! - padding[1]! + v!];
    if (place.every((p, k) => p >= 0 && p < x.shape[k]!)) found.push(at(x, place));
  }
  return found;
}

const matrix = (x: AnyTensor, transposed: unknown) => (batch: readonly number[], r: number, c: number) =>
  at(x, transposed ? [...batch, c, r] : [...batch, r, c]);

/** Formulas by operation name. */
export const naive: Readonly<Record<string, Naive>> = {
  add: binary((a, b) => a + b),
  sub: binary((a, b) => a - b),
  mul: binary((a, b) => a * b),
  div: binary((a, b) => a / b),
  max: binary((a, b) => (a > b ? a : b)),
  min: binary((a, b) => (b < a ? b : a)),
  pow: binary((a, b) => Math.exp(b * Math.log(a))),
  greater: binary((a, b) => Number(a > b)),
  greaterEqual: binary((a, b) => Number(a >= b)),
  equal: binary((a, b) => Number(a === b)),
  reluGrad: binary((a, b) => (b > 0 ? a : 0)),
  where:
    ([cond, x, y]) =>
    (i) =>
      at(cond!, i) ? at(x!, i) : at(y!, i),
  sum: reduction(total),
  mean: reduction(average),
  sumSquares: reduction((v) => total(v.map((x) => x * x))),
  reduceMax: reduction((v) => Math.max(...v)),
  reduceMin: reduction((v) => Math.min(...v)),
  broadcastTo:
    ([x]) =>
    (i) =>
      at(x!, i),
  transpose:
    ([x], attrs) =>
    (i) =>
      at(
        x!,
        list(attrs, "perm").map((_, k) => i[list(attrs, "perm").indexOf(k)]!),
      ),
  slice:
    ([x], attrs) =>
    (i) =>
      at(
        x!,
        i.map((c, k) => list(attrs, "starts")[k]! + c * list(attrs, "steps")[k]!),
      ),
  scatterSlice:
    ([x], attrs) =>
    (i) => {
      const from = i.map((c, k) => (c - list(attrs, "starts")[k]!) / list(attrs, "steps")[k]!);
      return from.every((c) => Number.isInteger(c)) ? inside(x!, from) : 0;
    },
  pad:
    ([x], attrs) =>
    (i) => {
      const from = i.map((c, k) => c - list(attrs, "before")[k]!);
      return from.every((c, k) => c >= 0 && c < x!.shape[k]!) ? at(x!, from) : (attrs["value"] as number);
    },
  concat:
    (xs, { axis }) =>
    (i) => {
      let rest = i[axis as number]!;
      for (const x of xs) {
        const size = x.shape[axis as number]!;
        if (rest < size)
          return at(
            x,
            i.map((c, k) => (k === axis ? rest : c)),
          );
        rest -= size;
      }
      return Number.NaN;
    },
  matmul: ([a, b], { transposeA, transposeB }) => {
    const k = a!.shape.at(transposeA ? -2 : -1)!;
    return (i) => {
      const [batch, r, c] = [i.slice(0, -2), i.at(-2)!, i.at(-1)!];
      return total(Array.from({ length: k }, (_, q) => matrix(a!, transposeA)(batch, r, q) * matrix(b!, transposeB)(batch, q, c)));
    };
  },
  conv2d: ([x, w], attrs) => {
    const [stride, padding, dilation] = [list(attrs, "stride"), list(attrs, "padding"), list(attrs, "dilation")];
    const [o, cg] = w!.shape as [number, number];
    return ([n, f, i, j]) => {
      const group = Math.floor(f! / (o / (attrs["groups"] as number)));
      const taps = [...indices(w!.shape.slice(1))].map(([q, u, v]) => {
        const place = [
          n!,
          group * cg + q!,
          i! * stride[0]! + u! * dilation[0]! - padding[0]!,
          j! * stride[1]! + v! * dilation[1]! - padding[1]!,
        ];
        return inside(x!, place) * at(w!, [f!, q!, u!, v!]);
      });
      return total(taps);
    };
  },
  maxPool2d:
    ([x], attrs) =>
    (i) =>
      Math.max(...window(x!, i, attrs)),
  avgPool2d:
    ([x], attrs) =>
    (i) => {
      const values = window(x!, i, attrs);
      return attrs["countPad"] ? total(values) / (list(attrs, "kernel")[0]! * list(attrs, "kernel")[1]!) : average(values);
    },
  batchNorm:
    ([x, gamma, beta], { eps }) =>
    (i) => {
      const axes = x!.shape.map((_, k) => k).filter((k) => k !== 1);
      const values = line(x!, axes, false, [i[1]!]);
      const m = average(values);
      const v = average(values.map((e) => e * e)) - m * m;
      return ((at(x!, i) - m) / Math.sqrt(v + (eps as number))) * gamma!.data[i[1]!]! + beta!.data[i[1]!]!;
    },
  batchNormInference:
    ([x, gamma, beta, m, v], { eps }) =>
    (i) => {
      const c = i[1]!;
      return ((at(x!, i) - m!.data[c]!) / Math.sqrt(v!.data[c]! + (eps as number))) * gamma!.data[c]! + beta!.data[c]!;
    },
  layerNorm:
    ([x, gamma, beta], { eps }) =>
    (i) => {
      const values = line(x!, [x!.shape.length - 1], false, i.slice(0, -1));
      const m = average(values);
      const v = average(values.map((e) => (e - m) ** 2));
      return ((at(x!, i) - m) / Math.sqrt(v + (eps as number))) * gamma!.data[i.at(-1)!]! + beta!.data[i.at(-1)!]!;
    },
  rmsNorm:
    ([x, gamma], { eps }) =>
    (i) => {
      const values = line(x!, [x!.shape.length - 1], false, i.slice(0, -1));
      return (at(x!, i) / Math.sqrt(average(values.map((e) => e * e)) + (eps as number))) * gamma!.data[i.at(-1)!]!;
    },
  softmax: alongAxis((own, values) => Math.exp(own) / total(values.map(Math.exp))),
  logSoftmax: alongAxis((own, values) => own - Math.log(total(values.map(Math.exp)))),
  pick:
    ([x, labels]) =>
    ([n]) =>
      at(x!, [n!, labels!.data[n!]!]),
  pickGrad:
    ([dy, labels]) =>
    ([n, k]) =>
      labels!.data[n!] === k ? dy!.data[n!]! : 0,
  gather:
    ([table, rows]) =>
    (i) =>
      at(table!, [at(rows!, i.slice(0, -1)), i.at(-1)!]),
  scatterAddRows:
    ([x, rows]) =>
    ([r, d]) =>
      total([...rows!.data].map((row, n) => (row === r ? at(x!, [n, d!]) : 0))),
  segmentSum:
    ([x, rows]) =>
    ([r, d]) =>
      total([...rows!.data].map((row, n) => (row === r ? at(x!, [n, d!]) : 0))),
  oneHot:
    ([x]) =>
    (i) =>
      Number(at(x!, i.slice(0, -1)) === i.at(-1)),
  topK:
    ([x]) =>
    (i) =>
      line(x!, [x!.shape.length - 1], false, i.slice(0, -1)).sort((a, b) => b - a)[i.at(-1)!]!,
  argmax:
    ([x], { axis }) =>
    (i) => {
      const values = line(x!, [axis as number], false, i);
      return values.indexOf(Math.max(...values));
    },
  neg:
    ([x]) =>
    (i) =>
      -at(x!, i),
};

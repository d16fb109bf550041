/**
 * Vectors that lie side by side in longer ones, as the gates of a recurrent cell do. Where small vectors are slices of a long one, or meet them
 * element by element, thread u works on the same part [from, to) of every `period` elements of all of them: from the product that makes the
 * gates to the state, no thread needs what another wrote.
 */

import { BINARY, UNARY } from "../kernels/index.js";
import type { Operation, Program } from "../program/index.js";
import { evenly } from "./cut.js";
import type { Lowering } from "./lowering.js";
import type { Domain } from "./step.js";

/** Longer values are cut into flat pieces of their own. */
const MOST = 1 << 13;
/** Elements of a thread's part at least, and a multiple of them: a cache line. */
const LINE = 16;
const LEAST = 4 * LINE;

/** Elements from the start of a value to a slice of it that lies in one piece; undefined when the slice does not. */
export function pieceStart(shape: readonly number[], { attrs }: Operation, out: readonly number[]): number | undefined {
  const starts = attrs["starts"] as readonly number[];
  const steps = attrs["steps"] as readonly number[];
  const axis = out.findIndex((n) => n !== 1);
  let start = 0;
  for (let i = 0, size = shape.reduce((a, b) => a * b, 1); i < shape.length; i++) {
    size /= shape[i]!;
    start += starts[i]! * size;
    if (axis >= 0 && (i > axis ? out[i] !== shape[i] : i === axis && steps[i] !== 1)) return undefined;
  }
  return start;
}

/** The period of every value, 0 where it has none. */
export function periodsOf(program: Program): Int32Array {
  const { values, operations } = program;
  const size = values.map(({ shape }) => shape.reduce((a, b) => a * b, 1));
  const head = Int32Array.from(values, (_, i) => i);
  const find = (i: number): number => {
    let at = i;
    while (head[at] !== at) at = head[at]!;
    head[i] = at;
    return at;
  };
  const fits = (v: number) => size[v]! <= MOST && values[v]!.pattern === undefined && values[v]!.dtype === "f32";
  const link = (a: number, b: number) => {
    if (fits(a) && fits(b)) head[find(a)] = find(b);
  };
  const params = new Set(Object.values(program.params).map(({ value }) => value));
  const starts: { value: number; start: number }[] = [];
  for (const operation of operations) {
    const { op, inputs, outputs } = operation;
    const y = outputs[0]!;
    if (op in UNARY || op in BINARY || op === "reshape") {
      for (const x of inputs) if (size[x] === size[y] && !params.has(x)) link(x, y);
    } else if (op === "slice") {
      const x = inputs[0]!;
      const start = pieceStart(values[x]!.shape, operation, values[y]!.shape);
      if (start === undefined || !fits(x)) continue;
      link(x, y);
      starts.push({ value: y, start });
    }
  }
  const least = new Map<number, number>();
  const most = new Map<number, number>();
  values.forEach((_, v) => {
    if (size[v] === 1 || !fits(v)) return;
    const i = find(v);
    least.set(i, Math.min(least.get(i) ?? Number.POSITIVE_INFINITY, size[v]!));
    most.set(i, Math.max(most.get(i) ?? 0, size[v]!));
  });
  for (const [i, period] of least) if (most.get(i) === period || period % LINE !== 0) least.delete(i);
  values.forEach((_, v) => {
    const period = least.get(find(v));
    if (period && size[v]! % period !== 0) least.delete(find(v));
  });
  for (const { value, start } of starts) {
    const period = least.get(find(value));
    if (period && start % period !== 0) least.delete(find(value));
  }
  return Int32Array.from(values, (_, v) => (fits(v) && size[v]! > 1 ? (least.get(find(v)) ?? 0) : 0));
}

/** Work on a vector with a period, one unit a thread. */
export interface PeriodCut {
  readonly domain: Domain;
  readonly period: number;
  /** Bounds of the units' parts of a period. */
  readonly bounds: readonly number[];
}

/** The cut of work on a row-major value with a period, where there are threads to cut it for. */
export function cutPeriod(l: Lowering, value: number): PeriodCut | undefined {
  const { threads } = l.options;
  const period = l.periods[value]!;
  if (threads === 1 || period < threads * LEAST) return undefined;
  const bounds = evenly(period, threads, LINE);
  return { domain: { key: `period:${bounds}`, units: threads, parts: threads }, period, bounds };
}

/** What a unit works on of n elements: `outer` parts of `inner` elements, `stride` elements apart, from `from` on. */
export function partsOf({ period, bounds }: PeriodCut, unit: number, n: number) {
  const from = bounds[unit]!;
  return { from, outer: n / period, inner: bounds[unit + 1]! - from, stride: period };
}

/**
 * A frozen unstructured matrix times one vector, four rows in the lanes: rows sorted by length, slices of four padded to the
 * longest of them (SELL-4). The lists hold addresses, so the vector is copied to a place of its own first; it is gathered lane by lane there.
 * Ranges of rows have slices and a copy of the vector of their own, one range a thread.
 */
import { balanced } from "../cut.js";
import { at, type Lowering, type Placed } from "../lowering.js";
import { type PeriodCut, partsOf } from "../period.js";
import type { Buffer, Call } from "../step.js";
import type { Topology } from "../topology.js";
import { turn } from "./weights.js";

/** The slices of a range of rows. */
export interface SliceRange {
  readonly first: number;
  readonly count: number;
  /** Entries of the slices before. */
  readonly skip: () => number;
  /** Where the vector lies while the kernel runs; then a zero, for the padding to read. */
  readonly home: Buffer;
}

/** The slices of a pattern. */
export interface Slices {
  readonly slices: number;
  readonly ranges: readonly SliceRange[];
  readonly cnt: Buffer;
  /** Addresses of elements of each range's `home`. */
  readonly idx: Buffer;
  /** Weights in slice order, zeros as padding. */
  readonly w: Buffer;
  /** Byte offset in y of each lane's row, negative where there is none. */
  readonly order: Buffer;
  /** Byte offset in the bias of each lane's row. */
  readonly rows: Buffer;
}

/**
 * Index lists, made once for all products with this weight.
 * @param value number of the weight: several values may have one pattern
 * @param cut of what the product makes, where that goes on along a period
 */
export function slicesOf(l: Lowering, topology: Topology, pattern: string, value: number, weight: Placed, cut?: PeriodCut): Slices {
  return l.once(`slices:${value}:${cut?.domain.key}`, () => {
    const slices = Math.ceil(topology.rows / 4);
    const rowsOf = cut ? periodRows(cut, topology.rows) : rangesOf(l, topology);
    const starts = new Int32Array(rowsOf.length);
    let first = 0;
    const ranges = rowsOf.map((rows, i): SliceRange => {
      const home = l.constantBuffer(new Float32Array(topology.columns + 1), "slice vector");
      const count = Math.ceil(rows.length / 4);
      first += count;
      return { first: first - count, count, skip: () => starts[i]!, home };
    });
    // Slices are sorted by length, so that all padding of a range together is at most three rows.
    const most = topology.capacity + ranges.length * 3 * topology.columns + 16;
    const cnt = l.fixed(slices * 4, "slice lengths");
    const idx = l.fixed(most * 4, "slice addresses");
    const values = l.fixed(most * 4, "slice weights order");
    const order = l.fixed(slices * 16, "slice rows");
    const rows = l.fixed(slices * 16, "slice bias");
    let entries = 0;
    const write = () => {
      const { rowPtr, columnOf } = topology;
      const length = (r: number) => rowPtr[r + 1]! - rowPtr[r]!;
      const { i32 } = l.memory();
      let e = 0;
      ranges.forEach(({ first, count, home }, range) => {
        const sorted = [...rowsOf[range]!].sort((a, b) => length(b) - length(a) || a - b);
        starts[range] = e;
        for (let i = 0; i < count; i++) {
          const s = first + i;
          const own = sorted.slice(i * 4, i * 4 + 4);
          const longest = length(own[0]!);
          i32[cnt.address / 4 + s] = longest;
          for (let lane = 0; lane < 4; lane++) {
            const row = own[lane];
            i32[order.address / 4 + s * 4 + lane] = row === undefined ? -1 : row * 4;
            i32[rows.address / 4 + s * 4 + lane] = row === undefined ? 0 : row * 4;
          }
          for (let k = 0; k < longest; k++) {
            for (let lane = 0; lane < 4; lane++, e++) {
              const row = own[lane];
              const live = row !== undefined && k < length(row);
              i32[idx.address / 4 + e] = home.address + (live ? columnOf[rowPtr[row]! + k]! : topology.columns) * 4;
              // Past the last live value a param's memory holds zeros; a computed weight stands in with one that is there, times zero.
              const none = weight.buffer.fixed ? topology.capacity : rowPtr[own[0]!]! + k;
              i32[values.address / 4 + e] = (live ? rowPtr[row]! + k : none) * 4;
            }
          }
        }
      });
      entries = e;
    };
    write();
    l.refreshers.push({ pattern, refresh: write });
    return { slices, ranges, cnt, idx, w: turn(l, weight, values, () => entries, most), order, rows };
  });
}

/** Entries from which a product is worth a meeting of threads. */
const WORTH = 1 << 12;

/** Ranges of rows of like work, in fours. */
function rangesOf(l: Lowering, { rows, rowPtr }: Topology): number[][] {
  const { threads } = l.options;
  const few = rowPtr[rows]! < WORTH || rows < threads * 8;
  const bounds = few ? [0, rows] : balanced(rowPtr, threads).map((bound) => (bound === rows ? bound : Math.round(bound / 4) * 4));
  return bounds.slice(1).map((end, i) => rowsIn(bounds[i]!, end));
}

const rowsIn = (from: number, end: number): number[] => Array.from({ length: end - from }, (_, r) => from + r);

/** The rows of each part of a period. */
function periodRows(cut: PeriodCut, rows: number): number[][] {
  return cut.bounds.slice(1).map((_, unit) => {
    const { from, outer, inner, stride } = partsOf(cut, unit, rows);
    return Array.from({ length: outer }, (_, i) => rowsIn(from + i * stride, from + i * stride + inner)).flat();
  });
}

/** A bias in slice order. */
export function sliceBias(l: Lowering, { slices, rows }: Slices, bias: Placed): Buffer {
  return turn(l, bias, rows, slices * 4, slices * 4);
}

/** y = W x (+ shift), clamped: the slices of one range. */
export function runSlices(
  call: Call,
  lists: Slices,
  range: number,
  columns: number,
  x: Placed,
  shift: Buffer | undefined,
  y: Placed,
  lo: number,
  hi: number,
): void {
  const { cnt, idx, w, order, ranges } = lists;
  const { first, count, skip, home } = ranges[range]!;
  const on = (address: number) => (first === 0 ? address : () => address + skip() * 4);
  call("copy", { bytes: columns * 4, x: at(x), y: home.address });
  call("sell4", {
    m: count,
    cnt: cnt.address + first * 4,
    idx: on(idx.address),
    w: on(w.address),
    bias: shift ? shift.address + first * 16 : 0,
    y: at(y),
    lo,
    hi,
    order: order.address + first * 16,
  });
}

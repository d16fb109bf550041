/**
 * A frozen unstructured matrix times one vector, four rows in the lanes: rows sorted by length, slices of four padded to the
 * longest of them (SELL-4). The lists hold addresses, so the vector is copied to a place of its own first; it is gathered lane by lane there.
 */
import { at, type Lowering, type Placed } from "../lowering.js";
import type { Buffer, Call } from "../step.js";
import type { Topology } from "../topology.js";
import { turn } from "./weights.js";

/** The slices of a pattern. */
export interface Slices {
  readonly slices: number;
  readonly cnt: Buffer;
  /** Addresses of elements of `home`. */
  readonly idx: Buffer;
  /** Where the vector lies while the kernel runs; then a zero, for the padding to read. */
  readonly home: Buffer;
  /** Weights in slice order, zeros as padding. */
  readonly w: Buffer;
  /** Byte offset in y of each lane's row, negative where there is none. */
  readonly order: Buffer;
  /** Byte offset in the bias of each lane's row. */
  readonly rows: Buffer;
}

/** Index lists, made once for all products with this weight. */
export function slicesOf(l: Lowering, topology: Topology, pattern: string, weight: Placed): Slices {
  return l.once(`slices:${pattern}`, () => {
    const slices = Math.ceil(topology.rows / 4);
    // Slices are sorted by length, so that all padding together is at most three rows.
    const most = topology.capacity + 3 * topology.columns + 16;
    const cnt = l.fixed(slices * 4, "slice lengths");
    const idx = l.fixed(most * 4, "slice addresses");
    const home = l.constantBuffer(new Float32Array(topology.columns + 1), "slice vector");
    const values = l.fixed(most * 4, "slice weights order");
    const order = l.fixed(slices * 16, "slice rows");
    const rows = l.fixed(slices * 16, "slice bias");
    let entries = 0;
    const write = () => {
      const { rowPtr, columnOf } = topology;
      const length = (r: number) => rowPtr[r + 1]! - rowPtr[r]!;
      const sorted = Array.from({ length: topology.rows }, (_, r) => r).sort((a, b) => length(b) - length(a) || a - b);
      const { i32 } = l.memory();
      let e = 0;
      for (let s = 0; s < slices; s++) {
        const own = sorted.slice(s * 4, s * 4 + 4);
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
            // Past the last live value a param's memory holds zeros.
            i32[values.address / 4 + e] = (live ? rowPtr[row]! + k : topology.capacity) * 4;
          }
        }
      }
      entries = e;
    };
    write();
    l.refreshers.push({ pattern, refresh: write });
    return { slices, cnt, idx, home, w: turn(l, weight, values, () => entries, most), order, rows };
  });
}

/** A bias in slice order. */
export function sliceBias(l: Lowering, { slices, rows }: Slices, bias: Placed): Buffer {
  return turn(l, bias, rows, slices * 4, slices * 4);
}

/** y = W x (+ shift), clamped: all slices. */
export function runSlices(
  call: Call,
  lists: Slices,
  columns: number,
  x: Placed,
  shift: Buffer | undefined,
  y: Placed,
  lo: number,
  hi: number,
): void {
  const { slices, cnt, idx, home, w, order } = lists;
  call("copy", { bytes: columns * 4, x: at(x), y: home.address });
  call("sell4", {
    m: slices,
    cnt: cnt.address,
    idx: idx.address,
    w: w.address,
    bias: shift ? shift.address : 0,
    y: at(y),
    lo,
    hi,
    order: order.address,
  });
}

/**
 * Index lists for frozen unstructured patterns: distances between the entries instead of offsets, so that one pointer walks on; and
 * for many input channels the entries cut into parts, so that the strip of input that a part reads stays in the first cache.
 * Measured on 512 -> 512 channels at 14x14, 90 %: distances 1-6 %, two parts 8-12 %.
 */
import { at, type Lowering, type Placed } from "../lowering.js";
import type { Buffer, Call } from "../step.js";
import { liveCount, type Topology } from "../topology.js";
import { turn } from "./weights.js";

/** Floats of a strip of the walking kernel. */
const STRIP_FLOATS = 28;
/** What a part's strip of input may take: a little less than a first cache of 48 KiB, 64-byte lines counted whole. */
const PART_BYTES = 44 << 10;
const STRIP_BYTES = 128;
/** More than two parts were never clearly faster. */
const MOST_PARTS = 2;

/** A sum over a frozen pattern, ready to be called per output. */
export interface Walk {
  readonly kernel: "sp1d_28";
  readonly parts: number;
  readonly reads: readonly Buffer[];
  readonly run: (call: Call, x: number, y: number, bias: number, n: number, ys: number, lo: number, hi: number) => void;
}

/**
 * @param offsets byte offset of each column
 * @param rowsTouched rows of input that a strip reads of each channel
 * @param channels    input channels; columns of one channel lie together
 */
export function walkingStreams(
  l: Lowering,
  topology: Topology,
  pattern: string,
  offsets: Int32Array,
  weight: Placed,
  channels: number,
  rowsTouched: number,
): Walk {
  const parts = Math.min(MOST_PARTS, Math.max(1, Math.ceil((channels * rowsTouched * STRIP_BYTES) / PART_BYTES)));
  const { rows, capacity } = topology;
  const cnt = l.fixed(parts * rows * 4, "counts");
  const idx = l.fixed(capacity * 4, "distances");
  const order = l.fixed(capacity * 4, "order");
  const from = new Int32Array(parts + 1);
  const first = new Int32Array(parts);
  const write = () => {
    const { i32 } = l.memory();
    let e = 0;
    for (let part = 0; part < parts; part++) {
      const low = (topology.columns * part) / parts;
      const high = (topology.columns * (part + 1)) / parts;
      from[part] = e;
      let before = 0;
      for (let r = 0; r < rows; r++) {
        let count = 0;
        for (let k = topology.rowPtr[r]!; k < topology.rowPtr[r + 1]!; k++) {
          const column = topology.columnOf[k]!;
          if (column < low || column >= high) continue;
          const here = offsets[column]!;
          if (e === from[part]) first[part] = here;
          else i32[idx.address / 4 + e - 1] = here - before;
          before = here;
          i32[order.address / 4 + e++] = k * 4;
          count++;
        }
        i32[cnt.address / 4 + part * rows + r] = count;
      }
      if (e > from[part]!) i32[idx.address / 4 + e - 1] = 0;
    }
    from[parts] = e;
  };
  write();
  l.refreshers.push({ pattern, refresh: write });
  const values = parts === 1 ? undefined : turn(l, weight, order, () => liveCount(topology), capacity);
  return {
    kernel: "sp1d_28",
    parts,
    reads: values ? [values] : [],
    run(call, x, y, bias, n, ys, lo, hi) {
      const step = parts === 1 ? n : STRIP_FLOATS;
      for (let p = 0; p < n; p += step) {
        for (let part = 0; part < parts; part++) {
          const last = part === parts - 1;
          call("sp1d_28", {
            nb: rows,
            cnt: cnt.address + part * rows * 4,
            idx: () => idx.address + from[part]! * 4,
            w: () => (values ? values.address : at(weight)) + from[part]! * 4,
            bias,
            x: () => x + p * 4 + first[part]!,
            y: y + p * 4,
            n: Math.min(step, n - p),
            ys,
            acc: part === 0 ? 0 : 1,
            shared: 0,
            lo: last ? lo : Number.NEGATIVE_INFINITY,
            hi: last ? hi : Number.POSITIVE_INFINITY,
          });
        }
      }
    },
  };
}

/**
 * Lists of distances for frozen patterns (kernels/templates/walk.ts). For many input channels the entries are cut into parts, so that the strip of
 * input that a part reads stays in the first cache; and where every strip is read often enough, it is copied together first.
 * Rows of no more than two strips stay where they are. Measured on a Zen 4, 90 %, GFLOPS of the 48 that plain SIMD reaches
 * (`npm run bench -- --suite kernels --only d_`): 512 channels at 14x14 unstructured 31.4 in two parts, 32.5 with the copy; 1024 at 7x7 in 2x1 blocks
 * 32.4 and 33.8.
 */
import { GEMM_SCRATCH } from "../../kernels/index.js";
import { at, type Lowering, ONE, type Placed, whole } from "../lowering.js";
import type { Buffer, Call } from "../step.js";
import { liveCount, type Topology } from "../topology.js";

/** Kernels by rows a block, the floats of their strips, and the channels and entries a channel from which the copy of a strip pays. */
const KERNELS = {
  1: { kernel: "sp1d_28", floats: 28, many: 1, often: 32 },
  2: { kernel: "sp2d_16", floats: 16, many: 768, often: 40 },
  4: { kernel: "sp4d_8", floats: 8, many: 1, often: 10 },
} as const;
/** What a part's strip of input may take: a little less than the 32 KiB that most first caches hold. */
const PART_BYTES = 30 << 10;
/** A cache line. */
const LINE = 64;
/** More than two parts were never clearly faster. */
const MOST_PARTS = 2;

/** A sum over a frozen pattern, ready to be called per output. */
export interface Walk {
  readonly kernel: "sp1d_28" | "sp2d_16" | "sp4d_8";
  /** What is done with the input, for users. */
  readonly how: string;
  readonly reads: readonly Buffer[];
  readonly run: (
    call: Call,
    x: number,
    y: number,
    bias: number,
    n: number,
    ys: number,
    lo: number,
    hi: number,
    acc?: 0 | 1,
  ) => void;
}

/** Index lists of all ranges of rows, one range after the other: so they keep their room whatever rows a changing topology fills. */
interface Lists {
  readonly idx: Buffer;
  readonly order: Buffer;
  readonly stream: Buffer;
}

/**
 * @param offsets byte offset of each column
 * @param rowsTouched rows of input that a strip reads of each channel
 * @param channels    input channels; columns of one channel lie together
 * @param ranges      ranges of blocks of rows [first, end), which follow one another from 0 to the end; y and bias of a walk belong to its first
 * @returns a walk for each range
 */
export function walkingStreams(
  l: Lowering,
  topology: Topology,
  pattern: string,
  offsets: Int32Array,
  weight: Placed,
  channels: number,
  rowsTouched: number,
  ranges: readonly (readonly [number, number])[],
): Walk[] {
  const { block, capacity } = topology;
  const lists: Lists = {
    idx: l.fixed((capacity / block) * 4, "distances"),
    order: l.fixed(capacity * 4, "order"),
    stream: l.temporary((capacity / block) * (block + 1) * 4, "weights and distances"),
  };
  const walks = ranges.map((range) => rangeWalk(l, topology, pattern, offsets, channels, rowsTouched, range, lists));
  l.step({
    name: "weave weights",
    domain: ONE,
    reads: [whole(weight)],
    writes: [{ buffer: lists.stream, local: false }],
    emit: (call) =>
      call("weave", {
        n: () => liveCount(topology) / block,
        rows: block,
        idx: lists.idx.address,
        order: lists.order.address,
        x: at(weight),
        y: lists.stream.address,
      }),
  });
  return walks;
}

function rangeWalk(
  l: Lowering,
  topology: Topology,
  pattern: string,
  offsets: Int32Array,
  channels: number,
  rowsTouched: number,
  [low, high]: readonly [number, number],
  { idx, order, stream }: Lists,
): Walk {
  const { block } = topology;
  const { kernel, floats, many, often } = KERNELS[block];
  const rows = high - low;
  const strip = floats * 4;
  const stride = offsets.length === channels ? evenStride(offsets) : undefined;
  // By capacity: plans may be compiled before weights are there.
  const entries = (topology.capacity * rows) / topology.rows;
  const pays = channels >= many && entries >= often * channels;
  const packed = pays && stride !== undefined && stride > 2 * strip && channels * strip <= GEMM_SCRATCH;
  const place = packed ? Int32Array.from(offsets, (_, c) => c * strip) : offsets;
  const touched = channels * rowsTouched * Math.max(strip, LINE);
  const parts = Math.min(packed && block > 1 ? 1 : MOST_PARTS, Math.max(1, Math.ceil(touched / PART_BYTES)));
  const cnt = l.fixed(parts * rows * 4, "counts");
  const start = () => topology.rowPtr[low]!;
  let first = 0;
  const write = () => {
    const { i32 } = l.memory();
    let [e, before] = [start(), 0];
    for (let part = 0; part < parts; part++) {
      const left = (topology.columns * part) / parts;
      const right = (topology.columns * (part + 1)) / parts;
      for (let r = 0; r < rows; r++) {
        let count = 0;
        for (let k = topology.rowPtr[low + r]!; k < topology.rowPtr[low + r + 1]!; k++) {
          const column = topology.columnOf[k]!;
          if (column < left || column >= right) continue;
          const here = place[column]!;
          if (e === start()) first = here;
          else i32[idx.address / 4 + e - 1] = here - before;
          before = here;
          for (let b = 0; b < block; b++) i32[order.address / 4 + e * block + b] = (k * block + b) * 4;
          e++;
          count++;
        }
        i32[cnt.address / 4 + part * rows + r] = count;
      }
    }
    if (e > start()) i32[idx.address / 4 + e - 1] = 0;
  };
  write();
  l.refreshers.push({ pattern, refresh: write });
  return {
    kernel,
    how: `${parts > 1 ? `, ${parts} parts of the input channels` : ""}${packed ? ", strips copied together" : ""}`,
    reads: [stream],
    run(call, x, y, bias, n, ys, lo, hi, acc = 0) {
      call((block === 1 && !packed && l.options.tiles.walk?.(n)) || kernel, {
        nb: rows,
        parts,
        cnt: cnt.address,
        w: low === 0 ? stream.address : () => stream.address + start() * (block + 1) * 4,
        bias,
        x,
        first: () => first,
        y,
        n,
        ys,
        acc,
        c: packed ? channels : 0,
        xs: stride ?? 0,
        lo,
        hi,
      });
    },
  };
}

/** The distance between columns that follow one another evenly from 0, as the channels of a 1x1 kernel do. */
function evenStride(offsets: Int32Array): number | undefined {
  const stride = offsets.length > 1 ? offsets[1]! : 0;
  return offsets.every((offset, c) => offset === c * stride) ? stride : undefined;
}

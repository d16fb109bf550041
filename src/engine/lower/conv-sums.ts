/**
 * How a convolution's sums over taps are called: sparse ones walk their pattern, dense ones share one list of offsets, grouped ones are patterns
 * known beforehand. What is fused around them is conv.ts's business.
 */
import type { Cut } from "../cut.js";
import type { ConvShape } from "../geometry.js";
import type { Planes } from "../layout.js";
import { at, type Lowering, type Placed, whole } from "../lowering.js";
import type { Buffer, Call } from "../step.js";
import type { Topology } from "../topology.js";
import { streams, tapOffsets } from "./taps.js";
import { walkingStreams } from "./walk.js";

/** Kernels of patterns that change, by rows a block. */
export const STRIP_KERNELS = { 2: "sp2_16", 4: "sp4_8" } as const;

/** A sum over taps for a range of output channels, ready to be called. */
export interface Emitter {
  readonly kernel: string;
  /** Floats of the kernel's widest tile. */
  readonly widest: number;
  readonly reason: string;
  readonly reads: readonly Buffer[];
  /** Strips of n floats from x (the first input plane) into y (the first output plane), with `acc` added to what lies there. */
  readonly run: (call: Call, x: number, y: number, bias: number, n: number, lo: number, hi: number, acc?: 0 | 1) => void;
}

/** Floats of the widest tile of a kernel, as its name says. */
const widestOf = (kernel: string): number => Number(kernel.split("_")[1]);

/** Sparse sums, one for each range of the cut. */
export function sparseForward(
  l: Lowering,
  conv: ConvShape,
  topology: Topology,
  pattern: string | undefined,
  input: Planes,
  weight: Placed,
  output: Planes,
  { bounds }: Cut,
): Emitter[] {
  const offsets = tapOffsets(conv, input);
  const ys = output.plane;
  const { block } = topology;
  const ranges = bounds.slice(1).map((end, i) => [bounds[i]! / block, end / block] as const);
  const kind = topology.block === 1 ? "unstructured" : `${topology.block}x1 blocks`;
  if (l.options.frozen && pattern !== undefined) {
    return walkingStreams(l, topology, pattern, offsets, weight, conv.c, conv.kh, ranges).map((walk) => ({
      kernel: walk.kernel,
      widest: widestOf(walk.kernel),
      reason: `sparse ${kind}${walk.how}`,
      reads: walk.reads,
      run: (call, x, y, bias, n, lo, hi, acc) => walk.run(call, x, y, bias, n, ys, lo, hi, acc),
    }));
  }
  const { cnt, idx } = streams(l, topology, pattern, offsets);
  // What is frozen and comes here is grouped.
  const kernel = l.options.frozen || block === 1 ? l.options.tiles.sp1 : STRIP_KERNELS[block];
  return ranges.map(([first, end]) => ({
    kernel,
    widest: widestOf(kernel),
    reason: pattern === undefined ? "grouped: the pattern is known" : `sparse ${kind}`,
    reads: [],
    run(call, x, y, bias, n, lo, hi, acc = 0) {
      const skip = () => topology.rowPtr[first]! * 4;
      call(kernel, {
        nb: end - first,
        cnt: cnt.address + first * 4,
        idx: first ? () => idx.address + skip() : idx.address,
        w: first ? () => at(weight) + skip() * block : at(weight),
        bias,
        x,
        y,
        n,
        ys,
        acc,
        shared: 0,
        lo,
        hi,
      });
    },
  }));
}

/** Dense sums, one for each range of the cut. */
export function directForward(
  l: Lowering,
  conv: ConvShape,
  input: Planes,
  weight: Placed,
  output: Planes,
  { bounds }: Cut,
): Emitter[] {
  const idx = l.constantBuffer(tapOffsets(conv, input), "offsets");
  return bounds.slice(1).map((end, i) => directRange(l, conv, idx, weight, output, bounds[i]!, end));
}

/** Output channels [c0, c1). */
function directRange(l: Lowering, conv: ConvShape, idx: Buffer, weight: Placed, output: Planes, c0: number, c1: number): Emitter {
  const k = conv.c * conv.taps.length;
  const blocks = (c1 - c0) >> 2;
  const rest = (c1 - c0) & 3;
  const own = () => at(weight) + c0 * k * 4;
  const spans = cutTerms(k, blocks);
  const constant = (rows: number, value: number) => l.constantBuffer(new Int32Array(rows).fill(value), "counts");
  const counts = [...new Set(spans.map(([, count]) => count))].map((count) => constant(Math.max(blocks, 1), count));
  const full = constant(Math.max(rest, 1), k);
  const packed = l.temporary(blocks * 4 * k * 4, "packed weights");
  if (blocks) {
    l.step({
      name: "pack weights",
      domain: { key: "one", units: 1, parts: 1 },
      reads: [whole(weight)],
      writes: [{ buffer: packed, local: false }],
      emit(call) {
        for (const [from, count] of spans)
          call("pack4", {
            o: blocks * 4,
            k: count,
            w: own() + from * 4,
            rs: k * 4,
            cs: 4,
            out: packed.address + from * blocks * 16,
          });
      },
    });
  }
  const ys = output.plane;
  return {
    kernel: "sp4_8 dense",
    widest: widestOf("sp4_8"),
    reason: `dense: direct sum over taps${spans.length > 1 ? `, ${spans.length} parts of the sum` : ""}`,
    reads: blocks ? [packed] : [],
    run(call, x, y, bias, n, lo, hi, acc = 0) {
      const common = { x, shared: 1 };
      if (blocks) {
        const width = spans.length > 1 ? DENSE_STRIP : n;
        for (let p = 0; p < n; p += width) {
          for (const [from, count] of spans) {
            const last = from + count === k;
            call("sp4_8", {
              ...common,
              nb: blocks,
              cnt: counts[count === spans[0]![1] ? 0 : 1]!.address,
              idx: idx.address + from * 4,
              w: packed.address + from * blocks * 16,
              bias: from === 0 ? bias : 0,
              x: x + p * 4,
              y: y + p * 4,
              n: Math.min(width, n - p),
              ys,
              acc: from === 0 ? acc : 1,
              lo: last ? lo : Number.NEGATIVE_INFINITY,
              hi: last ? hi : Number.POSITIVE_INFINITY,
            });
          }
        }
      }
      if (rest) {
        const done = blocks * 4;
        call(l.options.tiles.sp1, {
          ...common,
          nb: rest,
          cnt: full.address,
          idx: idx.address,
          w: own() + done * k * 4,
          bias: bias && bias + done * 4,
          y: y + done * ys,
          n,
          ys,
          acc,
          lo,
          hi,
        });
      }
    },
  };
}

/** Floats of a strip of the dense sum, as sp4_8 takes them. */
const DENSE_STRIP = 8;
/** What all output channels' weights of a part of the sum may take: they pass through the first cache for every strip, and stay in the second. */
const DENSE_PART_BYTES = 256 << 10;

/** Parts [first term, terms] of a sum of k terms for `blocks` blocks of four outputs. */
function cutTerms(k: number, blocks: number): (readonly [number, number])[] {
  const most = Math.max(32, Math.floor(DENSE_PART_BYTES / (blocks * 16)));
  const parts = Math.ceil(k / most);
  const each = Math.ceil(k / parts);
  return Array.from({ length: parts }, (_, i) => [i * each, Math.min(each, k - i * each)] as const).filter(
    ([, count]) => count > 0,
  );
}

/**
 * Matrix products with a sparse weight. The batch lies in the lanes: forward and input gradient walk the pattern and its transpose
 * (SpMM), the weight gradient is a dot product per live position (SDDMM).
 */
import { InputError } from "../../core/index.js";
import type { Operation } from "../../program/index.js";
import { balanced, cutColumns, cutFeatures } from "../cut.js";
import { type Columns, columnsOf, ROWS } from "../layout.js";
import { at, type Epilogue, type Lowering, local, ONE, type Placed, whole } from "../lowering.js";
import { cutPeriod, type PeriodCut, partsOf } from "../period.js";
import type { Buffer, Call, Domain } from "../step.js";
import { countsOf, liveCount, type Topology, transposed } from "../topology.js";
import { STRIP_KERNELS } from "./conv-sums.js";
import { runSlices, sliceBias, slicesOf } from "./sell.js";
import { walkingStreams } from "./walk.js";
import { turn } from "./weights.js";

/** Two tiles of 16 make a strip of the batch; on 128 samples as fast as the longer tiles or faster. */
const COLUMN_KERNEL = "sp1_16";
const GEMV_KERNELS = { 1: "spgemv1", 2: "spgemv2", 4: "spgemv4" } as const;

/** Index lists of x W^T (`forward`) or x W on columns that lie `stride` bytes apart. */
function matrixStreams(l: Lowering, topology: Topology, pattern: string, forward: boolean, stride: number): MatrixStreams {
  return l.once(`matrix:${pattern}:${forward}:${stride}`, () => makeStreams(l, topology, pattern, forward, stride));
}

interface MatrixStreams {
  readonly rows: number;
  /** Entries before each row (or block of rows). */
  readonly starts: () => Int32Array;
  readonly cnt: Buffer;
  readonly idx: Buffer;
  readonly order: Buffer | undefined;
}

function makeStreams(l: Lowering, topology: Topology, pattern: string, forward: boolean, stride: number): MatrixStreams {
  const rows = forward ? topology.rows / topology.block : topology.columns;
  const cnt = l.fixed(rows * 4, "counts");
  const idx = l.fixed(topology.capacity * 4, "offsets");
  const order = forward ? undefined : l.fixed(topology.capacity * 4, "order");
  const turned = new Int32Array(rows + 1);
  const write = () => {
    const { i32 } = l.memory();
    if (!forward) {
      const list = transposed(
        topology,
        topology.columns,
        (c) => c,
        (row) => row * stride,
      );
      i32.set(list.counts, cnt.address / 4);
      for (let r = 0; r < rows; r++) turned[r + 1] = turned[r]! + list.counts[r]!;
      i32.set(list.offsets, idx.address / 4);
      i32.set(list.values, order!.address / 4);
      return;
    }
    i32.set(countsOf(topology), cnt.address / 4);
    const base = idx.address / 4;
    const n = topology.rowPtr[topology.rowPtr.length - 1]!;
    for (let e = 0; e < n; e++) i32[base + e] = topology.columnOf[e]! * stride;
  };
  write();
  l.refreshers.push({ pattern, refresh: write });
  return { rows, cnt, idx, order, starts: () => (forward ? topology.rowPtr : turned) };
}

/** y = x W^T, or x W when not `forward`, with W sparse. */
export function sparseProduct(l: Lowering, operation: Operation, forward: boolean): void {
  const [a, b] = operation.inputs as [number, number];
  const [y] = operation.outputs as [number];
  const pattern = l.type(b).pattern!;
  const topology = l.topologies[pattern]!;
  const [m, f] = l.type(y).shape as [number, number];
  const layout = m === 1 ? ROWS : columnsOf(m, f);
  l.defer(y, {
    layout,
    takes: { bias: true, residual: false, upper: true },
    finish(value, epilogue) {
      const x = m === 1 ? l.rows(a) : l.columns(a);
      const stride = m === 1 ? 4 : (x.layout as Columns).stride;
      const weight = l.any(b);
      if (m === 1 && forward && topology.block === 1 && l.options.frozen)
        return slicedRow(l, operation, x, weight, topology, pattern, value, epilogue);
      if (m > 1 && forward && l.options.frozen)
        return walkedColumns(l, operation, x, weight, topology, pattern, value, layout as Columns, epilogue);
      const lists = matrixStreams(l, topology, pattern, forward, stride);
      const turned = forward ? undefined : turn(l, weight, lists.order!, () => liveCount(topology), topology.capacity);
      const result = l.allocate(value, layout);
      const { bias, lo, hi } = epilogue;
      const w = () => (turned ? turned.address : at(weight));
      const block = forward ? topology.block : 1;
      const reads = [turned ? { buffer: turned, local: false } : whole(weight), ...(bias ? [whole(bias)] : [])];
      // Lists from a row (of blocks) on.
      const from = (row: number) => ({
        cnt: lists.cnt.address + row * 4,
        idx: row === 0 ? lists.idx.address : () => lists.idx.address + lists.starts()[row]! * 4,
        w: row === 0 ? w() : () => w() + lists.starts()[row]! * block * 4,
        bias: bias ? at(bias) + row * block * 4 : 0,
        ...{ lo, hi },
      });
      if (m === 1) {
        const kernel = GEMV_KERNELS[block];
        const cut = periodOf(l, value, lists.starts(), block);
        const bounds = rowBounds(l, lists);
        const units = bounds.length - 1;
        const rows = (row: number, m: number, call: Call) =>
          call(kernel, { m, x: at(x), y: at(result) + row * block * 4, ...from(row) });
        l.step({
          name: "sparse matmul",
          domain: cut?.domain ?? (units === 1 ? ONE : { key: `rows of:${pattern}:${forward}`, units, parts: units }),
          reads: [whole(x), ...reads],
          writes: [cut ? local(result) : whole(result)],
          emit(call, { unit }) {
            if (!cut) return rows(bounds[unit]!, bounds[unit + 1]! - bounds[unit]!, call);
            const parts = partsOf(cut, unit, f);
            for (let i = 0; i < parts.outer; i++) rows((parts.from + i * parts.stride) / block, parts.inner / block, call);
          },
        });
        l.decide(operation, kernel, "sparse, one row", l.paramOf(b));
        return result;
      }
      // Frozen patterns come here transposed only, as rows of single entries.
      const kernel = l.options.frozen || block === 1 ? COLUMN_KERNEL : STRIP_KERNELS[block];
      const columns = layout as Columns;
      const features = lists.rows < l.options.threads ? undefined : balanced(lists.starts(), l.options.threads, block);
      const cut = cutColumns(l, columns, features);
      l.step({
        name: "sparse matmul",
        domain: cut.domain,
        reads: [cut.by === "strips" ? local(x) : whole(x), ...reads],
        writes: [local(result)],
        emit(call, { unit }) {
          const { s0, n, f0, f: own } = cut.piece(unit);
          call(kernel, {
            nb: own / block,
            x: at(x) + s0 * 4,
            y: at(result) + s0 * 4 + f0 * columns.stride,
            n,
            ys: columns.stride,
            acc: 0,
            shared: 0,
            ...from(f0 / block),
          });
        },
      });
      l.bounds.set(result.buffer, cut.bounds);
      l.decide(operation, kernel, forward ? "sparse" : "sparse, transposed pattern", l.paramOf(b));
      return result;
    },
  });
}

/** Entries from which a product with one row is worth a meeting of threads. */
const WORTH = 1 << 12;

/** Parts of a period may have this many times their share of the entries: beyond, ranges of like work serve better. */
const UNEVEN = 1.1;

/** The cut of a product with one row that is worth it, where its result goes on along a period and the parts have like work. */
function periodOf(l: Lowering, value: number, starts: Int32Array, block: number): PeriodCut | undefined {
  const cut = cutPeriod(l, value);
  const rows = starts.length - 1;
  if (!cut || starts[rows]! < WORTH) return undefined;
  const even = cut.bounds.slice(1).every((_, unit) => {
    const { from, outer, inner, stride } = partsOf(cut, unit, rows * block);
    let work = 0;
    for (let i = 0; i < outer; i++) work += starts[(from + i * stride + inner) / block]! - starts[(from + i * stride) / block]!;
    return work * cut.domain.units <= starts[rows]! * UNEVEN;
  });
  return even ? cut : undefined;
}

/** Ranges of rows (of blocks) of like work. */
function rowBounds(l: Lowering, { rows, starts }: MatrixStreams): readonly number[] {
  const { threads } = l.options;
  return starts()[rows]! < WORTH || rows < threads * 4 ? [0, rows] : balanced(starts(), threads);
}

/** y = x W^T with W frozen, the whole batch in one call for each thread's features. */
function walkedColumns(
  l: Lowering,
  operation: Operation,
  x: Placed,
  weight: Placed,
  topology: Topology,
  pattern: string,
  value: number,
  layout: Columns,
  { bias, lo, hi }: Epilogue,
): Placed {
  const { stride } = x.layout as Columns;
  const offsets = Int32Array.from({ length: topology.columns }, (_, c) => c * stride);
  const { block, rows, rowPtr } = topology;
  const { threads } = l.options;
  const enough = rows >= threads * 4 * block;
  const bounds = enough ? balanced(rowPtr, threads, block) : [0, rows];
  const cut = cutFeatures(layout, bounds);
  const ranges = cut.bounds.slice(1).map((end, i) => [cut.bounds[i]! / block, end / block] as const);
  // The steps of a recurrent network multiply by one weight.
  const walks = l.once(`walk:${operation.inputs[1]}:${stride}:${cut.bounds}`, () =>
    walkingStreams(l, topology, pattern, offsets, weight, topology.columns, 1, ranges),
  );
  const result = l.allocate(value, layout);
  l.step({
    name: "sparse matmul",
    domain: cut.domain,
    reads: [
      whole(x),
      whole(weight),
      ...walks.flatMap(({ reads }) => reads.map((buffer) => ({ buffer, local: false }))),
      ...(bias ? [whole(bias)] : []),
    ],
    writes: [local(result)],
    emit(call, { unit }) {
      const f0 = cut.bounds[unit]!;
      const y = at(result) + f0 * layout.stride;
      walks[unit]!.run(call, at(x), y, bias ? at(bias) + f0 * 4 : 0, layout.n, layout.stride, lo, hi);
    },
  });
  l.bounds.set(result.buffer, cut.bounds);
  l.decide(operation, walks[0]!.kernel, `sparse, the batch in strips${walks[0]!.how}`, l.paramOf(operation.inputs[1]!));
  return result;
}

/** y = W x with W frozen: slices of four rows. */
function slicedRow(
  l: Lowering,
  operation: Operation,
  x: Placed,
  weight: Placed,
  topology: Topology,
  pattern: string,
  value: number,
  { bias, lo, hi }: Epilogue,
): Placed {
  const cut = periodOf(l, value, topology.rowPtr, 1);
  const lists = slicesOf(l, topology, pattern, operation.inputs[1]!, weight, cut);
  const shift = bias && sliceBias(l, lists, bias);
  const result = l.allocate(value, ROWS);
  const units = lists.ranges.length;
  l.step({
    name: "sparse matmul",
    domain: cut?.domain ?? (units === 1 ? ONE : { key: `slices:${pattern}`, units, parts: units }),
    reads: [whole(x), { buffer: lists.w, local: false }, ...(shift ? [{ buffer: shift, local: false }] : [])],
    writes: [cut ? local(result) : whole(result), ...lists.ranges.map(({ home }) => ({ buffer: home, local: true }))],
    emit: (call, { unit }) => runSlices(call, lists, unit, topology.columns, x, shift, result, lo, hi),
  });
  l.decide(operation, "sell4", "sparse, one row: four weights' rows in the lanes", l.paramOf(operation.inputs[1]!));
  return result;
}

/** Pieces of rows that the weight gradient is cut into. */
const ROW_PARTS = 16;

/** dW at live positions: dot products of rows of dy and x, both feature by feature. */
export function weightGradient(l: Lowering, operation: Operation, transposeA: boolean, transposeB: boolean): void {
  const [a, b] = operation.inputs as [number, number];
  const [y] = operation.outputs as [number];
  if (!transposeA || transposeB)
    throw new InputError("engine: the gradient of a sparse weight is matmul(dy, x, { transposeA: true })");
  const pattern = l.type(y).pattern!;
  const topology = l.topologies[pattern]!;
  const dy = l.columns(a);
  const x = l.columns(b);
  const n = dy.layout.n;
  const lists = matrixStreams(l, topology, pattern, true, x.layout.stride);
  const result = l.allocate(y, { kind: "live", pattern });
  const kernel = `sddmm${topology.block}` as "sddmm1" | "sddmm2" | "sddmm4";
  const parts = Math.min(ROW_PARTS, lists.rows);
  const domain: Domain = { key: `rows:${pattern}`, units: parts, parts };
  const first = (r: number): number => topology.rowPtr[r]!;
  l.step({
    name: "sparse weight gradient",
    domain,
    reads: [whole(dy), whole(x)],
    writes: [whole(result)],
    emit(call, { unit }) {
      const from = Math.floor((lists.rows * unit) / parts);
      const to = Math.floor((lists.rows * (unit + 1)) / parts);
      call(kernel, {
        m: to - from,
        cnt: lists.cnt.address + from * 4,
        idx: () => lists.idx.address + first(from) * 4,
        dy: at(dy) + from * topology.block * dy.layout.stride,
        ys: dy.layout.stride,
        x: at(x),
        n,
        out: () => at(result) + first(from) * topology.block * 4,
        acc: 0,
      });
    },
  });
  l.decide(operation, kernel, "at live positions only", pattern);
}

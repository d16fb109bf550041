/**
 * Matrix products with a sparse weight. The batch lies in the lanes: forward and input gradient walk the pattern and its transpose
 * (SpMM), the weight gradient is a dot product per live position (SDDMM).
 */
import { InputError } from "../../core/index.js";
import type { Operation } from "../../program/index.js";
import { type Columns, columnsOf, ROWS } from "../layout.js";
import { at, type Epilogue, type Lowering, local, ONE, type Placed, STRIP, whole } from "../lowering.js";
import type { Buffer, Domain } from "../step.js";
import { countsOf, liveCount, type Topology, transposed } from "../topology.js";
import { runSlices, sliceBias, slicesOf } from "./sell.js";
import { walkingStreams } from "./walk.js";
import { turn } from "./weights.js";

/** Two tiles of 16 make a strip of the batch; on 128 samples as fast as the longer tiles or faster. */
const COLUMN_KERNEL = "sp1_16";
const STRIP_KERNELS = { 2: "sp2_16", 4: "sp4_8" } as const;
const GEMV_KERNELS = { 1: "spgemv1", 2: "spgemv2", 4: "spgemv4" } as const;

/** Index lists of x W^T (`forward`) or x W on columns that lie `stride` bytes apart. */
function matrixStreams(l: Lowering, topology: Topology, pattern: string, forward: boolean, stride: number): MatrixStreams {
  return l.once(`matrix:${pattern}:${forward}:${stride}`, () => makeStreams(l, topology, pattern, forward, stride));
}

interface MatrixStreams {
  readonly rows: number;
  readonly cnt: Buffer;
  readonly idx: Buffer;
  readonly order: Buffer | undefined;
}

function makeStreams(l: Lowering, topology: Topology, pattern: string, forward: boolean, stride: number): MatrixStreams {
  const rows = forward ? topology.rows / topology.block : topology.columns;
  const cnt = l.fixed(rows * 4, "counts");
  const idx = l.fixed(topology.capacity * 4, "offsets");
  const order = forward ? undefined : l.fixed(topology.capacity * 4, "order");
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
  return { rows, cnt, idx, order };
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
      const common = () => ({ cnt: lists.cnt.address, idx: lists.idx.address, w: w(), bias: bias ? at(bias) : 0, lo, hi });
      if (m === 1) {
        const kernel = GEMV_KERNELS[block];
        l.step({
          name: "sparse matmul",
          domain: ONE,
          reads: [whole(x), ...reads],
          writes: [whole(result)],
          emit: (call) => call(kernel, { m: lists.rows, x: at(x), y: at(result), ...common() }),
        });
        l.decide(operation, kernel, "sparse, one row", l.paramOf(b));
        return result;
      }
      // Frozen patterns come here transposed only, as rows of single entries.
      const kernel = l.options.frozen || block === 1 ? COLUMN_KERNEL : STRIP_KERNELS[block];
      const columns = layout as Columns;
      l.step({
        name: "sparse matmul",
        domain: l.stripDomain(columns),
        reads: [local(x), ...reads],
        writes: [local(result)],
        emit(call, { unit }) {
          const n = Math.min(STRIP, m - unit * STRIP);
          const skip = unit * STRIP * 4;
          call(kernel, {
            nb: lists.rows,
            x: at(x) + skip,
            y: at(result) + skip,
            n,
            ys: columns.stride,
            acc: 0,
            shared: 0,
            ...common(),
          });
        },
      });
      l.decide(operation, kernel, forward ? "sparse" : "sparse, transposed pattern", l.paramOf(b));
      return result;
    },
  });
}

/** y = x W^T with W frozen: on one thread the whole batch in one call, else strip by strip. */
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
  const walk = walkingStreams(l, topology, pattern, offsets, weight, topology.columns, 1);
  const result = l.allocate(value, layout);
  const alone = l.options.threads === 1;
  l.step({
    name: "sparse matmul",
    domain: alone ? ONE : l.stripDomain(layout),
    reads: [local(x), whole(weight), ...walk.reads.map((buffer) => ({ buffer, local: false })), ...(bias ? [whole(bias)] : [])],
    writes: [local(result)],
    emit(call, { unit }) {
      const skip = alone ? 0 : unit * STRIP;
      const n = alone ? layout.n : Math.min(STRIP, layout.n - skip);
      walk.run(call, at(x) + skip * 4, at(result) + skip * 4, bias ? at(bias) : 0, n, layout.stride, lo, hi);
    },
  });
  l.decide(operation, walk.kernel, "sparse, the batch in strips", l.paramOf(operation.inputs[1]!));
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
  const lists = slicesOf(l, topology, pattern, weight);
  const shift = bias && sliceBias(l, lists, bias);
  const result = l.allocate(value, ROWS);
  l.step({
    name: "sparse matmul",
    domain: ONE,
    reads: [whole(x), { buffer: lists.w, local: false }, ...(shift ? [{ buffer: shift, local: false }] : [])],
    writes: [whole(result), { buffer: lists.home, local: false }],
    emit: (call) => runSlices(call, lists, topology.columns, x, shift, result, lo, hi),
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

/**
 * Matrix products. Dense ones are GEMM on whatever strides the operands have. With a sparse weight the batch lies in the lanes:
 * forward and input gradient walk the pattern and its transpose (SpMM), the weight gradient is a dot product per live position (SDDMM).
 */
import { InputError } from "../../core/index.js";
import type { Operation } from "../../program/index.js";
import { type Columns, columnsOf, ROWS } from "../layout.js";
import { at, type Epilogue, type Lowering, local, ONE, type Placed, STRIP, whole } from "../lowering.js";
import type { Domain } from "../step.js";
import { countsOf, liveCount, type Topology, transposed } from "../topology.js";
import { turn } from "./weights.js";

const NONE = { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };

/** A matrix product operation. */
export function lowerMatmul(l: Lowering, operation: Operation): void {
  const [a, b] = operation.inputs as [number, number];
  const [y] = operation.outputs as [number];
  const { transposeA = false, transposeB = false } = operation.attrs as { transposeA?: boolean; transposeB?: boolean };
  if (l.type(y).pattern !== undefined) {
    weightGradient(l, operation, transposeA === true, transposeB === true);
    return;
  }
  if (l.type(b).pattern !== undefined) {
    if (transposeA)
      throw new InputError("engine: a product with a sparse right operand takes its left operand untransposed; transpose it first");
    sparseProduct(l, operation, transposeB === true);
    return;
  }
  if (l.type(a).pattern !== undefined)
    throw new InputError("engine: a sparse weight must be the right operand of matmul; write matmul(x, w, { transposeB: true })");
  if (l.type(a).shape.length > 2) {
    batched(l, operation, transposeA === true, transposeB === true);
    return;
  }
  denseProduct(l, operation, transposeA === true, transposeB === true);
}

/** Byte strides of a rank-2 value: from row to row, from column to column. */
function strides(l: Lowering, value: number, placed: Placed): { r: number; c: number } {
  const cols = l.type(value).shape[1]!;
  return placed.layout.kind === "columns" ? { r: 4, c: placed.layout.stride } : { r: cols * 4, c: 4 };
}

/** A rank-2 operand that GEMM can read as it lies. */
function operand(l: Lowering, value: number): Placed {
  const placed = l.any(value);
  return placed.layout.kind === "columns" ? placed : l.rows(value);
}

/** How many pieces a product of m x n outputs and k terms each is worth cutting into. */
function cut(l: Lowering, m: number, n: number, k: number): number {
  const WORTH = 1 << 18;
  return m * n * k < WORTH ? 1 : Math.max(1, Math.min(l.options.threads, Math.ceil(Math.max(m, n) / 16)));
}

function denseProduct(l: Lowering, operation: Operation, transposeA: boolean, transposeB: boolean): void {
  const [a, b] = operation.inputs as [number, number];
  const [y] = operation.outputs as [number];
  const [m, n] = l.type(y).shape as [number, number];
  const k = l.type(a).shape[transposeA ? 0 : 1]!;
  const wanted = l.wanted(y);
  if (wanted?.kind === "columns" && m > 1) {
    denseColumns(l, operation, transposeA, transposeB, wanted);
    return;
  }
  l.defer(y, {
    layout: ROWS,
    takes: { bias: true, residual: false, upper: true },
    finish(value, epilogue) {
      const x = operand(l, a);
      const w = operand(l, b);
      const result = l.allocate(value, ROWS);
      const { bias, lo, hi } = epilogue;
      const reads = [whole(x), whole(w), ...(bias ? [whole(bias)] : [])];
      if (m === 1 && w.layout.kind === "rows") {
        if (l.options.frozen && transposeB && n * k >= WORTH_PACKING) return packedRow(l, operation, x, w, result, n, k, epilogue);
        // One row: y = W x over contiguous weight rows, or x W as a sum of weight rows.
        const kernel = transposeB ? "gemv" : "gemv_t";
        l.step({
          name: "matmul",
          domain: ONE,
          reads,
          writes: [whole(result)],
          emit: (call) =>
            call(kernel, {
              m: transposeB ? n : k,
              k: transposeB ? k : n,
              a: at(w),
              lda: (transposeB ? k : n) * 4,
              x: at(x),
              bias: bias ? at(bias) : 0,
              y: at(result),
              acc: 0,
              lo,
              hi,
            }),
        });
        l.decide(operation, kernel, "one row", l.paramOf(b));
        return result;
      }
      const sa = strides(l, a, x);
      const sb = strides(l, b, w);
      const [rsa, csa] = transposeA ? [sa.c, sa.r] : [sa.r, sa.c];
      const [rsb, csb] = transposeB ? [sb.c, sb.r] : [sb.r, sb.c];
      const pieces = cut(l, m, n, k);
      const byRows = m > n;
      const kernel = l.options.tiles.gemm;
      l.step({
        name: "matmul",
        domain: { key: `product:${m}x${n}`, units: pieces, parts: pieces },
        reads,
        writes: [whole(result)],
        emit(call, { unit }) {
          const { from, count } = l.range(byRows ? m : n, pieces, unit);
          if (count === 0) return;
          call(kernel, {
            m: byRows ? count : m,
            n: byRows ? n : count,
            k,
            a: at(x) + (byRows ? from * rsa : 0),
            rsa,
            csa,
            b: at(w) + (byRows ? 0 : from * csb),
            rsb,
            csb,
            c: at(result) + (byRows ? from * n : from) * 4,
            ldc: n * 4,
            acc: 0,
            bias: bias ? at(bias) + (byRows ? 0 : from * 4) : 0,
            biasMode: bias ? 2 : 0,
            lo,
            hi,
          });
        },
      });
      l.decide(operation, kernel, "dense", l.paramOf(b));
      return result;
    },
  });
}

/** Elements from which a matrix is packed once for products with one row. */
const WORTH_PACKING = 1 << 12;

/** y = W x with W packed once, read as one stream. */
function packedRow(
  l: Lowering,
  operation: Operation,
  x: Placed,
  w: Placed,
  result: Placed,
  m: number,
  k: number,
  { bias, lo, hi }: Epilogue,
): Placed {
  const packed = l.temporary(Math.ceil(m / 4) * Math.ceil(k / 4) * 64, "packed weights");
  l.step({
    name: "pack weights",
    domain: ONE,
    reads: [whole(w)],
    writes: [{ buffer: packed, local: false }],
    emit: (call) => call("pack4x4", { m, k, a: at(w), lda: k * 4, out: packed.address }),
  });
  const blocks = Math.ceil(m / 4);
  const parts = Math.min(l.options.threads, blocks);
  l.step({
    name: "matmul",
    domain: { key: `row:${m}`, units: parts, parts },
    reads: [whole(x), { buffer: packed, local: false }, ...(bias ? [whole(bias)] : [])],
    writes: [whole(result)],
    emit(call, { unit }) {
      const from = Math.floor((blocks * unit) / parts) * 4;
      const to = Math.min(m, Math.floor((blocks * (unit + 1)) / parts) * 4);
      const skip = from * Math.ceil(k / 4) * 16;
      call("gemv_packed", {
        m: to - from,
        k,
        w: packed.address + skip,
        x: at(x),
        bias: bias ? at(bias) + from * 4 : 0,
        y: at(result) + from * 4,
        lo,
        hi,
      });
    },
  });
  l.decide(operation, "gemv_packed", "one row, packed weights", l.paramOf(operation.inputs[1]!));
  return result;
}

/** The same product written feature by feature: C^T = B^T A^T. */
function denseColumns(l: Lowering, operation: Operation, transposeA: boolean, transposeB: boolean, layout: Columns): void {
  const [a, b] = operation.inputs as [number, number];
  const [y] = operation.outputs as [number];
  const [m, n] = l.type(y).shape as [number, number];
  const k = l.type(a).shape[transposeA ? 0 : 1]!;
  const x = operand(l, a);
  const w = operand(l, b);
  const result = l.allocate(y, layout);
  const sa = strides(l, a, x);
  const sb = strides(l, b, w);
  const [rsa, csa] = transposeA ? [sa.c, sa.r] : [sa.r, sa.c];
  const [rsb, csb] = transposeB ? [sb.c, sb.r] : [sb.r, sb.c];
  const pieces = cut(l, n, m, k);
  const kernel = l.options.tiles.gemm;
  l.step({
    name: "matmul",
    domain: { key: `product:${n}x${m}`, units: pieces, parts: pieces },
    reads: [whole(x), whole(w)],
    writes: [whole(result)],
    emit(call, { unit }) {
      const { from, count } = l.range(n, pieces, unit);
      if (count === 0) return;
      call(kernel, {
        m: count,
        n: m,
        k,
        a: at(w) + from * csb,
        rsa: csb,
        csa: rsb,
        b: at(x),
        rsb: csa,
        csb: rsa,
        c: at(result) + from * layout.stride,
        ldc: layout.stride,
        acc: 0,
        bias: 0,
        biasMode: 0,
        ...NONE,
      });
    },
  });
  l.decide(operation, kernel, "dense, feature by feature", l.paramOf(b));
}

/** Equal leading dims: one product each. */
function batched(l: Lowering, operation: Operation, transposeA: boolean, transposeB: boolean): void {
  const [a, b] = operation.inputs as [number, number];
  const [y] = operation.outputs as [number];
  const shapeA = l.type(a).shape;
  const shapeB = l.type(b).shape;
  const out = l.type(y).shape;
  const [m, n] = out.slice(-2) as [number, number];
  const [ra, ca] = shapeA.slice(-2) as [number, number];
  const [rb, cb] = shapeB.slice(-2) as [number, number];
  const k = transposeA ? ra : ca;
  const count = out.slice(0, -2).reduce((p, d) => p * d, 1);
  const x = l.rows(a);
  const w = l.rows(b);
  const result = l.allocate(y, ROWS);
  const parts = Math.min(count, l.options.threads);
  const shared = shapeB.length === 2;
  const kernel = l.options.tiles.gemm;
  l.step({
    name: "batched matmul",
    domain: { key: `batch:${count}`, units: count, parts },
    reads: [whole(x), whole(w)],
    writes: [whole(result)],
    emit(call, { unit }) {
      call(kernel, {
        m,
        n,
        k,
        a: at(x) + unit * ra * ca * 4,
        rsa: transposeA ? 4 : ca * 4,
        csa: transposeA ? ca * 4 : 4,
        b: at(w) + (shared ? 0 : unit * rb * cb * 4),
        rsb: transposeB ? 4 : cb * 4,
        csb: transposeB ? cb * 4 : 4,
        c: at(result) + unit * m * n * 4,
        ldc: n * 4,
        acc: 0,
        bias: 0,
        biasMode: 0,
        ...NONE,
      });
    },
  });
  l.decide(operation, kernel, "dense, batched");
}

/** Two tiles of 16 make a strip of the batch; on 128 samples as fast as the longer tiles or faster. */
const COLUMN_KERNEL = "sp1_16";
const STRIP_KERNELS = { 2: "sp2_16", 4: "sp4_8" } as const;
const GEMV_KERNELS = { 1: "spgemv1", 2: "spgemv2", 4: "spgemv4" } as const;

/** Index lists of x W^T (`forward`) or x W on columns that lie `stride` bytes apart. */
function matrixStreams(l: Lowering, topology: Topology, pattern: string, forward: boolean, stride: number) {
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
function sparseProduct(l: Lowering, operation: Operation, forward: boolean): void {
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
      const kernel = block === 1 ? COLUMN_KERNEL : STRIP_KERNELS[block];
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

/** Pieces of rows that the weight gradient is cut into. */
const ROW_PARTS = 16;

/** dW at live positions: dot products of rows of dy and x, both feature by feature. */
function weightGradient(l: Lowering, operation: Operation, transposeA: boolean, transposeB: boolean): void {
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

/** Matrix products. Dense ones are GEMM on whatever strides the operands have; products with a sparse weight stand in matmul-sparse.ts. */
import { InputError } from "../../core/index.js";
import type { Operation } from "../../program/index.js";
import { type Columns, ROWS } from "../layout.js";
import { at, type Lowering, ONE, type Placed, whole } from "../lowering.js";
import type { Buffer } from "../step.js";
import { sparseProduct, weightGradient } from "./matmul-sparse.js";
import { packedRow, WORTH_PACKING } from "./packed-row.js";

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
      // Five rows take two passes of four, and one of five.
      const kernel = m === 5 ? "gemm_5x8" : l.options.tiles.gemm;
      const cuts = byRows ? 1 : pieces;
      const panels = l.options.frozen && l.isFrozen(b) ? packedPanels(l, b, w, n, k, rsb, csb, cuts) : undefined;
      l.step({
        name: "matmul",
        domain: { key: `product:${m}x${n}`, units: pieces, parts: pieces },
        reads: panels ? [...reads, { buffer: panels, local: false }] : reads,
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
            b: panels ? panels.address + (byRows ? 0 : from * k * 4) : at(w) + (byRows ? 0 : from * csb),
            rsb,
            csb: panels ? 0 : csb,
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
      l.decide(operation, kernel, panels ? "dense, packed weights" : "dense", l.paramOf(b));
      return result;
    },
  });
}

/** A frozen right operand in the panels that GEMM reads, packed once, in as many pieces of columns as threads take. */
function packedPanels(l: Lowering, b: number, w: Placed, n: number, k: number, rsb: number, csb: number, pieces: number): Buffer {
  // A vector has equal strides both ways: its sizes tell a product with it from one with its transpose.
  return l.once(`panels:${b}:${n}x${k}:${rsb}:${pieces}`, () => {
    const panels = l.temporary((n + 8 * pieces) * k * 4, "packed weights");
    l.step({
      name: "pack weights",
      domain: ONE,
      reads: [whole(w)],
      writes: [{ buffer: panels, local: false }],
      emit(call) {
        for (let unit = 0; unit < pieces; unit++) {
          const { from, count } = l.range(n, pieces, unit);
          if (count) call("pack_panels", { n: count, k, b: at(w) + from * csb, rsb, csb, out: panels.address + from * k * 4 });
        }
      },
    });
    return panels;
  });
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

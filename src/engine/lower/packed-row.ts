/** A frozen dense matrix times one row: packed once, read as one stream. */
import { PACKED_ROWS } from "../../kernels/index.js";
import type { Operation } from "../../program/index.js";
import { at, type Epilogue, type Lowering, ONE, type Placed, whole } from "../lowering.js";
import type { Buffer } from "../step.js";

/** Elements from which a matrix is packed once for products with one row. */
export const WORTH_PACKING = 1 << 12;
/** Rows of a block of the packed form. */
const BLOCK = PACKED_ROWS;

/** The packed copy of a weight: one for all products with it, as in the steps of a recurrent network. */
function packedRows(l: Lowering, weight: number, w: Placed, m: number, k: number): Buffer {
  return l.once(`packed:${weight}`, () => {
    const packed = l.temporary(Math.ceil(m / BLOCK) * k * BLOCK * 4, "packed weights");
    l.step({
      name: "pack weights",
      domain: ONE,
      reads: [whole(w)],
      writes: [{ buffer: packed, local: false }],
      emit: (call) => call("pack28", { m, k, a: at(w), lda: k * 4, out: packed.address }),
    });
    return packed;
  });
}

/** y = W x. */
export function packedRow(
  l: Lowering,
  operation: Operation,
  x: Placed,
  w: Placed,
  result: Placed,
  m: number,
  k: number,
  { bias, lo, hi }: Epilogue,
): Placed {
  const packed = packedRows(l, operation.inputs[1]!, w, m, k);
  const blocks = Math.ceil(m / BLOCK);
  const parts = Math.min(l.options.threads, blocks);
  l.step({
    name: "matmul",
    domain: { key: `row:${m}`, units: parts, parts },
    reads: [whole(x), { buffer: packed, local: false }, ...(bias ? [whole(bias)] : [])],
    writes: [whole(result)],
    emit(call, { unit }) {
      const from = Math.floor((blocks * unit) / parts) * BLOCK;
      const to = Math.min(m, Math.floor((blocks * (unit + 1)) / parts) * BLOCK);
      call("gemv_packed", {
        m: to - from,
        k,
        w: packed.address + from * k * 4,
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

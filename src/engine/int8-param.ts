/** Weights of whole numbers: how a store takes and holds them, and how kernels read them. */
import { InputError, sizeOf } from "../core/index.js";
import { MADD_SUM } from "../kernels/index.js";

/**
 * An int8 weight. `values` alone: all of them, row-major in the param's shape. With `blocks`: only live blocks of 4 outputs x 4 inputs
 * of one tap, for [O, C, kh, kw] with C a multiple of 4; `values` is then absent.
 */
export interface Int8Param {
  /** The param's shape, [O, C / groups, kh, kw] or [O, K]. */
  readonly shape: readonly number[];
  readonly values?: Int8Array;
  readonly blocks?: {
    /** [ceil(O / 4) + 1] first block of each row of blocks. */
    readonly rowPtr: Int32Array;
    /** Block column of each block: tap * (C / 4) + group of four channels, ascending within a row. */
    readonly columns: Int32Array;
    /** [blocks][4 outputs][4 inputs] */
    readonly values: Int8Array;
  };
}

/** @throws InputError when its lists do not fit its shape */
export function checkInt8Param(path: string, { shape, values, blocks }: Int8Param): void {
  const fail = (problem: string): never => {
    throw new InputError(`params, int8 "${path}" [${shape}]: ${problem}`);
  };
  if (!blocks) {
    if (values?.length !== sizeOf(shape)) fail(`expected ${sizeOf(shape)} values, got ${values?.length ?? "none"}`);
    return;
  }
  const { rowPtr, columns } = blocks;
  const rows = Math.ceil(shape[0]! / 4);
  const wide = (shape[1]! / 4) * sizeOf(shape.slice(2));
  if (shape.length !== 4 || shape[1]! % 4 !== 0) fail("blocks need a shape of four dims and input channels that four divides");
  if (rowPtr.length !== rows + 1 || rowPtr[0] !== 0 || rowPtr[rows] !== columns.length)
    fail("its row pointers do not run over its blocks");
  if (blocks.values.length !== columns.length * 16) fail(`expected 16 values for each of ${columns.length} blocks`);
  for (let r = 0; r < rows; r++) {
    for (let e = rowPtr[r]!; e < rowPtr[r + 1]!; e++) {
      if (!(columns[e]! < wide && columns[e]! > (e > rowPtr[r]! ? columns[e - 1]! : -1)))
        fail(`block columns of row ${r} must rise below ${wide}`);
    }
    if (rowPtr[r + 1]! < rowPtr[r]!) fail(`row pointers fall at row ${r}`);
  }
}

/** Live blocks of a weight, and sums of its rows. */
export interface Int8Blocks {
  /** Blocks of each four outputs. */
  readonly counts: Int32Array;
  readonly columns: Int32Array;
  readonly values: Int8Array;
  readonly sums: { readonly sum: Float64Array; readonly absolute: Float64Array };
}

/** The blocks of a weight [O, C, kh, kw] that hold anything but zeros. */
export function toBlocks({ shape, values, blocks }: Int8Param): Int8Blocks {
  const [o, c] = shape as [number, number];
  const taps = sizeOf(shape.slice(2));
  const groups = Math.ceil(c / 4);
  const rows = Math.ceil(o / 4);
  const counts = new Int32Array(rows);
  const columns: number[] = [];
  const kept: number[] = [];
  const sums = { sum: new Float64Array(o), absolute: new Float64Array(o) };
  const block = new Int8Array(16);
  for (let r = 0; r < rows; r++) {
    const take = (column: number, from: Int8Array, at: number) => {
      if (!from.subarray(at, at + 16).some((v) => v !== 0)) return;
      counts[r]!++;
      columns.push(column);
      for (let k = 0; k < 16; k++) {
        const v = from[at + k]!;
        kept.push(v);
        if (r * 4 + (k >> 2) >= o) continue;
        sums.sum[r * 4 + (k >> 2)]! += v;
        sums.absolute[r * 4 + (k >> 2)]! += Math.abs(v);
      }
    };
    if (blocks) {
      for (let e = blocks.rowPtr[r]!; e < blocks.rowPtr[r + 1]!; e++) take(blocks.columns[e]!, blocks.values, e * 16);
      continue;
    }
    for (let t = 0; t < taps; t++) {
      for (let g = 0; g < groups; g++) {
        for (let k = 0; k < 16; k++) {
          const [row, channel] = [r * 4 + (k >> 2), g * 4 + (k & 3)];
          block[k] = row < o && channel < c ? values![(row * c + channel) * taps + t]! : 0;
        }
        take(t * groups + g, block, 0);
      }
    }
  }
  return { counts, columns: Int32Array.from(columns), values: Int8Array.from(kept), sums };
}

/** Whether weights of two blocks, times activations, can be added in i16: two columns of one row of both, each sign. */
function addable(values: Int8Array, a: number, b: number): boolean {
  for (let k = 0; k < 16; k += 2) {
    let [above, below] = [0, 0];
    for (const v of [values[a * 16 + k]!, values[a * 16 + k + 1]!, values[b * 16 + k]!, values[b * 16 + k + 1]!]) {
      if (v > 0) above += v;
      else below -= v;
    }
    if (above > MADD_SUM || below > MADD_SUM) return false;
  }
  return true;
}

/** The blocks for the build `madd`: pairs, an empty block beside one that has no partner or may not be added to it. */
export function inPairs({ counts, columns, values, sums }: Int8Blocks): Int8Blocks {
  const order: number[] = [];
  const next = new Int32Array(counts.length);
  for (let r = 0, e = 0; r < counts.length; r++) {
    const from = order.length;
    for (const end = e + counts[r]!; e < end; ) {
      const both = e + 1 < end && addable(values, e, e + 1);
      // A number below zero stands for an empty block at the place of that one.
      order.push(e, both ? e + 1 : ~e);
      e += both ? 2 : 1;
    }
    next[r] = order.length - from;
  }
  const out = new Int8Array(order.length * 16);
  order.forEach((e, i) => {
    if (e >= 0) out.set(values.subarray(e * 16, e * 16 + 16), i * 16);
  });
  return { counts: next, columns: Int32Array.from(order, (e) => columns[e < 0 ? ~e : e]!), values: out, sums };
}

const words = (bytes: Int8Array): Int32Array => new Int32Array(bytes.buffer, 0, bytes.length / 4);

/** Depthwise weights [C, 1, 3, 3] for the kernel: per four channels three rows of [channel][tap 0, 1, 2, nothing]. */
export function packDepthwise(q: Int8Array): Int32Array {
  const channels = q.length / 9;
  const out = new Int8Array(Math.ceil(channels / 4) * 48);
  for (let c = 0; c < channels; c++)
    for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) out[(c >> 2) * 48 + i * 16 + (c & 3) * 4 + j] = q[c * 9 + i * 3 + j]!;
  return words(out);
}

/** Rows of a matrix, each filled up to a multiple of 16 bytes, their number to a multiple of 4. */
export function packRows(q: Int8Array, rows: number): { rows: Int32Array; kb: number } {
  const columns = q.length / rows;
  const kb = Math.ceil(columns / 16) * 16;
  const out = new Int8Array(Math.ceil(rows / 4) * 4 * kb);
  for (let r = 0; r < rows; r++) out.set(q.subarray(r * columns, (r + 1) * columns), r * kb);
  return { rows: words(out), kb };
}

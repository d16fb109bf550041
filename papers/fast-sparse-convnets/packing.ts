/** Algorithm A: a 1x1 layer packed for sparse multiplication with channel-major activations, as XNNPACK packs it. */
import { InputError, ShapeError } from "../../src/core/index.js";

/** Rows (output channels) that share the input channels of a block. */
export type BlockRows = 1 | 2 | 4;

/** A packed layer. */
export interface Packed {
  readonly outputs: number;
  readonly inputs: number;
  /** NR: rows of a block; rows left over are packed one by one. */
  readonly rows: BlockRows;
  /** Per row-block: its biases, then the weights of each occupied block (zeros inside a block are stored). */
  readonly values: Float32Array;
  /** Occupied blocks of each row-block: floor(outputs / rows) row-blocks, then one for each row left over. */
  readonly nnzPerBlock: Uint32Array;
  /** Bytes from the channel of each block to that of the next, 4 (next - this); the last leads back to the first. Sums to 0. */
  readonly channelDiff: Int32Array;
  /** Input channel of the first block; 0 when there is none. */
  readonly firstChannel: number;
}

/** Non-zeros and occupied blocks, as the choice of block size reads them. */
export interface Occupancy {
  /** Non-zeros in whole groups of 4 rows, and their occupied blocks of 4. */
  readonly nnz4: number;
  readonly blocks4: number;
  /** The same for pairs of rows; a pair that is left over after the groups of 4 counts. */
  readonly nnz2: number;
  readonly blocks2: number;
}

const group = (weight: Float32Array, inputs: number, row: number, rows: number) => {
  let nnz = 0;
  let blocks = 0;
  for (let i = 0; i < inputs; i++) {
    let live = 0;
    for (let k = 0; k < rows; k++) if (weight[(row + k) * inputs + i] !== 0) live++;
    nnz += live;
    if (live > 0) blocks++;
  }
  return { nnz, blocks };
};

/** Counts non-zeros and occupied blocks of a weight [outputs, inputs]. */
export function occupancyOf(weight: Float32Array, outputs: number, inputs: number): Occupancy {
  const found = { nnz4: 0, blocks4: 0, nnz2: 0, blocks2: 0 };
  for (let row = 0; row + 4 <= outputs; row += 4) {
    const { nnz, blocks } = group(weight, inputs, row, 4);
    found.nnz4 += nnz;
    found.blocks4 += blocks;
  }
  for (let row = 0; row + 2 <= outputs; row += 2) {
    const { nnz, blocks } = group(weight, inputs, row, 2);
    found.nnz2 += nnz;
    found.blocks2 += blocks;
  }
  return found;
}

/** The block size: 4 when blocks of 4 are filled by 90 % on average (3.6 of 4), else 2 likewise (1.8 of 2), else 1. */
export function chooseRows({ nnz4, blocks4, nnz2, blocks2 }: Occupancy): BlockRows {
  if (5 * nnz4 >= 18 * blocks4) return 4;
  return 5 * nnz2 >= 9 * blocks2 ? 2 : 1;
}

/** First row and height of every row-block. */
const rowBlocks = (outputs: number, rows: number): (readonly [number, number])[] => {
  const whole = Math.floor(outputs / rows);
  return [
    ...Array.from({ length: whole }, (_, i) => [i * rows, rows] as const),
    ...Array.from({ length: outputs - whole * rows }, (_, i) => [whole * rows + i, 1] as const),
  ];
};

/**
 * Packs a 1x1 layer.
 * @param weight [outputs, inputs], finite
 * @param bias   [outputs], or null for zeros
 * @param rows   block size; default: by occupancy
 * @throws ShapeError when sizes do not fit, InputError for a weight that is not finite
 */
export function pack(
  weight: Float32Array,
  outputs: number,
  inputs: number,
  bias: Float32Array | null = null,
  rows: BlockRows = chooseRows(occupancyOf(weight, outputs, inputs)),
): Packed {
  if (weight.length !== outputs * inputs || (bias && bias.length !== outputs))
    throw new ShapeError("pack", { weight: [weight.length], layer: [outputs, inputs], bias: [bias?.length ?? outputs] });
  const bad = weight.findIndex((w) => !Number.isFinite(w));
  if (bad >= 0) throw new InputError(`pack: the weight at flat index ${bad} is ${weight[bad]}, expected finite weights`);
  const values: number[] = [];
  const counts: number[] = [];
  const channels: number[] = [];
  for (const [row, height] of rowBlocks(outputs, rows)) {
    for (let k = 0; k < height; k++) values.push(bias?.[row + k] ?? 0);
    const before = channels.length;
    for (let i = 0; i < inputs; i++) {
      const block = Array.from({ length: height }, (_, k) => weight[(row + k) * inputs + i]!);
      if (block.every((w) => w === 0)) continue;
      values.push(...block);
      channels.push(i);
    }
    counts.push(channels.length - before);
  }
  const next = (at: number) => channels[(at + 1) % channels.length]!;
  return {
    outputs,
    inputs,
    rows,
    values: Float32Array.from(values),
    nnzPerBlock: Uint32Array.from(counts),
    channelDiff: Int32Array.from(channels, (channel, at) => 4 * (next(at) - channel)),
    firstChannel: channels[0] ?? 0,
  };
}

/** The weight and bias of a packed layer. */
export function unpack({ outputs, inputs, rows, values, nnzPerBlock, channelDiff, firstChannel }: Packed): {
  weight: Float32Array;
  bias: Float32Array;
} {
  const weight = new Float32Array(outputs * inputs);
  const bias = new Float32Array(outputs);
  let at = 0;
  let block = 0;
  let channel = firstChannel;
  rowBlocks(outputs, rows).forEach(([row, height], b) => {
    for (let k = 0; k < height; k++) bias[row + k] = values[at++]!;
    for (let n = 0; n < nnzPerBlock[b]!; n++) {
      for (let k = 0; k < height; k++) weight[(row + k) * inputs + channel] = values[at++]!;
      channel += channelDiff[block++]! / 4;
    }
  });
  return { weight, bias };
}

/**
 * Pointer steps in bytes for planes of `pixels`: channelDiff x pixels.
 * @throws InputError when one leaves the range of int32
 */
export function increments({ channelDiff }: Packed, pixels: number): Int32Array {
  return Int32Array.from(channelDiff, (diff) => {
    const step = diff * pixels;
    if (Math.abs(step) > 2 ** 31 - 1)
      throw new InputError(`increments: a step of ${step} bytes leaves int32; planes of ${pixels} pixels are too large`);
    return step;
  });
}

/** Bytes of a packed layer: 4 + 4 per block for steps and channel differences, 4 per row-block, 4 per value. No tail padding. */
export const packedBytes = ({ channelDiff, nnzPerBlock, values }: Packed): number =>
  8 * channelDiff.length + 4 * nnzPerBlock.length + 4 * values.length;

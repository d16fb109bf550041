/**
 * Channel rearrangement: which order of the filters gathers important kernels into the same groups. The order changes no function
 * (`permuteChannels`); it changes what a group pattern can keep.
 */
import { InputError, type Rng, requireFraction, requireInteger } from "../../core/index.js";

/** One layer that makes the channels: scores of its kernels, and where its rows lie in the common order. */
export interface Producer {
  /** [rows, inputs]: score of the kernel from each input to each row, at least 0. */
  readonly scores: Float32Array;
  readonly inputs: number;
  /** Row of each unit, one per unit: place i of the order writes row `rowOf[i]`. */
  readonly rowOf: readonly number[];
}

/** Options of `rearrange`. */
export interface RearrangeOptions {
  /** Share of blocks that the pattern will remove, in [0, 1). */
  readonly sparsity: number;
  /** Filters of a group (G), at least 1. */
  readonly filters: number;
  /** Swaps to try at most; default 4000. */
  readonly budget?: number;
  /** Order in which swaps are tried. */
  readonly rng: Rng;
}

/** An order of the units and what it keeps. */
export interface Rearranged {
  /** Place i holds unit `order[i]`. */
  readonly order: Int32Array;
  /** Retained score of the given order, of the one sorted by size, and of the one found. */
  readonly before: number;
  readonly sorted: number;
  readonly after: number;
}

/**
 * Retained score of an order: the sum over producers of the scores of the blocks that a group pattern keeps.
 *
 *     R = sum over producers of  sum of the blocks - sum of the floor(s blocks) smallest
 */
export function retained(
  producers: readonly Producer[],
  order: ArrayLike<number>,
  { sparsity, filters }: { sparsity: number; filters: number },
): number {
  return producers.reduce((sum, producer) => sum + keptOf(blockScores(producer, order, filters), sparsity), 0);
}

function keptOf(blocks: Float64Array, sparsity: number): number {
  const sorted = blocks.slice().sort();
  let sum = 0;
  for (let i = Math.floor(sparsity * sorted.length + 1e-9); i < sorted.length; i++) sum += sorted[i]!;
  return sum;
}

/** Scores of all blocks, group by group. */
function blockScores(producer: Producer, order: ArrayLike<number>, filters: number): Float64Array {
  const rows = producer.scores.length / producer.inputs;
  const blocks = new Float64Array(Math.ceil(rows / filters) * producer.inputs);
  // Rows outside the order (channels of another group) keep their places.
  const source = Int32Array.from({ length: rows }, (_, r) => r);
  producer.rowOf.forEach((row, place) => {
    source[row] = producer.rowOf[order[place]!]!;
  });
  for (let r = 0; r < rows; r++) addRow(blocks, producer, Math.floor(r / filters), source[r]!, 1);
  return blocks;
}

function addRow(blocks: Float64Array, { scores, inputs }: Producer, group: number, row: number, sign: number): void {
  for (let c = 0; c < inputs; c++) blocks[group * inputs + c]! += sign * scores[row * inputs + c]!;
}

/** The units in order of size, the smallest first: 1xN's rearrangement. Lin et al. 2022, arXiv:2105.14713, code. */
export function orderBySize(producers: readonly Producer[]): Int32Array {
  const units = producers[0]?.rowOf.length ?? 0;
  const sizes = Float64Array.from({ length: units }, (_, u) =>
    producers.reduce(
      (sum, { scores, inputs, rowOf }) =>
        sum + scores.subarray(rowOf[u]! * inputs, (rowOf[u]! + 1) * inputs).reduce((a, b) => a + b, 0),
      0,
    ),
  );
  return Int32Array.from({ length: units }, (_, u) => u).sort((a, b) => sizes[a]! - sizes[b]! || a - b);
}

/**
 * Looks for an order of a group's units that keeps more score under a kernel-group pattern: sorts the units by size, takes the
 * better of that and the given order, then swaps pairs of different groups as long as that raises R.
 *
 * @throws OptionError, InputError when producers and units do not fit
 *
 * Xu et al. 2023, arXiv:2310.19509, "whole-network rearrangement"; sorting as 1xN's code does (arXiv:2105.14713). The paper's own
 * search is not published; the hill-climb is ours.
 */
export function rearrange(producers: readonly Producer[], options: RearrangeOptions): Rearranged {
  const { sparsity, filters, rng, budget = 4000 } = options;
  requireFraction("rearrange.sparsity", sparsity);
  requireInteger("rearrange.filters", filters, 1);
  requireInteger("rearrange.budget", budget, 0);
  const units = producers[0]?.rowOf.length ?? 0;
  if (producers.some(({ rowOf }) => rowOf.length !== units))
    throw new InputError("rearrange: every producer must have one row per unit");
  const given = Int32Array.from({ length: units }, (_, i) => i);
  const bySize = orderBySize(producers);
  const [before, sorted] = [given, bySize].map((order) => retained(producers, order, options)) as [number, number];
  const order = sorted > before ? bySize : given.slice();
  let best = Math.max(before, sorted);
  const blocks = producers.map((producer) => blockScores(producer, order, filters));
  let tried = 0;
  for (let improved = true; improved && tried < budget; ) {
    improved = false;
    for (const a of rng.permutation(units)) {
      for (let b = 0; b < units && tried < budget; b++) {
        if (a === b || producers.every(({ rowOf }) => Math.floor(rowOf[a]! / filters) === Math.floor(rowOf[b]! / filters)))
          continue;
        tried++;
        const next = producers.map((producer, k) => {
          const changed = blocks[k]!.slice();
          const [groupA, groupB] = [producer.rowOf[a]!, producer.rowOf[b]!].map((row) => Math.floor(row / filters)) as [
            number,
            number,
          ];
          const [rowA, rowB] = [producer.rowOf[order[a]!]!, producer.rowOf[order[b]!]!];
          addRow(changed, producer, groupA, rowA, -1);
          addRow(changed, producer, groupA, rowB, 1);
          addRow(changed, producer, groupB, rowB, -1);
          addRow(changed, producer, groupB, rowA, 1);
          return changed;
        });
        const keeps = next.map((list) => keptOf(list, sparsity));
        const total = keeps.reduce((x, y) => x + y, 0);
        if (total <= best * (1 + 1e-9)) continue;
        best = total;
        [order[a], order[b]] = [order[b]!, order[a]!];
        next.forEach((list, k) => {
          blocks[k] = list;
        });
        improved = true;
      }
    }
  }
  return { order, before, sorted, after: retained(producers, order, options) };
}

/** What calibration tells of one layer. */
import { InputError, ShapeError } from "../../core/index.js";

/**
 * Second moments of a layer seen as y = W x, summed over all positions of all calibration examples.
 *
 *     gram  = sum of x x^T          [columns, columns], x as the pruned network feeds it
 *     cross = sum of y x^T          [rows, columns], y as the dense network makes it
 *
 * With cross = W gram the layer is repaired for its own inputs alone; with y of the dense network it also makes up for the errors
 * of the layers before.
 */
export interface LayerMoments {
  readonly columns: number;
  readonly gram: Float64Array;
  readonly cross?: Float64Array;
  /** Number of summed positions. */
  readonly samples: number;
}

/** The gram with damping on its diagonal: mean of the diagonal times `damping`; an input that is always 0 gets 1. */
export function dampedGram({ gram, columns }: LayerMoments, damping: number): { damped: Float64Array; ridge: number } {
  let trace = 0;
  for (let i = 0; i < columns; i++) {
    const d = gram[i * columns + i]!;
    if (!(d >= 0) || !Number.isFinite(d))
      throw new InputError(`repair: the second moment of input ${i} is ${d}; the calibration activations must be finite`);
    trace += d;
  }
  const ridge = Math.max((damping * trace) / columns, 1e-12);
  const damped = gram.slice();
  for (let i = 0; i < columns; i++)
    damped[i * columns + i] = gram[i * columns + i] === 0 ? Math.max(1, ridge) : gram[i * columns + i]! + ridge;
  return { damped, ridge };
}

/** @throws ShapeError unless moments and weight agree */
export function requireMoments(place: string, rows: number, { columns, gram, cross }: LayerMoments, size: number): void {
  if (gram.length !== columns * columns || size !== rows * columns || (cross && cross.length !== rows * columns)) {
    throw new ShapeError(
      place,
      { weight: [size], gram: [gram.length], ...(cross ? { cross: [cross.length] } : {}) },
      `a weight of ${rows} x ${columns} and moments of ${columns} inputs`,
    );
  }
}

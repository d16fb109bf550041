/** Turning real vectors into sparse codes: a fixed random layer and a k-winner-take-all over it. */
import { type Rng, requireInteger, requireNumber, ShapeError } from "../core/index.js";

/** What `createKWinnerEncoder` is told. */
export interface KWinnerOptions {
  /** Length of the input vectors. */
  readonly inputs: number;
  /** Cells of the code, n. */
  readonly cells: number;
  /** Winners, a: in [1, cells]. */
  readonly active: number;
  /** Share of inputs that each cell sees, in (0, 1]. Default 0.2. */
  readonly connected?: number;
}

/** A fixed random encoder. */
export interface KWinnerEncoder {
  /** The `active` cells of greatest response, ascending; ties go to the lowest cell. @throws ShapeError for another length */
  encode(input: ArrayLike<number>): Int32Array;
}

/**
 * Cells with random weights of mean 0 (standard normal) on a random share of the inputs.
 *
 *     response_i = sum_j w_ij (x_j - mean_j),   active = the a greatest responses
 *
 * @param mean subtracted from every input, [inputs]; zeros when omitted
 * @throws OptionError for an option outside its range
 */
export function createKWinnerEncoder(
  { inputs, cells, active, connected = 0.2 }: KWinnerOptions,
  rng: Rng,
  mean?: ArrayLike<number>,
): KWinnerEncoder {
  requireInteger("kWinner.inputs", inputs, 1, 1 << 24);
  requireInteger("kWinner.cells", cells, 1, 1 << 24);
  requireInteger("kWinner.active", active, 1, cells);
  requireNumber("kWinner.connected", connected, Number.MIN_VALUE, 1);
  if (mean !== undefined && mean.length !== inputs) throw new ShapeError("kWinner", { mean: [mean.length] }, `${inputs} means`);
  const seen = Math.max(1, Math.round(inputs * connected));
  const wires = new Int32Array(cells * seen);
  const weights = new Float32Array(cells * seen);
  for (let i = 0; i < cells; i++) {
    const order = rng.permutation(inputs);
    for (let s = 0; s < seen; s++) {
      wires[i * seen + s] = order[s]!;
      weights[i * seen + s] = rng.normal();
    }
  }
  const centred = new Float32Array(inputs);
  const response = new Float32Array(cells);
  const order = new Int32Array(cells);
  return {
    encode(input) {
      if (input.length !== inputs) throw new ShapeError("kWinner.encode", { input: [input.length] }, `${inputs} values`);
      for (let j = 0; j < inputs; j++) centred[j] = input[j]! - (mean ? mean[j]! : 0);
      for (let i = 0; i < cells; i++) {
        let sum = 0;
        for (let s = i * seen; s < (i + 1) * seen; s++) sum += weights[s]! * centred[wires[s]!]!;
        response[i] = sum;
        order[i] = i;
      }
      order.sort((x, y) => response[y]! - response[x]! || x - y);
      return order.slice(0, active).sort();
    },
  };
}

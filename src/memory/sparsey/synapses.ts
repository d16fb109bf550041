/**
 * Binary weights learned in one trial: w[j, i] becomes 1 when unit j and cell i were active together.
 *
 * - Freezing: a cell whose weights are more than `saturation` full on average learns no more (its critical period is over).
 * - Permanence: a weight ages from its last use, w = (1 + c/T) / (1 + c/(T - tau)) while tau < T, and 0 afterwards.
 */

/** How weights age. */
export interface Permanence {
  /** Steps until an unused weight is gone, T: in [1, 10,000,000]. */
  readonly steps: number;
  /** Convexity of the decay, c: above 0. Large values fall early. Default 1. */
  readonly convexity?: number;
}

/** Weight of a synapse `age` steps after its last use: 1 at 0, 0 from T on, falling between. */
export function permanenceWeight(age: number, { steps, convexity = 1 }: Permanence): number {
  if (age >= steps) return 0;
  return (1 + convexity / steps) / (1 + convexity / (steps - age));
}

/** A matrix of synapses from `units` to `cells`. */
export interface Synapses {
  /** Adds each cell's summed weights from the active units to `out` [cells]. @param step present time, for permanence */
  gather(active: ArrayLike<number>, out: Float32Array, step: number): void;
  /** The other way: adds to `out` [units] the summed weights of each unit to the active cells. */
  scatter(cells: ArrayLike<number>, out: Float32Array, step: number): void;
  /** Connects all active units with all active cells, except frozen cells. @returns weights that rose from 0 */
  connect(active: ArrayLike<number>, cells: ArrayLike<number>, step: number): number;
  /** Cells whose critical period is over. */
  frozen(): number;
  /** Mean of all weights ever set, in [0, 1]. */
  fullness(): number;
}

/** @param saturation mean weight of a cell above which it is frozen, in (0, 1] */
export function createSynapses(units: number, cells: number, saturation: number, permanence?: Permanence): Synapses {
  const weights = new Uint8Array(units * cells);
  const used = permanence ? new Int32Array(units * cells) : undefined;
  const filled = new Uint32Array(cells);
  const limit = saturation * units;
  let total = 0;
  const weight = (at: number, step: number): number => {
    if (weights[at] === 0) return 0;
    return used ? permanenceWeight(step - used[at]!, permanence!) : 1;
  };
  return {
    gather(active, out, step) {
      for (let a = 0; a < active.length; a++) {
        const row = active[a]! * cells;
        if (used) for (let i = 0; i < cells; i++) out[i]! += weight(row + i, step);
        else for (let i = 0; i < cells; i++) out[i]! += weights[row + i]!;
      }
    },
    scatter(winners, out, step) {
      for (let j = 0; j < units; j++) {
        let sum = 0;
        for (let w = 0; w < winners.length; w++) sum += weight(j * cells + winners[w]!, step);
        out[j]! += sum;
      }
    },
    connect(active, winners, step) {
      let risen = 0;
      for (let w = 0; w < winners.length; w++) {
        const cell = winners[w]!;
        if (filled[cell]! > limit) continue;
        for (let a = 0; a < active.length; a++) {
          const at = active[a]! * cells + cell;
          if (weights[at] === 0) {
            weights[at] = 1;
            filled[cell]!++;
            total++;
            risen++;
          }
          if (used) used[at] = step;
        }
      }
      return risen;
    },
    frozen: () => filled.reduce((count, f) => count + (f > limit ? 1 : 0), 0),
    fullness: () => (units * cells === 0 ? 0 : total / (units * cells)),
  };
}

/** Classes on top of codes: Hebbian counts of which cell was active with which label, learned in the same single pass. */
import { requireInteger, requireNumber } from "../../core/index.js";

/** Links active units to labels. */
export interface LabelReadout {
  /** Counts one item. */
  learn(units: ArrayLike<number>, label: number): void;
  /** The most likely label: ties go to the lowest. */
  classify(units: ArrayLike<number>): number;
  /**
   * log P(label) + sum over active units of log P(unit | label), with `smoothing` added to every count; up to a constant.
   * @returns [labels]
   */
  scores(units: ArrayLike<number>): Float64Array;
}

/**
 * @param units    size of the number space of units
 * @param labels   number of classes
 * @param smoothing added to every count, above 0. Default 0.5
 */
export function createLabelReadout(units: number, labels: number, smoothing = 0.5): LabelReadout {
  requireInteger("labelReadout.units", units, 1, 1 << 28);
  requireInteger("labelReadout.labels", labels, 1, 65536);
  requireNumber("labelReadout.smoothing", smoothing, Number.MIN_VALUE, 1e6);
  const counts = new Uint32Array(units * labels);
  const items = new Float64Array(labels);
  const scores = (active: ArrayLike<number>): Float64Array => {
    const out = items.map((n) => Math.log(n + smoothing));
    for (let y = 0; y < labels; y++) {
      const base = Math.log(items[y]! + 2 * smoothing);
      let sum = 0;
      for (let a = 0; a < active.length; a++) sum += Math.log(counts[active[a]! * labels + y]! + smoothing) - base;
      out[y]! += sum;
    }
    return out;
  };
  return {
    learn(active, label) {
      requireInteger("labelReadout.label", label, 0, labels - 1);
      items[label]!++;
      for (let a = 0; a < active.length; a++) {
        counts[requireInteger(`labelReadout.active[${a}]`, active[a]!, 0, units - 1) * labels + label]!++;
      }
    },
    classify(active) {
      const all = scores(active);
      let best = 0;
      for (let y = 1; y < labels; y++) if (all[y]! > all[best]!) best = y;
      return best;
    },
    scores,
  };
}

/** Choosing the threshold of a segment: the trade between false matches and misses under noise. */
import { InputError, requireInteger } from "../core/index.js";
import { logFalseMatch, logFalseMiss } from "./probability.js";

/** What a threshold is chosen for. */
export interface ThresholdQuestion {
  /** Population, n. */
  readonly cells: number;
  /** Active cells, a. */
  readonly active: number;
  /** Synapses sampled from a stored pattern, s: in [1, a]. */
  readonly synapses: number;
  /** Cells of the pattern that fall silent, c: in [0, a]. */
  readonly silenced: number;
}

/** The errors at one threshold. */
export interface ThresholdRow {
  readonly threshold: number;
  readonly falseMatch: number;
  readonly falseMiss: number;
  /** falseMatch + falseMiss. */
  readonly total: number;
}

/** Both error rates for every threshold 1..s. @throws OptionError for a field outside its range */
export function thresholdTable({ cells, active, synapses, silenced }: ThresholdQuestion): ThresholdRow[] {
  requireInteger("thresholdTable.active", active, 1, cells);
  requireInteger("thresholdTable.synapses", synapses, 1, active);
  return Array.from({ length: synapses }, (_, i) => {
    const threshold = i + 1;
    const match = Math.exp(logFalseMatch({ cells, active, synapses, threshold }));
    const miss = Math.exp(logFalseMiss({ active, synapses, threshold, silenced }));
    return { threshold, falseMatch: match, falseMiss: miss, total: match + miss };
  });
}

/** The threshold with the least total error; ties go to the lower one. @throws OptionError for a field outside its range */
export function optimalThreshold(question: ThresholdQuestion): ThresholdRow {
  let best: ThresholdRow | undefined;
  for (const row of thresholdTable(question)) if (best === undefined || row.total < best.total) best = row;
  return best!;
}

/** Conditions over which `thresholdForRange` takes its median. */
export interface ConditionRange {
  readonly cells: readonly number[];
  /** Shares a / n in (0, 1). */
  readonly densities: readonly number[];
  readonly synapses: readonly number[];
}

/** The grid of the paper's plot: n 1000 to 17,000 by 4000, sparsity 0.5 to 3 %, s 20 to 50 by 5. */
export const paperConditions: ConditionRange = {
  cells: [1000, 5000, 9000, 13000, 17000],
  densities: [0.005, 0.01, 0.015, 0.02, 0.025, 0.03],
  synapses: [20, 25, 30, 35, 40, 45, 50],
};

/** Median false-match probability over a range of conditions, for each threshold asked. */
export function medianFalseMatch(
  thresholds: readonly number[],
  range: ConditionRange = paperConditions,
): { threshold: number; median: number }[] {
  if (range.cells.length * range.densities.length * range.synapses.length === 0) {
    throw new InputError("medianFalseMatch.range: expected at least one value of cells, densities and synapses, got an empty list");
  }
  return thresholds.map((threshold) => {
    const values: number[] = [];
    for (const cells of range.cells) {
      for (const density of range.densities) {
        const active = Math.round(cells * density);
        for (const synapses of range.synapses) values.push(Math.exp(logFalseMatch({ cells, active, synapses, threshold })));
      }
    }
    values.sort((x, y) => x - y);
    const middle = values.length / 2;
    const median = Number.isInteger(middle) ? (values[middle - 1]! + values[middle]!) / 2 : values[Math.floor(middle)]!;
    return { threshold, median };
  });
}

/** The smallest threshold whose median false-match probability is at most `limit`, or undefined up to the largest s. */
export function thresholdForRange(limit = 1e-9, range: ConditionRange = paperConditions): number | undefined {
  const thresholds = Array.from({ length: Math.max(...range.synapses) }, (_, i) => i + 1);
  return medianFalseMatch(thresholds, range).find((row) => row.median <= limit)?.threshold;
}

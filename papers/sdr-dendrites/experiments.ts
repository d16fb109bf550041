/** The measurements of the paper: formulas against exact arithmetic and simulation, scaling, thresholds, and codes of real images. */
import { createRng } from "../../src/core/index.js";
import {
  classificationError,
  createCodeStore,
  createKWinnerEncoder,
  type Estimate,
  exactFalseMatch,
  falseMatch,
  falseMiss,
  logFalseMatch,
  logUnionFalseMatch,
  optimalThreshold,
  randomCells,
  rationalToNumber,
  simulateClassification,
  simulateFalseMatch,
  simulateFalseMiss,
  thresholdForRange,
  thresholdTable,
  wilson,
} from "../../src/memory/index.js";

/** One setting, its formula, and its simulated rate. */
export interface Comparison {
  readonly setting: string;
  readonly formula: number;
  readonly simulated: number;
  readonly low: number;
  readonly high: number;
  readonly inside: boolean;
}

const compare = (setting: string, formula: number, { rate, low, high }: Estimate): Comparison => ({
  setting,
  formula,
  simulated: rate,
  low,
  high,
  inside: formula >= low && formula <= high,
});

/** Settings (n, a, s, theta) whose probability is large enough to be seen in simulation. */
const MATCHES = [
  [100, 20, 10, 5],
  [100, 10, 10, 3],
  [200, 30, 20, 7],
  [500, 50, 25, 7],
  [1000, 50, 30, 5],
  [1000, 200, 25, 11],
  [1000, 20, 20, 3],
] as const;
/** (a, s, theta, c). */
const MISSES = [
  [64, 24, 12, 32],
  [40, 20, 10, 16],
  [200, 20, 10, 60],
  [30, 10, 8, 9],
] as const;

/** Formulas 3, 6 and 7 against simulation with random patterns. */
export function simulations(seed: number, trials: number): Comparison[] {
  const rng = createRng(seed);
  const rows: Comparison[] = [];
  for (const [cells, active, synapses, threshold] of MATCHES) {
    const segment = { cells, active, synapses, threshold };
    rows.push(
      compare(
        `match n ${cells} a ${active} s ${synapses} theta ${threshold}`,
        falseMatch(segment),
        simulateFalseMatch(segment, trials, rng),
      ),
    );
  }
  for (const [active, synapses, threshold, silenced] of MISSES) {
    const segment = { active, synapses, threshold, silenced };
    rows.push(
      compare(
        `miss a ${active} s ${synapses} theta ${threshold} c ${silenced}`,
        falseMiss(segment),
        simulateFalseMiss(segment, trials, rng),
      ),
    );
  }
  for (const [patterns, threshold] of [
    [500, 5],
    [500, 4],
    [50, 4],
  ] as const) {
    const segment = { cells: 100, active: 7, synapses: 7, threshold };
    const formula = classificationError(logFalseMatch(segment), patterns).exact;
    const runs = Math.max(200, Math.round((trials * 10) / patterns));
    rows.push(
      compare(
        `classify n 100 a = s = 7 theta ${threshold}, ${patterns} patterns`,
        formula,
        simulateClassification(segment, patterns, runs, rng),
      ),
    );
  }
  return rows;
}

/** The union formula against simulation: an approximation, so the ratio is reported and not an interval. */
export function unionRatios(
  seed: number,
  trials: number,
): { readonly patterns: number; readonly formula: number; readonly simulated: number }[] {
  const rng = createRng(seed).split("union");
  return [2, 3, 5, 8].map((patterns) => {
    const segment = { cells: 1000, active: 100, synapses: 20, threshold: 10 };
    const easier = { ...segment, threshold: 4 + patterns };
    return {
      patterns,
      formula: Math.exp(logUnionFalseMatch(easier, patterns)),
      simulated: simulateFalseMatch(easier, trials, rng, patterns).rate,
    };
  });
}

/** What needs no randomness. */
export function closedForms() {
  const at = (n: number, a: number) => logFalseMatch({ cells: n, active: a, synapses: 24, threshold: 12 });
  const slope = (of: (n: number) => number) => (at(64_000, of(64_000)) - at(8000, of(8000))) / Math.log(8);
  const published = { cells: 10_000, active: 300, synapses: 24, threshold: 12 };
  const question = { cells: 4000, active: 128, synapses: 24, silenced: 64 };
  const table = thresholdTable(question);
  let worst = 0;
  for (const [cells, active, synapses, threshold] of [
    [10_000, 300, 24, 12],
    [10_000, 64, 24, 12],
    [2000, 40, 20, 10],
    [1000, 200, 25, 15],
    [20_000, 200, 25, 15],
  ] as const) {
    const segment = { cells, active, synapses, threshold };
    worst = Math.max(worst, Math.abs(falseMatch(segment) / rationalToNumber(exactFalseMatch(segment)) - 1));
  }
  return {
    published: falseMatch(published),
    worstRelativeError: worst,
    slopeFixedActive: slope(() => 128),
    slopeHalfActive: slope((n) => n / 2),
    rangeThreshold: thresholdForRange(1e-9)!,
    optimal: optimalThreshold(question).threshold,
    exhaustive: table.reduce((best, row) => (row.total < best.total ? row : best)).threshold,
    unionOfTen: Math.exp(logUnionFalseMatch({ cells: 10_000, active: 200, synapses: 25, threshold: 15 }, 10)),
    scaling: [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000].map((n) => ({
      n,
      fixedActive: at(n, 128) / Math.LN10,
      fixedSparsity: at(n, Math.round(n * 0.02)) / Math.LN10,
      halfActive: at(n, n / 2) / Math.LN10,
    })),
  };
}

/** Cells and winners of the codes of images. */
const CELLS = 2000;
const ACTIVE = 40;
const SYNAPSES = 20;

/** False matches of segments on codes of real images, beside the formula for random codes of the same sparsity. */
export interface RealCodes {
  readonly threshold: number;
  readonly rate: number;
  readonly low: number;
  readonly high: number;
  readonly formula: number;
  /** The population of random codes that would give the measured rate; null where no match was seen. */
  readonly effectiveCells: number | null;
}

/**
 * Encodes images with a fixed random k-winner layer, stores some as sub-sampled segments, and shows the others.
 * @param images pixels, [count * pixels]
 */
export function realCodes(images: Uint8Array, pixels: number, stored: number, shown: number, seed: number): RealCodes[] {
  const rng = createRng(seed).split("real");
  const total = stored + shown;
  const mean = new Float64Array(pixels);
  for (let i = 0; i < total; i++) for (let j = 0; j < pixels; j++) mean[j]! += images[i * pixels + j]! / total;
  const encoder = createKWinnerEncoder({ inputs: pixels, cells: CELLS, active: ACTIVE }, rng, mean);
  const codes = Array.from({ length: total }, (_, i) => encoder.encode(images.subarray(i * pixels, (i + 1) * pixels)));
  // Segments as a store: the overlap of a shown code with all of them at once.
  const segments = createCodeStore({ cells: CELLS, capacity: stored });
  const seen = new Uint8Array(ACTIVE);
  const picks = new Int32Array(SYNAPSES);
  for (let i = 0; i < stored; i++) segments.add(Array.from(randomCells(rng, ACTIVE, SYNAPSES, picks, seen), (p) => codes[i]![p]!));
  const counts = new Float64Array(SYNAPSES + 1);
  for (let i = stored; i < total; i++) for (const overlap of segments.overlaps(codes[i]!)) counts[overlap]!++;
  return [4, 6, 8, 10, 12].map((threshold) => {
    let hits = 0;
    for (let b = threshold; b <= SYNAPSES; b++) hits += counts[b]!;
    const { rate, low, high } = wilson(hits, stored * shown);
    const segment = { cells: CELLS, active: ACTIVE, synapses: SYNAPSES, threshold };
    return { threshold, rate, low, high, formula: falseMatch(segment), effectiveCells: effectiveCells(rate, threshold) };
  });
}

/** The population size at which random codes of 40 active cells would match as often. */
function effectiveCells(rate: number, threshold: number): number | null {
  if (rate <= 0) return null;
  const log = Math.log(rate);
  let low = ACTIVE;
  let high = 100_000;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (logFalseMatch({ cells: middle, active: ACTIVE, synapses: SYNAPSES, threshold }) > log) low = middle;
    else high = middle;
  }
  return high;
}

/** Simulation of the closed forms with real random patterns, and the interval that a simulated rate must fall into. */
import { type Rng, requireInteger } from "../core/index.js";
import { type NoisySegment, requireSegment, type Segment } from "./probability.js";

/** A simulated rate with its Wilson interval. */
export interface Estimate {
  readonly rate: number;
  readonly hits: number;
  readonly trials: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Wilson score interval of a proportion.
 * @param z half-width in standard deviations; 2.5758 covers 99 %
 */
export function wilson(hits: number, trials: number, z = 2.5758293035489): Estimate {
  requireInteger("wilson.trials", trials, 1);
  requireInteger("wilson.hits", hits, 0, trials);
  const rate = hits / trials;
  const square = z * z;
  const centre = (rate + square / (2 * trials)) / (1 + square / trials);
  const half = (z / (1 + square / trials)) * Math.sqrt((rate * (1 - rate)) / trials + square / (4 * trials * trials));
  return {
    rate,
    hits,
    trials,
    low: hits === 0 ? 0 : Math.max(0, centre - half),
    high: hits === trials ? 1 : Math.min(1, centre + half),
  };
}

/**
 * `count` distinct cells of 0..cells-1, unordered, into `out` (Floyd's algorithm: `count` draws whatever the population).
 * @param seen scratch of `cells` bytes, all 0; left all 0
 */
export function randomCells(rng: Rng, cells: number, count: number, out: Int32Array, seen: Uint8Array): Int32Array {
  for (let i = 0; i < count; i++) {
    const last = cells - count + i;
    const pick = rng.below(last + 1);
    const cell = seen[pick] ? last : pick;
    seen[cell] = 1;
    out[i] = cell;
  }
  for (let i = 0; i < count; i++) seen[out[i]!] = 0;
  return out;
}

/**
 * Draws a segment and a pattern at random `trials` times and counts matches.
 * @param patterns M, patterns of s synapses mixed on the segment (1 = a plain segment)
 */
export function simulateFalseMatch(segment: Segment, trials: number, rng: Rng, patterns = 1): Estimate {
  requireSegment("simulateFalseMatch", segment);
  requireInteger("simulateFalseMatch.trials", trials, 1);
  requireInteger("simulateFalseMatch.patterns", patterns, 0);
  const { cells, active, synapses, threshold } = segment;
  const seen = new Uint8Array(cells);
  const stored = new Uint8Array(cells);
  const sample = new Int32Array(synapses);
  const pattern = new Int32Array(active);
  let hits = 0;
  for (let trial = 0; trial < trials; trial++) {
    stored.fill(0);
    for (let m = 0; m < patterns; m++) {
      randomCells(rng, cells, synapses, sample, seen);
      for (const cell of sample) stored[cell] = 1;
    }
    randomCells(rng, cells, active, pattern, seen);
    let overlap = 0;
    for (const cell of pattern) overlap += stored[cell]!;
    if (overlap >= threshold) hits++;
  }
  return wilson(hits, trials);
}

/** Silences c random cells of the stored pattern `trials` times and counts how often the segment misses it. */
export function simulateFalseMiss({ active, synapses, threshold, silenced }: NoisySegment, trials: number, rng: Rng): Estimate {
  requireInteger("simulateFalseMiss.synapses", synapses, 0, active);
  requireInteger("simulateFalseMiss.silenced", silenced, 0, active);
  requireInteger("simulateFalseMiss.trials", trials, 1);
  const seen = new Uint8Array(active);
  const sampled = new Uint8Array(active);
  const sample = new Int32Array(synapses);
  const lost = new Int32Array(silenced);
  let hits = 0;
  for (let trial = 0; trial < trials; trial++) {
    sampled.fill(0);
    randomCells(rng, active, synapses, sample, seen);
    for (const cell of sample) sampled[cell] = 1;
    randomCells(rng, active, silenced, lost, seen);
    let remaining = synapses;
    for (const cell of lost) remaining -= sampled[cell]!;
    if (remaining < threshold) hits++;
  }
  return wilson(hits, trials);
}

/**
 * Stores M random patterns on M segments, shows random patterns, and counts trials in which any segment matches.
 */
export function simulateClassification(segment: Segment, patterns: number, trials: number, rng: Rng): Estimate {
  requireSegment("simulateClassification", segment);
  requireInteger("simulateClassification.patterns", patterns, 1);
  requireInteger("simulateClassification.trials", trials, 1);
  const { cells, active, synapses, threshold } = segment;
  const seen = new Uint8Array(cells);
  const shown = new Uint8Array(cells);
  const sample = new Int32Array(synapses);
  const pattern = new Int32Array(active);
  let hits = 0;
  for (let trial = 0; trial < trials; trial++) {
    shown.fill(0);
    randomCells(rng, cells, active, pattern, seen);
    for (const cell of pattern) shown[cell] = 1;
    for (let m = 0; m < patterns; m++) {
      randomCells(rng, cells, synapses, sample, seen);
      let overlap = 0;
      for (const cell of sample) overlap += shown[cell]!;
      if (overlap >= threshold) {
        hits++;
        break;
      }
    }
  }
  return wilson(hits, trials);
}

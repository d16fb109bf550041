/**
 * The union property: one segment, or one mask, that stores several patterns at once.
 *
 * Ahmad and Hawkins 2016, arXiv:1601.00720, and 2015, arXiv:1503.07469.
 */
import { requireInteger } from "../core/index.js";
import { logFalseMatch, type Segment } from "./probability.js";

/**
 * Expected distinct synapses when M patterns of s sampled cells share a segment: S_M = n (1 - (1 - s/n)^M).
 * @throws OptionError when s > n or an argument is no integer of at least 0
 */
export function unionSynapses(cells: number, synapses: number, patterns: number): number {
  requireInteger("unionSynapses.cells", cells, 1);
  requireInteger("unionSynapses.synapses", synapses, 0, cells);
  requireInteger("unionSynapses.patterns", patterns);
  if (patterns === 0 || synapses === 0) return 0;
  if (patterns === 1 || synapses === cells) return synapses;
  return -cells * Math.expm1(patterns * Math.log1p(-synapses / cells));
}

/** Share of a union of M patterns of a cells that is on: 1 - (1 - a/n)^M. */
export function unionDensity(cells: number, active: number, patterns: number): number {
  return unionSynapses(cells, active, patterns) / cells;
}

/**
 * log of the probability that a random pattern fires a segment that stores M patterns: the false-match formula with s
 * replaced by round(S_M). With M = 0 nothing is stored and nothing matches, unless the threshold is 0.
 * @throws OptionError for a field outside its range
 */
export function logUnionFalseMatch(segment: Segment, patterns: number): number {
  const synapses = Math.min(segment.cells, Math.round(unionSynapses(segment.cells, segment.synapses, patterns)));
  return logFalseMatch({ ...segment, synapses });
}

/**
 * log of the probability that every one of the a cells of a random pattern is on in a union of M patterns of a cells:
 * (1 - (1 - a/n)^M)^a.
 */
export function logUnionMembership(cells: number, active: number, patterns: number): number {
  const density = unionDensity(cells, active, patterns);
  if (active === 0) return 0;
  return density === 0 ? Number.NEGATIVE_INFINITY : active * Math.log(density);
}

/** The most patterns a union can hold while `logUnionMembership` stays at or below `logLimit`. */
export function unionCapacity(cells: number, active: number, logLimit: number): number {
  requireInteger("unionCapacity.active", active, 1, cells);
  if (active === cells) return 0;
  const density = Math.exp(logLimit / active);
  if (density >= 1) return Number.MAX_SAFE_INTEGER;
  let patterns = Math.floor(Math.log1p(-density) / Math.log1p(-active / cells)) + 1;
  while (patterns > 0 && logUnionMembership(cells, active, patterns) > logLimit) patterns--;
  return patterns;
}

/**
 * The mathematics of sparse distributed representations: how often a dendritic segment matches what it should not, and
 * misses what it should match.
 *
 * Symbols of the paper: population n, active cells a, segment of s synapses, threshold theta, stored patterns M.
 *
 * Ahmad and Hawkins 2016, arXiv:1601.00720; 2015, arXiv:1503.07469.
 */
import { requireInteger } from "../core/index.js";
import { exactHypergeometricTail, type Rational } from "./exact.js";
import { logBinomial, logBinomialUpperTail, logHypergeometricPmf, logHypergeometricTail } from "./stable.js";

/** A segment that looks at a population. */
export interface Segment {
  /** Cells in the population, n: an integer in [1, 100,000,000]. */
  readonly cells: number;
  /** Active cells of a pattern, a: in [0, n]. */
  readonly active: number;
  /** Synapses of the segment, s: in [0, n]. */
  readonly synapses: number;
  /** Active synapses that make the segment fire, theta: at least 0. */
  readonly threshold: number;
}

const MAX_CELLS = 100_000_000;

/** Checks a segment. @throws OptionError naming the first field that is no integer in its range */
export function requireSegment(place: string, { cells, active, synapses, threshold }: Segment): void {
  requireInteger(`${place}.cells`, cells, 1, MAX_CELLS);
  requireInteger(`${place}.active`, active, 0, cells);
  requireInteger(`${place}.synapses`, synapses, 0, cells);
  requireInteger(`${place}.threshold`, threshold, 0, MAX_CELLS);
}

/** log of the number of distinct patterns, log C(n, a). @throws OptionError when a > n */
export function logCapacity(cells: number, active: number): number {
  requireInteger("logCapacity.cells", cells, 1, MAX_CELLS);
  requireInteger("logCapacity.active", active, 0, cells);
  return logBinomial(cells, active);
}

/**
 * log of the number of patterns of a cells whose overlap with a segment of s synapses is exactly b:
 *
 *     |Omega(n, a, b)| = C(s, b) C(n - s, a - b)
 *
 * @throws OptionError when a or s exceeds n
 */
export function logOverlapCount(cells: number, active: number, synapses: number, overlap: number): number {
  requireSegment("logOverlapCount", { cells, active, synapses, threshold: 0 });
  requireInteger("logOverlapCount.overlap", overlap);
  return logBinomial(synapses, overlap) + logBinomial(cells - synapses, active - overlap);
}

/** log of the probability that a random pattern overlaps the segment in exactly `overlap` cells (hypergeometric). */
export function logOverlapProbability(cells: number, active: number, synapses: number, overlap: number): number {
  requireSegment("logOverlapProbability", { cells, active, synapses, threshold: 0 });
  requireInteger("logOverlapProbability.overlap", overlap);
  return logHypergeometricPmf(overlap, cells, synapses, active);
}

/**
 * log of the probability that a random pattern fires the segment (a false match):
 *
 *     P_fp = sum_{b = theta}^{min(s, a)} C(s, b) C(n - s, a - b) / C(n, a)
 *
 * Unchanged by sub-sampling: it depends on the number of synapses kept, not on the size of the pattern they came from.
 * @returns natural logarithm, -Infinity where no match is possible
 * @throws OptionError for a field outside its range
 *
 * Ahmad and Hawkins 2016, eq. 4.
 */
export function logFalseMatch(segment: Segment): number {
  requireSegment("logFalseMatch", segment);
  return logHypergeometricTail(segment.threshold, segment.cells, segment.synapses, segment.active);
}

/** `exp(logFalseMatch(segment))`: 0 where the probability is below the smallest double (use the logarithm there). */
export function falseMatch(segment: Segment): number {
  return Math.exp(logFalseMatch(segment));
}

/** The false-match probability as an exact fraction. Big integers: meant for n up to about 20,000. */
export function exactFalseMatch(segment: Segment): Rational {
  requireSegment("exactFalseMatch", segment);
  return exactHypergeometricTail(segment.threshold, segment.cells, segment.synapses, segment.active);
}

/** Simpler forms of the false-match probability, natural logarithms. */
export interface FalseMatchApproximations {
  /** The term b = theta alone: a lower bound that dominates when activity is sparse. */
  readonly leadingTerm: number;
  /** Independent synapses, each active with probability a / n: the limit of large n at fixed sparsity. */
  readonly binomial: number;
  /** exp(-s KL(theta / s || a / n)): an upper bound of the binomial form where theta / s >= a / n; otherwise 0. */
  readonly chernoff: number;
}

/** @throws OptionError for a field outside its range */
export function falseMatchApproximations(segment: Segment): FalseMatchApproximations {
  requireSegment("falseMatchApproximations", segment);
  const { cells, active, synapses, threshold } = segment;
  return {
    leadingTerm: logHypergeometricPmf(threshold, cells, synapses, active),
    binomial: logBinomialUpperTail(threshold, synapses, active / cells),
    chernoff: chernoff(threshold, synapses, active / cells),
  };
}

function chernoff(threshold: number, synapses: number, density: number): number {
  if (threshold > synapses) return Number.NEGATIVE_INFINITY;
  const share = synapses === 0 ? 0 : threshold / synapses;
  if (share <= density) return 0;
  if (density === 0) return Number.NEGATIVE_INFINITY;
  const rest = share === 1 ? 0 : (1 - share) * Math.log((1 - share) / (1 - density));
  return -synapses * (share * Math.log(share / density) + rest);
}

/** A segment that keeps a sample of one pattern, seen through noise. */
export interface NoisySegment {
  /** Active cells of the stored pattern, a. */
  readonly active: number;
  /** Synapses sampled from those cells, s: in [0, a]. */
  readonly synapses: number;
  /** Threshold, theta. */
  readonly threshold: number;
  /** Cells of the pattern that fell silent, c: in [0, a]. */
  readonly silenced: number;
}

/**
 * log of the probability that a segment misses its own pattern when c of its a cells fall silent:
 *
 *     P_fn = sum_{l = s - theta + 1}^{min(s, c)} C(s, l) C(a - s, c - l) / C(a, c)
 *
 * Cells that turn on elsewhere do not enter: at worst they never help. Zero while c <= s - theta.
 * @throws OptionError when s > a, c > a, or a field is no integer in its range
 *
 * Ahmad and Hawkins 2016, section on robustness to noise.
 */
export function logFalseMiss({ active, synapses, threshold, silenced }: NoisySegment): number {
  requireInteger("logFalseMiss.active", active, 0, MAX_CELLS);
  requireInteger("logFalseMiss.synapses", synapses, 0, active);
  requireInteger("logFalseMiss.threshold", threshold, 0, MAX_CELLS);
  requireInteger("logFalseMiss.silenced", silenced, 0, active);
  if (threshold > synapses) return 0;
  if (active === 0) return Number.NEGATIVE_INFINITY;
  return logHypergeometricTail(synapses - threshold + 1, active, synapses, silenced);
}

/** `exp(logFalseMiss(segment))`. */
export function falseMiss(segment: NoisySegment): number {
  return Math.exp(logFalseMiss(segment));
}

/** Lost cells that a segment survives with certainty: s - theta, at least 0. */
export function noiseTolerance(synapses: number, threshold: number): number {
  requireInteger("noiseTolerance.synapses", synapses);
  requireInteger("noiseTolerance.threshold", threshold);
  return Math.max(0, synapses - threshold);
}

/**
 * Probability that at least one of M segments, each storing one pattern, matches a random pattern.
 * @param logSingle log P_fp of one segment
 * @param patterns  M, at least 0
 * @returns `exact` = 1 - (1 - P_fp)^M for independent segments, `bound` = min(1, M P_fp)
 */
export function classificationError(logSingle: number, patterns: number): { readonly exact: number; readonly bound: number } {
  requireInteger("classificationError.patterns", patterns);
  if (patterns === 0) return { exact: 0, bound: 0 };
  const single = Math.exp(logSingle);
  const exact = single >= 1 ? 1 : -Math.expm1(patterns * Math.log1p(-single));
  return { exact, bound: Math.min(1, patterns * single) };
}

/**
 * Stable arithmetic for probabilities that are far too small, or made of binomials far too large, for doubles.
 *
 * Factorials go through Loader's saddle-point expansion: the large parts of numerator and denominator cancel on paper and
 * never meet in floating point, so relative errors stay near 1e-14 for populations of 100,000 cells, where a difference of
 * log-gammas keeps ten digits.
 *
 * C. Loader 2000, "Fast and accurate computation of binomial probabilities".
 */

const HALF_LOG_TWO_PI = 0.9189385332046728;

/** log(n!) minus Stirling's formula, for n = 0..15 (n = 0 never used). Checked against exact factorials in the tests. */
const STIRLING_ERRORS = [
  0, 0.08106146679532726, 0.0413406959554093, 0.02767792568499834, 0.020790672103765093, 0.016644691189821193, 0.013876128823070748,
  0.01189670994589177, 0.010411265261972096, 0.009255462182712733, 0.00833056343336287, 0.007573675487951841, 0.00694284010720953,
  0.006408994188004207, 0.005951370112758848, 0.005554733551962801,
];

/** log(n!) - ((n + 1/2) log n - n + log(2 pi) / 2), for integers n >= 1. */
export function stirlingError(n: number): number {
  if (n <= 15) return STIRLING_ERRORS[n]!;
  const inverse = 1 / n;
  const square = inverse * inverse;
  return inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))));
}

/** log(n!) for integers n >= 0. Relative error about 1e-15. */
export function logFactorial(n: number): number {
  if (n < 2) return 0;
  return (n + 0.5) * Math.log(n) - n + HALF_LOG_TWO_PI + stirlingError(n);
}

/** log C(n, k) for integers; -Infinity where the binomial is 0. */
export function logBinomial(n: number, k: number): number {
  if (k < 0 || k > n) return Number.NEGATIVE_INFINITY;
  if (k === 0 || k === n) return 0;
  const rest = n - k;
  return (
    0.5 * Math.log(n / k / rest) -
    HALF_LOG_TWO_PI +
    stirlingError(n) -
    stirlingError(k) -
    stirlingError(rest) -
    k * Math.log(k / n) -
    rest * Math.log1p(-k / n)
  );
}

/** x log(x / mean) + mean - x without cancellation near x = mean. */
function deviance(x: number, mean: number): number {
  const gap = x - mean;
  if (Math.abs(gap) >= 0.1 * (x + mean)) return x * Math.log(x / mean) - gap;
  const ratio = gap / (x + mean);
  const square = ratio * ratio;
  let sum = gap * ratio;
  let power = 2 * x * ratio;
  for (let j = 1; j < 1000; j++) {
    power *= square;
    const next = sum + power / (2 * j + 1);
    if (next === sum) break;
    sum = next;
  }
  return sum;
}

/**
 * log of the binomial probability C(n, x) p^x q^(n-x).
 * @param p success probability in [0, 1]
 * @param q 1 - p, given apart so that a tiny q keeps its digits
 */
export function logBinomialPmf(x: number, n: number, p: number, q = 1 - p): number {
  if (x < 0 || x > n) return Number.NEGATIVE_INFINITY;
  if (p === 0) return x === 0 ? 0 : Number.NEGATIVE_INFINITY;
  if (q === 0) return x === n ? 0 : Number.NEGATIVE_INFINITY;
  if (x === 0) return p < 0.1 ? -deviance(n, n * q) - n * p : n * Math.log(q);
  if (x === n) return q < 0.1 ? -deviance(n, n * p) - n * q : n * Math.log(p);
  const core = stirlingError(n) - stirlingError(x) - stirlingError(n - x) - deviance(x, n * p) - deviance(n - x, n * q);
  return core - HALF_LOG_TWO_PI - 0.5 * (Math.log(x) + Math.log1p(-x / n));
}

/**
 * log of the hypergeometric probability that `draws` cells out of `population` hit exactly `hits` of `marked` ones:
 *
 *     C(marked, hits) C(population - marked, draws - hits) / C(population, draws)
 */
export function logHypergeometricPmf(hits: number, population: number, marked: number, draws: number): number {
  const least = Math.max(0, marked + draws - population);
  if (hits < least || hits > Math.min(marked, draws)) return Number.NEGATIVE_INFINITY;
  if (draws === 0 || draws === population) return 0;
  const p = draws / population;
  const q = (population - draws) / population;
  return (
    logBinomialPmf(hits, marked, p, q) +
    logBinomialPmf(draws - hits, population - marked, p, q) -
    logBinomialPmf(draws, population, p, q)
  );
}

/** log of the sum of exponentials; -Infinity for an empty list. */
export function logSumExp(logs: readonly number[]): number {
  let top = Number.NEGATIVE_INFINITY;
  for (const value of logs) if (value > top) top = value;
  if (!Number.isFinite(top)) return top;
  let sum = 0;
  for (const value of logs) sum += Math.exp(value - top);
  return top + Math.log(sum);
}

/**
 * log of the tail of a unimodal distribution on from..to, given one log-probability and the ratio of neighbours.
 * The sum starts at its largest term and walks both ways, so no term overflows and small ones end it early.
 * @param logTerm log P(b)
 * @param ratio   P(b + 1) / P(b)
 * @param mode    a b where P is largest; need not be inside the range
 */
export function logTail(
  from: number,
  to: number,
  mode: number,
  logTerm: (b: number) => number,
  ratio: (b: number) => number,
): number {
  if (from > to) return Number.NEGATIVE_INFINITY;
  const start = Math.min(Math.max(mode, from), to);
  let sum = 1;
  let term = 1;
  for (let b = start; b < to; b++) {
    term *= ratio(b);
    sum += term;
    if (term < sum * 1e-20) break;
  }
  term = 1;
  for (let b = start - 1; b >= from; b--) {
    term /= ratio(b);
    sum += term;
    if (term < sum * 1e-20) break;
  }
  return Math.min(0, logTerm(start) + Math.log(sum));
}

/**
 * log P(hits >= threshold) for `draws` cells drawn out of `population`, of which `marked` count as hits.
 * 0 (probability 1) for a threshold that every draw meets; -Infinity where none can.
 */
export function logHypergeometricTail(threshold: number, population: number, marked: number, draws: number): number {
  const least = Math.max(0, marked + draws - population);
  const most = Math.min(marked, draws);
  if (threshold <= least) return 0;
  const mode = Math.floor(((marked + 1) * (draws + 1)) / (population + 2));
  return logTail(
    threshold,
    most,
    mode,
    (b) => logHypergeometricPmf(b, population, marked, draws),
    (b) => ((marked - b) * (draws - b)) / ((b + 1) * (population - marked - draws + b + 1)),
  );
}

/** log P(hits >= threshold) for `trials` independent trials of probability `p`. */
export function logBinomialUpperTail(threshold: number, trials: number, p: number): number {
  if (threshold <= 0) return 0;
  if (p <= 0 || threshold > trials) return Number.NEGATIVE_INFINITY;
  if (p >= 1) return 0;
  const odds = p / (1 - p);
  const mode = Math.floor((trials + 1) * p);
  return logTail(
    threshold,
    trials,
    mode,
    (b) => logBinomialPmf(b, trials, p),
    (b) => ((trials - b) / (b + 1)) * odds,
  );
}

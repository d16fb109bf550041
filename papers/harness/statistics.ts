/**
 * The statistics that claims are judged by: means with t-intervals, paired differences, equivalence (TOST), rank correlation.
 * Every function refuses values that are not finite: a NaN must stop a paper, not pass it.
 */
import { InputError, requireNumber } from "../../src/core/index.js";
import { studentCdf, studentQuantile } from "./student.js";
import type { Measured } from "./types.js";

function finite(place: string, values: readonly number[], least: number): void {
  if (values.length < least)
    throw new InputError(`${place}: expected at least ${least} value${least > 1 ? "s" : ""}, got ${values.length}`);
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) throw new InputError(`${place}: value ${at} is ${values[at]}, expected a finite number`);
}

function paired(place: string, a: readonly number[], b: readonly number[]): number[] {
  if (a.length !== b.length) throw new InputError(`${place}: expected pairs, got ${a.length} values against ${b.length}`);
  return a.map((value, i) => value - b[i]!);
}

/** Arithmetic mean. @throws InputError on no values, or one that is not finite */
export function mean(values: readonly number[]): number {
  finite("mean", values, 1);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Sample standard deviation (n - 1). @throws InputError on fewer than 2 values */
export function standardDeviation(values: readonly number[]): number {
  finite("standardDeviation", values, 2);
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

/** Middle value; the mean of the two middle ones when their number is even. */
export function median(values: readonly number[]): number {
  finite("median", values, 1);
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/**
 * Mean with its t-interval.
 *
 *     mean +- t(1 - (1 - confidence)/2, n - 1) * s / sqrt(n)
 *
 * @param values     one per seed; a single one gives an interval of zero width and a note
 * @param confidence in (0, 1), default 0.95
 */
export function interval(values: readonly number[], confidence = 0.95): Measured {
  requireNumber("interval.confidence", confidence, Number.MIN_VALUE, 1 - Number.EPSILON);
  const value = mean(values);
  if (values.length === 1) return { value, low: value, high: value, note: "one value, no interval" };
  const half = (studentQuantile(0.5 + confidence / 2, values.length - 1) * standardDeviation(values)) / Math.sqrt(values.length);
  return { value, low: value - half, high: value + half };
}

/** Interval of the mean of `a[i] - b[i]`: pairs share a seed. @throws InputError when the lengths differ */
export function pairedDifference(a: readonly number[], b: readonly number[], confidence = 0.95): Measured {
  return interval(paired("pairedDifference", a, b), confidence);
}

/** What an equivalence test found. */
export interface Equivalence {
  /** Mean of `a - b` with its (1 - 2 alpha) interval, the one that TOST reads. */
  readonly difference: Measured;
  /** P value of "the difference is not above -margin". */
  readonly pLower: number;
  /** P value of "the difference is not below +margin". */
  readonly pUpper: number;
  /** Both rejected: |difference| < margin. */
  readonly equivalent: boolean;
  /** The lower one rejected: `a` is worse than `b` by less than margin ("no worse than"). */
  readonly noWorse: boolean;
}

/**
 * Two one-sided t-tests on paired values: absence of a difference must be shown, not assumed.
 *
 *     t_lower = (d + margin) / se,   t_upper = (d - margin) / se
 *
 * @param margin the largest difference that does not matter, above 0, in the values' unit
 * @param alpha  level of each test, default 0.05
 * @throws InputError on fewer than 2 pairs
 *
 * Schuirmann 1987, "A comparison of the two one-sided tests procedure".
 */
export function equivalence(a: readonly number[], b: readonly number[], margin: number, alpha = 0.05): Equivalence {
  requireNumber("equivalence.margin", margin, Number.MIN_VALUE);
  requireNumber("equivalence.alpha", alpha, Number.MIN_VALUE, 0.5);
  const differences = paired("equivalence", a, b);
  finite("equivalence", differences, 2);
  const difference = interval(differences, 1 - 2 * alpha);
  const error = standardDeviation(differences) / Math.sqrt(differences.length);
  const degrees = differences.length - 1;
  const tail = (t: number) =>
    Number.isNaN(t) ? 0.5 : t === Number.POSITIVE_INFINITY ? 1 : t === Number.NEGATIVE_INFINITY ? 0 : studentCdf(t, degrees);
  const pLower = 1 - tail((difference.value + margin) / error);
  const pUpper = tail((difference.value - margin) / error);
  return { difference, pLower, pUpper, equivalent: Math.max(pLower, pUpper) < alpha, noWorse: pLower < alpha };
}

/** Ranks from 1, ties sharing their mean rank. */
function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((i, j) => values[i]! - values[j]!);
  const out = new Array<number>(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let i = start; i < end; i++) out[order[i]!] = (start + end + 1) / 2;
    start = end;
  }
  return out;
}

/**
 * Spearman's rank correlation: Pearson's correlation of the ranks.
 *
 * @returns in [-1, 1]
 * @throws InputError when the lengths differ, on fewer than 2 pairs, or when one side is constant (the correlation is undefined)
 */
export function spearman(a: readonly number[], b: readonly number[]): number {
  paired("spearman", a, b);
  finite("spearman", a, 2);
  finite("spearman", b, 2);
  const x = ranks(a);
  const y = ranks(b);
  const mx = mean(x);
  const my = mean(y);
  let xy = 0;
  let xx = 0;
  let yy = 0;
  for (let i = 0; i < x.length; i++) {
    xy += (x[i]! - mx) * (y[i]! - my);
    xx += (x[i]! - mx) ** 2;
    yy += (y[i]! - my) ** 2;
  }
  if (xx === 0 || yy === 0)
    throw new InputError("spearman: expected values that differ, got a constant side (the correlation is undefined)");
  return Math.max(-1, Math.min(1, xy / Math.sqrt(xx * yy)));
}

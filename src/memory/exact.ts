/** Exact rational arithmetic on big integers: the oracle of the closed forms for populations of a few thousand cells. */
import { requireInteger } from "../core/index.js";

/** An exact fraction, not necessarily reduced; the denominator is positive. */
export interface Rational {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** C(n, k) as a big integer; 0 where k is outside 0..n. @throws OptionError unless n is an integer of at least 0 */
export function exactBinomial(n: number, k: number): bigint {
  requireInteger("exactBinomial.n", n);
  if (k < 0 || k > n) return 0n;
  const few = Math.min(k, n - k);
  let value = 1n;
  for (let i = 1; i <= few; i++) value = (value * BigInt(n - few + i)) / BigInt(i);
  return value;
}

/** The exact probability that `draws` of `population` cells hit at least `threshold` of `marked` ones. */
export function exactHypergeometricTail(threshold: number, population: number, marked: number, draws: number): Rational {
  let numerator = 0n;
  for (let b = Math.max(0, threshold); b <= Math.min(marked, draws); b++) {
    numerator += exactBinomial(marked, b) * exactBinomial(population - marked, draws - b);
  }
  return { numerator, denominator: exactBinomial(population, draws) };
}

/** The nearest double of a fraction in [0, Infinity), also where it or its parts are far outside the range of doubles. */
export function rationalToNumber({ numerator, denominator }: Rational): number {
  if (numerator === 0n) return 0;
  const shift = bitLength(numerator) - bitLength(denominator) - 64;
  const quotient = shift < 0 ? (numerator << BigInt(-shift)) / denominator : numerator / (denominator << BigInt(shift));
  const scaled = Number(quotient);
  const half = Math.trunc(shift / 2);
  return scaled * 2 ** half * 2 ** (shift - half);
}

/** Natural logarithm of a positive fraction; -Infinity for 0. */
export function rationalLog({ numerator, denominator }: Rational): number {
  if (numerator === 0n) return Number.NEGATIVE_INFINITY;
  const shift = bitLength(numerator) - bitLength(denominator);
  const mantissa = rationalToNumber({
    numerator: shift < 0 ? numerator << BigInt(-shift) : numerator,
    denominator: shift < 0 ? denominator : denominator << BigInt(shift),
  });
  return Math.log(mantissa) + shift * Math.LN2;
}

function bitLength(value: bigint): number {
  return value.toString(16).length * 4;
}

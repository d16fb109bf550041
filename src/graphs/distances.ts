/** Distances between degree distributions, one- and two-dimensional. */
import type { DegreeHistogram, DegreeMatrix } from "./degree-matrix.js";

/**
 * Kolmogorov-Smirnov distance of two degree distributions: the greatest difference of cumulative shares, in [0, 1].
 * An empty histogram counts as all mass at degree 0.
 */
export function ksDistance(a: DegreeHistogram, b: DegreeHistogram): number {
  const totalA = sum(a.counts);
  const totalB = sum(b.counts);
  let i = 0;
  let j = 0;
  let shareA = totalA === 0 ? 1 : 0;
  let shareB = totalB === 0 ? 1 : 0;
  let worst = 0;
  while (i < a.degrees.length || j < b.degrees.length) {
    const degree = Math.min(a.degrees[i] ?? Infinity, b.degrees[j] ?? Infinity);
    if (a.degrees[i] === degree) shareA += a.counts[i++]! / totalA;
    if (b.degrees[j] === degree) shareB += b.counts[j++]! / totalB;
    worst = Math.max(worst, Math.abs(shareA - shareB));
  }
  return worst;
}

/** Sum of |share difference| over all degrees: in [0, 2], twice the total variation. */
export function l1Distance(a: DegreeHistogram, b: DegreeHistogram): number {
  const totalA = sum(a.counts) || 1;
  const totalB = sum(b.counts) || 1;
  const shares = new Map<number, number>();
  a.degrees.forEach((d, i) => {
    shares.set(d, a.counts[i]! / totalA);
  });
  b.degrees.forEach((d, i) => {
    shares.set(d, (shares.get(d) ?? 0) - b.counts[i]! / totalB);
  });
  let distance = 0;
  for (const difference of shares.values()) distance += Math.abs(difference);
  return distance;
}

/** Total variation of two matrices seen as distributions: half the sum of |share difference|, in [0, 1]. */
export function totalVariation(a: DegreeMatrix, b: DegreeMatrix): number {
  const scaleA = a.total === 0 ? 0 : 1 / a.total;
  const scaleB = b.total === 0 ? 0 : 1 / b.total;
  let distance = 0;
  let i = 0;
  let j = 0;
  while (i < a.counts.length || j < b.counts.length) {
    const order = compare(a, i, b, j);
    if (order < 0) distance += a.counts[i++]! * scaleA;
    else if (order > 0) distance += b.counts[j++]! * scaleB;
    else distance += Math.abs(a.counts[i++]! * scaleA - b.counts[j++]! * scaleB);
  }
  return distance / 2;
}

function compare(a: DegreeMatrix, i: number, b: DegreeMatrix, j: number): number {
  if (i >= a.counts.length) return 1;
  if (j >= b.counts.length) return -1;
  return a.rows[i]! - b.rows[j]! || a.cols[i]! - b.cols[j]!;
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

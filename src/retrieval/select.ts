/** Selection without sorting: the k-th largest of a list of floats. */

/**
 * The k-th largest value (k = 1 is the maximum). Reorders `values` from `from` to `to`.
 * Quickselect with a median-of-three pivot; expected linear time.
 */
export function kthLargest(values: Float32Array, k: number, from = 0, to = values.length): number {
  let lo = from;
  let hi = to - 1;
  const target = from + k - 1;
  while (lo < hi) {
    const a = values[lo]!;
    const b = values[(lo + hi) >>> 1]!;
    const c = values[hi]!;
    const pivot = a > b ? (b > c ? b : a > c ? c : a) : a > c ? a : b > c ? c : b;
    let i = lo;
    let j = hi;
    while (i <= j) {
      while (values[i]! > pivot) i++;
      while (values[j]! < pivot) j--;
      if (i <= j) {
        const t = values[i]!;
        values[i] = values[j]!;
        values[j] = t;
        i++;
        j--;
      }
    }
    if (target <= j) hi = j;
    else if (target >= i) lo = i;
    else break;
  }
  return values[target]!;
}

/**
 * Positions of the k largest of `values[from..to)`, in increasing position; among equal values at the threshold the
 * first positions win. Writes them to `out` and returns how many.
 */
export function topPositions(
  values: Float32Array,
  from: number,
  to: number,
  k: number,
  scratch: Float32Array,
  out: Uint32Array,
): number {
  const n = to - from;
  if (k >= n) {
    for (let i = 0; i < n; i++) out[i] = from + i;
    return n;
  }
  scratch.set(values.subarray(from, to));
  const threshold = kthLargest(scratch, k, 0, n);
  let above = 0;
  for (let i = 0; i < n; i++) if (scratch[i]! > threshold) above++;
  let ties = k - above;
  let count = 0;
  for (let i = from; i < to; i++) {
    const v = values[i]!;
    if (v > threshold || (v === threshold && ties-- > 0)) out[count++] = i;
  }
  return count;
}

/** Symmetric positive definite systems in float64: the small linear algebra that weight repair needs. */
import { InputError } from "../../core/index.js";

/**
 * The lower factor L of a = L L^T, in place: the strict upper triangle becomes zero.
 * @param a [n, n], symmetric positive definite
 * @throws InputError when it is not positive definite (more damping makes it so)
 */
export function cholesky(a: Float64Array, n: number): Float64Array {
  for (let j = 0; j < n; j++) {
    const rowJ = j * n;
    let diagonal = a[rowJ + j]!;
    for (let k = 0; k < j; k++) diagonal -= a[rowJ + k]! * a[rowJ + k]!;
    if (!(diagonal > 0))
      throw new InputError(
        `cholesky: the matrix is not positive definite at position ${j}; use more calibration data or more damping`,
      );
    const root = Math.sqrt(diagonal);
    a[rowJ + j] = root;
    for (let i = j + 1; i < n; i++) {
      const rowI = i * n;
      let sum = a[rowI + j]!;
      for (let k = 0; k < j; k++) sum -= a[rowI + k]! * a[rowJ + k]!;
      a[rowI + j] = sum / root;
    }
  }
  for (let i = 0; i < n; i++) a.fill(0, i * n + i + 1, (i + 1) * n);
  return a;
}

/** Solves L L^T x = b in place of b. @param lower from `cholesky` */
export function solveCholesky(lower: Float64Array, n: number, b: Float64Array): Float64Array {
  for (let i = 0; i < n; i++) {
    let sum = b[i]!;
    for (let k = 0; k < i; k++) sum -= lower[i * n + k]! * b[k]!;
    b[i] = sum / lower[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    let sum = b[i]!;
    for (let k = i + 1; k < n; k++) sum -= lower[k * n + i]! * b[k]!;
    b[i] = sum / lower[i * n + i]!;
  }
  return b;
}

/** The inverse of L L^T, symmetric. @param lower from `cholesky` */
export function invertCholesky(lower: Float64Array, n: number): Float64Array {
  // M = L^-1, row by row, so that both loops run along rows.
  const m = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const scale = 1 / lower[i * n + i]!;
    for (let k = 0; k < i; k++) {
      const factor = lower[i * n + k]!;
      if (factor === 0) continue;
      for (let j = 0; j <= k; j++) m[i * n + j]! -= factor * m[k * n + j]!;
    }
    for (let j = 0; j < i; j++) m[i * n + j]! *= scale;
    m[i * n + i] = scale;
  }
  const out = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    for (let i = 0; i <= k; i++) {
      const factor = m[k * n + i]!;
      if (factor === 0) continue;
      for (let j = 0; j <= i; j++) out[i * n + j]! += factor * m[k * n + j]!;
    }
  }
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) out[j * n + i] = out[i * n + j]!;
  return out;
}

/**
 * The upper factor U of a^-1 = U^T U, whose rows are the elimination steps of optimal brain surgery.
 * @param a [n, n], symmetric positive definite; overwritten
 */
export function upperOfInverse(a: Float64Array, n: number): Float64Array {
  const lower = cholesky(invertCholesky(cholesky(a, n), n), n);
  const upper = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) upper[j * n + i] = lower[i * n + j]!;
  return upper;
}

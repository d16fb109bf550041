/** Block summaries: the alpha-mass part of a block's maxima, in eight bits. */

/** An affine 8-bit code of non-negative numbers: value = min + code * step. */
export interface Quantised {
  readonly min: number;
  readonly step: number;
  readonly codes: Uint8Array;
}

/**
 * Eight-bit affine quantiser.
 *
 *     step = (max - min) / 255,   code = round((v - min) / step)
 *
 * `min` is reproduced exactly and every error is at most half a step (and the rounding of a float). When all values are
 * equal, step is 0 and every code 0.
 *
 * @param values at least one finite number
 * @param upward rounds codes up, so that no dequantised value lies below its original
 */
export function quantise(values: ArrayLike<number>, upward = false): Quantised {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    min = Math.min(min, values[i]!);
    max = Math.max(max, values[i]!);
  }
  min = Math.fround(min);
  let step = Math.fround((max - min) / 255);
  if (upward && dequantise(min, step, 255) < max) step = nextFloat(step);
  const codes = new Uint8Array(values.length);
  if (step > 0) {
    for (let i = 0; i < values.length; i++) {
      const exact = (values[i]! - min) / step;
      let code = Math.min(255, upward ? Math.ceil(exact) : Math.floor(exact + 0.5));
      if (upward && code < 255 && dequantise(min, step, code) < values[i]!) code++;
      codes[i] = code;
    }
  }
  return { min, step, codes };
}

/** The value of a code, in float arithmetic as the kernels compute it. */
export function dequantise(min: number, step: number, code: number): number {
  return Math.fround(min + Math.fround(code * step));
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The next larger float of a non-negative float. */
function nextFloat(x: number): number {
  float[0] = x;
  bits[0]!++;
  return float[0]!;
}

const BINS = 128;
const mass = new Float64Array(BINS);

/**
 * How the alpha-mass subvector is cut: values above `threshold` are kept, and of those equal to it the first `ties`.
 *
 * In descending order the prefix is kept whose sum first reaches alpha times the total; the value that crosses is kept.
 *
 * @param values positive weights, any order
 * @param n      how many of them count
 * @param alpha  summary energy in (0, 1]
 * Bruch et al. 2024, definition 3.1 (alpha-mass subvector).
 */
export function alphaMassCut(values: Float32Array, n: number, alpha: number): { threshold: number; ties: number } {
  if (alpha >= 1) return { threshold: 0, ties: 0 };
  let max = 0;
  let total = 0;
  for (let i = 0; i < n; i++) {
    const v = values[i]!;
    total += v;
    if (v > max) max = v;
  }
  // A histogram finds the bin where the mass is reached; only that bin is sorted.
  mass.fill(0);
  const scale = (BINS - 1) / max;
  for (let i = 0; i < n; i++) mass[(values[i]! * scale) | 0]! += values[i]!;
  const goal = alpha * total;
  let sum = 0;
  let bin = BINS - 1;
  while (bin > 0 && sum + mass[bin]! < goal) sum += mass[bin--]!;
  const inside: number[] = [];
  for (let i = 0; i < n; i++) if (((values[i]! * scale) | 0) === bin) inside.push(values[i]!);
  inside.sort((a, b) => b - a);
  let i = 0;
  while (i < inside.length - 1 && sum + inside[i]! < goal) sum += inside[i++]!;
  const threshold = inside[i]!;
  let ties = 1;
  while (i > 0 && inside[i - 1] === threshold) {
    ties++;
    i--;
  }
  return { threshold, ties };
}

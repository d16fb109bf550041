import { InputError, requireInteger } from "../core/index.js";

/** Float bits -> unsigned integer in the same order as the numbers; -0 and +0 are equal. */
function orderKey(bits: number, at: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000)
    throw new InputError(`topK: score ${at} is NaN; scores must be numbers (check the weights for NaN)`);
  if (bits === 0x80000000) return 0x80000000;
  return (bits & 0x80000000 ? ~bits : bits | 0x80000000) >>> 0;
}

/** Walks a histogram down from its highest bin to the bin that holds the k-th largest. */
function findBin(histogram: Uint32Array, k: number): { bin: number; left: number } {
  let left = k;
  let bin = histogram.length - 1;
  while (histogram[bin]! < left) left -= histogram[bin--]!;
  return { bin, left };
}

/** Key of the k-th largest (k >= 1), and how many keys equal to it belong to the top k. Radix selection: 11 + 11 + 10 bits. */
function kthLargest(keys: Uint32Array, k: number): { key: number; equal: number } {
  const histogram = new Uint32Array(2048);
  for (let i = 0; i < keys.length; i++) histogram[keys[i]! >>> 21]!++;
  const high = findBin(histogram, k);
  histogram.fill(0);
  for (let i = 0; i < keys.length; i++) if (keys[i]! >>> 21 === high.bin) histogram[(keys[i]! >>> 10) & 2047]!++;
  const middle = findBin(histogram, high.left);
  const prefix = ((high.bin << 11) | middle.bin) >>> 0;
  histogram.fill(0);
  for (let i = 0; i < keys.length; i++) if (keys[i]! >>> 10 === prefix) histogram[keys[i]! & 1023]!++;
  const low = findBin(histogram, middle.left);
  return { key: ((prefix << 10) | low.bin) >>> 0, equal: low.left };
}

/**
 * Marks the k highest scores, exactly k of them. Ties go to the lowest flat index; -0 equals +0; infinities rank as numbers.
 *
 * @param scores any length n
 * @param k      in [0, n]
 * @returns      n bytes, 1 = among the top k
 * @throws InputError when a score is NaN
 * @throws OptionError when k is out of range
 */
export function topK(scores: Float32Array, k: number): Uint8Array {
  requireInteger("topK.k", k, 0, scores.length);
  const bits = new Uint32Array(scores.buffer, scores.byteOffset, scores.length);
  const keys = new Uint32Array(scores.length);
  for (let i = 0; i < keys.length; i++) keys[i] = orderKey(bits[i]!, i);
  const chosen = new Uint8Array(scores.length);
  if (k === 0) return chosen;
  const { key, equal } = kthLargest(keys, k);
  for (let i = 0, ties = equal; i < keys.length; i++) {
    if (keys[i]! > key || (keys[i] === key && ties-- > 0)) chosen[i] = 1;
  }
  return chosen;
}

/**
 * The k of `candidates` (ascending flat indices) with the highest scores, ascending. Scores elsewhere are not looked at.
 * @throws InputError when a candidate's score is NaN
 */
export function topKAmong(scores: Float32Array, k: number, candidates: Int32Array): Int32Array {
  const compact = new Float32Array(candidates.length);
  for (let i = 0; i < compact.length; i++) compact[i] = scores[candidates[i]!]!;
  const chosen = topK(compact, k);
  const out = new Int32Array(k);
  for (let i = 0, at = 0; i < chosen.length; i++) if (chosen[i] === 1) out[at++] = candidates[i]!;
  return out;
}

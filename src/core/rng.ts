/**
 * Seeded, splittable random numbers. Counter-based: value k of a stream depends on (key, k) alone, so the same seed gives
 * the same bits in Node, in a browser, and for any number of threads.
 *
 * Philox 2x32 with 10 rounds: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
 */

const M = 0xd256d193;
const W = 0x9e3779b9;

/** 32 x 32 -> high 32 bits, unsigned. */
function mulHigh(a: number, b: number): number {
  const ah = a >>> 16;
  const al = a & 0xffff;
  const bh = b >>> 16;
  const bl = b & 0xffff;
  const mid = ah * bl + ((al * bl) >>> 16);
  const mid2 = al * bh + (mid % 65536);
  return (ah * bh + Math.floor(mid / 65536) + Math.floor(mid2 / 65536)) >>> 0;
}

/** One Philox 2x32-10 block: the first output word for counter (c0, c1) under `key`. */
export function philox(c0: number, c1: number, key: number): number {
  let x0 = c0 >>> 0;
  let x1 = c1 >>> 0;
  let k = key >>> 0;
  for (let round = 0; round < 10; round++) {
    const hi = mulHigh(x0, M);
    const lo = Math.imul(x0, M) >>> 0;
    x0 = (hi ^ k ^ x1) >>> 0;
    x1 = lo;
    k = (k + W) >>> 0;
  }
  return x0;
}

/** A random stream. `split` gives independent streams by name or number; streams never share state. */
export interface Rng {
  /** Uniform 32-bit unsigned integer. */
  bits(): number;
  /** Uniform in [0, 1), 24 bits. */
  uniform(): number;
  /** Standard normal (Box-Muller). */
  normal(): number;
  /** Uniform integer in [0, n), without bias. */
  below(n: number): number;
  /** A permutation of 0..n-1 (Fisher-Yates). */
  permutation(n: number): Int32Array;
  /** An independent stream named `label`. Does not advance this one. */
  split(label: string | number): Rng;
  /** Position and key, plain JSON: `restoreRng` continues from it. */
  state(): { key: number; stream: number; at: number };
}

function hash(label: string | number, seed: number): number {
  const text = typeof label === "number" ? `#${label}` : label;
  let h = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return philox(h, text.length, seed);
}

/** A stream for `seed` (any integer). */
export function createRng(seed: number): Rng {
  return restoreRng({ key: philox(seed >>> 0, Math.floor(seed / 4294967296) >>> 0, 0x5eed), stream: 0, at: 0 });
}

/** Continues a stream from `state()`. */
export function restoreRng(from: { key: number; stream: number; at: number }): Rng {
  const { key, stream } = from;
  let at = from.at;
  const bits = () => philox(at++, stream, key);
  const uniform = () => (bits() >>> 8) / 16777216;
  return {
    bits,
    uniform,
    normal() {
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      return radius * Math.cos(2 * Math.PI * uniform());
    },
    below(n) {
      const limit = 4294967296 - (4294967296 % n);
      let value = bits();
      while (value >= limit) value = bits();
      return value % n;
    },
    permutation(n) {
      const p = Int32Array.from({ length: n }, (_, i) => i);
      for (let i = n - 1; i > 0; i--) {
        const j = this.below(i + 1);
        const t = p[i]!;
        p[i] = p[j]!;
        p[j] = t;
      }
      return p;
    },
    split: (label) => restoreRng({ key: hash(label, key), stream: hash(label, key ^ W), at: 0 }),
    state: () => ({ key, stream, at }),
  };
}

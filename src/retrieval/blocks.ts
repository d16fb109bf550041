/** Geometric blocking: the documents of one list are grouped around random documents of the list. */
import type { Rng } from "../core/index.js";
import type { SparseMatrix } from "./csr.js";

/** The strongest coordinates of each document: what assignment looks at. */
export interface Heads {
  /** [documents * width]; unused places repeat nothing: `counts` says how many are valid */
  readonly indices: Uint32Array;
  readonly values: Float32Array;
  readonly counts: Uint8Array;
  readonly width: number;
}

/** The `width` heaviest entries of each row, heaviest first; ties to the lower coordinate. */
export function headsOf(m: SparseMatrix, width: number): Heads {
  const indices = new Uint32Array(m.rows * width);
  const values = new Float32Array(m.rows * width);
  const counts = new Uint8Array(m.rows);
  for (let r = 0; r < m.rows; r++) {
    const base = r * width;
    let have = 0;
    for (let i = m.offsets[r]!; i < m.offsets[r + 1]!; i++) {
      const v = m.values[i]!;
      if (have === width && v <= values[base + width - 1]!) continue;
      let p = have < width ? have++ : width - 1;
      while (p > 0 && values[base + p - 1]! < v) {
        values[base + p] = values[base + p - 1]!;
        indices[base + p] = indices[base + p - 1]!;
        p--;
      }
      values[base + p] = v;
      indices[base + p] = m.indices[i]!;
    }
    counts[r] = have;
  }
  return { indices, values, counts, width };
}

/** How a list is grouped. */
export interface BlockingOptions {
  /** centroids per document of the list, in (0, 1] */
  readonly centroidFraction: number;
  /** groups of at most this many documents are dissolved and their members reassigned; 0 keeps every group */
  readonly minClusterSize: number;
  /** groups of more than this many documents are grouped again among themselves; Infinity leaves them */
  readonly maxClusterSize: number;
  /** most groups of one list */
  readonly maxBlocks: number;
  /** `inner`: the centroid of largest inner product; `cosine`: divided by its norm, so that long documents do not draw everything */
  readonly similarity: "inner" | "cosine";
}

/** Groups the documents of a list: reorders `documents` and returns the block boundaries, from 0 to its length. */
export type Blocker = (documents: Uint32Array, rng: Rng) => number[];

/**
 * One pass of assignment to random centroids, without re-centring:
 *
 *     c = max(1, floor(fraction * m)) documents of the list are centroids;
 *     each document joins the nearest centroid, by its heaviest coordinates;
 *     groups of at most `minClusterSize` documents are dissolved, their members joining the best of those that remain;
 *     groups of more than `maxClusterSize` are grouped again, around 2 * size / maxClusterSize of their own documents.
 *
 * Ties go to the first centroid. Inside a block documents keep their order.
 *
 * @param m     the whole collection
 * @param heads the coordinates by which documents are compared (the authors' code uses 15)
 * Bruch et al. 2024, section 5.2. Differs from the paper: `cosine` and `maxClusterSize` are ours; `inner` and Infinity
 * give the paper's groups.
 */
export function geometricBlocker(m: SparseMatrix, heads: Heads, options: BlockingOptions): Blocker {
  const { centroidFraction, minClusterSize, maxClusterSize, maxBlocks, similarity } = options;
  const partition = createPartitioner(m, heads, similarity === "cosine");
  return (documents, rng) => {
    const n = documents.length;
    const count = Math.min(maxBlocks, n, Math.max(1, Math.floor(centroidFraction * n)));
    let bounds = partition(documents, count, minClusterSize, rng);
    for (let round = 0; round < 4 && bounds.length - 1 < maxBlocks; round++) {
      let room = maxBlocks - (bounds.length - 1);
      const finer = [0];
      for (let b = 0; b + 1 < bounds.length; b++) {
        const from = bounds[b]!;
        const size = bounds[b + 1]! - from;
        const parts = Math.min(room + 1, Math.ceil((2 * size) / maxClusterSize));
        if (size <= maxClusterSize || parts < 2) finer.push(from + size);
        else {
          const inner = partition(documents.subarray(from, from + size), parts, 0, rng);
          for (let i = 1; i < inner.length; i++) finer.push(from + inner[i]!);
          room -= inner.length - 2;
        }
      }
      if (finer.length === bounds.length) break;
      bounds = finer;
    }
    return bounds;
  };
}

/** Groups documents around `count` random ones of them; reorders them and returns the boundaries. */
type Partitioner = (documents: Uint32Array, count: number, minSize: number, rng: Rng) => number[];

function createPartitioner(m: SparseMatrix, heads: Heads, cosine: boolean): Partitioner {
  const index = createCentroidIndex(m);
  let score = new Float32Array(64);
  let alive = new Uint8Array(64);
  return (documents, count, minSize, rng) => {
    const n = documents.length;
    if (count <= 1) return [0, n];
    const centroids = pick(n, count, rng);
    for (let j = 0; j < count; j++) centroids[j] = documents[centroids[j]!]!;
    if (score.length < count) {
      score = new Float32Array(2 * count);
      alive = new Uint8Array(2 * count);
    }
    alive.fill(1, 0, count);
    index.fill(centroids, cosine);
    const group = new Uint32Array(n);
    const sizes = new Uint32Array(count);
    for (let i = 0; i < n; i++) sizes[(group[i] = index.nearest(heads, documents[i]!, score, alive))]!++;
    let survivors = 0;
    for (let j = 0; j < count; j++) {
      if (sizes[j]! <= minSize) alive[j] = 0;
      else survivors++;
    }
    if (survivors === 0) {
      index.clear();
      return [0, n];
    }
    for (let i = 0; i < n; i++) {
      if (alive[group[i]!] === 1) continue;
      sizes[group[i]!]!--;
      sizes[(group[i] = index.nearest(heads, documents[i]!, score, alive))]!++;
    }
    index.clear();
    return regroup(documents, group, sizes);
  };
}

/** An inverted index of a few centroids, reused from list to list. */
function createCentroidIndex(m: SparseMatrix) {
  /** coordinate -> slot, 0 when no centroid has it; slot s covers members starts[s] to starts[s + 1] */
  const slots = new Uint32Array(m.cols);
  let starts = new Uint32Array(64);
  let members = new Uint32Array(1024);
  let weights = new Float32Array(1024);
  let touched = new Uint32Array(1024);
  let used = 0;
  let count = 0;
  return {
    fill(centroids: Uint32Array, cosine: boolean) {
      count = centroids.length;
      let entries = 0;
      for (const d of centroids) entries += m.offsets[d + 1]! - m.offsets[d]!;
      if (members.length < entries) {
        members = new Uint32Array(entries * 2);
        weights = new Float32Array(entries * 2);
        touched = new Uint32Array(entries * 2);
      }
      if (starts.length < entries + 2) starts = new Uint32Array(entries * 2 + 2);
      used = 0;
      for (const d of centroids) {
        for (let i = m.offsets[d]!; i < m.offsets[d + 1]!; i++) {
          const c = m.indices[i]!;
          if (slots[c] === 0) {
            touched[used] = c;
            slots[c] = ++used;
            starts[used + 1] = 0;
          }
          starts[slots[c]! + 1]!++;
        }
      }
      starts[1] = 0;
      for (let s = 1; s <= used; s++) starts[s + 1]! += starts[s]!;
      centroids.forEach((d, j) => {
        let scale = 1;
        if (cosine) {
          let sum = 0;
          for (let i = m.offsets[d]!; i < m.offsets[d + 1]!; i++) sum += m.values[i]! ** 2;
          scale = 1 / Math.sqrt(sum);
        }
        for (let i = m.offsets[d]!; i < m.offsets[d + 1]!; i++) {
          const p = starts[slots[m.indices[i]!]!]!++;
          members[p] = j;
          weights[p] = m.values[i]! * scale;
        }
      });
      for (let s = used; s >= 1; s--) starts[s + 1] = starts[s]!;
      starts[1] = 0;
    },
    nearest: (heads: Heads, d: number, score: Float32Array, alive: Uint8Array) => {
      addScores(heads, d, slots, starts, members, weights, score.fill(0, 0, count));
      return best(score, alive, count);
    },
    clear() {
      for (let i = 0; i < used; i++) slots[touched[i]!] = 0;
    },
  };
}

function addScores(
  heads: Heads,
  d: number,
  slots: Uint32Array,
  starts: Uint32Array,
  members: Uint32Array,
  weights: Float32Array,
  score: Float32Array,
): void {
  const from = d * heads.width;
  const to = from + heads.counts[d]!;
  for (let i = from; i < to; i++) {
    const s = slots[heads.indices[i]!]!;
    if (s === 0) continue;
    const w = heads.values[i]!;
    const end = starts[s + 1]!;
    for (let p = starts[s]!; p < end; p++) score[members[p]!]! += w * weights[p]!;
  }
}

/** First position of the largest score among those alive. */
function best(score: Float32Array, alive: Uint8Array, count: number): number {
  let winner = -1;
  let top = -1;
  for (let j = 0; j < count; j++) {
    if (alive[j] === 1 && score[j]! > top) {
      top = score[j]!;
      winner = j;
    }
  }
  return winner;
}

/** Blocks of equal length in document order: the ablation's baseline. */
export function fixedBlocker(options: { centroidFraction: number; maxBlocks: number }): Blocker {
  return (documents) => {
    const n = documents.length;
    const count = Math.min(options.maxBlocks, n, Math.max(1, Math.floor(options.centroidFraction * n)));
    return Array.from({ length: count + 1 }, (_, b) => Math.round((b * n) / count));
  };
}

/** `count` distinct positions below n, in increasing order. */
function pick(n: number, count: number, rng: Rng): Uint32Array {
  const chosen = new Set<number>();
  // Floyd's sampling: one draw per position.
  for (let j = n - count; j < n; j++) {
    const t = rng.below(j + 1);
    chosen.add(chosen.has(t) ? j : t);
  }
  return Uint32Array.from(chosen).sort();
}

function regroup(documents: Uint32Array, group: Uint32Array, sizes: Uint32Array): number[] {
  const at = new Uint32Array(sizes.length);
  const bounds = [0];
  let sum = 0;
  for (let j = 0; j < sizes.length; j++) {
    at[j] = sum;
    sum += sizes[j]!;
    if (sizes[j]! > 0) bounds.push(sum);
  }
  const from = documents.slice();
  for (let i = 0; i < from.length; i++) documents[at[group[i]!]!++] = from[i]!;
  return bounds;
}

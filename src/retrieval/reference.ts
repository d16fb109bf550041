/**
 * The search stated plainly, over the arrays of an open index: the definition that the kernels must match bit for bit.
 * Slow, and for tests and reading.
 */
import { checkVector, type SparseVector } from "./csr.js";
import { recordStart } from "./forward.js";
import { type RawHits, type SearchOptions, type SearchStats, searchConfig } from "./searcher.js";
import type { Store } from "./store.js";
import { storedVector } from "./stored.js";
import { dequantise } from "./summary.js";

/** Documents gathered from promising blocks before they are scored. The threshold moves after each batch. */
const BATCH = 16;

const f = Math.fround;

/** Inner product of the dense query and document `d`: entry i adds to accumulator i mod 4; sum (0 + 1) + (2 + 3). */
function score(store: Store, dense: Float32Array, d: number): number {
  const { values: kind } = store.header;
  const { indices, values } = storedVector(store, d);
  // 8-bit records are summed over codes and scaled once.
  let scale = 1;
  if (kind === "u8" && values.length > 0) {
    const { docQuads: quads, forward } = store.arrays();
    const at = recordStart({ kind, wide: store.header.wideCoords, quads }, d);
    scale = new DataView(forward.buffer, forward.byteOffset).getFloat32(at, true);
  }
  const a = [0, 0, 0, 0];
  for (let i = 0; i < indices.length; i++) {
    const v = kind === "u8" ? Math.round(values[i]! / scale) : values[i]!;
    a[i & 3] = f(a[i & 3]! + f(dense[indices[i]!]! * v));
  }
  const sum = f(f(a[0]! + a[1]!) + f(a[2]! + a[3]!));
  return kind === "u8" ? f(scale * sum) : sum;
}

/** Scores of the blocks of list `c`: the inner product of the query and each dequantised summary. */
export function blockScores(store: Store, c: number, indices: ArrayLike<number>, values: ArrayLike<number>): Float32Array {
  const a = store.arrays();
  const first = a.listBlocks[c]!;
  const scores = new Float32Array(a.listBlocks[c + 1]! - first);
  const stride = store.header.wideBlocks ? 3 : 2;
  for (let j = 0; j < indices.length; j++) {
    for (let t = a.listTerms[c]!; t < a.listTerms[c + 1]!; t++) {
      if (a.termCoords[t] !== indices[j]) continue;
      const from = a.listEntries[c]! + a.termStarts[t + c]!;
      const to = a.listEntries[c]! + a.termStarts[t + c + 1]!;
      for (let e = from * stride; e < to * stride; e += stride) {
        const b = stride === 3 ? a.entries[e]! | (a.entries[e + 1]! << 8) : a.entries[e]!;
        const v = dequantise(a.blockMin[first + b]!, a.blockStep[first + b]!, a.entries[e + stride - 1]!);
        scores[b] = f(scores[b]! + f(f(values[j]!) * v));
      }
    }
  }
  return scores;
}

type Scored = { d: number; s: number };
const better = (x: Scored, y: Scored) => y.s - x.s || x.d - y.d;

/** What `Searcher.search` computes. */
export function referenceSearch(store: Store, query: SparseVector, options: SearchOptions = {}): RawHits & { stats: SearchStats } {
  const { k, queryCut, heapFactor, sortedLists, neighbours } = searchConfig(options);
  const { indices, values } = checkVector("query", query, store.header.dim);
  const a = store.arrays();
  const dense = denseOf(store, indices, values);
  const lists = Array.from(indices, (_, j) => j).sort((x, y) => values[y]! - values[x]! || x - y);
  const visited = new Set<number>();
  let top: Scored[] = [];
  let pending: number[] = [];
  let threshold = -1;
  let opened = 0;
  let seen = 0;
  const flush = () => {
    for (const d of pending) {
      const s = score(store, dense, d);
      if (s > 0) top = [...top, { d, s }].sort(better).slice(0, k);
    }
    pending = [];
    if (top.length === Math.min(k, store.header.docs)) threshold = f(f(heapFactor) * top[top.length - 1]!.s);
  };
  lists.slice(0, queryCut).forEach((j, position) => {
    const c = indices[j]!;
    const scores = blockScores(store, c, indices, values);
    if (scores.length === 0) return;
    seen += scores.length;
    const order = Array.from(scores, (_, b) => b);
    if (position < sortedLists) order.sort((x, y) => scores[y]! - scores[x]! || x - y);
    for (const b of order) {
      if (scores[b]! < threshold) continue;
      opened++;
      const block = a.listBlocks[c]! + b;
      for (let p = a.blockStarts[block]!; p < a.blockStarts[block + 1]!; p++) {
        const d = a.postings[p]!;
        if (visited.has(d)) continue;
        visited.add(d);
        pending.push(d);
      }
      if (pending.length >= BATCH) flush();
    }
    flush();
  });
  if (neighbours > 0 && a.neighbours) {
    const count = store.header.neighbours;
    for (const { d } of [...top]) {
      for (const e of a.neighbours.subarray(d * count, d * count + neighbours)) {
        if (e === 0xffffffff) break;
        if (visited.has(e)) continue;
        visited.add(e);
        pending.push(e);
      }
    }
    flush();
  }
  return { ...hits(top), stats: { scored: visited.size, opened, seen } };
}

/** What `Searcher.exact` computes. */
export function referenceExact(store: Store, query: SparseVector, k = 10): RawHits {
  const { indices, values } = checkVector("query", query, store.header.dim);
  const dense = denseOf(store, indices, values);
  const all = Array.from({ length: store.header.docs }, (_, d) => ({ d, s: score(store, dense, d) }));
  return hits(
    all
      .filter(({ s }) => s > 0)
      .sort(better)
      .slice(0, k),
  );
}

function denseOf(store: Store, indices: Uint32Array, values: Float32Array): Float32Array {
  const dense = new Float32Array(store.header.dim);
  indices.forEach((c, j) => {
    dense[c] = values[j]!;
  });
  return dense;
}

const hits = (top: Scored[]): RawHits => ({
  documents: Uint32Array.from(top, ({ d }) => d),
  scores: Float32Array.from(top, ({ s }) => s),
});

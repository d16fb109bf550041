/**
 * Search kernels of the retrieval index. One call answers one query; nothing is allocated here: every address comes from
 * a context block that the host fills (`parts/context.as.ts`). `src/retrieval/reference.ts` states the same algorithms
 * plainly; results agree bit for bit.
 */

import { score16, score32 } from "./parts/block-scores.as";
import {
  BLOCK_STARTS,
  CHOSEN,
  DENSE,
  DOCS,
  HEAP,
  LIST_BLOCKS,
  LOG,
  NEIGHBOUR_COUNT,
  NEIGHBOURS,
  ORDER,
  POSTINGS,
  SCORES,
  STATS,
  VALUES,
  VISITED,
  WIDE_BLOCKS,
  WIDE_COORDS,
  WIDE_STARTS,
  word,
} from "./parts/context.as";
import { clearDense, dot, fillDense, touch } from "./parts/dot.as";
import { finish, offer } from "./parts/heap.as";
import { choose, orderBlocks } from "./parts/order.as";

/** Documents gathered from promising blocks before they are scored, and most whose records are fetched together. */
const BATCH: u32 = 16,
  TOUCHED: u32 = 32;

/** Every document scored. Returns how many results lie in the heap, best first. */
export function exhaustive(ctx: usize, indices: usize, values: usize, n: u32, k: u32): u32 {
  const kind = word(ctx, VALUES) + (word(ctx, WIDE_COORDS) ? 3 : 0);
  const dense: usize = word(ctx, DENSE);
  const heap: usize = word(ctx, HEAP);
  const docs = word(ctx, DOCS);
  fillDense(ctx, kind, indices, values, n);
  let size: u32 = 0;
  for (let d: u32 = 0; d < docs; d++) {
    const s = dot(ctx, kind, dense, d);
    if (s > 0) size = offer(heap, size, k, s, d);
  }
  clearDense(ctx, indices, n);
  finish(heap, size);
  return size;
}

/** Marks a document as seen; whether it was not yet. */
function mark(visited: usize, d: u32): bool {
  const cell = visited + (d >> 3);
  const seen = load<u8>(cell);
  const bit = 1 << (d & 7);
  if (seen & bit) return false;
  store<u8>(cell, seen | bit);
  return true;
}

/** Scores documents `from` to `to` of the log and offers them to the heap; returns its size. */
function scoreBatch(ctx: usize, kind: u32, dense: usize, log: usize, from: u32, to: u32, heap: usize, kept: u32, k: u32): u32 {
  let size = kept;
  for (let start = from; start < to; start += TOUCHED) {
    const end = min(start + TOUCHED, to);
    touch(ctx, kind, log, start, end);
    for (let i = start; i < end; i++) {
      const d = load<u32>(log + (i << 2));
      const s = dot(ctx, kind, dense, d);
      if (s > 0) size = offer(heap, size, k, s, d);
    }
  }
  return size;
}

/**
 * The Seismic search. Results lie in the heap, best first; STATS receives documents scored, blocks opened, blocks seen.
 * `sorted`: how many of the leading lists have their blocks visited in descending order of score.
 */
export function search(
  ctx: usize,
  indices: usize,
  values: usize,
  n: u32,
  k: u32,
  cut: u32,
  factor: f32,
  sorted: u32,
  neighbours: u32,
): u32 {
  const wide = word(ctx, WIDE_COORDS);
  const kind = word(ctx, VALUES) + (wide ? 3 : 0);
  const widths = word(ctx, WIDE_STARTS) ? 2 : word(ctx, WIDE_BLOCKS);
  const dense: usize = word(ctx, DENSE);
  const heap: usize = word(ctx, HEAP);
  const scores: usize = word(ctx, SCORES);
  const order: usize = word(ctx, ORDER);
  const visited: usize = word(ctx, VISITED);
  const log: usize = word(ctx, LOG);
  const chosen: usize = word(ctx, CHOSEN);
  const blockStarts: usize = word(ctx, BLOCK_STARTS);
  const postings: usize = word(ctx, POSTINGS);
  fillDense(ctx, kind, indices, values, n);
  const lists = choose(values, n, cut, chosen);
  let size: u32 = 0,
    logged: u32 = 0,
    scored: u32 = 0,
    opened: u32 = 0,
    seen: u32 = 0;
  let threshold: f32 = -1;
  for (let l: u32 = 0; l < lists; l++) {
    const list = load<u32>(indices + (load<u32>(chosen + (l << 2)) << 2));
    const listBlocks: usize = word(ctx, LIST_BLOCKS) + (list << 2);
    const first = load<u32>(listBlocks);
    const blocks = load<u32>(listBlocks, 4) - first;
    if (blocks === 0) continue;
    seen += blocks;
    memory.fill(scores, 0, blocks << 2);
    if (wide) score32(ctx, widths, list, indices, values, n, scores);
    else score16(ctx, widths, list, indices, values, n, scores);
    const inOrder = l < sorted;
    if (inOrder) orderBlocks(order, scores, blocks);
    for (let i: u32 = 0; i < blocks; i++) {
      const b = inOrder ? load<u32>(order + (i << 3), 4) : i;
      if (load<f32>(scores + (b << 2)) < threshold) {
        if (inOrder) break;
        continue;
      }
      opened++;
      let p: usize = postings + (load<u32>(blockStarts + ((first + b) << 2)) << 2);
      const end: usize = postings + (load<u32>(blockStarts + ((first + b) << 2), 4) << 2);
      for (; p < end; p += 4) {
        const d = load<u32>(p);
        if (!mark(visited, d)) continue;
        store<u32>(log + (logged << 2), d);
        logged++;
      }
      if (logged - scored >= BATCH) {
        size = scoreBatch(ctx, kind, dense, log, scored, logged, heap, size, k);
        scored = logged;
        if (size === k) threshold = factor * load<f32>(heap);
      }
    }
    size = scoreBatch(ctx, kind, dense, log, scored, logged, heap, size, k);
    scored = logged;
    if (size === k) threshold = factor * load<f32>(heap);
  }
  if (neighbours > 0) {
    const count = word(ctx, NEIGHBOUR_COUNT);
    const per = neighbours < count ? neighbours : count;
    const table: usize = word(ctx, NEIGHBOURS);
    // The results so far are copied first: evaluating a neighbour may replace one of them.
    for (let i: u32 = 0; i < size; i++) store<u32>(order + (i << 2), load<u32>(heap + (i << 3), 4));
    const known = size;
    for (let i: u32 = 0; i < known; i++) {
      const row: usize = table + <usize>load<u32>(order + (i << 2)) * count * 4;
      for (let j: u32 = 0; j < per; j++) {
        const d = load<u32>(row + (j << 2));
        if (d === 0xffffffff) break;
        if (!mark(visited, d)) continue;
        store<u32>(log + (logged << 2), d);
        logged++;
        const s = dot(ctx, kind, dense, d);
        if (s > 0) size = offer(heap, size, k, s, d);
      }
    }
  }
  for (let i: u32 = 0; i < logged; i++) store<u8>(visited + (load<u32>(log + (i << 2)) >> 3), 0);
  clearDense(ctx, indices, n);
  finish(heap, size);
  const stats: usize = word(ctx, STATS);
  store<u32>(stats, logged);
  store<u32>(stats, opened, 4);
  store<u32>(stats, seen, 8);
  return size;
}

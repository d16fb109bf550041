/**
 * Search kernels of the retrieval index. One call answers one query; nothing is allocated here: every address comes from
 * a context block that the host fills (offsets in `src/retrieval/context.ts`, same order). `src/retrieval/reference.ts`
 * states the same algorithms plainly; results agree bit for bit.
 *
 * Halves are widened by shifting: the bits of a half, moved up 13, are the float times 2^-112. The dense query is held
 * times 2^112 for such an index, so the product is the product of the widened half.
 */

import { finish, offer, siftDown } from "./parts/heap.as";

// context words (u32 each)
function word(ctx: usize, i: i32): u32 {
  return load<u32>(ctx + (i << 2));
}
const DOCS: i32 = 0,
  WIDE_COORDS: i32 = 2,
  VALUES: i32 = 3,
  WIDE_BLOCKS: i32 = 4,
  DOC_QUADS: i32 = 5,
  FORWARD: i32 = 6,
  LIST_BLOCKS: i32 = 7,
  BLOCK_STARTS: i32 = 8,
  POSTINGS: i32 = 9,
  BLOCK_MIN: i32 = 10,
  BLOCK_STEP: i32 = 11,
  LIST_TERMS: i32 = 12,
  TERM_COORDS: i32 = 13,
  TERM_STARTS: i32 = 14,
  LIST_ENTRIES: i32 = 15,
  ENTRIES: i32 = 16,
  WIDE_STARTS: i32 = 17,
  DENSE: i32 = 18,
  VISITED: i32 = 19,
  LOG: i32 = 20,
  SCORES: i32 = 21,
  ORDER: i32 = 22,
  HEAP: i32 = 23,
  CHOSEN: i32 = 24,
  STATS: i32 = 25,
  NEIGHBOURS: i32 = 26,
  NEIGHBOUR_COUNT: i32 = 27,
  RUNS: i32 = 28;

// ---- exact inner products against the dense query; entry i adds to accumulator i mod 4, sum (0 + 1) + (2 + 3)

function sum4(v: v128): f32 {
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

function gather16(dense: usize, c: u64): v128 {
  let q = v128.load32_zero(dense + ((<usize>c & 0xffff) << 2));
  q = v128.load32_lane(dense + ((<usize>(c >> 16) & 0xffff) << 2), q, 1);
  q = v128.load32_lane(dense + ((<usize>(c >> 32) & 0xffff) << 2), q, 2);
  return v128.load32_lane(dense + ((<usize>(c >> 48)) << 2), q, 3);
}

function gather32(dense: usize, at: usize): v128 {
  let q = v128.load32_zero(dense + (load<u32>(at) << 2));
  q = v128.load32_lane(dense + (load<u32>(at, 4) << 2), q, 1);
  q = v128.load32_lane(dense + (load<u32>(at, 8) << 2), q, 2);
  return v128.load32_lane(dense + (load<u32>(at, 12) << 2), q, 3);
}

function values4<V>(at: usize): v128 {
  if (sizeof<V>() === 2) return i32x4.shl(v128.load16x4_u(at), 13);
  if (sizeof<V>() === 1) return f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(at))));
  return v128.load(at);
}

/** V: u8 codes with a scale before the record, u16 halves, or f32. C: u16 or u32 coordinates. */
function dotOf<C, V>(ctx: usize, dense: usize, d: u32): f32 {
  const quads = word(ctx, DOC_QUADS) + (d << 2);
  const from = load<u32>(quads),
    to = load<u32>(quads, 4);
  const quadBytes: usize = 4 * (sizeof<C>() + sizeof<V>());
  let at: usize = word(ctx, FORWARD) + from * <u32>quadBytes;
  let scale: f32 = 1;
  if (sizeof<V>() === 1) {
    at += (<usize>d) << 2;
    scale = load<f32>(at);
    at += 4;
  }
  const end = at + <usize>(to - from) * quadBytes;
  let a = f32x4.splat(0);
  while (at < end) {
    const q = sizeof<C>() === 2 ? gather16(dense, load<u64>(at)) : gather32(dense, at);
    a = f32x4.add(a, f32x4.mul(q, values4<V>(at + 4 * sizeof<C>())));
    at += quadBytes;
  }
  return sizeof<V>() === 1 ? scale * sum4(a) : sum4(a);
}

function dot(ctx: usize, kind: u32, dense: usize, d: u32): f32 {
  switch (kind) {
    case 0:
      return dotOf<u16, u16>(ctx, dense, d);
    case 1:
      return dotOf<u16, u8>(ctx, dense, d);
    case 2:
      return dotOf<u16, f32>(ctx, dense, d);
    case 3:
      return dotOf<u32, u16>(ctx, dense, d);
    case 4:
      return dotOf<u32, u8>(ctx, dense, d);
    default:
      return dotOf<u32, f32>(ctx, dense, d);
  }
}

/** Documents gathered from promising blocks before they are scored, and most whose records are fetched together. */
const BATCH: u32 = 16,
  TOUCHED: u32 = 32;

/** Reads one byte of every cache line of some records: the misses overlap, where scores one by one would wait for each. */
function touch(ctx: usize, kind: u32, log: usize, from: u32, to: u32): void {
  const coord: u32 = kind < 3 ? 2 : 4;
  const form = kind < 3 ? kind : kind - 3;
  const quadBytes = 4 * (coord + (form === 0 ? 2 : form === 1 ? 1 : 4));
  const extra: u32 = form === 1 ? 4 : 0;
  const quads: usize = word(ctx, DOC_QUADS);
  const forward: usize = word(ctx, FORWARD);
  let sink: u32 = 0;
  for (let i = from; i < to; i++) {
    const d = load<u32>(log + (i << 2));
    const q = quads + (d << 2);
    let at = forward + load<u32>(q) * quadBytes + d * extra;
    const end = forward + load<u32>(q, 4) * quadBytes + d * extra;
    for (; at < end; at += 64) sink ^= load<u8>(at);
  }
  store<u32>(word(ctx, STATS), sink, 12);
}

function queryScale(kind: u32): f32 {
  return kind === 0 || kind === 3 ? reinterpret<f32>(0x77800000) : 1;
}

function fillDense(ctx: usize, kind: u32, indices: usize, values: usize, n: u32): void {
  const dense: usize = word(ctx, DENSE);
  const scale = queryScale(kind);
  for (let j: u32 = 0; j < n; j++) store<f32>(dense + (load<u32>(indices + (j << 2)) << 2), load<f32>(values + (j << 2)) * scale);
}

function clearDense(ctx: usize, indices: usize, n: u32): void {
  const dense: usize = word(ctx, DENSE);
  for (let j: u32 = 0; j < n; j++) store<f32>(dense + (load<u32>(indices + (j << 2)) << 2), 0);
}

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

// ---- block scores

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

/** First position in [lo, hi) whose coordinate is at least c. */
function lowerBound<C>(coords: usize, lo: u32, hi: u32, c: u32): u32 {
  let n = hi - lo;
  while (n > 0) {
    const half = n >> 1;
    const below = <u32>load<C>(coords + (lo + half) * sizeof<C>()) < c;
    lo = below ? lo + half + 1 : lo;
    n = below ? n - half - 1 : half;
  }
  return lo;
}

/** Reads one byte of every cache line from `at` to `end`. */
function lines(at: usize, end: usize): u32 {
  let sink: u32 = 0;
  for (; at < end; at += 64) sink ^= load<u8>(at);
  return sink;
}

/**
 * r_b = sum over query coordinates of q * (min_b + code * step_b), in increasing order of coordinate.
 *
 * A list is cold when a query reaches it. So its coordinates are read ahead in order, then the runs of all query
 * coordinates are found and their first lines touched, and only then are they added up: misses overlap at every stage.
 * An entry is the block (B) and then the code, one byte.
 */
function scoreBlocks<C, B, S>(ctx: usize, list: u32, indices: usize, values: usize, n: u32, scores: usize): void {
  const listTerms: usize = word(ctx, LIST_TERMS) + (list << 2);
  const hi = load<u32>(listTerms, 4);
  let at = load<u32>(listTerms);
  const listBlocks: usize = word(ctx, LIST_BLOCKS) + (list << 2);
  const first = load<u32>(listBlocks),
    count = load<u32>(listBlocks, 4) - first;
  const mins: usize = word(ctx, BLOCK_MIN) + (first << 2);
  const steps: usize = word(ctx, BLOCK_STEP) + (first << 2);
  const coords: usize = word(ctx, TERM_COORDS);
  const starts: usize = <usize>word(ctx, TERM_STARTS) + <usize>list * sizeof<S>();
  const stride: usize = sizeof<B>() + 1;
  const entries: usize = <usize>word(ctx, ENTRIES) + <usize>load<u32>(word(ctx, LIST_ENTRIES) + (list << 2)) * stride;
  const runs: usize = word(ctx, RUNS);
  let sink =
    lines(coords + at * sizeof<C>(), coords + hi * sizeof<C>()) ^
    lines(mins, mins + (count << 2)) ^
    lines(steps, steps + (count << 2));
  let found: u32 = 0;
  for (let j: u32 = 0; j < n; j++) {
    const c = load<u32>(indices + (j << 2));
    at = lowerBound<C>(coords, at, hi, c);
    if (at === hi) break;
    if (<u32>load<C>(coords + at * sizeof<C>()) !== c) continue;
    const run = runs + found * 12;
    store<u32>(run, at);
    store<f32>(run, load<f32>(values + (j << 2)), 8);
    sink ^= <u32>load<S>(starts + at * sizeof<S>());
    found++;
  }
  for (let r: u32 = 0; r < found; r++) {
    const run = runs + r * 12;
    const t = starts + load<u32>(run) * sizeof<S>();
    const from = entries + <usize>load<S>(t) * stride,
      to = entries + <usize>load<S>(t, sizeof<S>()) * stride;
    store<u32>(run, <u32>from);
    store<u32>(run, <u32>to, 4);
    sink ^= lines(from, to);
  }
  store<u32>(word(ctx, STATS), sink, 12);
  for (let r: u32 = 0; r < found; r++) {
    const run = runs + r * 12;
    const end: usize = load<u32>(run, 4);
    const q = load<f32>(run, 8);
    for (let e: usize = load<u32>(run); e < end; e += stride) {
      const b = (<usize>load<B>(e)) << 2;
      const v = load<f32>(mins + b) + <f32>load<u8>(e, sizeof<B>()) * load<f32>(steps + b);
      store<f32>(scores + b, load<f32>(scores + b) + q * v);
    }
  }
}

function score16(ctx: usize, wide: u32, list: u32, i: usize, v: usize, n: u32, s: usize): void {
  if (wide === 0) scoreBlocks<u16, u8, u16>(ctx, list, i, v, n, s);
  else if (wide === 1) scoreBlocks<u16, u16, u16>(ctx, list, i, v, n, s);
  else scoreBlocks<u16, u16, u32>(ctx, list, i, v, n, s);
}

function score32(ctx: usize, wide: u32, list: u32, i: usize, v: usize, n: u32, s: usize): void {
  if (wide === 0) scoreBlocks<u32, u8, u16>(ctx, list, i, v, n, s);
  else if (wide === 1) scoreBlocks<u32, u16, u16>(ctx, list, i, v, n, s);
  else scoreBlocks<u32, u16, u32>(ctx, list, i, v, n, s);
}

/** Positions of the `cut` largest query weights, heaviest first; ties to the lower coordinate. */
function choose(values: usize, n: u32, cut: u32, chosen: usize): u32 {
  const want = cut < n ? cut : n;
  let have: u32 = 0;
  for (let j: u32 = 0; j < n; j++) {
    const w = load<f32>(values + (j << 2));
    let p = have;
    while (p > 0 && load<f32>(values + (load<u32>(chosen + ((p - 1) << 2)) << 2)) < w) {
      if (p < want) store<u32>(chosen + (p << 2), load<u32>(chosen + ((p - 1) << 2)));
      p--;
    }
    if (p < want) {
      store<u32>(chosen + (p << 2), j);
      if (have < want) have++;
    }
  }
  return have;
}

/** Heap sort of block positions by score, best first, ties to the lower block. */
function orderBlocks(order: usize, scores: usize, n: u32): void {
  for (let b: u32 = 0; b < n; b++) {
    store<f32>(order + (b << 3), load<f32>(scores + (b << 2)));
    store<u32>(order + (b << 3), b, 4);
  }
  for (let i: i32 = <i32>(n >> 1) - 1; i >= 0; i--) siftDown(order, n, i);
  finish(order, n);
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
        const cell = visited + (d >> 3);
        const mark = load<u8>(cell);
        const bit = 1 << (d & 7);
        if (mark & bit) continue;
        store<u8>(cell, mark | bit);
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
        const cell = visited + (d >> 3);
        const mark = load<u8>(cell);
        const bit = 1 << (d & 7);
        if (mark & bit) continue;
        store<u8>(cell, mark | bit);
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

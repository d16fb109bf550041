/** What the blocks of a list promise a query: sums over the summaries of the blocks. */
import {
  BLOCK_MIN,
  BLOCK_STEP,
  ENTRIES,
  LIST_BLOCKS,
  LIST_ENTRIES,
  LIST_TERMS,
  RUNS,
  STATS,
  TERM_COORDS,
  TERM_STARTS,
  word,
} from "./context.as";

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

/** Scores of all blocks of a list, for 16-bit coordinates; `wide` says how blocks and starts are held. */
export function score16(ctx: usize, wide: u32, list: u32, i: usize, v: usize, n: u32, s: usize): void {
  if (wide === 0) scoreBlocks<u16, u8, u16>(ctx, list, i, v, n, s);
  else if (wide === 1) scoreBlocks<u16, u16, u16>(ctx, list, i, v, n, s);
  else scoreBlocks<u16, u16, u32>(ctx, list, i, v, n, s);
}

/** The same for 32-bit coordinates. */
export function score32(ctx: usize, wide: u32, list: u32, i: usize, v: usize, n: u32, s: usize): void {
  if (wide === 0) scoreBlocks<u32, u8, u16>(ctx, list, i, v, n, s);
  else if (wide === 1) scoreBlocks<u32, u16, u16>(ctx, list, i, v, n, s);
  else scoreBlocks<u32, u16, u32>(ctx, list, i, v, n, s);
}

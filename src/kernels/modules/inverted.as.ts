/**
 * The classical baselines over an exact inverted index: term at a time, and MaxScore. Their heap is that of
 * `retrieval.as.ts`, so that both sides of a comparison keep results in the same way.
 */
import { finish, offer } from "./parts/heap.as";

// ---- baselines over an exact inverted index: offsets u32[dim + 1], documents u32[], weights f32[], maxima f32[dim]

/** Term at a time: every posting of every query coordinate is added up, then one pass keeps the best k. */
export function termAtATime(
  offsets: usize,
  documents: usize,
  weights: usize,
  docs: u32,
  acc: usize,
  heap: usize,
  indices: usize,
  values: usize,
  n: u32,
  k: u32,
): u32 {
  for (let j: u32 = 0; j < n; j++) {
    const c = load<u32>(indices + (j << 2));
    const q = load<f32>(values + (j << 2));
    let p = load<u32>(offsets + (c << 2));
    const end = load<u32>(offsets + (c << 2), 4);
    const end4 = end - 3;
    if (end >= 4)
      for (; p < end4; p += 4) {
        const d = documents + ((<usize>p) << 2),
          w = weights + ((<usize>p) << 2);
        const a0 = acc + (load<u32>(d) << 2),
          a1 = acc + (load<u32>(d, 4) << 2),
          a2 = acc + (load<u32>(d, 8) << 2),
          a3 = acc + (load<u32>(d, 12) << 2);
        store<f32>(a0, load<f32>(a0) + q * load<f32>(w));
        store<f32>(a1, load<f32>(a1) + q * load<f32>(w, 4));
        store<f32>(a2, load<f32>(a2) + q * load<f32>(w, 8));
        store<f32>(a3, load<f32>(a3) + q * load<f32>(w, 12));
      }
    for (; p < end; p++) {
      const a = acc + (load<u32>(documents + ((<usize>p) << 2)) << 2);
      store<f32>(a, load<f32>(a) + q * load<f32>(weights + ((<usize>p) << 2)));
    }
  }
  let size: u32 = 0;
  let threshold = f32x4.splat(0);
  const padded = (docs + 3) & ~3;
  for (let d: u32 = 0; d < padded; d += 4) {
    const at = acc + ((<usize>d) << 2);
    const s = v128.load(at);
    v128.store(at, f32x4.splat(0));
    if (!v128.any_true(f32x4.ge(s, threshold))) continue;
    for (let i: u32 = 0; i < 4; i++) {
      const x =
        i === 0
          ? f32x4.extract_lane(s, 0)
          : i === 1
            ? f32x4.extract_lane(s, 1)
            : i === 2
              ? f32x4.extract_lane(s, 2)
              : f32x4.extract_lane(s, 3);
      if (x > 0) size = offer(heap, size, k, x, d + i);
    }
    if (size === k) threshold = f32x4.splat(load<f32>(heap));
  }
  finish(heap, size);
  return size;
}

/**
 * MaxScore (Turtle and Flood 1995): lists in increasing order of their bound q * max. While the bounds of the first e
 * lists together stay at or below the threshold, those lists cannot alone lift a document into the results: candidates come from the
 * others, and the first e are only looked up, heaviest first, until the document is decided.
 * Scratch: `state` holds per list position u32, end u32, query weight f32, bound f32, prefix bound f32 (20 bytes), sorted by bound.
 */
export function maxScore(
  offsets: usize,
  documents: usize,
  weights: usize,
  maxima: usize,
  state: usize,
  heap: usize,
  indices: usize,
  values: usize,
  n: u32,
  k: u32,
  stats: usize,
): u32 {
  let lists: u32 = 0;
  for (let j: u32 = 0; j < n; j++) {
    const c = load<u32>(indices + (j << 2));
    const from = load<u32>(offsets + (c << 2)),
      to = load<u32>(offsets + (c << 2), 4);
    if (from === to) continue;
    const q = load<f32>(values + (j << 2));
    const bound = q * load<f32>(maxima + (c << 2));
    let p = lists++;
    while (p > 0 && load<f32>(state + (p - 1) * 20, 12) > bound) {
      memory.copy(state + p * 20, state + (p - 1) * 20, 20);
      p--;
    }
    const at = state + p * 20;
    store<u32>(at, from);
    store<u32>(at, to, 4);
    store<f32>(at, q, 8);
    store<f32>(at, bound, 12);
  }
  let prefix: f32 = 0;
  for (let l: u32 = 0; l < lists; l++) {
    prefix += load<f32>(state + l * 20, 12);
    store<f32>(state + l * 20, prefix, 16);
  }
  let size: u32 = 0,
    essential: u32 = 0,
    scored: u32 = 0;
  let threshold: f32 = 0;
  while (essential < lists) {
    let d: u32 = 0xffffffff;
    for (let l = essential; l < lists; l++) {
      const at = state + l * 20;
      const p = load<u32>(at);
      if (p < load<u32>(at, 4)) {
        const x = load<u32>(documents + ((<usize>p) << 2));
        if (x < d) d = x;
      }
    }
    if (d === 0xffffffff) break;
    let s: f32 = 0;
    for (let l = essential; l < lists; l++) {
      const at = state + l * 20;
      const p = load<u32>(at);
      if (p < load<u32>(at, 4) && load<u32>(documents + ((<usize>p) << 2)) === d) {
        s += load<f32>(at, 8) * load<f32>(weights + ((<usize>p) << 2));
        store<u32>(at, p + 1);
      }
    }
    scored++;
    let alive = true;
    for (let l: i32 = <i32>essential - 1; l >= 0; l--) {
      const at = state + <u32>l * 20;
      if (size === k && s + load<f32>(at, 16) < threshold) {
        alive = false;
        break;
      }
      // gallop, then halve, to the first posting at or after d
      let lo = load<u32>(at);
      const end = load<u32>(at, 4);
      let step: u32 = 1;
      let hi = lo;
      while (hi < end && load<u32>(documents + ((<usize>hi) << 2)) < d) {
        lo = hi + 1;
        hi += step;
        step <<= 1;
      }
      if (hi > end) hi = end;
      while (lo < hi) {
        const mid = (lo + hi) >> 1;
        if (load<u32>(documents + ((<usize>mid) << 2)) < d) lo = mid + 1;
        else hi = mid;
      }
      store<u32>(at, lo);
      if (lo < end && load<u32>(documents + ((<usize>lo) << 2)) === d)
        s += load<f32>(at, 8) * load<f32>(weights + ((<usize>lo) << 2));
    }
    if (!alive) continue;
    if (s > 0) size = offer(heap, size, k, s, d);
    if (size === k) {
      threshold = load<f32>(heap);
      while (essential < lists && load<f32>(state + essential * 20, 16) < threshold) essential++;
    }
  }
  store<u32>(stats, scored);
  finish(heap, size);
  return size;
}

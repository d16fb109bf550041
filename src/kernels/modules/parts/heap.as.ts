/**
 * A heap of (score f32, document u32) pairs: the root is the worst kept; among equal scores the larger document is worse.
 */

/** Whether (as, ad) ranks below (bs, bd). */
function worse(as: f32, ad: u32, bs: f32, bd: u32): bool {
  return as < bs || (as === bs && ad > bd);
}

/** Restores the heap of `n` pairs below `start`. */
export function siftDown(heap: usize, n: u32, start: u32): void {
  let i = start;
  const s = load<f32>(heap + (i << 3));
  const d = load<u32>(heap + (i << 3), 4);
  while (true) {
    let child: u32 = 2 * i + 1;
    if (child >= n) break;
    const at = heap + (child << 3);
    let cs = load<f32>(at),
      cd = load<u32>(at, 4);
    if (child + 1 < n) {
      const rs = load<f32>(at, 8),
        rd = load<u32>(at, 12);
      if (worse(rs, rd, cs, cd)) {
        child++;
        cs = rs;
        cd = rd;
      }
    }
    if (!worse(cs, cd, s, d)) break;
    store<f32>(heap + (i << 3), cs);
    store<u32>(heap + (i << 3), cd, 4);
    i = child;
  }
  store<f32>(heap + (i << 3), s);
  store<u32>(heap + (i << 3), d, 4);
}

function siftUp(heap: usize, start: u32): void {
  let i = start;
  const s = load<f32>(heap + (i << 3));
  const d = load<u32>(heap + (i << 3), 4);
  while (i > 0) {
    const parent = (i - 1) >> 1;
    const ps = load<f32>(heap + (parent << 3)),
      pd = load<u32>(heap + (parent << 3), 4);
    if (!worse(s, d, ps, pd)) break;
    store<f32>(heap + (i << 3), ps);
    store<u32>(heap + (i << 3), pd, 4);
    i = parent;
  }
  store<f32>(heap + (i << 3), s);
  store<u32>(heap + (i << 3), d, 4);
}

/** Offers a document; returns the new size of the heap. */
export function offer(heap: usize, size: u32, k: u32, s: f32, d: u32): u32 {
  if (size < k) {
    store<f32>(heap + (size << 3), s);
    store<u32>(heap + (size << 3), d, 4);
    siftUp(heap, size);
    return size + 1;
  }
  if (worse(load<f32>(heap), load<u32>(heap, 4), s, d)) {
    store<f32>(heap, s);
    store<u32>(heap, d, 4);
    siftDown(heap, size, 0);
  }
  return size;
}

/** Heap sort in place: best first. */
export function finish(heap: usize, size: u32): void {
  let n = size;
  while (n > 1) {
    n--;
    const s = load<f32>(heap),
      d = load<u32>(heap, 4);
    store<u64>(heap, load<u64>(heap + (n << 3)));
    store<f32>(heap + (n << 3), s);
    store<u32>(heap + (n << 3), d, 4);
    siftDown(heap, n, 0);
  }
}

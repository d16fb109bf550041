/** Which coordinates and blocks come first. */
import { finish, siftDown } from "./heap.as";

/** Positions of the `cut` largest query weights, heaviest first; ties to the lower coordinate. */
export function choose(values: usize, n: u32, cut: u32, chosen: usize): u32 {
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
export function orderBlocks(order: usize, scores: usize, n: u32): void {
  for (let b: u32 = 0; b < n; b++) {
    store<f32>(order + (b << 3), load<f32>(scores + (b << 2)));
    store<u32>(order + (b << 3), b, 4);
  }
  for (let i: i32 = <i32>(n >> 1) - 1; i >= 0; i--) siftDown(order, n, i);
  finish(order, n);
}

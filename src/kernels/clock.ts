/** What a clock can tell. */

/** Least step of a clock, in milliseconds: browsers round theirs to 5 or 100 microseconds. 0 for a clock that stands still. */
export function tickOf(now: () => number): number {
  let tick = Number.POSITIVE_INFINITY;
  let from = now();
  for (let reads = 0, steps = 0; steps < 5; reads++) {
    const to = now();
    if (to === from) {
      if (reads > 1e6) return 0;
      continue;
    }
    tick = Math.min(tick, to - from);
    from = to;
    steps++;
  }
  return tick;
}

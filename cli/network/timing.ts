/** Timing: the least and the median, candidates interleaved so that drift of the machine hits all alike. */
import { median } from "../../papers/harness/index.js";

/** Something to time. */
export interface Candidate {
  run(): unknown;
}

/** Milliseconds. The least is what ratios are made of: other programs that use the machine at the same time move the median. */
export interface Taken {
  readonly least: number;
  readonly median: number;
}

/**
 * Milliseconds of each candidate, timed in turns A B A B ... after a warm-up. Short work is repeated within one
 * measurement so that the clock's grain does not show.
 *
 * @param runs measurements of each, at least 1
 * @param now  milliseconds, monotonic
 */
export function timeInTurns(candidates: readonly Candidate[], runs: number, now: () => number): Taken[] {
  const grain = 0.2;
  const repeats = candidates.map(({ run }) => {
    run();
    let times = 1;
    for (;;) {
      const start = now();
      for (let i = 0; i < times; i++) run();
      if (now() - start >= grain || times >= 1 << 16) return times;
      times *= 2;
    }
  });
  const samples: number[][] = candidates.map(() => []);
  for (let round = 0; round < runs; round++) {
    candidates.forEach(({ run }, k) => {
      const start = now();
      for (let i = 0; i < repeats[k]!; i++) run();
      samples[k]!.push((now() - start) / repeats[k]!);
    });
  }
  return samples.map((list) => ({ least: Math.min(...list), median: median(list) }));
}

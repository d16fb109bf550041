/** Whether a plan is faster on one thread than on all: small steps may take less time than threads need to hand each other what they wrote. */
import type { Plan } from "../engine/index.js";

/** Plans that take longer than this (ms) gain from threads wherever there are any. */
const LARGE_MS = 4;
/** Runs in a row, so that threads are awake as between the runs of a busy caller; the least counts. */
const RUNS = 5;
/** Turns of both ways. */
const TURNS = 3;

/** Runs the plan, on whatever its inputs hold, both ways in turn. At most about 100 ms. */
export function isFasterAlone(plan: Plan, now: () => number): boolean {
  const least = (alone: boolean, before: number): number => {
    plan.alone = alone;
    let ms = before;
    for (let run = 0; run < RUNS; run++) {
      const start = now();
      plan.step();
      ms = Math.min(ms, now() - start);
    }
    return ms;
  };
  plan.step();
  let [all, one] = [Number.MAX_VALUE, Number.MAX_VALUE];
  for (let turn = 0; turn < TURNS; turn++) {
    all = least(false, all);
    if (all > LARGE_MS) return false;
    one = least(true, one);
  }
  return one < all;
}

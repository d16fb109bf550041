/** Whether a plan is faster on one thread than on all: small steps may take less time than threads need to hand each other what they wrote. */
import type { Plan } from "../engine/index.js";

/** Plans that take longer than this (ms) are left to all threads. */
const LARGE_MS = 25;
/** Runs in a row, so that threads are awake as between the runs of a busy caller: this many, or two where they take longer than this (ms). */
const [RUNS, ROW_MS] = [5, 8];
/** Both ways take turns, this often or for this long (ms). */
const [TURNS, BUDGET_MS] = [3, 40];
/** A second core for a gain smaller than this share is no gain, and hand-overs take longer at some times than at others. */
const GAIN = 0.1;

/** Runs between two looks at both ways, at first and at most: they double from look to look. */
const [SOON, LATE] = [8, 2048];

/** Whether one thread's least time (ms) is little longer than that of all, or shorter. */
const pays = (all: number, one: number): boolean => all > one * (1 - GAIN);

/** Runs the plan, on whatever its inputs hold, both ways in turn, and compares least times. */
export function isFasterAlone(plan: Plan, now: () => number): boolean {
  const begin = now();
  const least = (alone: boolean, before: number): number => {
    plan.alone = alone;
    let ms = before;
    const from = now();
    for (let run = 0; run < RUNS && (run < 2 || now() - from < ROW_MS); run++) {
      const start = now();
      plan.step();
      ms = Math.min(ms, now() - start);
    }
    return ms;
  };
  plan.step();
  let [all, one] = [Number.MAX_VALUE, Number.MAX_VALUE];
  for (let turn = 0; turn < TURNS && (turn === 0 || now() - begin < BUDGET_MS); turn++) {
    all = least(false, all);
    if (all > LARGE_MS) return false;
    one = least(true, one);
  }
  return pays(all, one);
}

/**
 * A plan that runs the faster way: chosen now, and looked at again from time to time while it serves, since systems move threads from core to core.
 * A look takes RUNS runs of the caller's each way.
 */
export function runsFastest(plan: Plan, now: () => number): Plan {
  plan.alone = isFasterAlone(plan, now);
  let [wait, left] = [SOON, SOON];
  const ms: [all: number, one: number] = [0, 0];
  const step = () => {
    if (left-- > 0) return plan.step();
    if (left === -1) ms.fill(LARGE_MS);
    const start = now();
    plan.step();
    const way = +plan.alone;
    ms[way] = Math.min(ms[way]!, now() - start);
    if (left === -RUNS && ms[way] < LARGE_MS) plan.alone = !way;
    else if (left === -RUNS || left === -2 * RUNS) {
      plan.alone = ms[way] < LARGE_MS && pays(...ms);
      left = wait = Math.min(LATE, wait * 2);
    }
  };
  return {
    ...plan,
    step,
    run(inputs) {
      if (inputs) plan.set(inputs);
      step();
      return plan.read();
    },
  };
}

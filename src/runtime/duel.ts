/**
 * Which of two plans of one layer is faster: they run in turn, until one is clearly ahead. The slower one is stopped in the middle of
 * a run once it has taken several times the other's time; its own time is then a bound.
 */
import type { Plan } from "../engine/index.js";
import { type KernelName, tickOf } from "../kernels/index.js";
import type { LayerTimes } from "./timings.js";

/** How much time a choice may take: `quick` stops when one variant is clearly ahead, `thorough` gives both a time that can be told. */
export type Effort = "quick" | "thorough";

/** Kernels that only bring values into the layout that a layer works in: in a network the layers before and after share it. */
const MOVES = new Set<KernelName>(["copy", "copy4", "zero", "nchw_to_n4", "n4_to_nchw", "transpose2d"]);

/** This many times the other's time ends a quick choice, once both have run often enough. */
export const CLEAR = 2;
/** A quick choice stops a run at this many times the other's time. */
const STOP = 3;
/** Least runs of each variant: when the foreseen one is ahead, and when it is not. One run that the system held up must not decide. */
const RUNS = { foreseen: 1, other: 4, close: 4, thorough: 7 };
/** Milliseconds for two variants that are not far from each other. */
const BUDGET_MS = { quick: 6, thorough: 16 };
const MOST_RUNS = 200;

/** A clock this fine times single kernels. */
const FINE_MS = 0.002;
/** Ticks of a coarser clock that a timed row of runs takes at least: its error is then a fiftieth. */
const TICKS = 50;
/** The optimising compiler has replaced a kernel's first code when it runs this many times faster and gets no faster, or after this many milliseconds. */
const [SPEEDUP, SETTLED, WARM_MS] = [1.7, 0.9, 25];

/** Milliseconds of one run; one that takes longer than `limit` may be stopped there. */
type Sample = (limit: number) => number;

/** Times pairs of plans. */
export interface Ring {
  /**
   * @param expected whether the sparse one is foreseen to be clearly faster
   * @returns least times of both; in a quick choice the slower one's may be a bound
   */
  duel(dense: Plan, sparse: Plan, expected: boolean, effort: Effort): LayerTimes;
}

/**
 * @param now  a clock in milliseconds
 * @param warm kernels of this module that are optimised already; those that run here are added
 */
export function createRing(now: () => number, warm: Set<KernelName>): Ring {
  const tick = tickOf(now);
  const fine = tick <= FINE_MS;

  /** One run, kernel by kernel, moves not counted. */
  function work(plan: Plan, limit: number, cold?: Set<KernelName>): number {
    let sum = 0;
    plan.profile(now, (kernel, ms) => {
      if (MOVES.has(kernel)) return false;
      if (!warm.has(kernel)) cold?.add(kernel);
      sum += ms;
      return sum > limit;
    });
    return sum;
  }

  /** Runs a plan until the compiler is done with its kernels. @returns time of one run, undefined where they were not */
  function warmUp(plan: Plan, limit: number): number | undefined {
    const cold = new Set<KernelName>();
    const first = work(plan, limit, cold);
    if (cold.size === 0) return first;
    const start = now();
    for (let runs = 0, best = first, same = 0; same < 2 && now() - start < WARM_MS && runs < MOST_RUNS; runs++) {
      const ms = work(plan, Number.POSITIVE_INFINITY);
      same = fine && best * SPEEDUP < first && ms > best * SETTLED ? same + 1 : 0;
      best = Math.min(best, ms);
    }
    for (const kernel of cold) warm.add(kernel);
    return undefined;
  }

  /** By a coarse clock: whole runs, moves counted (the same ones in both variants), as many as the clock can tell. */
  function coarse(plan: Plan): Sample {
    let runs = 0;
    return () => {
      if (runs === 0) warmUp(plan, Number.POSITIVE_INFINITY);
      for (runs ||= 1; ; runs *= 2) {
        const start = now();
        for (let i = 0; i < runs; i++) plan.step();
        const ms = now() - start;
        if (ms >= TICKS * tick) return ms / runs;
      }
    };
  }

  const sampler = (plan: Plan): Sample => (fine ? (limit) => warmUp(plan, limit) ?? work(plan, limit) : coarse(plan));

  return {
    duel(dense, sparse, expected, effort) {
      const quick = effort === "quick";
      const run = { dense: sampler(dense), sparse: sampler(sparse) };
      const ms = { dense: Number.POSITIVE_INFINITY, sparse: Number.POSITIVE_INFINITY };
      let atLeast: LayerTimes["atLeast"];
      const take = (one: keyof typeof ms, other: keyof typeof ms) => {
        const limit = quick && fine ? STOP * ms[other] : Number.POSITIVE_INFINITY;
        const taken = run[one](limit);
        if (taken >= ms[one]) return;
        ms[one] = taken;
        if (taken > limit) atLeast = one;
        else if (atLeast === one) atLeast = undefined;
      };
      const start = now();
      for (let runs = 1; ; runs++) {
        take("sparse", "dense");
        take("dense", "sparse");
        const ratio = Math.max(ms.sparse / ms.dense, ms.dense / ms.sparse);
        if (quick && ratio >= CLEAR && runs >= (expected && ms.sparse < ms.dense ? RUNS.foreseen : RUNS.other)) break;
        if (runs >= (quick ? RUNS.close : RUNS.thorough) && now() - start >= BUDGET_MS[effort]) break;
        if (runs >= MOST_RUNS) break;
      }
      return { denseMs: ms.dense, sparseMs: ms.sparse, ...(atLeast && { atLeast }) };
    },
  };
}

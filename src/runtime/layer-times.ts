/** Where the time of a whole network goes, layer by layer: measured inside its own plan, with its neighbours in place. */
import type { Tree } from "../core/index.js";
import type { Plan } from "../engine/index.js";

/**
 * Least milliseconds of each weight's operations within a plan, on one thread: packing of inputs, the products, and what is fused
 * behind them (bias, ReLU). Operations that hold no weight (pooling, sums) are not in it.
 *
 *     const { "conv2.weight": ms } = layerTimes(session.plan(1), () => performance.now());
 *
 * @param runs how often to measure, at least 1; default 30
 * @returns by path of the weight
 */
export function layerTimes(plan: Plan, now: () => number, runs = 30): Tree<number> {
  const pathOf = new Map<number, string>();
  for (const { operation, param } of plan.decisions) if (param !== undefined) pathOf.set(operation, param);
  const least: Record<string, number> = {};
  for (let run = -2; run < runs; run++) {
    const sums: Record<string, number> = {};
    for (const { operation, ms } of plan.profile(now)) {
      const path = operation === undefined ? undefined : pathOf.get(operation);
      if (path !== undefined) sums[path] = (sums[path] ?? 0) + ms;
    }
    if (run < 0) continue;
    for (const [path, ms] of Object.entries(sums)) least[path] = Math.min(least[path] ?? Number.POSITIVE_INFINITY, ms);
  }
  return least;
}

/** Plans that take the times they are told to, on a clock of their own: when a choice ends, what it tells, and that a held-up run misleads nobody. */
import { describe, expect, it } from "vitest";
import type { Plan } from "../engine/index.js";
import type { KernelName } from "../kernels/index.js";
import { createRing } from "./duel.js";

interface Fake {
  /** Milliseconds of each run, of which the last is repeated. */
  readonly runs: readonly number[];
  readonly kernel?: KernelName;
  /** Pieces that a run is made of. */
  readonly calls?: number;
}

/** A clock of a given step, and plans that move it on. */
function stage(tick = 0.0001) {
  let t = 0.00005;
  const now = () => {
    t += 1e-5;
    return Math.floor(t / tick) * tick;
  };
  const counts = new Map<Plan, number>();
  function plan({ runs, kernel = "sp1d_28", calls = 1 }: Fake): Plan {
    let count = 0;
    const next = () => runs[Math.min(count++, runs.length - 1)]!;
    const made = {
      step() {
        t += next();
        counts.set(made, count);
      },
      profile(_: unknown, stop: (kernel: KernelName, ms: number) => boolean) {
        const ms = next() / calls;
        counts.set(made, count);
        t += 5;
        if (stop("copy4", 5)) return [];
        for (let i = 0; i < calls; i++) {
          t += ms;
          if (stop(kernel, ms)) break;
        }
        return [];
      },
    } as unknown as Plan;
    return made;
  }
  return { now, plan, runsOf: (made: Plan) => counts.get(made) ?? 0 };
}

const warm = () => new Set<KernelName>(["sp1d_28", "sp4_8", "copy4"]);

describe("a quick choice", () => {
  it("ends after one run each when the foreseen variant is clearly ahead; the other is not run to its end", () => {
    const { now, plan, runsOf } = stage();
    const [dense, sparse] = [plan({ runs: [10], calls: 100 }), plan({ runs: [1] })];
    const times = createRing(now, warm()).duel(dense, sparse, true, "quick");
    expect(times.sparseMs).toBeCloseTo(1, 6);
    expect(times.denseMs).toBeCloseTo(3, 1);
    expect(times.atLeast).toBe("dense");
    expect([runsOf(dense), runsOf(sparse)]).toEqual([1, 1]);
  });
  it("is not misled by a run that was held up", () => {
    for (const [dense, sparse] of [
      [[2], [40, 1]],
      [[2], [40, 40, 40, 1]],
      [[1], [0.3, 9, 0.3]],
    ] as const) {
      const { now, plan } = stage();
      const times = createRing(now, warm()).duel(plan({ runs: dense }), plan({ runs: sparse }), true, "quick");
      expect(times.sparseMs).toBeLessThan(times.denseMs);
    }
  });
  it("takes four runs of what was not foreseen, and of near ones as many as its time allows", () => {
    const { now, plan, runsOf } = stage();
    const [dense, sparse] = [plan({ runs: [1] }), plan({ runs: [2.5] })];
    expect(createRing(now, warm()).duel(dense, sparse, true, "quick").denseMs).toBeCloseTo(1, 6);
    expect([runsOf(dense), runsOf(sparse)]).toEqual([4, 4]);
    const [a, b] = [plan({ runs: [0.01] }), plan({ runs: [0.011] })];
    createRing(now, warm()).duel(a, b, true, "quick");
    expect(runsOf(a)).toBeGreaterThanOrEqual(4);
  });
  it("waits for the compiler: first runs of a kernel do not count, and the next layer does not wait again", () => {
    const { now, plan, runsOf } = stage();
    const known = new Set<KernelName>();
    const ring = createRing(now, known);
    const slow = [20, 20, 20, 8, 1, 0.5];
    const [dense, sparse] = [plan({ runs: [9, 3, 2], kernel: "sp4_8" }), plan({ runs: slow })];
    expect(ring.duel(dense, sparse, false, "quick")).toEqual({ denseMs: 2, sparseMs: 0.5 });
    expect([...known].sort()).toEqual(["sp1d_28", "sp4_8"]);
    const later = plan({ runs: [0.5] });
    ring.duel(plan({ runs: [2], kernel: "sp4_8" }), later, true, "quick");
    expect(runsOf(later)).toBe(1);
  });
});

describe("a thorough choice", () => {
  it("tells both times in full", () => {
    const { now, plan, runsOf } = stage();
    const [dense, sparse] = [plan({ runs: [10], calls: 100 }), plan({ runs: [1] })];
    const times = createRing(now, warm()).duel(dense, sparse, true, "thorough");
    expect(times.denseMs).toBeCloseTo(10, 6);
    expect(times).not.toHaveProperty("atLeast");
    expect(runsOf(sparse)).toBeGreaterThanOrEqual(7);
  });
});

describe.each([0.005, 0.1])("a clock of %f ms", (tick) => {
  it.each(["quick", "thorough"] as const)("tells variants apart that it cannot time once: %s", (effort) => {
    const { now, plan } = stage(tick);
    const times = createRing(now, warm()).duel(plan({ runs: [0.004] }), plan({ runs: [0.003] }), true, effort);
    expect(Math.abs(times.sparseMs / 0.003 - 1)).toBeLessThan(0.04);
    expect(Math.abs(times.denseMs / 0.004 - 1)).toBeLessThan(0.04);
  });
});

/** The machine's roofline in the same run: a loop of 128-bit multiplications and additions that touches no memory. */
import { Arena, createPool, encode, loadKernels, PEAK_SUMS, writePlan } from "../../src/kernels/index.js";

/** Turns of the loop in one sample, and the floating-point operations of a turn. */
const TURNS = 200_000;
const FLOPS = TURNS * PEAK_SUMS * 8;

/** Times the loop on all threads at once. */
export interface Peak {
  /** Milliseconds that this many floating-point operations take on all threads together, measured now. */
  time(flops: number): number;
  close(): void;
}

/** @param threads that run the loop, one copy each */
export async function createPeak(threads: number): Promise<Peak> {
  const kernels = await loadKernels({ flavor: "plain" });
  const arena = new Arena(kernels);
  const pool = await createPool(kernels, threads);
  const parts = Array.from({ length: threads }, () => [encode("peak", { n: TURNS, out: arena.allocate(64) })]);
  const plan = writePlan(arena, [{ parts }]);
  const scratch = arena.allocate(64 * threads);
  const run = () => pool.run(plan, scratch, 64);
  run();
  return {
    time(flops) {
      // As much work as the other side does, so that whoever else uses the machine disturbs both alike.
      const turns = Math.max(1, Math.round(flops / (FLOPS * threads)));
      const start = performance.now();
      for (let i = 0; i < turns; i++) run();
      return ((performance.now() - start) * flops) / (turns * FLOPS * threads);
    },
    close: () => pool.close(),
  };
}

/** Engines whose threads are pinned. */
import { createEngine, type Engine } from "../../src/engine/index.js";
import { pinProcess, threadsOf } from "./pin.js";

/** Threads of this process that started while `start` ran. */
async function born<T>(start: () => Promise<T>): Promise<{ made: T; threads: number[] }> {
  const before = new Set(threadsOf("self"));
  const made = await start();
  return { made, threads: threadsOf("self").filter((thread) => !before.has(thread)) };
}

/** Starts what computes with `threads` threads and pins this process for it. */
export async function pinned<T>(threads: number, start: () => Promise<T>): Promise<{ made: T; note: string | undefined }> {
  const { made, threads: workers } = await born(start);
  return { made, note: pinProcess(process.pid, threads, workers) };
}

/** An engine on `threads` threads, pinned. */
export async function pinnedEngine(threads: number): Promise<{ engine: Engine; note: string | undefined }> {
  const { made, note } = await pinned(threads, () => createEngine({ threads }));
  return { engine: made, note };
}

/** Milliseconds of one call. */
export function timed(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

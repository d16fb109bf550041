/** Workers of Node's worker_threads. No static import, so that browsers and bundlers may load this file too. */
import type { SpawnWorker, WorkerMessage } from "./threads.js";

/** How Node starts a worker, or undefined outside Node. */
export function nodeWorkers(): SpawnWorker | undefined {
  const threads = globalThis.process?.getBuiltinModule?.("node:worker_threads");
  if (!threads) return undefined;
  return (source, said, died) => {
    const worker = new threads.Worker(source, { eval: true });
    worker.unref();
    worker.on("message", (message: WorkerMessage) => said(message));
    worker.on("error", (error: unknown) => died(String(error)));
    worker.on("exit", (code: number) => died(`it exited with code ${code}`));
    return {
      post: (start) => worker.postMessage(start),
      terminate: () => void worker.terminate(),
    };
  };
}

/** Whether a thread of this process, as `/proc/thread-self` named it, is gone. False where the system does not say. */
export function isGone(thread: string): boolean {
  const fs = globalThis.process?.getBuiltinModule?.("node:fs");
  return fs !== undefined && !fs.existsSync(`/proc/${thread}`);
}

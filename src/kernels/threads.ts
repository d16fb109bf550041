/**
 * Threads that walk a plan together. Each worker instantiates the same module on the shared memory and waits in `serve`; a run costs no message.
 */
import { InputError, requireInteger } from "../core/index.js";
import type { Kernels } from "./loader.js";
import { CONTROL } from "./templates/dispatch.js";
import { isGone, nodeWorkers } from "./threads.node.js";
import { WORKER_SOURCE } from "./worker-source.js";

/** What a worker is told at its start. */
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly tid: number;
  readonly ticket: number;
  readonly control: number;
}

/** A worker's only messages: it stands ready (which thread it is, on Linux), or it failed. */
export type WorkerMessage = { readonly ready: true; readonly thread?: string } | { readonly failed: string };

/** A running worker, in Node or a browser. */
export interface WorkerHandle {
  post(start: WorkerStart): void;
  terminate(): void;
}

/** Starts a worker from a classic script; reports what it says and how it dies. */
export type SpawnWorker = (source: string, said: (message: WorkerMessage) => void, died: (reason: string) => void) => WorkerHandle;

/** A thread of a pool died or trapped: the pool is of no further use. */
export class LostThreadError extends InputError {
  override name = "LostThreadError";
}

/** A set of threads over one memory: this one and `threads - 1` workers. */
export interface Pool {
  /** Threads in use: 1 where memory is not shared or this thread may not block (a browser's main thread). */
  readonly threads: number;
  /**
   * Runs a plan to its end.
   * @param plan         address from `writePlan`
   * @param scratchBase  address of `threads * scratchBytes` bytes
   * @param scratchBytes bytes of scratch memory for each thread
   * @param alone        on this thread only: the same bits, and no meetings
   * @throws LostThreadError when a thread was lost, InputError when the pool is closed. The plan's results are then undefined; make a new pool
   */
  run(plan: number, scratchBase: number, scratchBytes: number, alone?: boolean): void;
  /** Stops the workers. Closing twice is allowed. */
  close(): void;
}

/** Options of `createPool`. */
export interface PoolOptions {
  /** How to start a worker. Default: worker_threads in Node, a Blob URL Worker in a browser. */
  readonly spawn?: SpawnWorker | undefined;
  /** Milliseconds that workers may take to start. Default 30000. */
  readonly startTimeout?: number | undefined;
}

const WORDS = { ticket: 0, arrived: 1, generation: 2, stop: 7, lost: 8, module: 9, moduleBytes: 10 } as const;

/** Tells workers where the bytes of a module that was loaded later lie in the shared memory (templates/dispatch.ts). */
export function announceModule(kernels: Kernels, address: number, bytes: number): void {
  const control = new Int32Array(kernels.memory.buffer, CONTROL, 16);
  Atomics.store(control, WORDS.module, address);
  Atomics.store(control, WORDS.moduleBytes, bytes);
}

/** Whether this thread may sleep on shared memory: a browser's main thread may not, so run the engine in a worker there. */
export function canBlock(): boolean {
  try {
    return Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0) === "not-equal";
  } catch {
    return false;
  }
}

/** Memories that have a pool: the control block is one per memory. */
const inUse = new WeakSet<WebAssembly.Memory>();

const browserWorkers: SpawnWorker = (source, said, died) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(url);
  worker.onmessage = (event: MessageEvent<WorkerMessage>) => said(event.data);
  worker.onerror = (event) => died(event.message || "the worker's script could not be loaded");
  return {
    post: (start) => worker.postMessage(start),
    terminate() {
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
};

/**
 * Starts a pool.
 *
 * @param kernels the module; without shared memory, and on a browser's main thread, the pool has one thread
 * @param threads threads wanted, at least 1, this one included. 1 starts no worker
 * @throws OptionError when threads is no integer in [1, 256]; InputError when a worker does not start, or the memory has a pool already
 */
export async function createPool(kernels: Kernels, threads: number, options: PoolOptions = {}): Promise<Pool> {
  requireInteger("createPool.threads", threads, 1, 256);
  const count = kernels.shared && canBlock() ? threads : 1;
  if (inUse.has(kernels.memory))
    throw new InputError("createPool: expected a memory without a pool; close the pool that it has first");
  const control = new Int32Array(kernels.memory.buffer, CONTROL, 16);
  const workers: WorkerHandle[] = [];
  const threadsOf: string[] = [];
  let state: "open" | "closed" | "lost" = "open";
  let reason = "";

  function release(): void {
    if (count > 1) {
      if (state === "lost") Atomics.store(control, WORDS.lost, 1);
      Atomics.store(control, WORDS.stop, 1);
      Atomics.add(control, WORDS.ticket, 1);
      Atomics.add(control, WORDS.generation, 1);
      Atomics.notify(control, WORDS.ticket);
      Atomics.notify(control, WORDS.generation);
    }
    for (const worker of workers) worker.terminate();
    inUse.delete(kernels.memory);
  }

  function lose(why: string): void {
    if (state !== "open") return;
    state = "lost";
    reason = why;
    release();
  }

  inUse.add(kernels.memory);
  control.fill(0);
  if (count > 1) {
    // This thread hears of no death while it waits in the middle of a run: there it looks.
    kernels.onWait(() => {
      if (!threadsOf.some(isGone)) return;
      Atomics.store(control, WORDS.lost, 1);
      Atomics.add(control, WORDS.generation, 1);
      Atomics.notify(control, WORDS.generation);
    });
    try {
      await startWorkers(kernels, control, workers, count, options, lose, threadsOf);
    } catch (error) {
      lose(String(error));
      throw error;
    }
  }

  return {
    threads: count,
    run(plan, scratchBase, scratchBytes, alone) {
      if (state !== "open") {
        const what = state === "lost" ? `has lost a thread (${reason})` : "is closed";
        const Problem = state === "lost" ? LostThreadError : InputError;
        throw new Problem(`pool.run: expected an open pool, this one ${what}; make a new one with createPool`);
      }
      let lost: number;
      try {
        lost = kernels.exports.run(alone ? 1 : count, plan, scratchBase, scratchBytes);
      } catch (cause) {
        if (count > 1) lose("the plan trapped");
        const Problem = count > 1 ? LostThreadError : InputError;
        throw new Problem(`pool.run: the plan at ${plan} trapped: it holds a wrong address or instruction, or was freed`, {
          cause,
        });
      }
      if (lost) {
        lose("a worker did not reach the end of a phase");
        throw new LostThreadError(
          `pool.run: a thread of ${count} was lost while a plan ran; its results are undefined; make a new pool`,
        );
      }
    },
    close() {
      if (state !== "open") return;
      state = "closed";
      release();
    },
  };
}

/** Starts workers 1 .. count - 1 and waits until all are ready. */
async function startWorkers(
  kernels: Kernels,
  control: Int32Array,
  workers: WorkerHandle[],
  count: number,
  options: PoolOptions,
  lose: (why: string) => void,
  threads: string[],
): Promise<void> {
  const spawn = options.spawn ?? nodeWorkers() ?? browserWorkers;
  const timeout = options.startTimeout ?? 30000;
  const start = (tid: number) =>
    new Promise<void>((resolve, reject) => {
      const fail = (why: string) => {
        reject(
          new InputError(`createPool: worker ${tid} of ${count - 1} did not start: ${why}; use threads: 1 to run without workers`),
        );
        lose(`worker ${tid}: ${why}`);
      };
      const timer = setTimeout(() => fail(`no answer in ${timeout} ms`), timeout);
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer);
          then(value);
        };
      const worker = spawn(
        WORKER_SOURCE,
        settle((message) => {
          if (!("ready" in message)) return fail(message.failed);
          if (message.thread) threads.push(message.thread);
          resolve();
        }),
        settle(fail),
      );
      workers.push(worker);
      const ticket = Atomics.load(control, WORDS.ticket);
      worker.post({ module: kernels.module, memory: kernels.memory, tid, ticket, control: CONTROL });
    });
  await Promise.all(Array.from({ length: count - 1 }, (_, i) => start(i + 1)));
}

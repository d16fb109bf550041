/** Jobs in processes of their own: side by side, and a job that dies takes nothing with it. */
import { type ChildProcess, fork } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "../../src/core/index.js";
import { extension } from "./discover.js";
import type { JobMessage, WorkerMessage } from "./worker.js";

/** Runs jobs somewhere; tests run them in place. */
export interface Executor {
  /** At most `size` of these may be under way at once. */
  readonly size: number;
  run(message: JobMessage, progress: (fraction: number, words?: string) => void): Promise<unknown>;
  close(): void;
}

/**
 * Child processes, started when first needed and reused.
 *
 * @param size at least 1
 */
export function processPool(size: number, execArgv: readonly string[] = process.execArgv): Executor {
  const idle: ChildProcess[] = [];
  const all = new Set<ChildProcess>();
  const start = () => {
    const child = fork(join(dirname(fileURLToPath(import.meta.url)), `worker${extension}`), [], {
      serialization: "advanced",
      execArgv: [...execArgv],
      stdio: ["ignore", 2, 2, "ipc"],
    });
    all.add(child);
    child.once("exit", () => all.delete(child));
    return child;
  };
  return {
    size,
    run(message, progress) {
      const child = idle.pop() ?? start();
      return new Promise((done, fail) => {
        const finish = (settle: () => void, reusable: boolean) => {
          child.off("message", onMessage);
          child.off("exit", onExit);
          child.off("error", onError);
          if (reusable && child.connected) idle.push(child);
          settle();
        };
        const onMessage = (reply: WorkerMessage) => {
          if (reply.type === "progress") progress(reply.fraction, reply.words);
          else if (reply.type === "result") finish(() => done(reply.result), true);
          else {
            const error = reply.input ? new InputError(reply.message) : new Error(reply.message);
            if (reply.stack !== undefined) error.stack = reply.stack;
            finish(() => fail(error), true);
          }
        };
        const onExit = (code: number | null, signal: string | null) =>
          finish(
            () =>
              fail(
                new Error(
                  `its process ended (${signal ? `signal ${signal}` : `exit code ${code}`})${signal === "SIGKILL" ? ", perhaps out of memory" : ""}`,
                ),
              ),
            false,
          );
        const onError = (error: Error) => finish(() => fail(error), false);
        child.on("message", onMessage);
        child.once("exit", onExit);
        child.once("error", onError);
        child.send(message, (error) => error && onError(error));
      });
    },
    close() {
      for (const child of all) {
        if (child.connected) child.disconnect();
        else child.kill();
      }
      idle.length = 0;
    },
  };
}

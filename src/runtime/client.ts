/** The caller's side of a worker that holds the engine: sends requests, matches answers, and ends all waits when the worker dies. */
import type { AnyTensor, Tree } from "../core/index.js";
import { SessionError, unpackError } from "./errors.js";
import type { Answer, Request } from "./protocol.js";

/** A worker that runs the engine. */
export interface HostHandle {
  post(request: Request, transfer: ArrayBuffer[]): void;
  /** Stops the worker and whatever it started. */
  terminate(): unknown;
}

/** Starts the engine's worker from its script; reports what it answers, and that it died. */
export type SpawnHost = (script: string, answered: (answer: Answer) => void, died: (reason: string) => void) => HostHandle;

/** A request without its number. */
export type Asked = Request extends infer R ? (R extends Request ? Omit<R, "id"> : never) : never;

/** An answer: what was asked for, and for a run its input buffers. */
export interface Answered<T> {
  readonly ok: T;
  readonly inputs?: Tree<AnyTensor["data"]>;
}

/** Talks to a worker. */
export interface Client {
  /** @throws the worker's error; SessionError when the worker is closed or lost, or becomes so before it answers */
  ask<T>(request: Asked, transfer?: ArrayBuffer[]): Promise<Answered<T>>;
  /** Ends all waits and stops the worker. */
  close(): Promise<void>;
}

/** Starts a worker and talks to it. */
export function createClient(spawn: SpawnHost, script: string): Client {
  const waiting = new Map<number, { resolve(answer: Answered<never>): void; reject(error: Error): void }>();
  let end: SessionError | undefined;
  let next = 0;

  function finish(error: SessionError): void {
    if (end) return;
    end = error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  }

  const worker = spawn(
    script,
    (answer) => {
      const asked = waiting.get(answer.id);
      waiting.delete(answer.id);
      if (!asked) return;
      if ("error" in answer) asked.reject(unpackError(answer.error));
      else asked.resolve(answer as unknown as Answered<never>);
    },
    (reason) => {
      if (end) return;
      finish(new SessionError("lost", `runtime: the engine's worker died: ${reason}; load the model again`));
      worker.terminate();
    },
  );

  return {
    ask(request, transfer = []) {
      return new Promise((resolve, reject) => {
        if (end) return reject(end);
        const id = next++;
        waiting.set(id, { resolve, reject });
        try {
          worker.post({ ...request, id } as Request, transfer);
        } catch (error) {
          waiting.delete(id);
          reject(error);
        }
      });
    },
    async close() {
      const first = end === undefined;
      finish(new SessionError("closed", "runtime: it was closed; load the model again"));
      if (first) await worker.terminate();
    },
  };
}

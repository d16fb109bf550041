/** The engine's side: holds one engine and its sessions, and answers requests one after another. */
import { type AnyTensor, InputError, type Tree } from "../core/index.js";
import { createEngine, type Engine } from "../engine/index.js";
import { LostThreadError } from "../kernels/index.js";
import { packError, SessionError } from "./errors.js";
import { readModel } from "./model-file.js";
import type { Answer, EngineFacts, LoadedFacts, Outputs, Request } from "./protocol.js";
import { type CheckedSession, openSession } from "./session.js";

/** An answer and the buffers that go with it. */
export type Reply = (answer: Answer, transfer: ArrayBuffer[]) => void;

/** Answers requests, one after another, in the order in which they come. */
export interface Host {
  request(request: Request): void;
  /** Frees sessions and engine, once what is under way has ended. */
  close(): Promise<void>;
}

const copyOf = (outputs: Tree<AnyTensor>): Outputs =>
  Object.fromEntries(
    Object.entries(outputs).map(([name, { shape, dtype, data }]) => [name, { shape, dtype, data: data.slice() } as AnyTensor]),
  );

/**
 * A host that has no engine yet: the first request must be `open`.
 * @param reply sends an answer
 * @param now   a clock in milliseconds
 */
export function createHost(reply: Reply, now: () => number): Host {
  let engine: Engine | undefined;
  const sessions = new Map<number, CheckedSession>();

  async function load(request: Extract<Request, { kind: "load" }>): Promise<LoadedFacts> {
    const { session, bytes, kernels, known, plans } = request;
    if (!engine) throw new InputError("runtime: load before open");
    const file = readModel(bytes);
    const timings = new Map(known);
    const made = await openSession(file, { engine, kernels, now, timings, ...(plans === undefined ? {} : { plans }) });
    try {
      // What cannot run is found now, and the first run is as fast as the others.
      made.plan(1);
    } catch (error) {
      made.close();
      throw error;
    }
    sessions.set(session, made);
    const measured = [...timings].slice(known.length);
    return { specs: made.specs, metadata: file.metadata, layers: made.layers, measured };
  }

  async function answer(request: Request): Promise<void> {
    const { id } = request;
    try {
      switch (request.kind) {
        case "open": {
          engine = await createEngine({ threads: request.engine.threads });
          const facts: EngineFacts = { threads: engine.threads, shared: engine.kernels.shared };
          return reply({ id, ok: facts }, []);
        }
        case "load":
          return reply({ id, ok: await load(request) }, []);
        case "run": {
          const session = sessions.get(request.session);
          if (!session) throw new InputError("runtime: run after close");
          const ok = copyOf(session.plan(request.batch).run(request.inputs));
          const buffers = [
            ...Object.values(ok).map(({ data }) => data.buffer),
            ...Object.values(request.inputs).map((d) => d.buffer),
          ];
          return reply({ id, ok, inputs: request.inputs }, buffers as ArrayBuffer[]);
        }
        case "close":
          sessions.get(request.session)?.close();
          sessions.delete(request.session);
          return reply({ id, ok: true }, []);
      }
    } catch (error) {
      const lost = error instanceof LostThreadError;
      reply({ id, error: packError(lost ? new SessionError("lost", error.message) : error) }, []);
    }
  }

  // One request at a time: a run that comes while a model is being loaded waits for it.
  let last: Promise<void> = Promise.resolve();
  return {
    request(request) {
      last = last.then(() => answer(request));
    },
    close() {
      last = last.then(() => {
        for (const session of sessions.values()) session.close();
        sessions.clear();
        engine?.close();
        engine = undefined;
      });
      return last;
    },
  };
}

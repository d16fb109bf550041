/** An engine in the calling thread, behind the same requests as one in a worker. */
import type { Answered, Client } from "./client.js";
import { SessionError, unpackError } from "./errors.js";
import { createHost } from "./host.js";
import type { Answer, Request } from "./protocol.js";

/** @param now a clock in milliseconds */
export function createLocalClient(now: () => number): Client {
  const waiting = new Map<number, (answer: Answer | SessionError) => void>();
  let end: SessionError | undefined;
  let host: ReturnType<typeof createHost> | undefined = createHost((answer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  }, now);
  let next = 0;
  return {
    ask(request) {
      return new Promise((resolve, reject) => {
        if (end) return reject(end);
        const id = next++;
        waiting.set(id, (answer) => {
          if (answer instanceof SessionError) reject(answer);
          else if ("error" in answer) reject(unpackError(answer.error));
          else resolve(answer as unknown as Answered<never>);
        });
        host?.request({ ...request, id } as Request);
      });
    },
    async close() {
      if (end) return;
      end = new SessionError("closed", "runtime: it was closed; load the model again");
      for (const answer of waiting.values()) answer(end);
      waiting.clear();
      const ending = host;
      host = undefined;
      await ending?.close();
    },
  };
}

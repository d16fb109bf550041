/** The engine's worker in a browser: a Blob URL, so that nothing but the page's own bundle needs to be served. */
import type { SpawnHost } from "./client.js";
import type { Answer } from "./protocol.js";

const HINT = "a Content-Security-Policy must allow worker-src blob: and script-src 'wasm-unsafe-eval'";

/** Starts the worker's script. */
export const spawnWorker: SpawnHost = (script, answered, died) => {
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const worker = new Worker(url);
  worker.onmessage = (event: MessageEvent<Answer>) => answered(event.data);
  worker.onmessageerror = () => died("a message could not be read");
  worker.onerror = (event) => {
    event.preventDefault();
    died(event.message || `its script could not be loaded (${HINT})`);
  };
  return {
    post: (request, transfer) => worker.postMessage(request, transfer),
    terminate() {
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
};

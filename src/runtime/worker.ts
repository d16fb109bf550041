/** The script of the engine's worker, in a browser and in Node: it is bundled whole into one text by scripts/build-worker.ts. */
import { createHost, type Reply } from "./host.js";
import type { Request } from "./protocol.js";

interface Port {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  on?(event: "message", listener: (message: Request) => void): void;
  onmessage?: ((event: { data: Request }) => void) | null;
}

const node = globalThis.process?.getBuiltinModule?.("node:worker_threads");
const port = (node?.parentPort ?? globalThis) as unknown as Port;
const reply: Reply = (answer, transfer) => port.postMessage(answer, transfer);
const clock = globalThis.performance;
const host = createHost(reply, () => clock.now());
if (node?.parentPort) port.on?.("message", host.request);
else port.onmessage = ({ data }) => host.request(data);

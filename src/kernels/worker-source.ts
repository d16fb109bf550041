/**
 * The script of a worker, as text: no compiler touches it, so it runs as it stands in Node and in browsers.
 *
 * Kernels of a module that was loaded later (int8) are compiled from its bytes in the shared memory when the first such instruction comes.
 *
 * On Linux a worker says which of the process's threads it is, so that a thread that waits for it can see whether it lives.
 *
 * When a plan traps on a worker, the worker raises the `lost` flag and opens the barrier, so that the other threads come back at once.
 */
export const WORKER_SOURCE = `"use strict";
(() => {
  const node = typeof process === "object" && process.getBuiltinModule ? process.getBuiltinModule("node:worker_threads") : undefined;
  const port = node ? node.parentPort : self;
  const thread = () => {
    try {
      return node && process.getBuiltinModule("node:fs").readlinkSync("/proc/thread-self");
    } catch {}
  };
  const begin = async ({ module, memory, tid, ticket, control }) => {
    try {
      let one;
      const extension = (pc) => {
        if (!pc) return;
        if (!one) {
          const words = new Uint32Array(memory.buffer, control, 16);
          const bytes = new Uint8Array(memory.buffer, words[9], words[10]).slice();
          one = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports.one;
        }
        one(pc);
      };
      const instance = await WebAssembly.instantiate(module, { env: { memory, extension } });
      port.postMessage({ ready: true, thread: thread() });
      instance.exports.serve(tid, ticket);
    } catch (error) {
      const words = new Int32Array(memory.buffer, control, 16);
      Atomics.store(words, 8, 1);
      Atomics.add(words, 2, 1);
      Atomics.notify(words, 2);
      port.postMessage({ failed: String((error && error.message) || error) });
    }
  };
  if (node) port.once("message", begin);
  else self.onmessage = (event) => begin(event.data);
})();
`;

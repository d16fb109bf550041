/** Ourselves, through the public session. */
import { createEngine } from "../../../src/engine/index.js";
import { createSession, readModel, writeModel } from "../../../src/runtime/index.js";
import type { OwnName, Peer } from "./peer.js";

/** Our engine; `measured` chooses kernels as a user's session does. */
export const sparseland = (name: OwnName): Peer => ({
  layout: "channels first",
  async load({ file }, asked) {
    const threads = name.endsWith("one thread") ? 1 : asked;
    const bytes = writeModel(file);
    const start = performance.now();
    const engine = await createEngine({ threads, flavor: name.endsWith("relaxed") ? "relaxed" : "plain" });
    if (engine.threads !== threads) throw new Error(`${threads} threads were asked for, ${engine.threads} started`);
    const session = await createSession(readModel(bytes), {
      engine,
      kernels: name.includes("dense") ? "dense" : "measured",
      now: () => performance.now(),
    });
    const loadMs = performance.now() - start;
    return {
      loadMs,
      run: (x) => session.run({ x })["y"]!.data,
      close() {
        session.close();
        engine.close();
      },
    };
  },
});

/** Ourselves, through the public session. */
import { createEngine } from "../../../src/engine/index.js";
import { createSession, packModel, readModel, writeModel } from "../../../src/runtime/index.js";
import { quantise } from "../../../src/train/index.js";
import { buildNetwork, exampleInput, type Network } from "../network.js";
import type { OwnName, Peer } from "./peer.js";

/** Examples that the ranges are found on. */
const EXAMPLES = 4;

/**
 * The network at the same sparsity in blocks of 4x4, classifier included, quantised: the file, and what its weights give in f32.
 * Ranges are found on random pictures; the one that is timed is not among them.
 */
async function int8File({ subject, inputShape }: Network, x: Float32Array) {
  const { program, params, masks, file } = buildNetwork({ ...subject, pattern: "4x4" }, true);
  const engine = await createEngine();
  try {
    const float = await createSession(packModel({ program: file.program, params, masks }), { engine, kernels: "dense" });
    const expected = float.run({ x })["y"]!.data.slice();
    float.close();
    const n = inputShape.reduce((a, b) => a * b, 1);
    const batches = Array.from({ length: EXAMPLES }, (_, i) => ({ x: exampleInput(n, 20 + i) }));
    const made = quantise({ engine, program: file.program, params, calibration: { batchSize: 1, batches } });
    const bytes = writeModel(packModel({ program: made.program, params: made.params, int8: made.scales }));
    const dense = Object.values(params).reduce((sum, { data }) => sum + data.length * 4, 0);
    const stays = made.notes.filter(({ int8 }) => !int8).map(({ op }) => op);
    const note = `4x4 blocks, classifier too; file ${(bytes.length / dense).toFixed(4)} of dense f32 (program ${program.operations.length} operations); in f32: ${stays.join(", ") || "nothing"}`;
    return { bytes, expected, note };
  } finally {
    engine.close();
  }
}

/** Int8: its own weights, of the same network and sparsity. */
const int8 = (alone: boolean): Peer => ({
  layout: "channels first",
  async load(network, threads) {
    const { bytes, expected, note } = await int8File(network, exampleInput(network.inputShape.reduce((a, b) => a * b, 1)));
    const start = performance.now();
    const engine = await createEngine({ threads: alone ? 1 : threads });
    const session = await createSession(readModel(bytes), { engine, now: () => performance.now() });
    const loadMs = performance.now() - start;
    const build = engine.kernels.int8!.flavor;
    return {
      loadMs,
      own: {
        expected,
        tolerance: 0.2,
        note: `int8, ${{ plain: "plain SIMD", relaxed: "relaxed dot product", madd: "relaxed products in pairs" }[build]}; ${note}`,
      },
      run: (x) => session.run({ x })["y"]!.data,
      close() {
        session.close();
        engine.close();
      },
    };
  },
});

/** Our engine; `measured` chooses kernels as a user's session does. */
export const sparseland = (name: OwnName): Peer => (name.includes("int8") ? int8(name.endsWith("one thread")) : float(name));

const float = (name: OwnName): Peer => ({
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

/** Times trained networks against the dense one, as reloaded from disk: batch 1 and 64, one thread and all threads. */
import { readFileSync } from "node:fs";
import { sizeOf } from "../../src/core/index.js";
import type { Engine } from "../../src/engine/index.js";
import { chooseNetwork, type NetworkChoice } from "../network/choose.js";
import { compileNetwork } from "../network/compiled.js";
import { decodeNetwork, type Network } from "../network/model-file.js";
import { timeInTurns } from "../network/timing.js";
import type { EntryResult } from "./results.js";
import type { TrainedEntry } from "./train-entry.js";

/** Engines to time on: one thread, and all threads of the run (the same one when the run has one thread). */
export interface Engines {
  readonly one: Engine;
  readonly all: Engine;
}

/** A network and the number of its timed runs. */
interface Timed {
  readonly ms: number;
  readonly denseMs: number;
}

/** Median time of a network and of the dense one, in turns. */
function against(engine: Engine, network: Network, dense: Network, batch: number, sparse: readonly string[], runs: number, now: () => number): Timed {
  const plans = [compileNetwork(engine, network, batch, { sparse }), compileNetwork(engine, dense, batch, { sparse: [] })];
  try {
    const inputs = new Float32Array(batch * sizeOf(network.model.inputShape)).fill(0.5);
    const [ms, denseMs] = timeInTurns(
      plans.map((plan) => ({ run: () => plan.run(inputs) })),
      runs,
      now,
    ) as [number, number];
    return { ms, denseMs };
  } finally {
    for (const plan of plans) plan.close();
  }
}

const noChoice: NetworkChoice = { layers: [], sparse: [] };

/** Reads a saved network. */
export const loadNetwork = (path: string): Network => decodeNetwork(readFileSync(path), path);

/**
 * Times one entry.
 *
 * @param network the entry's, reloaded from disk
 * @param dense   the dense entry's, reloaded from disk; the network itself with dense kernels when the run has no dense entry
 * @param runs    timed runs per figure
 */
export function measureEntry(entry: TrainedEntry, network: Network, dense: Network, engines: Engines, runs: number, now: () => number): EntryResult {
  const few = Math.max(3, Math.ceil(runs / 5));
  const choose = (batch: number) => (network.masked.length === 0 ? noChoice : chooseNetwork(engines.one, network, batch, few, now));
  const choices = { 1: choose(1), 64: choose(64) } as const;
  const time = (engine: Engine, batch: 1 | 64) => against(engine, network, dense, batch, choices[batch].sparse, batch === 1 ? runs : Math.max(3, Math.ceil(runs / 2)), now);
  const one = time(engines.one, 1);
  const many = time(engines.one, 64);
  const oneThreads = engines.all === engines.one ? one : time(engines.all, 1);
  const manyThreads = engines.all === engines.one ? many : time(engines.all, 64);
  const measured = new Map(choices[1].layers.map((layer) => [layer.path, layer]));
  const layers = entry.layers.map((layer) => {
    const found = measured.get(layer.name);
    if (!found) return { ...layer, kernel: "dense", reason: "not pruned" };
    return { ...layer, kernel: found.kernel, reason: found.reason, ms: found.kernel === "sparse" ? found.sparseMs : found.denseMs, denseMs: found.denseMs };
  });
  const made = choices[1].layers.filter(({ kernel }) => kernel === "sparse");
  const total = (of: (layer: (typeof made)[number]) => number) => made.reduce((sum, layer) => sum + of(layer), 0);
  return {
    ...entry,
    layers,
    msBatch1: one.ms,
    msBatch64: many.ms,
    msBatch1Threads: oneThreads.ms,
    msBatch64Threads: manyThreads.ms,
    speedupBatch1: one.denseMs / one.ms,
    speedupBatch64: many.denseMs / many.ms,
    speedupSparseLayers: made.length === 0 ? undefined : total(({ denseMs }) => denseMs) / total(({ sparseMs }) => sparseMs),
  };
}

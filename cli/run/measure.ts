/** Times trained networks against the dense one, as reloaded from disk: batch 1 and 64, one thread and all threads. */
import type { Engine } from "../../src/engine/index.js";
import type { ModelFile } from "../../src/runtime/index.js";
import { against } from "../network/against.js";
import { timingReason } from "../network/reason.js";
import type { EntryResult } from "./results.js";
import type { TrainedEntry } from "./train-entry.js";

/** Engines to time on: one thread, and all threads of the run (the same one when the run has one thread). */
export interface Engines {
  readonly one: Engine;
  readonly all: Engine;
}

/**
 * Times one entry.
 *
 * @param file  the entry's model, reloaded from disk
 * @param dense the dense entry's; the model itself with dense kernels when the run has no dense entry
 * @param runs  timed runs per figure; half as many at batch 64
 */
export async function measureEntry(
  entry: TrainedEntry,
  file: ModelFile,
  dense: ModelFile,
  engines: Engines,
  runs: number,
  now: () => number,
): Promise<EntryResult> {
  const batches = [
    { batch: 1, runs },
    { batch: 64, runs: Math.max(3, Math.ceil(runs / 2)) },
  ];
  const one = await against(engines.one, file, dense, batches, now);
  const all = engines.all === engines.one ? one : await against(engines.all, file, dense, batches, now);
  const measured = new Map(one.layers.map((layer) => [layer.path, layer]));
  const layers = entry.layers.map((layer) => {
    const found = measured.get(layer.name);
    const times = { ms: one.inPlan.own[layer.name], denseMs: one.inPlan.dense[layer.name] };
    return found
      ? { ...layer, ...times, kernel: found.choice, reason: timingReason(found) }
      : { ...layer, ...times, kernel: "dense", reason: "not pruned" };
  });
  const made = layers.filter(({ kernel, ms, denseMs }) => kernel === "sparse" && ms !== undefined && denseMs !== undefined);
  const total = (of: (layer: (typeof made)[number]) => number | undefined) => made.reduce((sum, layer) => sum + of(layer)!, 0);
  const [first, many] = one.times as [(typeof one.times)[number], (typeof one.times)[number]];
  return {
    ...entry,
    layers,
    msBatch1: first.ms,
    msBatch64: many.ms,
    msBatch1Threads: all.times[0]!.ms,
    msBatch64Threads: all.times[1]!.ms,
    medians: {
      msBatch1: first.medianMs,
      msBatch64: many.medianMs,
      msBatch1Threads: all.times[0]!.medianMs,
      msBatch64Threads: all.times[1]!.medianMs,
    },
    speedupBatch1Threads: all.times[0]!.denseMs / all.times[0]!.ms,
    speedupBatch64Threads: all.times[1]!.denseMs / all.times[1]!.ms,
    speedupBatch1: first.denseMs / first.ms,
    speedupBatch64: many.denseMs / many.ms,
    speedupSparseLayers: made.length === 0 ? undefined : total(({ denseMs }) => denseMs) / total(({ ms }) => ms),
  };
}

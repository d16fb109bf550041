/** `results.json`: what a run measured. The report is made from it alone. */
import { InputError } from "../../src/core/index.js";
import { flag, type Issue, integer, list, number, object, optional, type Schema, text } from "../recipe/schema.js";

/** A number in [0, 1]. */
const fraction = number({ min: 0, max: 1 });
const amount = number({ min: 0 });

/** Any JSON value, taken as it is. */
const plain: Schema<unknown> = { check: (value) => value };

const machine = object({
  cpu: text(),
  cores: integer({ min: 1 }),
  memoryGiB: amount,
  platform: text(),
  node: text(),
  /** Threads of the "all threads" timings. */
  threads: integer({ min: 1 }),
});

const layer = object({
  /** Parameter path. */
  name: text(),
  shape: list(integer(), 0, 8),
  params: integer(),
  nonZeros: integer(),
  sparsity: fraction,
  /** The kernel that the compiled plan chose by measured cost. */
  kernel: optional(text()),
  reason: optional(text()),
  /** Time of the layer's operations inside the whole network's plan, milliseconds, batch 1, one thread. */
  ms: optional(amount),
  /** Time of the same layer in the dense network's plan. */
  denseMs: optional(amount),
});

const point = object({
  epoch: integer(),
  trainLoss: number(),
  trainAccuracy: optional(fraction),
  testAccuracy: fraction,
  sparsity: fraction,
  seconds: amount,
});

const entry = object({
  id: text(),
  name: text(),
  method: text(),
  seed: integer(),
  targetSparsity: fraction,
  /** Zeros among prunable weights. */
  realisedSparsity: fraction,
  testAccuracy: fraction,
  params: integer(),
  nonZeros: integer(),
  /** Of the saved model, indices and header included. */
  bytesOnDisk: integer(),
  /** 2 x multiply-adds on non-zeros, one image. */
  theoreticalFlops: amount,
  /** 2 x multiply-adds, one image, that dense kernels under a mask would do. */
  denseFlops: amount,
  /** How training ran: dense kernels, dense kernels under a mask, or kernels that touch non-zeros only. */
  trainingKernels: text("dense, simulated or sparse", /^(dense|simulated|sparse)$/),
  trainSeconds: amount,
  /** Least milliseconds per run of the compiled model, one thread. */
  msBatch1: amount,
  msBatch64: amount,
  /** The same with all threads. */
  msBatch1Threads: amount,
  msBatch64Threads: amount,
  /** Medians of the same runs; absent in results of before they were kept, whose times above are the medians. */
  medians: optional(object({ msBatch1: amount, msBatch64: amount, msBatch1Threads: amount, msBatch64Threads: amount })),
  /** Dense time over this time. */
  speedupBatch1: amount,
  speedupBatch64: amount,
  speedupBatch1Threads: amount,
  speedupBatch64Threads: amount,
  /** Of the layers that run sparse alone, batch 1, one thread: their time in the dense network's plan over that in this one's. */
  speedupSparseLayers: optional(amount),
  /** The model reloaded from disk gave the same predictions. */
  reloadedEqual: flag,
  layers: list(layer),
  curve: list(point),
  /** The method card, or null for dense networks. */
  card: plain,
});

const results = object({
  format: number({ min: 1, max: 1 }),
  sparseland: text(),
  machine,
  seed: integer(),
  recipe: plain,
  quick: flag,
  entries: list(entry, 0),
});

/** The machine of a run. */
export type RunMachine = ReturnType<typeof machine.check>;
/** One layer of a trained network. */
export type LayerResult = ReturnType<typeof layer.check>;
/** One epoch of training. */
export type CurvePoint = ReturnType<typeof point.check>;
/** One trained, saved, reloaded and timed network. */
export type EntryResult = ReturnType<typeof entry.check>;
/** The whole of `results.json`. */
export type RunResults = ReturnType<typeof results.check>;

/**
 * Reads `results.json`.
 *
 * @param file name for messages
 * @throws InputError when it is not JSON, or not what a run writes
 */
export function parseResults(source: string, file: string): RunResults {
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch (error) {
    throw new InputError(`${file}: not JSON (${(error as Error).message}); the file was cut off or edited, run the recipe again`);
  }
  const issues: Issue[] = [];
  const checked = results.check(value, [], issues);
  if (issues.length > 0)
    throw new InputError(
      issues
        .slice(0, 5)
        .map(({ message }) => `${file}: ${message}`)
        .join("\n"),
    );
  return checked;
}

/** Checks what a run is about to write, so that a fault here is found here. @throws InputError */
export function checkResults(value: RunResults): RunResults {
  const issues: Issue[] = [];
  results.check(value, [], issues);
  if (issues.length > 0) throw new InputError(`results.json: ${issues[0]!.message}`);
  return value;
}

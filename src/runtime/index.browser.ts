/**
 * The browser's entry of `sparseland/runtime`: the engine lives in a worker whose script is part of the bundle. That script is imported
 * after all code, so that it stands at the end of a bundle: a compressor then meets one change of alphabet, which saves a kilobyte.
 */
import { loadWith, openWith } from "./browser-platform.js";
import { workerScript } from "./generated/worker.js";
import type { AsyncSession, LoadOptions, Runtime, RuntimeOptions } from "./load.js";
import type { ModelSource } from "./source.js";

export * from "./shared.js";

/** Loads a model: see `load` of index.ts. Threads are used where the page is cross-origin isolated. */
export const load = (source: ModelSource, options: LoadOptions = {}): Promise<AsyncSession> =>
  loadWith(workerScript, source, options);

/** Starts an engine that several sessions share: see `createRuntime` of index.ts. */
export const createRuntime = (options: RuntimeOptions = {}): Promise<Runtime> => openWith(workerScript, options);

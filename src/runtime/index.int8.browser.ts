/**
 * The browser's entry of `sparseland/runtime/int8`: as index.browser.ts, with the operations and kernels of int8 models in the worker's
 * script.
 */
import { loadWith, openWith } from "./browser-platform.js";
import { workerScript } from "./generated/worker-int8.js";
import type { AsyncSession, LoadOptions, Runtime, RuntimeOptions } from "./load.js";
import type { ModelSource } from "./source.js";

export * from "./shared.js";

/** Loads a model, with float or int8 weights: see `load` of index.ts. Threads are used where the page is cross-origin isolated. */
export const load = (source: ModelSource, options: LoadOptions = {}): Promise<AsyncSession> =>
  loadWith(workerScript, source, options);

/** Starts an engine that several sessions share: see `createRuntime` of index.ts. */
export const createRuntime = (options: RuntimeOptions = {}): Promise<Runtime> => openWith(workerScript, options);

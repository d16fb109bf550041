/** What a browser gives to `load`: a worker, fetch, localStorage. */
import { createClient, type SpawnHost } from "./client.js";
import {
  type AsyncSession,
  type LoadOptions,
  loadInto,
  openRuntime,
  type Platform,
  type Runtime,
  type RuntimeOptions,
} from "./load.js";
import { type ModelSource, readSource } from "./source.js";
import { spawnWorker } from "./spawn.browser.js";
import type { TimingStore } from "./timings.js";

const KEY = "sparseland.timings";

/** localStorage where it is allowed; a page without it, or with a full one, times layers at every load. */
function localStore(): TimingStore | undefined {
  let storage: Storage;
  try {
    storage = globalThis.localStorage;
    if (!storage) return undefined;
  } catch {
    return undefined;
  }
  return {
    read: () => storage.getItem(KEY) ?? undefined,
    write(text) {
      try {
        storage.setItem(KEY, text);
      } catch {
        // Full or forbidden: the times are measured again next time.
      }
    },
  };
}

/** @param script text of the worker  @param spawn how it is started */
export const browserPlatform = (script: string, spawn: SpawnHost = spawnWorker): Platform => ({
  connect: async () => ({ client: createClient(spawn, script), worker: true }),
  read: readSource,
  device: () => `${navigator.userAgent}, ${navigator.hardwareConcurrency} threads`,
  cores: () => navigator.hardwareConcurrency ?? 1,
  store: localStore,
});

/** `load` with the worker's script at hand. */
export const loadWith = (script: string, source: ModelSource, options: LoadOptions): Promise<AsyncSession> =>
  loadInto(browserPlatform(script), source, options);

/** `createRuntime` with the worker's script at hand. */
export const openWith = (script: string, options: RuntimeOptions): Promise<Runtime> =>
  openRuntime(browserPlatform(script), options);

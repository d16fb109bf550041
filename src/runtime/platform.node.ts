/** What Node gives to `load`: files, worker_threads, a cache folder. No static import of Node's modules, so that any bundler takes it. */
import { InputError } from "../core/index.js";
import { createClient, type SpawnHost } from "./client.js";
import { SourceError } from "./errors.js";
import type { Platform } from "./load.js";
import { createLocalClient } from "./local.js";
import type { Answer } from "./protocol.js";
import { type ModelSource, type OpenSource, readOpen, readSource, type SourceOptions } from "./source.js";
import type { TimingStore } from "./timings.js";

const builtin = globalThis.process?.getBuiltinModule as typeof process.getBuiltinModule | undefined;

/** A path, or undefined for what `fetch` reads. */
function pathOf(source: ModelSource): string | URL | undefined {
  if (source instanceof URL) return source.protocol === "file:" ? source : undefined;
  if (typeof source !== "string") return undefined;
  if (source.startsWith("file:")) return new URL(source);
  return /^[a-z][a-z0-9+.-]+:/i.test(source) ? undefined : source;
}

const CHUNK = 1 << 20;

/** Opens a file as a stream of chunks. */
async function openFile(path: string | URL): Promise<OpenSource> {
  const name = String(path);
  try {
    const handle = await builtin!("node:fs").promises.open(path, "r");
    const { size } = await handle.stat();
    return {
      name,
      total: size,
      stream: new ReadableStream<Uint8Array>({
        async pull(controller) {
          const chunk = new Uint8Array(CHUNK);
          const { bytesRead } = await handle.read(chunk, 0, CHUNK);
          if (bytesRead > 0) return controller.enqueue(chunk.subarray(0, bytesRead));
          await handle.close();
          controller.close();
        },
        cancel: () => handle.close(),
      }),
    };
  } catch (cause) {
    throw new SourceError(`load: ${name} could not be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

async function read(source: ModelSource, options: SourceOptions): Promise<Uint8Array> {
  const path = builtin ? pathOf(source) : undefined;
  if (path === undefined) return readSource(source, options);
  options.signal?.throwIfAborted();
  return readOpen(await openFile(path), options);
}

/** The engine's worker on worker_threads. It keeps the process alive only while it owes an answer. */
export const spawnNodeWorker: SpawnHost = (script, answered, died) => {
  const { Worker } = builtin!("node:worker_threads");
  const worker = new Worker(script, { eval: true });
  let owed = 0;
  worker.unref();
  worker.on("message", (answer: Answer) => {
    if (--owed === 0) worker.unref();
    answered(answer);
  });
  worker.on("error", (error: unknown) => died(String(error)));
  worker.on("exit", (code: number) => died(`it exited with code ${code}`));
  return {
    post(request, transfer) {
      if (owed++ === 0) worker.ref();
      worker.postMessage(request, transfer);
    },
    terminate: () => worker.terminate(),
  };
};

/** A file in the user's cache folder. A folder that cannot be written means that layers are timed at every load. */
export function fileStore(folder?: string): TimingStore | undefined {
  if (!builtin) return undefined;
  const { env } = process;
  const { join } = builtin("node:path");
  const home =
    folder ??
    (env["SPARSELAND_CACHE"] || join(env["XDG_CACHE_HOME"] || join(builtin("node:os").homedir(), ".cache"), "sparseland"));
  const path = join(home, "layer-timings.json");
  const { promises } = builtin("node:fs");
  return {
    read: () => promises.readFile(path, "utf8").catch(() => undefined),
    async write(text) {
      const temporary = `${path}.${process.pid}.tmp`;
      try {
        await promises.mkdir(home, { recursive: true });
        await promises.writeFile(temporary, text);
        await promises.rename(temporary, path);
      } catch {
        await promises.rm(temporary, { force: true }).catch(() => {});
      }
    },
  };
}

/** Node's platform; elsewhere without a `browser` condition (Deno, Bun, plain modules in a page) it does what those allow. */
export function nodePlatform(spawn: SpawnHost = spawnNodeWorker): Platform {
  const os = builtin?.("node:os");
  return {
    async connect({ worker = false }) {
      if (!worker) return { client: createLocalClient(() => performance.now()), worker };
      if (!builtin) throw new InputError("load: expected worker: false outside Node and without the browser build, got true");
      const { workerScript } = await import("./generated/worker-int8.js");
      return { client: createClient(spawn, workerScript), worker };
    },
    read,
    device: () => (os ? `${os.cpus()[0]?.model ?? os.arch()}, ${process.version}` : (globalThis.navigator?.userAgent ?? "unknown")),
    cores: () => os?.availableParallelism() ?? globalThis.navigator?.hardwareConcurrency ?? 1,
    store: () => fileStore(),
  };
}

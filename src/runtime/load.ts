/** `load` and runtimes, the same for every platform: sessions whose runs are promises, on an engine that may live in a worker. */
import { type AnyTensor, InputError, requireInteger, requireOneOf, sizeOf, type Tree } from "../core/index.js";
import type { Client } from "./client.js";
import { SessionError } from "./errors.js";
import { checkInputs, elementsOf, type Inputs, type ModelSpecs, shapeAt } from "./io.js";
import type { EngineFacts, KernelChoice, LoadedFacts, Outputs } from "./protocol.js";
import type { ModelSource, SourceOptions } from "./source.js";
import { readTimings, type TimingStore, writeTimings } from "./timings.js";

/** Options of a runtime. */
export interface RuntimeOptions {
  /** Threads, 1 to 256. Default: the machine's cores, at most 4. Plans of up to 25 ms that gain less than a tenth from more than one, measured, run on one. One where memory cannot be shared (a page that is not isolated). */
  readonly threads?: number | undefined;
  /**
   * Whether the engine lives in a worker, so that runs do not block the calling thread. A browser's always does. In Node the default
   * is false: runs take the least time, and the calling thread does the work.
   */
  readonly worker?: boolean | undefined;
}

/** Options of `load`. */
export interface LoadOptions extends SourceOptions, RuntimeOptions {
  /** A runtime to share; `threads` and `worker` are then its own, and closing the session leaves it open. */
  readonly runtime?: Runtime | undefined;
  /** How compressed weights run: `measured` (default) takes the faster of dense and sparse for each layer, by time on this device. */
  readonly kernels?: KernelChoice | undefined;
  /** Where measured times are kept between loads. Default: a file in the user's cache folder (Node), localStorage (browser). `null`: nowhere. */
  readonly timings?: TimingStore | null | undefined;
  /** Batch sizes whose plans are kept; default 8. */
  readonly plans?: number | undefined;
}

/** A loaded model. Runs of all sessions of a runtime go one after another, in the order of the calls. */
export interface AsyncSession extends ModelSpecs {
  /** Strings that the file carries: name, class names, ... */
  readonly metadata: Tree<string>;
  /** What was measured of each compressed layer, and what was taken. */
  readonly layers: LoadedFacts["layers"];
  readonly threads: number;
  /**
   * Runs a batch. The batch size follows from the inputs, and may differ from call to call.
   * @param inputs every input by name; copied before the call returns, so arrays may be reused at once
   * @returns outputs by name, in arrays of their own
   * @throws InputError that names the input, what was expected and what came; SessionError when the session is closed (also while the
   *   run is under way) or its worker or a thread died
   */
  run(inputs: Inputs): Promise<Outputs>;
  /** Frees everything. Runs under way reject; closing twice is allowed. */
  close(): Promise<void>;
}

/** An engine for several sessions: one memory, one set of threads. */
export interface Runtime extends EngineFacts {
  /** Whether the engine lives in a worker. */
  readonly worker: boolean;
  /** Loads a model into this runtime; see `load`. */
  load(source: ModelSource, options?: Omit<LoadOptions, "runtime" | keyof RuntimeOptions>): Promise<AsyncSession>;
  /** Closes all its sessions, and frees everything. */
  close(): Promise<void>;
}

/** What a platform gives. */
export interface Platform {
  /** Starts an engine's thread, or one in this thread. */
  connect(options: RuntimeOptions): Promise<{ readonly client: Client; readonly worker: boolean }>;
  /** Reads a source that this platform knows. */
  read(source: ModelSource, options: SourceOptions): Promise<Uint8Array>;
  /** Names the processor, as closely as the platform tells. */
  readonly device: () => string;
  readonly cores: () => number;
  readonly store: () => TimingStore | undefined;
}

const MOST_THREADS = 4;
/** Input buffers that wait to be filled again, per session. */
const MOST_SPARE = 4;

/** Starts an engine. */
export async function openRuntime(platform: Platform, options: RuntimeOptions): Promise<Runtime> {
  const wanted = options.threads ?? Math.min(MOST_THREADS, Math.max(1, platform.cores()));
  const threads = requireInteger("load.threads", wanted, 1, 256);
  const { client, worker } = await platform.connect(options);
  let facts: EngineFacts;
  try {
    facts = (await client.ask<EngineFacts>({ kind: "open", engine: { threads } })).ok;
  } catch (error) {
    await client.close();
    throw error;
  }
  let sessions = 0;
  const runtime: Runtime = {
    ...facts,
    worker,
    load: (source, loadOptions = {}) => loadInto(platform, source, { ...loadOptions, runtime }),
    close: () => client.close(),
  };
  internals.set(runtime, { client, nextSession: () => sessions++ });
  return runtime;
}

const internals = new WeakMap<Runtime, { readonly client: Client; nextSession(): number }>();

/** Loads a model on a platform: into `options.runtime`, or a runtime of its own. */
export async function loadInto(platform: Platform, source: ModelSource, options: LoadOptions): Promise<AsyncSession> {
  const { signal, kernels = "measured", plans } = options;
  requireOneOf("load.kernels", kernels, ["measured", "sparse", "dense"]);
  if (plans !== undefined) requireInteger("load.plans", plans, 1);
  signal?.throwIfAborted();
  const opening = options.runtime ? Promise.resolve(options.runtime) : openRuntime(platform, options);
  const closeOwn = async () => {
    if (!options.runtime) await opening.then((own) => own.close()).catch(() => {});
  };
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal?.reason);
    signal?.addEventListener("abort", stop, { once: true });
  });
  try {
    const work = Promise.all([opening, platform.read(source, options)]).then(([runtime, bytes]) =>
      startSession(platform, runtime, bytes, options),
    );
    // When the signal wins, a session that is made nevertheless is closed again.
    aborted.catch(() => work.then((session) => session.close())).catch(() => {});
    return await Promise.race([work, aborted]);
  } catch (error) {
    void closeOwn();
    throw error;
  } finally {
    if (stop) signal?.removeEventListener("abort", stop);
  }
}

async function startSession(platform: Platform, runtime: Runtime, bytes: Uint8Array, options: LoadOptions): Promise<AsyncSession> {
  const inside = internals.get(runtime);
  if (!inside) throw new InputError("load: expected `runtime` to be one that createRuntime gave");
  const { client } = inside;
  const session = inside.nextSession();
  const { kernels = "measured", plans } = options;
  const store = kernels === "measured" && options.timings !== null ? (options.timings ?? platform.store()) : undefined;
  const device = platform.device();
  const before = await store?.read();
  const known = store ? [...readTimings(before, device)] : [];
  const request = { kind: "load", session, bytes, kernels, known, plans } as const;
  const { ok: facts } = await client.ask<LoadedFacts>(request, [bytes.buffer as ArrayBuffer]);
  if (store && facts.measured.length > 0) await store.write(writeTimings(await store.read(), device, new Map(facts.measured)));
  return sessionOf(client, session, facts, runtime, options.runtime === undefined);
}

const arrays = { f32: Float32Array, i32: Int32Array, u8: Uint8Array } as const;

function sessionOf(client: Client, session: number, facts: LoadedFacts, runtime: Runtime, own: boolean): AsyncSession {
  const { specs } = facts;
  const spare: { readonly batch: number; readonly data: Tree<AnyTensor["data"]> }[] = [];
  const underWay = new Set<(error: SessionError) => void>();
  let closing: Promise<void> | undefined;
  const closedError = () => new SessionError("closed", "session.run: the session is closed; load the model again");

  function fill(batch: number, inputs: Inputs): Tree<AnyTensor["data"]> {
    const at = spare.findIndex((one) => one.batch === batch);
    const held =
      at >= 0
        ? spare.splice(at, 1)[0]!.data
        : Object.fromEntries(
            Object.entries(specs.inputs).map(([name, spec]) => [name, new arrays[spec.dtype](sizeOf(shapeAt(spec, batch)))]),
          );
    for (const name in held) held[name]!.set(elementsOf(inputs[name]!));
    return held;
  }

  return {
    ...specs,
    metadata: facts.metadata,
    layers: facts.layers,
    threads: runtime.threads,
    run(inputs) {
      return new Promise((resolve, reject) => {
        if (closing) throw closedError();
        const batch = checkInputs(specs.inputs, inputs);
        const data = fill(batch, inputs);
        underWay.add(reject);
        client
          .ask<Outputs>(
            { kind: "run", session, batch, inputs: data },
            Object.values(data).map(({ buffer }) => buffer as ArrayBuffer),
          )
          .then(({ ok, inputs: back }) => {
            if (back && spare.length < MOST_SPARE) spare.push({ batch, data: back });
            resolve(ok);
          }, reject)
          .finally(() => underWay.delete(reject));
      });
    },
    close() {
      closing ??= (async () => {
        for (const reject of underWay) reject(closedError());
        spare.length = 0;
        if (own) return runtime.close();
        // A runtime that is closed or lost has nothing left to free.
        await client.ask({ kind: "close", session }).catch(() => {});
      })();
      return closing;
    },
  };
}

/** Sessions: a loaded model that runs batches of any size, with plans made once per size. */
import { InputError, type Tensor, type Tree } from "../core/index.js";
import {
  createEngine,
  type Decision,
  type Engine,
  type Int8Param,
  type Live,
  type ParamStore,
  type Plan,
} from "../engine/index.js";
import { atBatch, type ParamLayout, withLayouts } from "../program/index.js";
import { int8ParamOf } from "./int8-file.js";
import { checkInputs, elementsOf, type Inputs, type ModelSpecs, specsOf } from "./io.js";
import { layoutOf } from "./layer-alone.js";
import { type LayerTiming, takesSparse, timeLayers } from "./layers.js";
import { denseOf, type ModelFile } from "./model-file.js";
import { runsFastest } from "./solo.js";
import type { MeasuredTimings } from "./timings.js";

/** Options of `createSession`. */
export interface SessionOptions {
  /** Threads; ignored when `engine` is given. Default 1. */
  readonly threads?: number;
  /** An engine to share; the session then leaves it open. */
  readonly engine?: Engine;
  /**
   * How compressed weights run: `measured` times each layer dense and sparse at batch 1 and takes the faster, `sparse` runs all
   * sparse, `dense` all dense. Default: `measured` when `now` is given, else `sparse`.
   */
  readonly kernels?: "measured" | "sparse" | "dense";
  /** A clock in milliseconds, such as `() => performance.now()`; needed by `measured`. */
  readonly now?: () => number;
  /** Times of earlier sessions on this device, for `measured`: layers in it are not timed again, those that are timed are added. */
  readonly timings?: MeasuredTimings;
  /** Batch sizes whose plans are kept, those used last; at least 1, default 8. */
  readonly plans?: number;
}

/** A model that can be run on inputs that were checked already. */
export interface CheckedSession {
  /** Names, types and shapes of all inputs and outputs. */
  readonly specs: ModelSpecs;
  /** What was measured, when kernels are chosen by measurement. */
  readonly layers: readonly LayerTiming[];
  /** The plan of a batch size: what ran, and why. */
  decisions(batch: number): readonly Decision[];
  /** The plan of a batch size itself, for benchmarks. */
  plan(batch: number): Plan;
  close(): void;
}

/** A model that can be run. */
export interface Session extends CheckedSession {
  /** Inputs of one example by name: shape without the batch. */
  readonly inputs: Tree<readonly number[]>;
  /**
   * Runs a batch.
   * @param inputs per input the examples one after another, [batch, ...shape]
   * @returns outputs by name; overwritten by the next run of the same batch size
   * @throws InputError when the session is closed, or an input is missing, unknown, of another type or of no whole number of examples
   */
  run(inputs: Inputs): Tree<Tensor>;
}

/**
 * Makes a session.
 *
 *     const session = await createSession(readModel(bytes), { now: () => performance.now() });
 *     const { logits } = session.run({ x: pixels });
 *
 * @throws InputError when a layer has no kernel, or memory is exhausted
 */
export async function createSession(file: ModelFile, options: SessionOptions = {}): Promise<Session> {
  const session = await openSession(file, options);
  const { specs } = session;
  return {
    ...session,
    inputs: Object.fromEntries(Object.entries(specs.inputs).map(([name, { shape }]) => [name, shape.slice(1)])),
    run(inputs) {
      const batch = checkInputs(specs.inputs, inputs);
      const data: Record<string, ArrayLike<number>> = {};
      for (const name in inputs) data[name] = elementsOf(inputs[name]!);
      return session.plan(batch).run(data);
    },
  };
}

/** As `createSession`, for callers that check inputs themselves. */
export async function openSession(file: ModelFile, options: SessionOptions = {}): Promise<CheckedSession> {
  const { now, kernels = now ? "measured" : "sparse" } = options;
  if (kernels === "measured" && !now)
    throw new InputError('createSession: expected a clock in `now` with kernels: "measured", got none');
  const engine = options.engine ?? (await createEngine({ threads: options.threads ?? 1 }));
  try {
    if (file.program.one.operations.some(({ op }) => op.endsWith("Int8"))) await engine.enableInt8(undefined, now);
    return sessionOn(engine, file, kernels, options);
  } catch (error) {
    if (!options.engine) engine.close();
    throw error;
  }
}

function sessionOn(
  engine: Engine,
  file: ModelFile,
  kernels: NonNullable<SessionOptions["kernels"]>,
  { now, timings, plans: most = 8, engine: shared }: SessionOptions,
): CheckedSession {
  const layers = now && kernels === "measured" ? timeLayers(engine, file.program, file.params, 1, now, timings, "quick") : [];
  const slower = new Set(layers.filter((layer) => layer.choice === "dense").map((layer) => layer.path));
  const { one } = file.program;
  const grouped = new Set(one.operations.filter((operation) => !takesSparse(operation)).flatMap(({ inputs }) => inputs));
  const layouts: Record<string, ParamLayout> = {};
  const initial: Record<string, Tensor | Live | Int8Param> = {};
  for (const [path, param] of Object.entries(file.params)) {
    if (param.kind === "int8") {
      layouts[path] = { kind: "int8" };
      initial[path] = int8ParamOf(param.value);
      continue;
    }
    const sparse = param.kind === "sparse" && kernels !== "dense" && !slower.has(path) && !grouped.has(one.params[path]!.value);
    layouts[path] = sparse ? layoutOf(param) : { kind: "dense" };
    initial[path] = sparse
      ? { rowPtr: param.value.rowPtr, columns: param.value.columns, values: param.value.values }
      : denseOf(param);
  }
  const paramSpecs = Object.fromEntries(
    Object.keys(file.params).map((path) => [path, { shape: one.values[one.params[path]!.value]!.shape, layout: layouts[path]! }]),
  );
  const store: ParamStore = engine.params(paramSpecs, initial);
  const plans = new Map<number, Plan>();
  const specs = specsOf(file.program);
  let closed = false;

  function plan(batch: number): Plan {
    if (closed) throw new InputError("session: run after close");
    let found = plans.get(batch);
    if (!found) {
      const oldest = plans.size >= most ? [...plans][0] : undefined;
      if (oldest) {
        plans.delete(oldest[0]);
        oldest[1].close();
      }
      found = engine.compile(withLayouts(atBatch(file.program, batch), layouts), store, { frozen: true });
      if (now && engine.threads > 1) found = runsFastest(found, now);
    } else plans.delete(batch);
    plans.set(batch, found);
    return found;
  }

  return {
    specs,
    layers,
    decisions: (batch) => plan(batch).decisions,
    plan,
    close() {
      if (closed) return;
      closed = true;
      for (const made of plans.values()) made.close();
      store.close();
      if (!shared) engine.close();
    },
  };
}

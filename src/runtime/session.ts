/** Sessions: a loaded model that runs batches of any size, with plans made once per size. */
import { InputError, sizeOf, type Tensor, type Tree } from "../core/index.js";
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
import { type LayerTiming, layoutOf, takesSparse, timeLayers } from "./layers.js";
import { denseOf, type ModelFile } from "./model-file.js";

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
}

/** A model that can be run. */
export interface Session {
  /** Inputs of one example by name: shape without the batch. */
  readonly inputs: Tree<readonly number[]>;
  /** What was measured, when kernels are chosen by measurement. */
  readonly layers: readonly LayerTiming[];
  /**
   * Runs a batch.
   * @param inputs per input the examples one after another, [batch, ...shape]
   * @returns outputs by name; overwritten by the next run of the same batch size
   * @throws InputError when the session is closed or sizes do not fit
   */
  run(inputs: Readonly<Record<string, Float32Array>>): Tree<Tensor>;
  /** The plan of a batch size: what ran, and why. */
  decisions(batch: number): readonly Decision[];
  /** The plan of a batch size itself, for benchmarks. */
  plan(batch: number): Plan;
  close(): void;
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
  const { now, kernels = now ? "measured" : "sparse" } = options;
  if (kernels === "measured" && !now)
    throw new InputError('createSession: expected a clock in `now` with kernels: "measured", got none');
  const engine = options.engine ?? (await createEngine({ threads: options.threads ?? 1 }));
  const layers = now && kernels === "measured" ? timeLayers(engine, file.program, file.params, 1, now) : [];
  const slower = new Set(layers.filter((layer) => layer.choice === "dense").map((layer) => layer.path));
  const { one } = file.program;
  const grouped = new Set(one.operations.filter((operation) => !takesSparse(operation)).flatMap(({ inputs }) => inputs));
  const layouts: Record<string, ParamLayout> = {};
  const initial: Record<string, Tensor | Live | Int8Param> = {};
  if (one.operations.some(({ op }) => op.endsWith("Int8"))) await engine.enableInt8();
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
  const specs = Object.fromEntries(
    Object.keys(file.params).map((path) => [path, { shape: one.values[one.params[path]!.value]!.shape, layout: layouts[path]! }]),
  );
  const store: ParamStore = engine.params(specs, initial);
  const plans = new Map<number, Plan>();
  const shapes = Object.fromEntries(Object.entries(one.inputs).map(([name, id]) => [name, one.values[id]!.shape.slice(1)]));
  let closed = false;

  function plan(batch: number): Plan {
    if (closed) throw new InputError("session: run after close");
    let found = plans.get(batch);
    if (!found) {
      found = engine.compile(withLayouts(atBatch(file.program, batch), layouts), store, { frozen: true });
      plans.set(batch, found);
    }
    return found;
  }

  return {
    inputs: shapes,
    layers,
    run(inputs) {
      const [name] = Object.keys(shapes);
      const given = name === undefined ? undefined : inputs[name];
      if (name === undefined || !given)
        throw new InputError(
          `session.run: expected the inputs ${Object.keys(shapes).join(", ")}, got ${Object.keys(inputs).join(", ") || "none"}`,
        );
      const batch = given.length / sizeOf(shapes[name]!);
      if (!Number.isInteger(batch) || batch < 1)
        throw new InputError(`session.run: "${name}" takes examples of [${shapes[name]!.join(", ")}], got ${given.length} numbers`);
      return plan(batch).run(inputs);
    },
    decisions: (batch) => plan(batch).decisions,
    plan,
    close() {
      if (closed) return;
      closed = true;
      for (const made of plans.values()) made.close();
      store.close();
      if (!options.engine) engine.close();
    },
  };
}

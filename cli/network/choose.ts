/**
 * Dense or sparse, layer by layer, by measured cost: each layer's operation is cut out of the program, compiled both ways,
 * and timed on this machine. The faster one is taken, and the reason says by how much.
 */
import { createRng, sizeOf, type Tensor, tensor } from "../../src/core/index.js";
import { type Engine, liveOf } from "../../src/engine/index.js";
import type { Operation, ParamLayout, ParamSpec, Program, ValueType } from "../../src/program/index.js";
import { compileNetwork, programOf } from "./compiled.js";
import { type Network, nonZerosOf } from "./model-file.js";
import { timeInTurns } from "./timing.js";

/** What was measured of one layer, and what was taken. */
export interface LayerChoice {
  readonly path: string;
  readonly kernel: "sparse" | "dense";
  /** Milliseconds of the layer alone, one run of the batch. */
  readonly sparseMs: number;
  readonly denseMs: number;
  readonly reason: string;
}

/** A program of one operation alone: its operands become inputs, except the param. */
export function cutOut(program: Program, operation: Operation, path: string, layout: ParamLayout): Program {
  const values: ValueType[] = [];
  const inputs: Record<string, number> = {};
  const place = new Map<number, number>();
  for (const id of operation.inputs) {
    if (place.has(id)) continue;
    place.set(id, values.length);
    const { shape, dtype } = program.values[id]!;
    const isParam = id === program.params[path]!.value;
    if (!isParam) inputs[`x${values.length}`] = values.length;
    values.push({ shape, dtype, ...(isParam && layout.kind !== "dense" ? { pattern: path } : {}) });
  }
  const outputs = operation.outputs.map((id) => {
    values.push(program.values[id]!);
    return values.length - 1;
  });
  return {
    values,
    operations: [{ ...operation, inputs: operation.inputs.map((id) => place.get(id)!), outputs }],
    inputs,
    params: { [path]: { value: place.get(program.params[path]!.value)!, layout } },
    outputs: Object.fromEntries(outputs.map((id, i) => [`y${i}`, id])),
    updates: {},
  };
}

/** The operation that reads a param and multiplies by it, or undefined (embeddings, tied uses). */
export function operationOf(program: Program, path: string): Operation | undefined {
  const id = program.params[path]!.value;
  const users = program.operations.filter(({ inputs }) => inputs.includes(id));
  return users.length === 1 ? users[0] : undefined;
}

/** Compiles a program of one param and sets its inputs to random numbers. */
export function compileAlone(engine: Engine, program: Program, path: string, value: Tensor, layout: ParamLayout) {
  const spec: ParamSpec = { shape: value.shape, ...(layout.kind === "dense" ? {} : { layout }) };
  const store = engine.params({ [path]: spec }, { [path]: layout.kind === "dense" ? value : liveOf(value) });
  const plan = engine.compile(program, store, { frozen: true });
  const rng = createRng(1).split(path);
  const fill = ({ shape }: ValueType) => tensor(shape, Float32Array.from({ length: sizeOf(shape) }, () => rng.normal()));
  plan.set(Object.fromEntries(Object.entries(program.inputs).map(([name, id]) => [name, fill(program.values[id]!)])));
  return {
    run: () => plan.step(),
    close() {
      plan.close();
      store.close();
    },
  };
}

const shown = (ms: number) => (ms < 0.001 ? `${(1e6 * ms).toFixed(0)} ns` : ms < 1 ? `${(1000 * ms).toFixed(1)} us` : `${ms.toFixed(2)} ms`);

/**
 * Measures every masked layer of a network at a batch size.
 *
 * @param runs timed runs of each variant
 * @returns one choice per masked param that one operation multiplies by
 */
export function chooseKernels(engine: Engine, network: Network, batch: number, runs: number, now: () => number): LayerChoice[] {
  const program = programOf(network.model, batch);
  const choices: LayerChoice[] = [];
  for (const path of network.masked) {
    const operation = operationOf(program, path);
    const value = network.params[path]!;
    const count = nonZerosOf(value);
    if (!operation || count === 0 || count === value.data.length) continue;
    const layouts: ParamLayout[] = [{ kind: "dense" }, { kind: "csr", capacity: count }];
    const plans = layouts.map((layout) => compileAlone(engine, cutOut(program, operation, path, layout), path, value, layout));
    try {
      const [denseMs, sparseMs] = timeInTurns(plans, runs, now) as [number, number];
      const kernel = sparseMs < denseMs ? "sparse" : "dense";
      const ratio = Math.max(denseMs / sparseMs, sparseMs / denseMs).toFixed(1);
      const reason = `measured ${shown(sparseMs)} sparse, ${shown(denseMs)} dense: ${kernel} is ${ratio} times faster`;
      choices.push({ path, kernel, sparseMs, denseMs, reason });
    } finally {
      for (const plan of plans) plan.close();
    }
  }
  return choices;
}

/** The choices for a whole network, and the plan that they make. */
export interface NetworkChoice {
  readonly layers: readonly LayerChoice[];
  /** Paths to keep compressed. */
  readonly sparse: readonly string[];
}

/**
 * Chooses for a whole network: starts from all masked layers compressed, and makes a layer dense where that makes the whole
 * network faster. Only layers whose own measurement was less than twice as fast sparse are tried.
 *
 * @param runs timed runs of each variant
 */
export function chooseNetwork(engine: Engine, network: Network, batch: number, runs: number, now: () => number): NetworkChoice {
  const layers = chooseKernels(engine, network, batch, runs, now);
  let sparse = layers.map(({ path }) => path);
  const verdicts = new Map(layers.map((layer) => [layer.path, { ...layer, kernel: "sparse" as LayerChoice["kernel"] }]));
  const doubtful = layers.filter(({ sparseMs, denseMs }) => denseMs < 2 * sparseMs).sort((a, b) => a.denseMs / a.sparseMs - b.denseMs / b.sparseMs);
  const inputs = new Float32Array(batch * sizeOf(network.model.inputShape)).fill(0.5);
  for (const { path } of doubtful) {
    const without = sparse.filter((other) => other !== path);
    const plans = [sparse, without].map((paths) => compileNetwork(engine, network, batch, { sparse: paths }));
    try {
      const [withMs, withoutMs] = timeInTurns(
        plans.map((plan) => ({ run: () => plan.run(inputs) })),
        runs,
        now,
      ) as [number, number];
      const dense = withoutMs < 0.98 * withMs;
      if (dense) sparse = without;
      const reason = `in the whole network ${shown(withMs)} with it sparse, ${shown(withoutMs)} with it dense; alone ${shown(verdicts.get(path)!.sparseMs)} and ${shown(verdicts.get(path)!.denseMs)}`;
      verdicts.set(path, { ...verdicts.get(path)!, kernel: dense ? "dense" : "sparse", reason });
    } finally {
      for (const plan of plans) plan.close();
    }
  }
  return { layers: layers.map(({ path }) => verdicts.get(path)!), sparse };
}

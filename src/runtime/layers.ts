/**
 * Dense or sparse, layer by layer, by measured time on this machine: each layer with a compressed weight runs alone, at its own
 * shapes, with its weight dense and with its weight sparse.
 */
import { InputError, sizeOf, type Tensor, type Tree } from "../core/index.js";
import type { Engine, Plan } from "../engine/index.js";
import { atBatch, type BatchProgram, type Operation, type ParamLayout, type Program, withLayouts } from "../program/index.js";
import { denseOf, type FileParam } from "./model-file.js";
import { layerKey, type MeasuredTimings } from "./timings.js";

/** What was measured of one layer. */
export interface LayerTiming {
  readonly path: string;
  readonly shape: readonly number[];
  /** Zeros of the weight, in [0, 1]. */
  readonly sparsity: number;
  /** Milliseconds of the layer's operation alone, at the least of several runs. */
  readonly denseMs: number;
  readonly sparseMs: number;
  readonly choice: "dense" | "sparse";
  /** Whether the times were measured now, or on this device before (see `Timings`). */
  readonly from: "measured" | "cache";
}

/** Layout of a compressed param in the engine. */
export function layoutOf(param: FileParam): ParamLayout {
  if (param.kind !== "sparse") return { kind: param.kind };
  const { layout, block, values } = param.value;
  if (layout === "block" && block && block[1] === 1 && (block[0] === 2 || block[0] === 4))
    return { kind: "block", rows: block[0], capacity: values.length };
  if (layout === "block") throw new InputError(`engine: blocks of ${block?.join("x")} have no kernels; 2x1 and 4x1 have`);
  return { kind: "csr", capacity: Math.max(1, values.length) };
}

/** Whether an operation has kernels for a compressed weight: products have, convolutions in groups (depthwise ones too) have not. */
export const takesSparse = ({ op, attrs }: Operation): boolean => op === "matmul" || (op === "conv2d" && attrs["groups"] === 1);

/** Least time of several runs, after some to warm up. */
export function leastMs(run: () => void, now: () => number, budget = 20): number {
  for (let i = 0; i < 3; i++) run();
  let least = Number.POSITIVE_INFINITY;
  const start = now();
  for (let i = 0; i < 7 || now() - start < budget; i++) {
    const before = now();
    run();
    least = Math.min(least, now() - before);
    if (i >= 200) break;
  }
  return least;
}

/** The program of one operation alone: its left operand an input, its weight a param. */
function alone(program: Program, operation: Operation, path: string): Program {
  const [x, w] = operation.inputs as [number, number];
  const [y] = operation.outputs as [number];
  const { pattern: _, ...type } = program.values[x]!;
  return {
    values: [type, { shape: program.values[w]!.shape, dtype: "f32" }, program.values[y]!],
    operations: [{ ...operation, inputs: [0, 1], outputs: [2] }],
    inputs: { x: 0 },
    params: { [path]: { value: 1, layout: { kind: "dense" } } },
    outputs: { y: 2 },
    updates: {},
  };
}

/** Data that no kernel can find easy: the same numbers every time. */
function filler(n: number): Float32Array {
  const data = new Float32Array(n);
  for (let i = 0; i < n; i++) data[i] = ((i * 7919) % 1009) / 1009 - 0.5;
  return data;
}

/** Time that timing one variant of a layer may take, besides a few runs at least. */
const BUDGET_MS = 8;
/** Kernels that only bring values into the layout that a layer works in: in a network the layers before and after share it. */
const MOVES = new Set(["copy", "copy4", "zero", "nchw_to_n4", "n4_to_nchw", "transpose2d"]);

/** One run of a plan, moves not counted. */
const workMs = (plan: Plan, now: () => number): number =>
  plan.profile(now).reduce((sum, { kernel, ms }) => sum + (MOVES.has(kernel) ? 0 : ms), 0);

/** Least step of a clock, in milliseconds: browsers round theirs to 5 or 100 microseconds. 0 for a clock that stands still. */
function tickOf(now: () => number): number {
  let tick = Number.POSITIVE_INFINITY;
  let from = now();
  for (let reads = 0, steps = 0; steps < 5; reads++) {
    const to = now();
    if (to === from) {
      if (reads > 1e6) return 0;
      continue;
    }
    tick = Math.min(tick, to - from);
    from = to;
    steps++;
  }
  return tick;
}

/** A clock this fine times single kernels. */
const FINE_MS = 0.002;
/** Ticks of a coarser clock that a timed row of runs takes at least: its error is then a fiftieth. */
const TICKS = 50;

/** One run of a plan by a coarse clock: whole runs, moves counted (the same ones in both variants), as many as the clock can tell. */
function coarseMs(plan: Plan, now: () => number, tick: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let runs = 1, rows = 0; rows < 3; ) {
    const start = now();
    for (let i = 0; i < runs; i++) plan.step();
    const ms = now() - start;
    if (ms < TICKS * tick) runs *= 2;
    else {
      least = Math.min(least, ms / runs);
      rows++;
    }
  }
  return least;
}

function timeAlone(engine: Engine, program: Program, path: string, value: Tensor, layout: ParamLayout, now: () => number): number {
  const laid = withLayouts(program, { [path]: layout });
  const store = engine.params({ [path]: { shape: value.shape, layout } }, { [path]: value });
  const plan = engine.compile(laid, store, { frozen: true });
  try {
    plan.set({ x: filler(laid.values[0]!.shape.reduce((a, b) => a * b, 1)) });
    plan.step();
    const tick = tickOf(now);
    if (tick > FINE_MS) return coarseMs(plan, now, tick);
    let least = Number.POSITIVE_INFINITY;
    const start = now();
    for (let i = 0; i < 200 && (i < 7 || now() - start < BUDGET_MS); i++) least = Math.min(least, workMs(plan, now));
    return least;
  } finally {
    plan.close();
    store.close();
  }
}

/**
 * Times every layer that has a compressed weight.
 * @param now   a clock in milliseconds
 * @param known times of earlier loads on this device: what is in it is not timed again, what is timed is added
 */
export function timeLayers(
  engine: Engine,
  program: BatchProgram,
  params: Tree<FileParam>,
  batch: number,
  now: () => number,
  known: MeasuredTimings = new Map(),
): LayerTiming[] {
  const sized = atBatch(program, batch);
  const paths = new Map(Object.entries(sized.params).map(([path, p]) => [p.value, path]));
  const found: LayerTiming[] = [];
  // A weight that several operations use at one shape (a recurrent cell) is timed once.
  const seen = new Set<string>();
  for (const operation of sized.operations) {
    const path = paths.get(operation.inputs[1] ?? -1);
    const param = path === undefined ? undefined : params[path];
    if (path === undefined || param?.kind !== "sparse" || !takesSparse(operation)) continue;
    const use = `${path}:${sized.values[operation.inputs[0]!]!.shape}`;
    if (seen.has(use)) continue;
    seen.add(use);
    const { shape } = param.value;
    const sparsity = 1 - param.value.values.length / sizeOf(shape);
    const key = layerKey(engine.flavor, operation, sized.values[operation.inputs[0]!]!.shape, param.value);
    const before = known.get(key);
    let times = before;
    if (!times) {
      const value = denseOf(param);
      const small = alone(sized, operation, path);
      const denseMs = timeAlone(engine, small, path, value, { kind: "dense" }, now);
      times = { denseMs, sparseMs: timeAlone(engine, small, path, value, layoutOf(param), now) };
      known.set(key, times);
    }
    const choice = times.sparseMs <= times.denseMs ? "sparse" : "dense";
    found.push({ path, shape, sparsity, ...times, choice, from: before ? "cache" : "measured" });
  }
  return found;
}

/**
 * Dense or sparse, layer by layer, by measured time on this machine: each layer with a compressed weight runs alone, at its own
 * shapes, with its weight dense and with its weight sparse.
 */
import { InputError, sizeOf, type Tree } from "../core/index.js";
import type { Engine } from "../engine/index.js";
import type { KernelName } from "../kernels/index.js";
import { atBatch, type BatchProgram, type Operation, type ParamLayout, type Program, withLayouts } from "../program/index.js";
import { createRing, type Effort, type Ring } from "./duel.js";
import type { FileParam } from "./model-file.js";
import { type LayerTimes, layerKey, type MeasuredTimings } from "./timings.js";

type SparseParam = Extract<FileParam, { kind: "sparse" }>;

/** What was measured of one layer. */
export interface LayerTiming {
  readonly path: string;
  readonly shape: readonly number[];
  /** Zeros of the weight, in [0, 1]. */
  readonly sparsity: number;
  /** Milliseconds of the layer's operation alone, at the least of several runs. */
  readonly denseMs: number;
  readonly sparseMs: number;
  /** The variant that was not run to its end, as it was clearly slower: its time is at least what is told. */
  readonly atLeast?: "dense" | "sparse" | undefined;
  readonly choice: "dense" | "sparse";
  /**
   * `measured`: now; `alike`: now, on a layer of this model with the same shapes and nearly as many weights; `cache`: on this device
   * before (see `TimingStore`).
   */
  readonly from: "measured" | "alike" | "cache";
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

/** Kernels that were run long enough to be optimised, by module. */
const warmed = new WeakMap<WebAssembly.Module, Set<KernelName>>();

function warmOf({ kernels: { module } }: Engine): Set<KernelName> {
  const known = warmed.get(module) ?? new Set();
  warmed.set(module, known);
  return known;
}

/** What no kernel treats in another way than other numbers. */
const FILLER = 1 / 64;

/** A layer alone, its weight dense or sparse. The values are of no consequence to its time. */
function layerPlan(engine: Engine, program: Program, path: string, { value }: SparseParam, layout: ParamLayout) {
  const laid = withLayouts(program, { [path]: layout });
  const { rowPtr, columns, values, shape } = value;
  const dense = layout.kind === "dense";
  const store = engine.params({ [path]: { shape, layout } }, dense ? {} : { [path]: { rowPtr, columns, values } });
  try {
    // Memory that was never written is one page of zeros, read faster than a weight is.
    if (dense) store.view(path).fill(FILLER);
    const plan = engine.compile(laid, store, { frozen: true });
    plan.set({ x: new Float32Array(sizeOf(laid.values[0]!.shape)).fill(FILLER) });
    return {
      plan,
      close() {
        plan.close();
        store.close();
      },
    };
  } catch (error) {
    store.close();
    throw error;
  }
}

function timeLayer(engine: Engine, ring: Ring, program: Program, path: string, param: SparseParam, effort: Effort): LayerTimes {
  const sparse = layerPlan(engine, program, path, param, layoutOf(param));
  try {
    const dense = layerPlan(engine, program, path, param, { kind: "dense" });
    try {
      return ring.duel(dense.plan, sparse.plan, sparsityOf(param) >= FORESEEN, effort);
    } finally {
      dense.close();
    }
  } finally {
    sparse.close();
  }
}

/** From this share of zeros on a layer is foreseen to be clearly faster sparse. */
const FORESEEN = 2 / 3;
/** Weights of layers that count as alike differ by at most about this in number. */
const ALIKE = 1.1;

const sparsityOf = ({ value }: SparseParam): number => 1 - value.values.length / sizeOf(value.shape);

/** Layers of one key take the same times, nearly. */
function kindOf({ op, attrs }: Operation, input: readonly number[], { value }: SparseParam): string {
  const { shape, layout, block, values } = value;
  return JSON.stringify([op, attrs, input, shape, layout, block, Math.round(Math.log(values.length + 1) / Math.log(ALIKE))]);
}

/**
 * Times every layer that has a compressed weight.
 * @param now    a clock in milliseconds
 * @param known  times of earlier loads on this device: what is in it is not timed again, what is timed is added
 * @param effort `quick` finds the faster variant and times layers that are alike once; default `thorough`
 */
export function timeLayers(
  engine: Engine,
  program: BatchProgram,
  params: Tree<FileParam>,
  batch: number,
  now: () => number,
  known: MeasuredTimings = new Map(),
  effort: Effort = "thorough",
): LayerTiming[] {
  const sized = atBatch(program, batch);
  const paths = new Map(Object.entries(sized.params).map(([path, p]) => [p.value, path]));
  const found: LayerTiming[] = [];
  // A weight that several operations use at one shape (a recurrent cell) is timed once.
  const seen = new Set<string>();
  const kinds = new Map<string, LayerTimes>();
  let ring: Ring | undefined;
  for (const operation of sized.operations) {
    const path = paths.get(operation.inputs[1] ?? -1);
    const param = path === undefined ? undefined : params[path];
    if (path === undefined || param?.kind !== "sparse" || !takesSparse(operation)) continue;
    const input = sized.values[operation.inputs[0]!]!.shape;
    const use = `${path}:${input}`;
    if (seen.has(use)) continue;
    seen.add(use);
    const key = layerKey(engine.flavor, operation, input, param.value);
    const kind = kindOf(operation, input, param);
    const before = known.get(key);
    const alike = effort === "quick" ? kinds.get(kind) : undefined;
    let times = before ?? alike;
    if (!times) {
      ring ??= createRing(now, warmOf(engine));
      times = timeLayer(engine, ring, alone(sized, operation, path), path, param, effort);
    }
    known.set(key, times);
    kinds.set(kind, times);
    const choice = times.sparseMs <= times.denseMs ? "sparse" : "dense";
    const from = before ? "cache" : alike ? "alike" : "measured";
    found.push({ path, shape: param.value.shape, sparsity: sparsityOf(param), ...times, choice, from });
  }
  return found;
}

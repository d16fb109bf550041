/**
 * Dense or sparse, layer by layer, by measured time on this machine: each layer with a compressed weight runs alone, at its own
 * shapes, with its weight dense and with its weight sparse.
 */
import type { Tree } from "../core/index.js";
import type { Engine } from "../engine/index.js";
import type { KernelName } from "../kernels/index.js";
import { atBatch, type BatchProgram, type Operation } from "../program/index.js";
import { createRing, type Effort, type Ring } from "./duel.js";
import { type SparseParam, sparsityOf, timeLayer } from "./layer-alone.js";
import type { FileParam } from "./model-file.js";
import { type LayerTimes, layerKey, type MeasuredTimings } from "./timings.js";

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
  /** Share of the layer's output rows that ran, where a part was enough to choose: the times are scaled from it. */
  readonly part?: number | undefined;
  readonly choice: "dense" | "sparse";
  /**
   * `measured`: now; `alike`: now, on a layer of this model with the same shapes and nearly as many weights; `cache`: on this device
   * before (see `TimingStore`).
   */
  readonly from: "measured" | "alike" | "cache";
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

/** Kernels that were run long enough to be optimised, by module. */
const warmed = new WeakMap<WebAssembly.Module, Set<KernelName>>();

function warmOf({ kernels: { module } }: Engine): Set<KernelName> {
  const known = warmed.get(module) ?? new Set();
  warmed.set(module, known);
  return known;
}

/** Weights of layers that count as alike differ by at most about this in number. */
const ALIKE = 1.1;

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
      times = timeLayer(engine, ring, { program: sized, operation, path, param }, effort);
    }
    known.set(key, times);
    kinds.set(kind, times);
    const choice = times.sparseMs <= times.denseMs ? "sparse" : "dense";
    const from = before ? "cache" : alike ? "alike" : "measured";
    found.push({ path, shape: param.value.shape, sparsity: sparsityOf(param), ...times, choice, from });
  }
  return found;
}

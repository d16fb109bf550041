/**
 * One-shot pruning of a trained program: choose weights, zero them, and give the others new values that make up for it.
 * Works on any inference program, imported ones too.
 */
import {
  InputError,
  OptionError,
  type Rng,
  requireOneOf,
  requireSparsity,
  type Tensor,
  type Tree,
  tensor,
} from "../../core/index.js";
import type { Engine } from "../../engine/index.js";
import type { BatchProgram } from "../../program/index.js";
import {
  applyMask,
  countKept,
  type LayerMoments,
  leastSquaresRepair,
  type Mask,
  type SplitName,
  sparseGpt,
} from "../../sparsity/index.js";
import { type Calibration, createProbe, type Probe } from "./calibration.js";
import { fromMatrix, infosOf, type LayerChoice, matrixOf, type PruneLayer, pruneLayers, toMatrix } from "./layers.js";
import { maskLayer, type PruneMethod, type PrunePattern, patternOf, ratiosFor, scoreLayers } from "./masks.js";
import { inputNorms, MOST_COLUMNS, momentsOf } from "./moments.js";

/** How the kept weights are given new values: not, by least squares row by row, or by optimal brain surgery (SparseGPT). */
export type Repair = "none" | "least-squares" | "obs";

/** Options of `pruneProgram`. */
export interface PruneProgramOptions extends LayerChoice {
  readonly engine: Engine;
  readonly program: BatchProgram;
  /** Values of all params, dense. */
  readonly params: Tree<Tensor>;
  readonly method: PruneMethod;
  /** Share of zeros among the pruned layers' weights, in [0, 1). */
  readonly sparsity: number;
  /** Default unstructured, per layer. */
  readonly pattern?: PrunePattern;
  /** How the sparsity is split over layers; default `uniform`. */
  readonly distribution?: SplitName;
  /** Default `none`, and `obs` with sparsegpt. */
  readonly repair?: Repair;
  /** Needed by wanda, sparsegpt and by repair. */
  readonly calibration?: Calibration | undefined;
  /** Share of the mean second moment added to the diagonal; default 0.01. */
  readonly damping?: number;
  /** Repair each layer for what the dense network computes there, with the inputs of the pruned one; default true. Else for its own inputs. */
  readonly followDense?: boolean;
  readonly rng: Rng;
  readonly progress?: (done: number, total: number, words: string) => void;
}

/** What happened to one layer. */
export interface PrunedLayer {
  readonly path: string;
  readonly shape: readonly number[];
  readonly kind: PruneLayer["kind"];
  readonly weights: number;
  readonly kept: number;
  /** Zeros of the weight, in [0, 1]. */
  readonly sparsity: number;
  /** Why it stayed dense, or how it was pruned. */
  readonly note: string;
}

/** A pruned program: the same operations, other values. */
export interface PrunedProgram {
  readonly params: Tree<Tensor>;
  readonly masks: Tree<Mask>;
  readonly layers: readonly PrunedLayer[];
}

/**
 * Prunes a trained program in one shot.
 *
 *     layers in program order: mask by the method's scores; then, with repair,
 *     W_S = argmin  sum over calibration positions of |W_S x - y|^2 + ridge |W_S - W|^2,   x from the pruned network, y from the dense one
 *
 * @returns new values (exactly 0 where pruned), masks, and an account of each layer
 * @throws OptionError for options out of range or that do not go together; InputError when calibration data are missing or do not fit
 */
export function pruneProgram(options: PruneProgramOptions): PrunedProgram {
  const {
    engine,
    program,
    params,
    rng,
    calibration,
    pattern = { kind: "unstructured", scope: "tensor" },
    distribution = "uniform",
    progress,
  } = options;
  const method = requireOneOf("prune.method", options.method, ["magnitude", "random", "wanda", "sparsegpt"]);
  const repair = requireOneOf("prune.repair", options.repair ?? (method === "sparsegpt" ? "obs" : "none"), [
    "none",
    "least-squares",
    "obs",
  ]);
  if (method === "sparsegpt" && repair === "none")
    throw new OptionError("prune.repair", "obs or least-squares with sparsegpt, which repairs as it prunes", repair);
  const sparsity = requireSparsity("prune.sparsity", options.sparsity);
  const one = program.one;
  const layers = pruneLayers(one, options);
  const pruned = layers.filter(({ dense }) => dense === undefined);
  if (method === "sparsegpt" && pattern.kind === "block" && pattern.cols > 1 && pruned.some(({ kernel }) => kernel > 1))
    throw new OptionError(
      "prune.method",
      `magnitude, random or wanda (with repair) for blocks of ${pattern.cols} columns in convolutions larger than 1x1: sparsegpt chooses column by column`,
      method,
    );
  const sequential = repair !== "none";
  if ((sequential || method === "wanda") && !calibration)
    throw new InputError(
      `prune: ${method === "wanda" ? "wanda" : "repair"} needs calibration data; give a data set (--data, --calibrate)`,
    );
  if (sequential)
    for (const layer of pruned)
      if (layer.columns > MOST_COLUMNS)
        throw new InputError(
          `prune: ${layer.path} has ${layer.columns} inputs, repair holds at most ${MOST_COLUMNS}; exclude it, or prune without repair`,
        );
  for (const [path, value] of Object.entries(params))
    if (value.dtype !== "f32" && pruned.some((layer) => layer.path === path))
      throw new InputError(`prune: ${path} is ${value.dtype}, expected f32`);

  const dense = calibration && (sequential || method === "wanda") ? createProbe(engine, program, params, calibration) : undefined;
  let thin: Probe | undefined;
  try {
    const steps = pruned.length * (Number(method === "wanda") + Number(sequential));
    let done = 0;
    const norms: Record<string, readonly Float64Array[]> = {};
    if (method === "wanda") {
      for (const layer of pruned) {
        norms[layer.path] = inputNorms(engine, layer, calibration!, dense!);
        progress?.(++done, steps, `input norms of ${layer.path}`);
      }
    }
    const scores = scoreLayers(pruned, params, method, rng, norms);
    const ratios = ratiosFor(layers, infosOf(layers, one), { method, sparsity, distribution, pattern }, scores);
    const masks: Record<string, Mask> = {};
    const next: Record<string, Tensor> = { ...params };
    const store = (layer: PruneLayer, weight: Float32Array, mask: Uint8Array) => {
      const { shape } = params[layer.path]!;
      masks[layer.path] = { shape, data: fromMatrix(layer, mask) };
      next[layer.path] = applyMask(tensor(shape, fromMatrix(layer, weight)), masks[layer.path]!);
    };
    for (const layer of pruned) {
      if (method === "sparsegpt") continue;
      store(layer, matrixOf(layer, params).data, maskLayer(layer, pattern, scores[layer.path]!, ratios[layer.path]!).data);
    }
    if (sequential) {
      thin = createProbe(engine, program, next, calibration!);
      for (const layer of pruned) {
        const moments = momentsOf(engine, layer, calibration!, thin, options.followDense === false ? undefined : dense);
        const weight = matrixOf(layer, params).data;
        const mask = masks[layer.path] && toMatrix(layer, masks[layer.path]!.data);
        const fixed = repairLayer(layer, weight, mask, moments, {
          sparsity: ratios[layer.path]!,
          pattern,
          repair,
          damping: options.damping ?? 0.01,
        });
        store(layer, fixed.weight, fixed.mask);
        thin.store.set(layer.path, next[layer.path]!);
        progress?.(++done, steps, `repaired ${layer.path}`);
      }
    }
    const how = `${method}${repair === "none" ? "" : ` + ${repair}`}`;
    return {
      params: next,
      masks,
      layers: layers.map((layer): PrunedLayer => {
        const { path, kind, rows, columns } = layer;
        const mask = masks[path];
        const weights = rows * columns;
        const kept = mask ? countKept(mask) : weights;
        return {
          path,
          shape: params[path]!.shape,
          kind,
          weights,
          kept,
          sparsity: 1 - kept / weights,
          note: layer.dense ?? (layer.sparsity === undefined ? how : `${how}, by a rule`),
        };
      }),
    };
  } finally {
    dense?.close();
    thin?.close();
  }
}

interface RepairOptions {
  readonly sparsity: number;
  readonly pattern: PrunePattern;
  readonly repair: Repair;
  readonly damping: number;
}

/** New values of one layer, group by group. Without a mask SparseGPT chooses it. */
function repairLayer(
  layer: PruneLayer,
  weight: Float32Array,
  mask: Uint8Array | undefined,
  moments: readonly LayerMoments[],
  { sparsity, pattern, repair, damping }: RepairOptions,
): { weight: Float32Array; mask: Uint8Array } {
  const size = weight.length / moments.length;
  const out = { weight: new Float32Array(weight.length), mask: new Uint8Array(weight.length) };
  moments.forEach((own, g) => {
    const part = weight.slice(g * size, (g + 1) * size);
    let bits: Uint8Array | undefined = mask?.slice(g * size, (g + 1) * size);
    // Where the dense results are followed, surgery starts from the best dense weights for the inputs that now come.
    const start = () => (own.cross ? leastSquaresRepair(part, new Uint8Array(size).fill(1), own, damping) : part);
    const swept = () => sparseGpt(start(), own, { sparsity, damping, pattern: patternOf(pattern, layer) }, bits);
    let values: Float32Array | undefined;
    if (!bits || repair === "obs") {
      const found = swept();
      bits = found.mask;
      values = found.weight;
    }
    if (repair === "least-squares") values = leastSquaresRepair(part, bits, own, damping);
    out.weight.set(values!, g * size);
    out.mask.set(bits, g * size);
  });
  return out;
}

/** What there is to know of a model's layers on this machine: sizes, zeros, times foreseen and measured, and what is taken. */
import { InputError } from "../../src/core/index.js";
import type { Engine } from "../../src/engine/index.js";
import { type Product, productsOf } from "../../src/program/index.js";
import { createSession, layerTimes, leastMs, type ModelFile, timeLayers } from "../../src/runtime/index.js";
import { type PrunePattern, pruneLayers } from "../../src/train/index.js";
import { type Advice, advise } from "./advice.js";
import { fillersOf, layersOfFile, totalsOf } from "./file.js";
import { forecast, type LayerForecast, type Point, predicted } from "./forecast.js";
import { patternName } from "./pattern-name.js";
import { measureRates, rateKind } from "./rates.js";
import { timingReason } from "./reason.js";

/** One layer. Times in milliseconds; null where there is none. */
export interface SurveyedLayer {
  readonly name: string;
  readonly shape: readonly number[];
  readonly params: number;
  readonly nonZeros: number;
  readonly sparsity: number;
  readonly pattern: string;
  readonly theoreticalFlops: number;
  readonly kernel: "dense" | "sparse" | "int8";
  readonly reason: string;
  readonly predictedDenseMs: number | null;
  readonly denseMs: number | null;
  /** At its own sparsity, or at the asked one where it is dense yet. */
  readonly predictedSparseMs: number | null;
  readonly sparseMs: number | null;
  readonly breakEven: number | null;
  readonly forecast: readonly Point[];
}

/** A survey of a model. */
export interface Survey {
  readonly params: number;
  readonly nonZeros: number;
  /** Of all weights that products multiply by. */
  readonly sparsity: number;
  readonly theoreticalFlops: number;
  readonly layers: readonly SurveyedLayer[];
  /** For the layers that are dense yet and are usually pruned; null when there is none. */
  readonly advice: Advice | null;
}

/** Options of `survey`. */
export interface SurveyOptions {
  readonly batch: number;
  readonly sparsity: number;
  readonly pattern: PrunePattern | { readonly kind: "channels" };
  readonly now: () => number;
}

/** Measures. @throws InputError when the model cannot be run */
export async function survey(engine: Engine, file: ModelFile, { batch, sparsity, pattern, now }: SurveyOptions): Promise<Survey> {
  const weights = layersOfFile(file);
  const timed = new Map(timeLayers(engine, file.program, file.params, batch, now).map((timing) => [timing.path, timing]));
  const form = pattern.kind === "channels" ? undefined : pattern;
  const foreseen = new Map(forecast(engine, file, batch, now, form).map((item) => [item.path, item]));
  const rates = await measureRates(engine, batch, now);
  const products = new Map<string, Product>(productsOf(file.program.one).map((p) => [p.path, p]));
  const session = await createSession(file, { engine, kernels: "dense" });
  let inPlan: Readonly<Record<string, number>>;
  const decided = new Map<string, string>();
  let wholeMs: number;
  try {
    const inputs = fillersOf(file, batch);
    session.run(inputs);
    for (const { param, kernel, reason } of session.decisions(batch))
      if (param !== undefined) decided.set(param, `${kernel}: ${reason}`);
    inPlan = layerTimes(session.plan(batch), now, 10);
    wholeMs = leastMs(() => session.plan(batch).step(), now);
  } finally {
    session.close();
  }
  const layers = weights.map(({ path, shape, params, nonZeros, uses, int8 }): SurveyedLayer => {
    const [timing, seen, product] = [timed.get(path), foreseen.get(path), products.get(path)];
    const at = timing?.sparsity ?? (pattern.kind === "nm" ? 1 - pattern.keep / pattern.of : sparsity);
    return {
      name: path,
      shape,
      params,
      nonZeros,
      sparsity: 1 - nonZeros / params,
      pattern: patternName(file.params[path]!),
      theoreticalFlops: 2 * uses * nonZeros,
      kernel: int8 ? "int8" : (timing?.choice ?? "dense"),
      reason: int8 ? decided.get(path)! : timing ? timingReason(timing) : reasonOf(product, seen, at),
      predictedDenseMs: product ? 1e-6 * rates[rateKind(product, shape)] * uses * params * batch : null,
      denseMs: timing?.denseMs ?? seen?.denseMs ?? inPlan[path] ?? null,
      predictedSparseMs: seen ? predicted(seen.sparseMs, at) : null,
      sparseMs: timing?.sparseMs ?? null,
      breakEven: seen?.breakEven ?? null,
      forecast: seen?.sparseMs ?? [],
    };
  });
  const total = (of: (layer: SurveyedLayer) => number) => layers.reduce((sum, layer) => sum + of(layer), 0);
  const usual = new Set(usuallyPruned(file));
  const asked = layers
    .filter(({ name, sparsity: zeros, predictedSparseMs }) => zeros === 0 && usual.has(name) && predictedSparseMs !== null)
    .map(({ name, denseMs, predictedSparseMs }) => ({ path: name, sparsity, denseMs: denseMs!, sparseMs: predictedSparseMs! }));
  return {
    ...totalsOf(file),
    sparsity: 1 - total(({ nonZeros }) => nonZeros) / total(({ params }) => params),
    theoreticalFlops: total(({ theoreticalFlops }) => theoreticalFlops),
    layers,
    advice: asked.length === 0 ? null : advise(wholeMs, asked, [...foreseen.values()]),
  };
}

/** Why a layer that is not pruned runs dense, and what pruning would bring. */
function reasonOf(product: Product | undefined, seen: LayerForecast | undefined, at: number): string {
  if (!product) return "not a weight that can be pruned";
  if (product.groups > 1) return `a ${product.kind} convolution, which has no sparse kernel`;
  if (!seen) return "not pruned";
  const ratio = seen.denseMs / predicted(seen.sparseMs, at);
  const gain = ratio >= 1 ? `${ratio.toFixed(1)} times faster` : `${(1 / ratio).toFixed(1)} times slower`;
  return `not pruned; at ${Math.round(100 * at)} % it would be ${gain}`;
}

/** Layers that a prune takes by default; all where the defaults leave none. */
function usuallyPruned({ program }: ModelFile): string[] {
  const all = productsOf(program.one).map(({ path }) => path);
  try {
    return pruneLayers(program.one)
      .filter(({ dense }) => dense === undefined)
      .map(({ path }) => path);
  } catch (error) {
    // Too small for the defaults: with options all of them can be pruned.
    if (error instanceof InputError) return all;
    throw error;
  }
}

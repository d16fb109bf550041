/** Where sparsity begins to pay: the break-even of each layer, measured on this machine with random masks. */
import { createRng, type Tensor, tensor } from "../../src/core/index.js";
import type { Engine } from "../../src/engine/index.js";
import { programOf } from "./compiled.js";
import { compileAlone, cutOut, operationOf } from "./choose.js";
import type { Network } from "./model-file.js";
import { timeInTurns } from "./timing.js";

/** What is foreseen of one layer. */
export interface LayerForecast {
  readonly path: string;
  readonly denseMs: number;
  /** Milliseconds with compressed weights, by sparsity. */
  readonly sparseMs: readonly { readonly sparsity: number; readonly ms: number }[];
  /** Sparsity above which compressed weights are faster; null when they never are. */
  readonly breakEven: number | null;
}

const probes = [0.5, 0.8, 0.9, 0.95] as const;

/** A random tensor with about this share of zeros, at least one value. */
function thinned(value: Tensor, sparsity: number, path: string): Tensor {
  const rng = createRng(1).split(path).split(String(sparsity));
  const data = Float32Array.from(value.data, () => (rng.uniform() < sparsity ? 0 : rng.normal() || 1));
  if (data.every((x) => x === 0)) data[0] = 1;
  return tensor(value.shape, data);
}

/**
 * The crossing of a falling line, fitted to (density, ms) by least squares, with the dense time.
 *
 * @returns a sparsity in [0, 1), or null when even the sparsest is slower
 */
export function crossing(points: readonly { readonly sparsity: number; readonly ms: number }[], denseMs: number): number | null {
  const n = points.length;
  const x = points.map(({ sparsity }) => 1 - sparsity);
  const mx = x.reduce((a, b) => a + b, 0) / n;
  const my = points.reduce((a, { ms }) => a + ms, 0) / n;
  const slope = points.reduce((sum, { ms }, i) => sum + (x[i]! - mx) * (ms - my), 0) / x.reduce((sum, v) => sum + (v - mx) ** 2, 0);
  const density = slope > 0 ? (denseMs - (my - slope * mx)) / slope : my < denseMs ? 1 : 0;
  return density <= 0 ? null : Math.max(0, 1 - density);
}

/** Forecasts every prunable layer of a network at a batch size. @param runs timed runs of each variant */
export function forecast(engine: Engine, { model, params }: Network, batch: number, runs: number, now: () => number): LayerForecast[] {
  const program = programOf(model, batch);
  const out: LayerForecast[] = [];
  for (const [path, { prunable }] of Object.entries(model.module.params)) {
    const operation = prunable ? operationOf(program, path) : undefined;
    if (!operation) continue;
    const values = [params[path]!, ...probes.map((sparsity) => thinned(params[path]!, sparsity, path))];
    const plans = values.map((value, i) => {
      const layout = i === 0 ? ({ kind: "dense" } as const) : ({ kind: "csr", capacity: value.data.reduce((count, v) => count + Number(v !== 0), 0) } as const);
      return compileAlone(engine, cutOut(program, operation, path, layout), path, value, layout);
    });
    try {
      const [denseMs, ...sparse] = timeInTurns(plans, runs, now);
      const sparseMs = probes.map((sparsity, i) => ({ sparsity, ms: sparse[i]! }));
      out.push({ path, denseMs: denseMs!, sparseMs, breakEven: crossing(sparseMs, denseMs!) });
    } finally {
      for (const plan of plans) plan.close();
    }
  }
  return out;
}

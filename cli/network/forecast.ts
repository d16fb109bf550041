/** Where sparsity begins to pay: the break-even of each layer, measured on this machine with random masks. */
import { createRng, sizeOf, tensor } from "../../src/core/index.js";
import type { Engine } from "../../src/engine/index.js";
import { compressDense } from "../../src/formats/index.js";
import { type FileParam, type LayerTiming, type ModelFile, timeLayers } from "../../src/runtime/index.js";

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

/** A random weight of this shape with about this share of zeros, compressed; at least one value. */
function thinned(path: string, shape: readonly number[], sparsity: number): FileParam {
  const rng = createRng(1).split(path).split(String(sparsity));
  const data = Float32Array.from({ length: sizeOf(shape) }, () => (rng.uniform() < sparsity ? 0 : rng.normal() || 1));
  if (data.every((x) => x === 0)) data[0] = 1;
  return { kind: "sparse", value: compressDense(tensor(shape, data).data, { shape, layout: "csr" }) };
}

/**
 * The crossing of a line, fitted to (density, ms) by least squares, with the dense time.
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

/** Forecasts these weights of a model at a batch size. */
export function forecast(
  engine: Engine,
  file: ModelFile,
  paths: readonly string[],
  batch: number,
  now: () => number,
): LayerForecast[] {
  const measured = probes.map((sparsity) => {
    const params = Object.fromEntries(
      Object.entries(file.params).map(([path, param]) => [
        path,
        paths.includes(path) ? thinned(path, param.value.shape, sparsity) : param,
      ]),
    );
    return new Map(
      timeLayers(engine, file.program, params, batch, now).map((timing): [string, LayerTiming] => [timing.path, timing]),
    );
  });
  return paths.flatMap((path) => {
    const found = measured.map((layers) => layers.get(path));
    if (found.some((timing) => timing === undefined)) return [];
    const denseMs = Math.min(...found.map((timing) => timing!.denseMs));
    const sparseMs = probes.map((sparsity, i) => ({ sparsity, ms: found[i]!.sparseMs }));
    return [{ path, denseMs, sparseMs, breakEven: crossing(sparseMs, denseMs) }];
  });
}

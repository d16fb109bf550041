/** Where sparsity begins to pay: the break-even of each layer, measured on this machine with random masks. */
import type { Engine } from "../../src/engine/index.js";
import { atBatch, type Product, productsOf } from "../../src/program/index.js";
import { denseOf, type ModelFile, packModel, timeLayers } from "../../src/runtime/index.js";
import type { Mask } from "../../src/sparsity/index.js";
import type { PrunePattern } from "../../src/train/index.js";
import { randomMask } from "./random-mask.js";

/** Milliseconds with compressed weights at a sparsity. */
export interface Point {
  readonly sparsity: number;
  readonly ms: number;
}

/** What is foreseen of one layer. */
export interface LayerForecast {
  readonly path: string;
  readonly denseMs: number;
  /** One point per probe; N:M patterns have one sparsity, hence one point. */
  readonly sparseMs: readonly Point[];
  /** Sparsity above which compressed weights are faster; null when they never are. */
  readonly breakEven: number | null;
}

const probes = [0.5, 0.8, 0.9, 0.95] as const;

/** A line fitted to (density, ms) by least squares; level through a single point. */
function lineOf(points: readonly Point[]): { readonly slope: number; readonly at0: number } {
  const n = points.length;
  const x = points.map(({ sparsity }) => 1 - sparsity);
  const mx = x.reduce((a, b) => a + b, 0) / n;
  const my = points.reduce((a, { ms }) => a + ms, 0) / n;
  const spread = x.reduce((sum, v) => sum + (v - mx) ** 2, 0);
  const slope = spread === 0 ? 0 : points.reduce((sum, { ms }, i) => sum + (x[i]! - mx) * (ms - my), 0) / spread;
  return { slope, at0: my - slope * mx };
}

/** Milliseconds that the fitted line gives at a sparsity, at least 0. */
export function predicted(points: readonly Point[], sparsity: number): number {
  const { slope, at0 } = lineOf(points);
  return Math.max(0, at0 + slope * (1 - sparsity));
}

/**
 * The crossing of the fitted line with the dense time.
 * @returns a sparsity in [0, 1), or null when even the sparsest is slower
 */
export function crossing(points: readonly Point[], denseMs: number): number | null {
  const { slope, at0 } = lineOf(points);
  if (slope <= 0) return at0 < denseMs ? 0 : null;
  const density = (denseMs - at0) / slope;
  return density <= 0 ? null : Math.max(0, 1 - density);
}

/**
 * Forecasts the layers of a model that have sparse kernels. Layers of one kind and size (the blocks of a transformer) are measured
 * once.
 */
export function forecast(
  engine: Engine,
  file: ModelFile,
  batch: number,
  now: () => number,
  pattern: PrunePattern = { kind: "unstructured", scope: "tensor" },
): LayerForecast[] {
  const program = atBatch(file.program, batch);
  const first = new Map<string, Product>();
  const twins = new Map<string, string>();
  for (const product of productsOf(program)) {
    if (product.groups > 1 || twins.has(product.path)) continue;
    const key = JSON.stringify([
      program.operations[product.operation]!.attrs,
      program.values[product.input]!.shape,
      file.params[product.path]!.value.shape,
    ]);
    if (!first.has(key)) first.set(key, product);
    twins.set(product.path, first.get(key)!.path);
  }
  if (first.size === 0) return [];
  // Weights that are zero already count as any other: the mask alone decides.
  const params = Object.fromEntries(
    Object.entries(file.params).map(([path, param]) => [
      path,
      { ...denseOf(param), data: denseOf(param).data.map((w) => w || 0.01) },
    ]),
  );
  const levels = pattern.kind === "nm" ? [1 - pattern.keep / pattern.of] : probes;
  const seen = new Map<string, { denseMs: number; sparseMs: Point[] }>();
  for (const sparsity of levels) {
    const masks: Record<string, Mask> = {};
    for (const product of first.values()) masks[product.path] = randomMask(product, params[product.path]!.shape, pattern, sparsity);
    const thin = packModel({ program: file.program, params, masks });
    for (const { path, denseMs, sparseMs } of timeLayers(engine, file.program, thin.params, batch, now)) {
      const entry = seen.get(path) ?? { denseMs, sparseMs: [] };
      entry.denseMs = Math.min(entry.denseMs, denseMs);
      if (!entry.sparseMs.some((point) => point.sparsity === sparsity)) entry.sparseMs.push({ sparsity, ms: sparseMs });
      seen.set(path, entry);
    }
  }
  return [...twins].flatMap(([path, twin]) => {
    const found = seen.get(twin);
    if (!found || found.sparseMs.length < levels.length) return [];
    return [{ path, ...found, breakEven: crossing(found.sparseMs, found.denseMs) }];
  });
}

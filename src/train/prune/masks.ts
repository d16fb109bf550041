/** Scores and masks of a program's layers. */
import { OptionError, type Rng, type Tensor, type Tree, tensor } from "../../core/index.js";
import {
  kernelGroups,
  type Mask,
  magnitude,
  type ParamInfo,
  type Pattern,
  random,
  type SplitName,
  selectMask,
  splitSparsity,
  wanda,
} from "../../sparsity/index.js";
import { matrixOf, type PruneLayer } from "./layers.js";

/** How weights are ranked. `sparsegpt` ranks while it repairs. */
export type PruneMethod = "magnitude" | "random" | "wanda" | "sparsegpt";

/** Where zeros may lie: a pattern of src/sparsity, or kernel groups (`filters` consecutive filters by one input channel). */
export type PrunePattern = Exclude<Pattern, { kind: "group" }> | { readonly kind: "kernels"; readonly filters: number };

/** The pattern on a layer's matrix. */
export function patternOf(pattern: PrunePattern, { kernel, rows, columns }: PruneLayer): Pattern {
  if (pattern.kind !== "kernels") return pattern;
  return kernelGroups(pattern.filters, kernel === 1 ? [rows, columns] : [rows, columns / kernel, kernel, 1]);
}

/**
 * A score per weight of every layer, on its matrix.
 * @param norms input norms per layer and group; needed by `wanda`
 */
export function scoreLayers(
  layers: readonly PruneLayer[],
  params: Tree<Tensor>,
  method: PruneMethod,
  rng: Rng,
  norms: Tree<readonly Float64Array[]> = {},
): Tree<Float32Array> {
  return Object.fromEntries(
    layers.map((layer): [string, Float32Array] => {
      const weight = matrixOf(layer, params);
      if (method === "random") return [layer.path, random(weight, { rng: rng.split(layer.path) })];
      if (method !== "wanda") return [layer.path, magnitude(weight)];
      const own = norms[layer.path]!;
      const rows = layer.rows / own.length;
      const score = new Float32Array(weight.data.length);
      own.forEach((inputNorm, g) => {
        const part = weight.data.slice(g * rows * layer.columns, (g + 1) * rows * layer.columns);
        score.set(wanda(tensor([rows, layer.columns], part), { inputNorm }), g * rows * layer.columns);
      });
      return [layer.path, score];
    }),
  );
}

/**
 * The sparsity of every layer: its rule's, or its share of the common one.
 *
 * @throws OptionError when the budget cannot be met, or `global` is asked for with `sparsegpt`, which has no scores beforehand
 */
export function ratiosFor(
  layers: readonly PruneLayer[],
  infos: Tree<ParamInfo>,
  options: { method: PruneMethod; sparsity: number; distribution: SplitName; pattern: PrunePattern },
  scores: Tree<Float32Array>,
): Tree<number> {
  const { method, sparsity, distribution, pattern } = options;
  const pruned = layers.filter(({ dense }) => dense === undefined);
  const global = distribution === "global" || (pattern.kind === "unstructured" && pattern.scope === "global");
  if (method === "sparsegpt" && global)
    throw new OptionError("prune.distribution", "uniform, er, erk, ... with sparsegpt, which ranks layer by layer", "global");
  if (pattern.kind === "nm") {
    const fixed = 1 - pattern.keep / pattern.of;
    const other = [sparsity, ...pruned.flatMap((layer) => layer.sparsity ?? [])].find((s) => Math.abs(s - fixed) > 1e-9);
    if (other !== undefined)
      throw new OptionError("prune.sparsity", `${fixed}, which ${pattern.keep} kept of ${pattern.of} fixes`, other);
    return Object.fromEntries(pruned.map(({ path }) => [path, fixed]));
  }
  const open = Object.fromEntries(Object.entries(infos).filter(([, { prunable }]) => prunable));
  const shared =
    Object.keys(open).length === 0
      ? {}
      : splitSparsity(
          global ? "global" : distribution,
          pattern.kind === "kernels" ? { kind: "unstructured", scope: "tensor" } : pattern,
          open,
          sparsity,
          scores,
        );
  return Object.fromEntries(pruned.map(({ path, sparsity: own }) => [path, own ?? shared[path]!]));
}

/** Columns from [channel][tap] to [tap][channel], or back. */
function byTaps<T extends Float32Array | Uint8Array>(data: T, columns: number, taps: number, back: boolean): T {
  const out = data.slice() as T;
  const channels = columns / taps;
  for (let row = 0; row < data.length; row += columns) {
    for (let c = 0; c < channels; c++) {
      for (let t = 0; t < taps; t++) {
        const [first, last] = [row + c * taps + t, row + t * channels + c];
        if (back) out[first] = data[last]!;
        else out[last] = data[first]!;
      }
    }
  }
  return out;
}

/**
 * The mask of one layer's matrix. Blocks of several columns lie in one tap of a convolution: the matrix is tiled with the input
 * channels of a tap side by side, [out, tap * in + channel].
 */
export function maskLayer(layer: PruneLayer, pattern: PrunePattern, score: Float32Array, sparsity: number): Mask {
  const { rows, columns, kernel } = layer;
  if (pattern.kind === "block" && pattern.cols > 1 && kernel > 1) {
    const shape = [rows, columns];
    const { data } = selectMask(pattern, byTaps(score, columns, kernel, false), shape, sparsity);
    return { shape, data: byTaps(data, columns, kernel, true) };
  }
  return selectMask(patternOf(pattern, layer), score, [layer.rows, layer.columns], sparsity);
}

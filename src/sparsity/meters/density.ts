import { InputError, sizeOf, type Tensor, type Tree } from "../../core/index.js";
import { countKept } from "../masks.js";
import type { Mask, ParamInfo } from "../types.js";

/** What is masked, counted once even where two paths share one mask. */
export interface Density {
  /** Share of zeros among the masked weights, in [0, 1]. */
  readonly sparsity: number;
  /** 1 - sparsity. */
  readonly density: number;
  readonly kept: number;
  readonly total: number;
  /** Sparsity of each masked tensor. */
  readonly perTensor: Tree<number>;
}

/**
 * Sparsity and density of a set of masks.
 * @throws InputError when the masks cover no weight: sparsity is undefined
 */
export function densityOf(masks: Tree<Mask>): Density {
  const seen = new Set<Uint8Array>();
  const perTensor: Record<string, number> = {};
  let kept = 0;
  let total = 0;
  for (const [path, mask] of Object.entries(masks)) {
    const count = countKept(mask);
    perTensor[path] = 1 - count / mask.data.length;
    if (seen.has(mask.data)) continue;
    seen.add(mask.data);
    kept += count;
    total += mask.data.length;
  }
  if (total === 0) throw new InputError("densityOf: the masks cover no weight, so sparsity is undefined");
  return { sparsity: 1 - kept / total, density: kept / total, kept, total, perTensor };
}

/**
 * Sparsity s over prunable weights, and global sparsity over ALL parameters (biases and norms included).
 *
 * @param infos every parameter; a prunable one without a mask counts as dense
 * @param masks by path
 * @throws InputError when nothing is prunable
 */
export function realisedSparsity(
  infos: Tree<ParamInfo>,
  masks: Tree<Mask>,
): { sparsity: number; globalSparsity: number; kept: number; prunable: number; parameters: number } {
  const seen = new Set<Uint8Array>();
  let zeros = 0;
  let prunable = 0;
  let parameters = 0;
  for (const [path, info] of Object.entries(infos)) {
    const mask = masks[path];
    if (mask && seen.has(mask.data)) continue;
    if (mask) seen.add(mask.data);
    const n = sizeOf(info.shape);
    parameters += n;
    if (!info.prunable) continue;
    prunable += n;
    if (mask) zeros += n - countKept(mask);
  }
  if (prunable === 0) throw new InputError("realisedSparsity: no prunable parameter, so sparsity is undefined");
  return { sparsity: zeros / prunable, globalSparsity: zeros / parameters, kept: prunable - zeros, prunable, parameters };
}

/** Weights that are 0 although the mask keeps them: natural zeros, which do not count as sparsity. */
export function naturalZeros(weight: Tensor, mask: Mask): number {
  let n = 0;
  for (let i = 0; i < mask.data.length; i++) if (mask.data[i] === 1 && weight.data[i] === 0) n++;
  return n;
}

/** Paths of tensors with no kept weight: layer collapse. */
export function collapsedLayers(masks: Tree<Mask>): string[] {
  return Object.keys(masks).filter((path) => countKept(masks[path]!) === 0);
}

import { InputError, type Tree } from "../../core/index.js";

/** How often each weight of a tensor is used in one forward pass of one example. */
export interface Use {
  readonly path: string;
  /** Linear layer: 1 per token or row; convolution: output height x width. */
  readonly uses: number;
}

/**
 * Theoretical FLOPs of one forward pass of one example: multiply-adds x 2, counted on non-zeros. Not a speed.
 *
 *     sum over uses of 2 x nonZeros(path) x uses
 *
 * @param uses     a tensor used in two places is listed twice
 * @param nonZeros non-zeros of each tensor (its size when dense)
 * @throws InputError when a used tensor has no count
 */
export function theoreticalFlops(uses: readonly Use[], nonZeros: Tree<number>): number {
  let flops = 0;
  for (const { path, uses: times } of uses) {
    const count = nonZeros[path];
    if (count === undefined) throw new InputError(`theoreticalFlops: no count of non-zeros for ${path}`);
    flops += 2 * count * times;
  }
  return flops;
}

/**
 * Theoretical FLOPs of training for one example and step: forward once, gradients of weights and inputs once more each.
 *
 *     3 x forward
 *
 * For methods that compute a dense gradient every `every` steps (RigL): (3 f_sparse every + 2 f_sparse + f_dense) / (every + 1).
 *
 * Evci et al. 2020, arXiv:1911.11134, appendix "Calculation of the FLOPs".
 */
export function trainingFlops(forward: number, dense?: { readonly forward: number; readonly every: number }): number {
  return dense ? (3 * forward * dense.every + 2 * forward + dense.forward) / (dense.every + 1) : 3 * forward;
}

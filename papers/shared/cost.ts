/** What a network costs: parameters, non-zeros, bytes with index overhead, theoretical FLOPs. Every paper counts alike. */
import { sizeOf, type Tree } from "../../src/core/index.js";
import { countParams, layersOf, type Model } from "../../src/models/index.js";
import { countKept, type Mask, storedBytes, theoreticalFlops } from "../../src/sparsity/index.js";

/** Costs of one network, biases and normalisation counted (running statistics not). */
export interface Cost {
  /** Trained parameters, zeros included. */
  readonly params: number;
  /** Trained parameters that no mask holds at zero. */
  readonly nonZeros: number;
  /** Share of zeros among prunable weights. */
  readonly sparsity: number;
  /** Values only, 4 bytes per non-zero: what the network would take if positions cost nothing. */
  readonly valueBytes: number;
  /** Masked weights as values and one bit per position. */
  readonly bitmapBytes: number;
  /** Masked weights as compressed rows with 32-bit column indices. */
  readonly csrBytes: number;
  /** Masked weights as the least of dense, bitmap and compressed rows, each tensor for itself. */
  readonly bestBytes: number;
  /** Multiply-adds x 2 of one example, on non-zeros. Not a speed. */
  readonly theoreticalFlops: number;
}

/** Costs of a parameter tree, given the masks of its masked weights. FLOPs are left to `costOf`. */
export function storageOf(shapes: Tree<readonly number[]>, masks: Tree<Mask>): Omit<Cost, "theoreticalFlops"> {
  let [params, nonZeros, kept, maskable, bitmapBytes, csrBytes, bestBytes] = [0, 0, 0, 0, 0, 0, 0];
  for (const [path, shape] of Object.entries(shapes)) {
    const n = sizeOf(shape);
    const mask = masks[path];
    params += n;
    if (!mask) {
      nonZeros += n;
      bitmapBytes += 4 * n;
      csrBytes += 4 * n;
      bestBytes += 4 * n;
      continue;
    }
    const live = countKept(mask);
    const { bitmap, csr, best } = storedBytes(shape[0]!, n / shape[0]!, live);
    nonZeros += live;
    kept += live;
    maskable += n;
    bitmapBytes += bitmap;
    csrBytes += csr;
    bestBytes += best;
  }
  return {
    params,
    nonZeros,
    sparsity: maskable === 0 ? 0 : 1 - kept / maskable,
    valueBytes: 4 * nonZeros,
    bitmapBytes,
    csrBytes,
    bestBytes,
  };
}

/** Costs of a model under masks (none: dense). */
export function costOf(model: Model, masks: Tree<Mask> = {}): Cost {
  const layers = layersOf(model);
  const defs = Object.entries(model.module.params).filter(([, def]) => def.kind !== "statistic");
  const storage = storageOf(Object.fromEntries(defs.map(([path, { shape }]) => [path, shape])), masks);
  if (storage.params !== countParams(model))
    throw new Error(`${model.name}: ${storage.params} parameters counted, the model says ${countParams(model)}`);
  const counts = Object.fromEntries(defs.map(([path, { shape }]) => [path, masks[path] ? countKept(masks[path]!) : sizeOf(shape)]));
  return {
    ...storage,
    theoreticalFlops: theoreticalFlops(
      layers.filter(({ uses }) => uses > 0),
      counts,
    ),
  };
}

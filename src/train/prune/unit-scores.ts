/** How much each channel unit matters: the energy of its weights, each tensor counted as a share of its own. */
import { sizeOf, type Tensor, type Tree } from "../../core/index.js";
import { type ChannelGroup, foldBatchNorm, type Program } from "../../program/index.js";
import { fromMatrix, matrixOf, type PruneLayer } from "./layers.js";

/** Mean energy along each axis of a weight, as a share of the weight's mean. */
export type Marginals = Tree<readonly Float64Array[]>;

/**
 * Energy of every weight, w^2, or (w ||x||)^2 where norms of its inputs are given. Batch norm is folded in first: a filter before
 * a normalisation has no size of its own.
 */
export function marginalsOf(
  program: Program,
  layers: readonly PruneLayer[],
  params: Tree<Tensor>,
  norms: ReadonlyMap<string, readonly Float64Array[]>,
): Marginals {
  const folded = foldBatchNorm(program, params).params;
  return Object.fromEntries(
    layers.map((layer): [string, Float64Array[]] => {
      const { shape } = params[layer.path]!;
      const matrix = matrixOf(layer, folded).data.map((w) => w * w);
      const own = norms.get(layer.path);
      if (own) {
        const rows = layer.rows / own.length;
        for (let i = 0; i < matrix.length; i++) {
          const row = Math.floor(i / layer.columns);
          matrix[i]! *= own[Math.floor(row / rows)]![i % layer.columns]! ** 2;
        }
      }
      return [layer.path, marginals(fromMatrix(layer, matrix), shape)];
    }),
  );
}

function marginals(energy: Float32Array, shape: readonly number[]): Float64Array[] {
  const total = energy.reduce((a, b) => a + b, 0) / energy.length || 1;
  return shape.slice(0, 2).map((size, axis) => {
    const inner = sizeOf(shape.slice(axis + 1));
    const sums = new Float64Array(size);
    for (let i = 0; i < energy.length; i++) sums[Math.floor(i / inner) % size]! += energy[i]!;
    const each = energy.length / size;
    return sums.map((s) => s / each / total);
  });
}

/** The mean over the weights that a unit touches. Higher = keep. */
export function scoreUnits({ units }: ChannelGroup, found: Marginals): Float32Array {
  return Float32Array.from(units, ({ members }) => {
    let [sum, n] = [0, 0];
    for (const { path, axis, indices } of members) {
      const along = found[path]?.[axis];
      if (!along) continue;
      sum += indices.reduce((total, i) => total + along[i]!, 0) / indices.length;
      n++;
    }
    return n === 0 ? 0 : sum / n;
  });
}

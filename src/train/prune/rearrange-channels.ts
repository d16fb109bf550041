/** SparseByteNN's whole-network rearrangement: an order of every channel group in which kernel groups keep more of the weights. */
import type { Rng, Tensor, Tree } from "../../core/index.js";
import { type BatchProgram, type ChannelGroup, channelGraph, permuteChannels } from "../../program/index.js";
import { orderBySize, type Producer, type Rearranged, rearrange, retained } from "../../sparsity/index.js";
import { type LayerChoice, matrixOf, type PruneLayer, pruneLayers } from "./layers.js";

/** Options of `rearrangeChannels`. */
export interface RearrangeChannelsOptions extends LayerChoice {
  readonly program: BatchProgram;
  readonly params: Tree<Tensor>;
  /** Share of kernel groups that will go, in [0, 1). */
  readonly sparsity: number;
  /** Filters of a group (G). */
  readonly filters: number;
  readonly rng: Rng;
  /** Swaps to try per channel group; default 4000. */
  readonly budget?: number;
}

/** A rearranged network: the same function. */
export interface RearrangedProgram {
  readonly params: Tree<Tensor>;
  /** Retained sum of |w| over all rearranged layers: as given, every group sorted by size, as found; and of all weights. */
  readonly before: number;
  readonly sorted: number;
  readonly after: number;
  readonly total: number;
  readonly groups: readonly (Omit<Rearranged, "order"> & { readonly group: string; readonly units: number })[];
}

/** Score of each kernel, the sum of |w| in it: [rows, inputs]. */
function kernelScores(layer: PruneLayer, params: Tree<Tensor>): Float32Array {
  const { data } = matrixOf(layer, params);
  const inputs = layer.columns / layer.kernel;
  const scores = new Float32Array(layer.rows * inputs);
  for (let i = 0; i < data.length; i++) scores[Math.floor(i / layer.kernel)]! += Math.abs(data[i]!);
  return scores;
}

/** The pruned layers that make a group's channels, one row per unit. */
function producersOf({ units }: ChannelGroup, layers: readonly PruneLayer[], params: Tree<Tensor>): Producer[] {
  return layers.flatMap((layer) => {
    const axis = layer.products[0]!.transposed ? 1 : 0;
    const place = units[0]!.members.findIndex(
      (member) => member.path === layer.path && member.axis === axis && member.indices.length === 1,
    );
    if (place < 0) return [];
    return [
      {
        scores: kernelScores(layer, params),
        inputs: layer.columns / layer.kernel,
        rowOf: units.map(({ members }) => members[place]!.indices[0]!),
      },
    ];
  });
}

/**
 * Rearranges every channel group that makes rows of a pruned layer. Groups whose channels must keep their places stay.
 * @throws what `pruneLayers` throws
 *
 * Xu et al. 2023, arXiv:2310.19509.
 */
export function rearrangeChannels(options: RearrangeChannelsOptions): RearrangedProgram {
  const { program, sparsity, filters, rng, budget } = options;
  const layers = pruneLayers(program.one, options).filter(({ dense }) => dense === undefined);
  let { params } = options;
  let bySize = params;
  const groups: RearrangedProgram["groups"][number][] = [];
  for (const group of channelGraph(program.one).groups) {
    const producers = producersOf(group, layers, params);
    if (producers.length === 0 || group.ordered) continue;
    const { order, ...found } = rearrange(producers, {
      sparsity,
      filters,
      rng: rng.split(group.name),
      ...(budget === undefined ? {} : { budget }),
    });
    params = permuteChannels(params, group, order);
    bySize = permuteChannels(bySize, group, orderBySize(producersOf(group, layers, bySize)));
    groups.push({ group: group.name, units: group.units.length, ...found });
  }
  const kept = (values: Tree<Tensor>) =>
    retained(
      layers.map((layer) => asProducer(layer, values)),
      [],
      { sparsity, filters },
    );
  const total = layers.reduce((sum, layer) => sum + kernelScores(layer, params).reduce((a, b) => a + b, 0), 0);
  return { params, before: kept(options.params), sorted: kept(bySize), after: kept(params), total, groups };
}

/** A layer as it is: no unit moves. */
const asProducer = (layer: PruneLayer, params: Tree<Tensor>): Producer => ({
  scores: kernelScores(layer, params),
  inputs: layer.columns / layer.kernel,
  rowOf: [],
});

/** Structured pruning of a program: whole channel units go, and the network becomes smaller. */
import { InputError, type Rng, requireOneOf, requireSparsity, type Tensor, type Tree } from "../../core/index.js";
import type { Engine } from "../../engine/index.js";
import {
  anyBatch,
  atBatch,
  type BatchProgram,
  type ChannelGraph,
  type ChannelUnit,
  channelGraph,
  cutChannels,
  cutParams,
  maskChannels,
} from "../../program/index.js";
import { keepCount, type LayerMoments, leastSquaresRepair, topK } from "../../sparsity/index.js";
import { type Calibration, createProbe, type Probe } from "./calibration.js";
import { fromMatrix, type LayerChoice, type PruneLayer, pruneLayers, toMatrix } from "./layers.js";
import { inputNorms, MOST_COLUMNS, momentsOf } from "./moments.js";
import type { Repair } from "./prune-program.js";
import { marginalsOf, scoreUnits } from "./unit-scores.js";

/** Options of `pruneChannels`. */
export interface CutChannelsOptions extends Pick<LayerChoice, "exclude"> {
  readonly engine: Engine;
  readonly program: BatchProgram;
  readonly params: Tree<Tensor>;
  /** `magnitude`: mean over its weights, each as a share of its tensor's mean square; `wanda`: with the norm of what the unit feeds on; `random`. */
  readonly method: "magnitude" | "random" | "wanda";
  /** Share of the units of each group that go, in [0, 1). */
  readonly sparsity: number;
  /** `least-squares` fits the readers of the cut channels anew. Default `none`. */
  readonly repair?: Exclude<Repair, "obs">;
  readonly calibration?: Calibration | undefined;
  readonly damping?: number;
  readonly rng: Rng;
  readonly progress?: (done: number, total: number, words: string) => void;
}

/** What was cut of one group. */
export interface CutUnit {
  readonly group: string;
  readonly units: number;
  readonly kept: number;
  /** Why the group stays whole, where it does. */
  readonly note: string;
}

/** A smaller network. */
export interface CutProgram {
  readonly program: BatchProgram;
  readonly params: Tree<Tensor>;
  readonly groups: readonly CutUnit[];
  readonly graph: ChannelGraph;
  /** What was removed, for maskChannels and reports. */
  readonly removed: readonly ChannelUnit[];
}

/**
 * Ranks the units of every channel group, removes the lowest, and (with repair) fits the layers that read cut channels to what
 * the dense network computes there.
 *
 * @throws OptionError, InputError: nothing can be cut (the message says what holds each axis), data are missing or do not fit
 */
export function pruneChannels(options: CutChannelsOptions): CutProgram {
  const { engine, program, params, rng, calibration, exclude = [], progress } = options;
  const method = requireOneOf("prune.method", options.method, ["magnitude", "random", "wanda"]);
  const repair = requireOneOf("prune.repair", options.repair ?? "none", ["none", "least-squares"]);
  const sparsity = requireSparsity("prune.sparsity", options.sparsity);
  if ((method === "wanda" || repair !== "none") && !calibration)
    throw new InputError(
      `prune: ${method === "wanda" ? "wanda" : "repair"} needs calibration data; give a data set (--data, --calibrate)`,
    );
  const graph = channelGraph(program.one);
  if (graph.groups.length === 0) {
    throw new InputError(
      `prune: no channel of this network can be cut: ${graph.held.map(({ path, axis, why }) => `${path}, axis ${axis}: ${why}`).join("; ") || "it has no weights"}`,
    );
  }
  const layers = pruneLayers(program.one, { exclude, keepDense: { first: false, depthwise: false, last: false } });
  const excluded = new Set(layers.filter(({ dense }) => dense === "excluded").map(({ path }) => path));
  const dense = calibration ? createProbe(engine, program, params, calibration) : undefined;
  let thin: Probe | undefined;
  try {
    const norms = new Map(
      method === "wanda" ? layers.map((layer) => [layer.path, inputNorms(engine, layer, calibration!, dense!)] as const) : [],
    );
    const energy = marginalsOf(program.one, layers, params, norms);
    const removed: ChannelUnit[] = [];
    const groups = graph.groups.map((group): CutUnit => {
      const own = { group: group.name, units: group.units.length };
      const stays = group.units[0]!.members.find(({ path, axis }) => axis === 0 && excluded.has(path));
      if (stays) return { ...own, kept: own.units, note: `${stays.path} is excluded` };
      const score = method === "random" ? Float32Array.from(group.units, () => rng.uniform()) : scoreUnits(group, energy);
      const kept = keepCount(own.units, sparsity);
      const chosen = topK(score, kept);
      group.units.forEach((unit, u) => {
        if (chosen[u] === 0) removed.push(unit);
      });
      return { ...own, kept, note: method };
    });
    if (removed.length === 0)
      throw new InputError(
        `prune: a sparsity of ${sparsity} removes no unit of ${groups.map(({ group, units }) => `${group} (${units})`).join(", ")}; ask for more`,
      );
    const next: Record<string, Tensor> = { ...params };
    if (repair === "least-squares") {
      const readers = layers.filter(
        ({ path, kind, columns }) => kind !== "depthwise" && columns <= MOST_COLUMNS && columnsOf(removed, path).length > 0,
      );
      thin = createProbe(engine, program, maskChannels(params, removed), calibration!);
      readers.forEach((layer, i) => {
        const moments = momentsOf(engine, layer, calibration!, thin!, dense);
        next[layer.path] = refit(layer, params[layer.path]!, columnsOf(removed, layer.path), moments, options.damping ?? 0.01);
        thin!.store.set(layer.path, maskChannels(next, removed)[layer.path]!);
        progress?.(i + 1, readers.length, `fitted ${layer.path}`);
      });
    }
    const cut = cutChannels(program.one, removed);
    return {
      program: anyBatch((batch) => cutChannels(atBatch(program, batch), removed).program),
      params: cutParams(next, cut),
      groups,
      graph,
      removed,
    };
  } finally {
    dense?.close();
    thin?.close();
  }
}

/** Input channels of a weight that go: positions on the axis that its products read. */
const columnsOf = (removed: readonly ChannelUnit[], path: string): { axis: number; index: number }[] =>
  removed.flatMap(({ members }) =>
    members.filter((member) => member.path === path).flatMap(({ axis, indices }) => indices.map((index) => ({ axis, index }))),
  );

/** The weight fitted without the columns that go, group by group. */
function refit(
  layer: PruneLayer,
  weight: Tensor,
  gone: readonly { axis: number; index: number }[],
  moments: readonly LayerMoments[],
  damping: number,
): Tensor {
  const inputAxis = layer.products[0]!.transposed ? 0 : 1;
  const dead = new Set(gone.filter(({ axis }) => axis === inputAxis).map(({ index }) => index));
  if (dead.size === 0) return weight;
  const matrix = toMatrix(layer, weight.data);
  const size = matrix.length / moments.length;
  const mask = new Uint8Array(size);
  for (let i = 0; i < size; i++) mask[i] = dead.has(Math.floor((i % layer.columns) / layer.kernel)) ? 0 : 1;
  const out = new Float32Array(matrix.length);
  moments.forEach((own, g) => {
    out.set(leastSquaresRepair(matrix.slice(g * size, (g + 1) * size), mask, own, damping), g * size);
  });
  return { ...weight, data: fromMatrix(layer, out) };
}

/** The interfaces of the sparsity axes. Conventions: masks hold 1 = kept; scores are HIGHER = keep; steps count from 0. */
import type { Rng, Tensor, Tree } from "../core/index.js";
import type { Value } from "../program/index.js";
import type { MethodCard } from "./card.js";

/** A binary tensor of the weight's shape, row-major: 1 = kept, 0 = pruned. */
export interface Mask {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** Positions of the non-zeros of a rows x cols matrix, row by row, columns strictly ascending within a row. */
export interface CsrPattern {
  readonly rows: number;
  readonly cols: number;
  /** rows + 1 offsets: row r holds entries rowPtr[r] to rowPtr[r + 1] - 1. */
  readonly rowPtr: Int32Array;
  /** Column of each entry. */
  readonly columns: Int32Array;
}

/** A compressed layer after a topology update; the number of entries is what it was. */
export interface Rewired {
  readonly csr: CsrPattern;
  /** Entries that stayed keep their value; born ones are 0. */
  readonly values: Float32Array;
  /** For each new entry: the index it had before, or -1 when it is born. Move optimiser slots by it. */
  readonly from: Int32Array;
  /** 1 = born, per new entry. */
  readonly born: Uint8Array;
}

/** What a parameter is. Biases and normalisation are never masked by any method here. */
export type ParamKind = "linear" | "conv" | "depthwise" | "embedding" | "recurrent" | "bias" | "norm" | "other";

/** What a method may know about a parameter without its values. */
export interface ParamInfo {
  /** `[out, in]` or `[out, in / groups, kh, kw]`, row-major. */
  readonly shape: readonly number[];
  /** Whether it counts in the sparsity (the share of zeros among prunable weights). */
  readonly prunable: boolean;
  readonly kind: ParamKind;
}

/**
 * Gives each weight a saliency, higher = keep.
 *
 * @param weight   any shape; left untouched
 * @param evidence what else the criterion looks at (gradients, input norms, a random stream)
 * @returns        one finite score per weight, row-major
 */
export type Criterion<E = void> = (weight: Tensor, evidence: E) => Float32Array;

/**
 * Splits a sparsity over tensors.
 *
 * @param params   every parameter in model order; those with `prunable: false` are ignored
 * @param sparsity share of zeros among all prunable weights, in [0, 1)
 * @returns        the sparsity of each prunable tensor, in [0, 1): at least one weight of each stays
 * @throws OptionError when the sparsity is out of range, or cannot be met (the message names the minimum density)
 */
export type Distribution = (params: Tree<ParamInfo>, sparsity: number) => Tree<number>;

/** A value over steps. Total: defined before its start and after its end. */
export type Schedule = (step: number) => number;

/** Channels that live or die together. */
export interface ChannelGroups {
  /** 0 = output channels (filters), 1 = input channels. */
  readonly axis: 0 | 1;
  /** Channel indices of each group; channels in no group always stay. Omitted: every channel is its own group. */
  readonly members?: readonly (readonly number[])[];
}

/** Where zeros may lie. */
export type Pattern =
  | { readonly kind: "unstructured"; readonly scope: "global" | "tensor" | "row" }
  | { readonly kind: "nm"; readonly keep: number; readonly of: number }
  | { readonly kind: "block"; readonly rows: number; readonly cols: number; readonly pool?: "mean" | "max" }
  | { readonly kind: "group"; readonly groups: ChannelGroups };

/** What a grower may look at. */
export interface GrowInput {
  /** Flat indices that may be activated, ascending. */
  readonly candidates: Int32Array;
  /** How many to activate, at most `candidates.length`. */
  readonly count: number;
  /** dL/dw at every position (dense), for growers that need it. */
  readonly gradient?: Float32Array | undefined;
  readonly rng: Rng;
}

/** Chooses which pruned positions become active. Returns `count` distinct candidates, ascending. */
export type Grower = (input: GrowInput) => Int32Array;

/** Picks active weights to deactivate: positions within `values` (the active weights in flat order), ascending. */
export type Dropper = (values: Float32Array, fraction: number) => Int32Array;

/** A term added to the loss. */
export interface Penalty {
  /** The term itself. */
  value(weight: Tensor): number;
  /** d value / d weight, a subgradient where it is not smooth. Same shape as the weight. */
  gradient(weight: Tensor): Float32Array;
  /** argmin over v of value(v) * step + |v - w|^2 / 2, in closed form. */
  prox(weight: Tensor, step: number): Float32Array;
}

/** Dense gradients of the loss on a calibration batch, at given parameters. */
export type GradientSource = () => Tree<Tensor> | Promise<Tree<Tensor>>;

/** What `Updater.init` is given. */
export interface InitInput {
  readonly params: Tree<Tensor>;
  /** Must list every parameter that may be masked; order = model order. */
  readonly infos: Tree<ParamInfo>;
  readonly rng: Rng;
  /** Needed by methods whose card says `information: "gradients"` at initialisation (SNIP). */
  readonly gradients?: GradientSource;
  /** Number of training steps, where known: lets a method refuse a schedule that would never end. */
  readonly steps?: number;
}

/** What `Updater.init` answers. A path without a mask is not masked. */
export interface Started<S> {
  readonly masks: Tree<Mask>;
  readonly state?: S;
}

/** What `Updater.update` is given: everything as it stands at the start of step `step`, before the optimiser step. */
export interface UpdateInput<S> {
  readonly step: number;
  readonly params: Tree<Tensor>;
  /** As given to `init`. */
  readonly infos: Tree<ParamInfo>;
  /** Dense dL/dw, also at pruned positions. Present when `needsGradients`. */
  readonly grads?: Tree<Tensor>;
  readonly masks: Tree<Mask>;
  readonly state: S | undefined;
  /** The run's stream: methods only `split` it by step and path, so a resumed run draws the same numbers. */
  readonly rng: Rng;
}

/** What `Updater.update` answers. */
export interface Updated<S> {
  readonly masks: Tree<Mask>;
  /** 1 where a weight is active now and was not before (new minus old), for every masked path. */
  readonly born: Tree<Mask>;
  readonly state?: S;
}

/** What `Updater.rewire` is given: one layer in compressed form, of which no dense copy exists. */
export interface RewireInput {
  readonly step: number;
  readonly path: string;
  readonly csr: CsrPattern;
  readonly values: Float32Array;
  readonly rng: Rng;
}

/**
 * A method that decides masks: pure functions over explicit state.
 *
 * The trainer's side of the contract, at each step:
 * 1. when `isDue(step)`: compute gradients (dense ones when `needsGradients`), call `update`, take the new masks;
 * 2. clear every optimiser slot at `born` positions; set those weights to 0, or leave their stored value when
 *    `maskedValues` is `"stored"`;
 * 3. mask the gradient, take the optimiser step, and (when `maskedValues` is `"zero"`) zero the weights outside the mask.
 */
export interface Updater<S = unknown> {
  readonly name: string;
  readonly card: MethodCard;
  /** Whether `update` reads dense gradients. */
  readonly needsGradients: boolean;
  /** Whether pruned weights are zeroed at once, or keep their value outside the forward pass until export. */
  readonly maskedValues: "zero" | "stored";
  /** Sparsity that the masks have from step `step` on (after the update due there): share of zeros among masked weights. */
  targetSparsity(step: number): number;
  init(input: InitInput): Started<S> | Promise<Started<S>>;
  /** Total: false for step 0, for negative and for fractional steps. */
  isDue(step: number): boolean;
  update(input: UpdateInput<S>): Updated<S>;
  /**
   * Kept weights of each masked tensor, for methods whose first positions are random: a layer kept compressed draws its own
   * (`randomCsr`), with no dense mask.
   */
  counts?(infos: Tree<ParamInfo>): Tree<number>;
  /** Topology update on index arrays, for layers kept compressed. Only methods that need no dense gradient have it. */
  rewire?(input: RewireInput): Rewired;
  /**
   * Weights that the forward pass multiplies, where they are not simply params times mask (straight-through methods). Traced once, into
   * the step and into evaluation; masks come as 0 and 1 in f32. Returns those that it changes, in their shapes; gradients flow through.
   */
  forwardParams?(params: Tree<Value>, masks: Tree<Value>): Tree<Value>;
  /**
   * Changes gradients before the optimiser (penalties, SR-STE decay). Traced once, into the step. Returns those that it changes.
   * Methods with either keep masked weights dense while they train.
   */
  gradients?(grads: Tree<Value>, params: Tree<Value>, masks: Tree<Value>): Tree<Value>;
}

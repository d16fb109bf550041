/** What is measured: one configuration per network to train. */
import type { Cost } from "../shared/cost.js";

/** How a network is made sparse, or which dense network stands against it. */
export type Arm =
  | "dense"
  /** The paper's method: cubic schedule, uniform over layers, stored values of pruned weights compete. */
  | "gradual"
  /** The same, but pruned weights never come back. */
  | "gradual-frozen"
  /** The same with exponent 1. */
  | "linear"
  /** All at once at the cubic schedule's last step, then the same retraining. */
  | "one-shot"
  /** Iterative magnitude pruning: train, prune a fifth of the rest, retrain, in rounds of equal length; equal steps in all. */
  | "iterative"
  /** Random positions on the cubic schedule. */
  | "random-schedule"
  /** A random mask from the first step on. */
  | "static-random"
  /** A narrower dense network with as many parameters as the sparse one has non-zeros (within 2 %). */
  | "small-dense";

/** A network for pictures. */
export interface ImageConfig {
  readonly part: "images";
  readonly arm: Arm;
  /** s_f; 0 for the dense network. */
  readonly sparsity: number;
  readonly seed: number;
  readonly data: "fashion-mnist" | "imagenet";
  /** Training images. */
  readonly images: number;
  readonly epochs: number;
  readonly batch: number;
  /** Highest learning rate; falls along half a cosine. */
  readonly rate: number;
  /** Steps between mask updates. */
  readonly every: number;
}

/** A network for text. */
export interface TextConfig {
  readonly part: "text";
  readonly arm: Extract<Arm, "dense" | "gradual" | "one-shot" | "static-random" | "small-dense">;
  readonly sparsity: number;
  readonly seed: number;
  /** Units of the GRU and of the embedding; those of the twin follow from it. */
  readonly hidden: number;
  readonly steps: number;
  /** Streams side by side. */
  readonly streams: number;
  /** Characters per step and stream, which is also how far gradients reach back. */
  readonly window: number;
  readonly rate: number;
  readonly every: number;
}

/** One job. */
export type Config = ImageConfig | TextConfig;

/** What a job measures, beside what the network costs; theoretical FLOPs are 0 where they were not counted. */
export interface Result extends Cost {
  /** Test accuracy in %, or bits per character on held-out text. */
  readonly metric: number;
  /** Largest difference, over all steps, between the weights kept and those that equation 1 asks for. Weights; -1 where there is no schedule. */
  readonly scheduleError: number;
  /** Pruned weights that came back, over all mask updates. */
  readonly returned: number;
  /** Non-zero weights outside the final mask. */
  readonly outside: number;
}

/** Sparsities that are measured. */
export const sparsities = [0.5, 0.75, 0.9, 0.95] as const;
/** Sparsities of the text network. */
export const textSparsities = [0.75, 0.9, 0.95] as const;

/** First and last step of a schedule: 10 % and 70 % of the steps. */
export const spanOf = (steps: number): { begin: number; end: number } => ({
  begin: Math.round(0.1 * steps),
  end: Math.round(0.7 * steps),
});

/** The method card: what every method must state, in the words of docs/vocabulary.md. */
import { InputError, show } from "../core/index.js";

/** Allowed values of the axes that have a closed list. `none` is for the dense baseline. */
export const axisValues = {
  sparse: ["weights", "neurons/channels", "activations", "gradients", "attention/tokens", "edges", "experts", "embeddings", "none"],
  pattern: ["unstructured", "N:M", "block", "structured", "pattern/kernel group", "any", "none"],
  decided: ["before training", "during training", "after training", "never"],
  path: ["dense-to-sparse", "sparse-to-sparse", "sparse-to-dense", "no training", "dense"],
  overTime: ["static", "dynamic", "none"],
  ranking: ["global", "per layer", "per row", "per group", "by distribution", "none"],
  information: ["none", "weights", "data", "gradients", "second order", "trained weights"],
} as const;

/** The ten axes of the taxonomy. */
export interface Axes {
  /** What is sparse. */
  readonly sparse: (typeof axisValues.sparse)[number];
  /** Where zeros may lie. */
  readonly pattern: (typeof axisValues.pattern)[number];
  /** When the mask is decided. */
  readonly decided: (typeof axisValues.decided)[number];
  /** Training path. */
  readonly path: (typeof axisValues.path)[number];
  /** Mask over time. */
  readonly overTime: (typeof axisValues.overTime)[number];
  /** What picks weights: a criterion's name, drop and grow separately where they differ. */
  readonly criterion: string;
  /** How many per layer. */
  readonly distribution: string;
  /** How many over time, with its cadence. */
  readonly schedule: string;
  /** Granularity of ranking: not the same as the pattern. */
  readonly ranking: (typeof axisValues.ranking)[number];
  /** Information used to decide the mask. */
  readonly information: (typeof axisValues.information)[number];
}

/** What is known of a method before any run. */
export interface MethodCard {
  readonly name: string;
  /** One line: what it does. */
  readonly title: string;
  /** Where it was published; null for a baseline without one. */
  readonly paper: { readonly citation: string; readonly id: string } | null;
  readonly axes: Axes;
  /** What is excluded from masking. */
  readonly excluded: string;
  /** What happens to optimiser slots of masked and of newly active weights. */
  readonly optimiserState: string;
}

/** What one run adds to the card. Fractions in [0, 1]. */
export interface RunCard extends MethodCard {
  readonly targetSparsity: number;
  readonly realisedSparsity: number;
  readonly perLayer: Readonly<Record<string, number>>;
  readonly begin: number | null;
  readonly end: number | null;
  readonly every: number | null;
  /** Theoretical training FLOPs in all, and relative to dense. */
  readonly trainingFlops: number;
  readonly trainingFlopsRelative: number;
  readonly inferenceFlops: number;
  readonly storedBytes: number;
  readonly seeds: readonly number[];
  readonly data: string;
  readonly split: string;
  readonly hardware: string;
  readonly threads: number;
  readonly kernels: "simulated" | "real";
  readonly claim: "reproduced" | "not reproduced" | "partly" | "not tested";
}

/**
 * Checks that a card is complete and uses allowed values.
 * @throws InputError listing everything that is wrong
 */
export function validateCard(card: MethodCard): MethodCard {
  const wrong: string[] = [];
  const text = (key: string, value: unknown) => {
    if (typeof value !== "string" || value.trim() === "") wrong.push(`${key} must be a non-empty text, got ${show(value)}`);
  };
  for (const key of ["name", "title", "excluded", "optimiserState"] as const) text(key, card[key]);
  if (card.paper !== null) for (const key of ["citation", "id"] as const) text(`paper.${key}`, card.paper?.[key]);
  for (const key of ["criterion", "distribution", "schedule"] as const) text(`axes.${key}`, card.axes?.[key]);
  for (const [axis, allowed] of Object.entries(axisValues)) {
    const value = card.axes?.[axis as keyof typeof axisValues];
    if (!(allowed as readonly string[]).includes(value))
      wrong.push(`axes.${axis} must be one of ${allowed.join(", ")}, got ${show(value)}`);
  }
  if (wrong.length > 0) throw new InputError(`method card ${show(card.name)}: ${wrong.join("; ")}`);
  return card;
}

/** Checks a run's card as well. @throws InputError listing everything that is wrong */
export function validateRunCard(card: RunCard): RunCard {
  validateCard(card);
  const wrong: string[] = [];
  for (const key of ["targetSparsity", "realisedSparsity"] as const)
    if (!(card[key] >= 0 && card[key] <= 1)) wrong.push(`${key} must be a fraction`);
  for (const key of ["trainingFlops", "trainingFlopsRelative", "inferenceFlops", "storedBytes"] as const) {
    if (!(Number.isFinite(card[key]) && card[key] >= 0))
      wrong.push(`${key} must be a number of at least 0, got ${show(card[key])}`);
  }
  for (const [path, s] of Object.entries(card.perLayer ?? {}))
    if (!(s >= 0 && s <= 1)) wrong.push(`perLayer.${path} must be a fraction`);
  for (const key of ["data", "split", "hardware"] as const)
    if (typeof card[key] !== "string" || card[key] === "") wrong.push(`${key} is missing`);
  if (!Array.isArray(card.seeds) || card.seeds.length === 0) wrong.push("seeds must list at least one seed");
  if (!(Number.isInteger(card.threads) && card.threads >= 1)) wrong.push("threads must be an integer of at least 1");
  if (!["simulated", "real"].includes(card.kernels)) wrong.push("kernels must be simulated or real");
  if (!["reproduced", "not reproduced", "partly", "not tested"].includes(card.claim))
    wrong.push("claim must be reproduced, not reproduced, partly or not tested");
  if (wrong.length > 0) throw new InputError(`run card ${show(card.name)}: ${wrong.join("; ")}`);
  return card;
}

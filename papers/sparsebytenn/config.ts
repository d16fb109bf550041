/** What one job of this paper is, and what it measures. */

/** How weights are removed. */
export type Arm = "unstructured" | "groups" | "groups-rearranged" | "groups-of-8" | "filters";

/** Ratios of kernel groups that go (p). */
export const ratios = [0.3, 0.5, 0.7] as const;

/** Accuracy after pruning and fine-tuning, all arms of one seed from one dense network. */
export interface AccuracyConfig {
  readonly part: "accuracy";
  readonly seed: number;
  readonly data: "fashion-mnist" | "cifar10";
  readonly images: number;
  readonly width: number;
  readonly epochs: number;
  readonly tuning: number;
  readonly batch: number;
  readonly rate: number;
}

/** Time of one inference, batch 1. */
export interface LatencyConfig {
  readonly part: "latency";
  readonly seed: number;
  readonly width: number;
  readonly pixels: number;
  readonly runs: number;
}

export type Config = AccuracyConfig | LatencyConfig;

/** One pruned network. Accuracies in percent. */
export interface ArmResult {
  readonly arm: Arm;
  readonly ratio: number;
  /** Before any fine-tuning. */
  readonly pruned: number;
  readonly tuned: number;
}

/** Filters of a group (G): 4 has kernels of its own, 8 is the wider group that 1xN measures as well. */
export const groupSizes = [4, 8] as const;

/** Share of sum |w| that kernel groups keep at a ratio: channels as given, sorted by size, rearranged. */
export interface Retained {
  readonly filters: (typeof groupSizes)[number];
  readonly ratio: number;
  readonly before: number;
  readonly sorted: number;
  readonly after: number;
}

/** Milliseconds of whole networks with all pruned layers on sparse kernels: the least of all runs, and their median. */
export interface Latency {
  readonly ratio: number;
  readonly denseMs: number;
  readonly groupMs: number;
  readonly unstructuredMs: number;
  readonly medians: { readonly dense: number; readonly group: number; readonly unstructured: number };
}

export type Result =
  | {
      readonly part: "accuracy";
      readonly dense: number;
      /** The dense network after the same fine-tuning as the pruned ones: what they are compared with. */
      readonly denseTuned: number;
      readonly arms: readonly ArmResult[];
      readonly retained: readonly Retained[];
    }
  | { readonly part: "latency"; readonly times: readonly Latency[] };

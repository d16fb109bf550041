/**
 * What a paper is to this project: its claims, the jobs that measure them, and a judge.
 *
 * A paper lives in `papers/<slug>/`: `claims.ts` exports `claims`, `run.ts` exports `paper` (made by `definePaper`), and
 * `README.md` says what the paper says, what we run, how the scale differs and how to run it larger. Nothing else needs
 * to change: folders are found, never listed.
 *
 * ```ts
 * // papers/my-paper/run.ts
 * export const paper = definePaper<Config, Result>({
 *   slug: "my-paper", title: "...", arxiv: "1710.01878", claims,
 *   settings: { small: "Fashion-MNIST, 20,000 images, 10 epochs", full: "ImageNet, 100 epochs" },
 *   seeds: { small: 5, full: 3 },
 *   async *run({ scale, seeds }) {
 *     yield seeds.flatMap((seed) => [0.5, 0.9].map((sparsity) => ({ id: `gradual-${sparsity}-${seed}`, config: { seed, sparsity } })));
 *   },
 *   async measure({ seed, sparsity }, { dataFolder, progress }) { ...; return { accuracy }; },
 * });
 * ```
 */

/** `small`: at most about 10 minutes on 2 cores. `full`: the paper's own setting. */
export type Scale = "small" | "full";

/** What `run` may look at when it plans jobs. */
export interface RunContext {
  readonly scale: Scale;
  /** The seeds to run, 0..n-1 unless the user said otherwise. Use the same ones for every arm: differences are paired by seed. */
  readonly seeds: readonly number[];
}

/** One measurement to make: run in a process of its own, cached by `config` and the code it imports. */
export interface Job<C> {
  /** Unique within the paper; letters, digits, `.`, `_`, `-`; shown as progress. */
  readonly id: string;
  /** Measures time: the jobs of its batch run one after another whatever `--jobs` says. */
  readonly timing?: true;
  /** Plain JSON that fixes the measurement completely: seed, data size, epochs, method, options. */
  readonly config: C;
}

/** A job with what it measured. */
export interface Outcome<C, R> extends Job<C> {
  readonly result: R;
}

/** What `measure` may use of the world. */
export interface JobContext {
  /** Threads this job may use, at least 1. */
  readonly threads: number;
  /** Folder with the data sets (`SPARSELAND_DATA`, or `../shared/data` beside the checkout); may not exist. */
  readonly dataFolder: string;
  /** Milliseconds from a monotonic clock, for timings. */
  now(): number;
  /** Reports progress of this job: `fraction` in [0, 1] and a few words. */
  progress(fraction: number, words?: string): void;
}

/** A measured quantity with its interval (95 % unless the note says otherwise). A single run has `low = high = value`. */
export interface Measured {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** What the reader must know: "not discriminating", "one seed". */
  readonly note?: string;
}

/** A statement of the paper with the number, the place, and the rule by which we call it reproduced. */
export interface Claim<C = unknown, R = unknown> {
  /** The statement in one sentence; unique within the paper. */
  readonly says: string;
  /** Where in the paper: "Table 1", "Figure 3", "abstract". "extension" for a question of our own. */
  readonly where: string;
  /** The paper's number in `unit`, or null where it gives none. */
  readonly paper: number | null;
  /** "points", "%", "ratio", "bits per character", ... */
  readonly unit: string;
  /** Whether our `small` run measures at the published scale or at a reduced one. */
  readonly scale: "as published" | "reduced";
  /** The best verdict that a pass may earn; "direction only" where the setting cannot carry more. Default "reproduced". */
  readonly atMost?: "reproduced" | "direction only";
  /** Turns all outcomes of the paper into this claim's number. */
  measure(outcomes: readonly Outcome<C, R>[]): Measured;
  /** The rule, stated beforehand. `all` holds every claim's measurement by `says`. */
  passes(measured: Measured, all: Readonly<Record<string, Measured>>): boolean;
  /** A weaker rule: holds when the sign is right although `passes` is not. Default: never. */
  direction?(measured: Measured, all: Readonly<Record<string, Measured>>): boolean;
}

/** `reproduced`: the rule holds. `direction only`: the sign holds. `not reproduced`: neither (exit code 1). */
export type Verdict = "reproduced" | "not reproduced" | "direction only";

/** One line or band of a figure. */
export interface Series {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number; readonly low?: number; readonly high?: number }[];
}

/** A figure as data; the harness draws it. */
export interface Figure {
  readonly title: string;
  readonly x: { readonly label: string; readonly scale?: "linear" | "log" };
  readonly y: { readonly label: string; readonly scale?: "linear" | "log" };
  readonly series: readonly Series[];
}

/** A table as data: printed after the claims and written to the results. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** A paper: claims, jobs, and how one job is measured. */
export interface Paper<C = unknown, R = unknown> {
  /** The folder's name. */
  readonly slug: string;
  readonly title: string;
  /** arXiv identifier, such as "1710.01878", or another address where there is none. */
  readonly arxiv: string;
  readonly claims: readonly Claim<C, R>[];
  /** Data, sizes and epochs of each scale, in one sentence each. */
  readonly settings: Readonly<Record<Scale, string>>;
  /** How many seeds each scale runs unless `--seeds` says otherwise. */
  readonly seeds: Readonly<Record<Scale, number>>;
  /** The jobs measure time: they run one after another whatever `--jobs` says. */
  readonly timing?: boolean;
  /**
   * Yields batches of jobs; a batch's outcomes come back from the `yield`, in order, so that later jobs may depend on earlier results.
   * Pure: no I/O, no clock, no randomness but the seeds. Jobs of a batch run in any order, side by side.
   */
  run(context: RunContext): AsyncGenerator<readonly Job<C>[], void, readonly Outcome<C, R>[]>;
  /** Measures one job. Everything random comes from the seed in `config`; the result is plain JSON. */
  measure(config: C, context: JobContext): Promise<R>;
  /** The figure of this paper, from all outcomes. */
  figure?(outcomes: readonly Outcome<C, R>[]): Figure;
  /** Further figures by name (letters, digits, `-`): drawn into `<slug>-<name>.svg` beside the first. */
  figures?(outcomes: readonly Outcome<C, R>[]): Readonly<Record<string, Figure>>;
  /** Further tables (every table has dense, small dense of equal parameters, random mask and magnitude). */
  tables?(outcomes: readonly Outcome<C, R>[]): readonly Table[];
}

/** Types a paper's parts against each other. */
export function definePaper<C, R>(paper: Paper<C, R>): Paper<C, R> {
  return paper;
}

/** The machine that a result was measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly platform: string;
  readonly node: string;
}

/** One line of the results. */
export interface ClaimResult {
  readonly says: string;
  readonly where: string;
  readonly paper: number | null;
  readonly measured: number;
  readonly low: number;
  readonly high: number;
  readonly unit: string;
  readonly verdict: Verdict;
  readonly scale: "as published" | "reduced";
  readonly note?: string;
}

/** `papers/results/<slug>.json`. */
export interface PaperResult {
  readonly slug: string;
  readonly title: string;
  readonly arxiv: string;
  readonly scale: Scale;
  readonly setting: string;
  readonly seeds: readonly number[];
  readonly machine: Machine;
  readonly claims: readonly ClaimResult[];
  readonly tables: readonly Table[];
  /** File name of the figure beside the results, or null. */
  readonly figure: string | null;
}

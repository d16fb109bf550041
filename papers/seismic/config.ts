/** One measurement: a collection, a way to build, and the sweep over search options. */
import type { BuildOptions } from "../../src/retrieval/index.js";

/** Which index is built. `paper` groups as the paper does; `ours` adds cosine and the splitting of large groups. */
export type Arm = "paper" | "ours" | `fixed-blocks-${number}` | `fixed-count-${number}`;

/** What fixes a measurement. */
export interface Config {
  readonly part: "speed" | "crossover" | "ablation" | "baselines" | "cranfield";
  /** of the index; "baselines" builds none */
  readonly arm: Arm;
  readonly documents: number;
  readonly queries: number;
  readonly seed: number;
  /** The sweep runs over heap factors at this cut. */
  readonly cut: number;
}

/** One point of a sweep. */
export interface Point {
  readonly heapFactor: number;
  /** accuracy@10 against exact search over unquantised vectors; on Cranfield nDCG@10 */
  readonly accuracy: number;
  readonly scored: number;
  /** median milliseconds of a query, one thread */
  readonly ms: number;
}

/** One setting of a baseline that builds another kind of index. */
export interface Work {
  /** clusters probed, or share of the postings */
  readonly setting: number;
  /** accuracy@10 */
  readonly accuracy: number;
  /** documents scored, or postings added up, per query */
  readonly work: number;
}

/** What is measured. */
export interface Result {
  readonly bytes: number;
  readonly points: readonly Point[];
  /** median milliseconds of the baselines, one thread; null where they were not run */
  readonly exhaustiveMs: number | null;
  readonly termAtATimeMs: number | null;
  readonly maxScoreMs: number | null;
  /** nDCG@10 of exact search, on Cranfield */
  readonly exactNdcg: number | null;
  /** clustering (SparseIvf): documents scored, centroids included */
  readonly clustering?: readonly Work[];
  /** impact-ordered anytime search: postings added up */
  readonly impactOrdered?: readonly Work[];
  /** mean postings of all coordinates of a query */
  readonly postings?: number;
}

const FRACTION = 0.1;

/** Build options of an arm at a collection of `documents`. */
export function optionsOf(arm: Arm, documents: number): BuildOptions {
  const paper: BuildOptions = {
    postingsPerList: Math.max(20, Math.round(documents / 500)),
    maxFraction: 6,
    centroidFraction: FRACTION,
    minClusterSize: 2,
    maxClusterSize: 0,
    similarity: "inner",
    summaryEnergy: 0.4,
  };
  if (arm === "paper") return paper;
  if (arm === "ours") return { ...paper, minClusterSize: 1, maxClusterSize: 8, similarity: "cosine" };
  const number = Number(/[\d.]+$/.exec(arm)![0]);
  if (arm.startsWith("fixed-blocks-")) return { ...paper, blocking: "fixed", centroidFraction: number };
  return { ...paper, summaryCount: number };
}

/** Blocks per document of fixed blocks: the first whose index is no smaller than the paper's is compared with it. */
export const fixedFractions = [0.08, 0.1, 0.12] as const;
/** Entries of fixed-count summaries, likewise. */
export const fixedCounts = [80, 100, 125] as const;

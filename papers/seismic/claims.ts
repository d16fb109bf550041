/** What the paper says, and the rule by which each statement counts as reproduced. */
import { type Claim, interval, type Measured, type Outcome } from "../harness/index.js";
import type { Config, Point, Result, Work } from "./config.js";

type Outcomes = readonly Outcome<Config, Result>[];

const seedsOf = (outcomes: Outcomes): number[] => [...new Set(outcomes.map(({ config }) => config.seed))].sort((a, b) => a - b);

/** The cheapest point of a sweep that reaches an accuracy; the most accurate one where none does. */
export function cheapest(points: readonly Point[], accuracy: number): Point {
  const reached = points.filter((p) => p.accuracy >= accuracy).sort((a, b) => a.scored - b.scored);
  return reached[0] ?? [...points].sort((a, b) => b.accuracy - a.accuracy)[0]!;
}

/** Documents scored to reach an accuracy, read between the points of the sweep. Infinity where it is not reached. */
export function scoredAt(points: readonly Point[], accuracy: number): number {
  const sorted = [...points].sort((a, b) => a.scored - b.scored);
  for (const [i, point] of sorted.entries()) {
    if (point.accuracy < accuracy) continue;
    const before = sorted[i - 1];
    if (!before) return point.scored;
    const share = (accuracy - before.accuracy) / (point.accuracy - before.accuracy);
    return before.scored + share * (point.scored - before.scored);
  }
  return Number.POSITIVE_INFINITY;
}

const bySeed =
  (value: (own: Outcomes) => number) =>
  (outcomes: Outcomes): Measured =>
    interval(seedsOf(outcomes).map((seed) => value(outcomes.filter(({ config }) => config.seed === seed))));

const find = (own: Outcomes, part: Config["part"], arm: string): Outcome<Config, Result> => {
  const found = own.find(({ config }) => config.part === part && config.arm === arm);
  if (!found) throw new Error(`seismic: no outcome of ${part}, ${arm}`);
  return found;
};

/** Of a family of baselines, the smallest index that is no smaller than the paper's: the comparison favours the baseline. */
export function atLeastAsLarge(own: Outcomes, prefix: string): Outcome<Config, Result> {
  const paper = find(own, "ablation", "paper").result.bytes;
  const family = own
    .filter(({ config }) => config.part === "ablation" && config.arm.startsWith(prefix))
    .sort((a, b) => a.result.bytes - b.result.bytes);
  return family.find(({ result }) => result.bytes >= paper) ?? family[family.length - 1]!;
}

/** Mean entries of a document. */
const ENTRIES = 120;

const needed = (outcome: Outcome<Config, Result>) => scoredAt(outcome.result.points, 0.9);

/** Times as many documents as the paper's index must a baseline of at least its size score, for accuracy@10 of 0.90. */
const timesScored = (prefix: string) =>
  bySeed((own) => Math.min(100, needed(atLeastAsLarge(own, prefix)) / needed(find(own, "ablation", "paper"))));

const speed = (own: Outcomes, arm: "paper" | "ours", accuracy: number) => {
  const { result } = find(own, "speed", arm);
  return { result, point: cheapest(result.points, accuracy) };
};

/** Work at which a baseline reaches an accuracy, read between its settings. */
const workAt = (all: readonly Work[], accuracy: number) =>
  scoredAt(
    all.map(({ work, ...point }) => ({ ...point, heapFactor: 0, ms: 0, scored: work })),
    accuracy,
  );

/** The claims. */
export const claims: readonly Claim<Config, Result>[] = [
  {
    says: "At accuracy@10 of at least 0.90 at most a tenth of the documents are scored",
    where: "Figure 2 (accuracy against documents evaluated)",
    paper: null,
    unit: "% of documents",
    scale: "reduced",
    measure: bySeed((own) => {
      const { point } = speed(own, "paper", 0.9);
      return point.accuracy >= 0.9 ? (100 * point.scored) / find(own, "speed", "paper").config.documents : 100;
    }),
    passes: ({ high }) => high <= 10,
    direction: ({ value }) => value <= 10,
  },
  {
    says: "At accuracy@10 of at least 0.90 search is at least 5 times faster than scoring every document",
    where: "Table 2",
    paper: null,
    unit: "times faster",
    scale: "reduced",
    measure: bySeed((own) => {
      const { result, point } = speed(own, "paper", 0.9);
      return result.exhaustiveMs! / point.ms;
    }),
    passes: ({ low }) => low >= 5,
    direction: ({ value }) => value > 1,
  },
  {
    says: "It is faster than an exact inverted index searched term at a time",
    where: "Table 2",
    paper: null,
    unit: "times faster",
    scale: "reduced",
    measure: bySeed((own) => {
      const { result, point } = speed(own, "paper", 0.9);
      return result.termAtATimeMs! / point.ms;
    }),
    passes: ({ low }) => low > 1,
    direction: ({ value }) => value > 1,
  },
  {
    says: "It is one to two orders of magnitude faster than dynamic pruning of an inverted index (here MaxScore)",
    where: "abstract; Table 2",
    paper: 10,
    unit: "times faster",
    scale: "reduced",
    measure: bySeed((own) => {
      const { result, point } = speed(own, "paper", 0.95);
      return result.maxScoreMs! / point.ms;
    }),
    passes: ({ low }) => low >= 10,
    direction: ({ value }) => value > 1,
  },
  {
    says: "It scores fewer documents than clustering the collection (SparseIvf) for accuracy@10 of 0.90: clustering over the paper",
    where: "Table 2 (baselines)",
    paper: null,
    unit: "ratio",
    scale: "reduced",
    measure: bySeed((own) =>
      Math.min(
        100,
        workAt(find(own, "baselines", "paper").result.clustering!, 0.9) / scoredAt(find(own, "speed", "paper").result.points, 0.9),
      ),
    ),
    passes: ({ low }) => low > 1,
    direction: ({ value }) => value > 1,
  },
  {
    says: "It looks at fewer entries than impact-ordered anytime search adds up postings for accuracy@10 of 0.90: postings over entries of the documents scored",
    where: "Table 2 (baselines)",
    paper: null,
    unit: "ratio",
    scale: "reduced",
    measure: bySeed((own) => {
      const entries = ENTRIES * scoredAt(find(own, "speed", "paper").result.points, 0.9);
      const value = workAt(find(own, "baselines", "paper").result.impactOrdered!, 0.9) / entries;
      return Math.min(100, value);
    }),
    passes: ({ low }) => low > 1,
    direction: ({ value }) => value > 1,
  },
  {
    says: "Geometric blocks beat blocks in document order at equal bytes: documents scored for accuracy@10 of 0.90, baseline over paper",
    where: "section 7.3 (ablation of blocking)",
    paper: null,
    unit: "ratio",
    scale: "reduced",
    measure: timesScored("fixed-blocks-"),
    passes: ({ low }) => low > 1,
    direction: ({ value }) => value > 1,
  },
  {
    says: "Alpha-mass summaries beat summaries of a fixed number of entries at equal bytes: documents scored for accuracy@10 of 0.90, baseline over paper",
    where: "section 7.3 (ablation of summaries)",
    paper: null,
    unit: "ratio",
    scale: "reduced",
    measure: timesScored("fixed-count-"),
    passes: ({ low }) => low > 1,
    direction: ({ value }) => value > 1,
  },
  {
    says: "On Cranfield, through BM25, approximate search loses at most 0.005 of the nDCG@10 of exact search",
    where: "Table 2 (effectiveness equal to exact search), on another collection",
    paper: null,
    unit: "nDCG@10",
    scale: "reduced",
    measure: bySeed((own) => {
      const { result } = find(own, "cranfield", "paper");
      return result.exactNdcg! - result.points.find((p) => p.heapFactor === 0.6)!.accuracy;
    }),
    passes: ({ high }) => high <= 0.005,
    direction: ({ value }) => value <= 0.005,
  },
  {
    says: "Cosine grouping with large groups split scores fewer documents than the paper's grouping for accuracy@10 of 0.90, paper over ours",
    where: "extension",
    paper: null,
    unit: "ratio",
    scale: "reduced",
    measure: bySeed(
      (own) => scoredAt(find(own, "speed", "paper").result.points, 0.9) / scoredAt(find(own, "speed", "ours").result.points, 0.9),
    ),
    passes: ({ low }) => low > 1,
    direction: ({ value }) => value > 1,
  },
];

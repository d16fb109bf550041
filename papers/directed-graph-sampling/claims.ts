/** What the paper says about rescaled degree matrices, and when we call it reproduced. */

import type { DegreeDistances, GraphProfile } from "../../src/graphs/index.js";
import { type Claim, interval, type Measured, type Outcome } from "../harness/index.js";

/** The graphs. */
export const graphNames = ["polblogs", "gnutella", "cora-ml", "synthetic"] as const;
/** One of the graphs. */
export type GraphName = (typeof graphNames)[number];

/** One job: one graph, one ratio, one seed, all samplers. */
export interface Config {
  readonly graph: GraphName;
  readonly ratio: number;
  readonly seed: number;
  /** Arcs drawn for the synthetic graph. */
  readonly arcs: number;
  readonly baselines: boolean;
}

/** One sampler's outcome. */
export interface SamplerResult {
  readonly sampler: string;
  readonly nodes: number;
  readonly arcs: number;
  readonly seconds: number;
  readonly distances: DegreeDistances;
  readonly profile: GraphProfile | null;
}

/** All samplers on one graph, with the bounds of ours. */
export interface Result {
  readonly nodes: number;
  readonly arcs: number;
  readonly correlationEntries: number;
  readonly jointEntries: number;
  readonly profile: GraphProfile | null;
  readonly samplers: readonly SamplerResult[];
  /** Bounds on our sample's distances that hold by construction. */
  readonly bounds: { readonly ksIn: number; readonly ksOut: number; readonly tvCorrelation: number; readonly tvJoint: number };
  /** Non-zero entries over twice the size of the sample: the bound if each entry moved by at most 1. */
  readonly unitBounds: { readonly correlation: number; readonly joint: number };
  readonly repairs: readonly string[];
  readonly cappedShare: number;
  readonly memoryMiB: number;
}

type Outcomes = readonly Outcome<Config, Result>[];

/** Our sample in a job. */
export const ours = ({ samplers }: Result) => samplers[0]!;
const others = ({ samplers }: Result) => samplers.slice(1);

/** Samples: the graphs rebuilt whole stand apart. */
const over = (outcomes: Outcomes, from: number, of: (result: Result) => number): Measured => {
  const all = outcomes.filter(({ config }) => config.ratio >= from && config.ratio < 1).map(({ result }) => of(result));
  const value = Math.max(...all);
  return { value, low: Math.min(...all), high: value, note: `worst of ${all.length} samples` };
};

const ks = (result: Result) => Math.max(ours(result).distances.ksIn, ours(result).distances.ksOut);

/** The claims, rules included, as stated before measuring. */
export const claims: readonly Claim<Config, Result>[] = [
  {
    says: "At a ratio of 1 the construction gives back both matrices entry by entry: greatest total variation",
    where: "definition of the scaling; construction of directed 2K graphs (upper bound)",
    paper: 0,
    unit: "total variation",
    scale: "as published",
    measure: (outcomes) => {
      const all = outcomes
        .filter(({ config }) => config.ratio === 1)
        .map(({ result }) => Math.max(ours(result).distances.tvCorrelation, ours(result).distances.tvJoint));
      return { value: Math.max(...all), low: Math.min(...all), high: Math.max(...all), note: `worst of ${all.length} graphs` };
    },
    passes: ({ value }) => value === 0,
  },
  {
    says: "In- and out-degree distributions are preserved at ratios of 0.3 and more: greatest Kolmogorov-Smirnov distance",
    where: "abstract",
    paper: null,
    unit: "KS distance",
    scale: "as published",
    measure: (outcomes) => over(outcomes, 0.3, ks),
    passes: ({ value }) => value <= 0.02,
  },
  {
    says: "The same at a ratio of 0.1, where heavy tails may not fit",
    where: "abstract",
    paper: null,
    unit: "KS distance",
    scale: "as published",
    measure: (outcomes) => over(outcomes, 0, ks),
    passes: ({ value }) => value <= 0.02,
    direction: ({ value }) => value <= 0.1,
  },
  {
    says: "Distances of degree distributions stay within the bound: greatest distance over bound",
    where: "theorem on degree distributions (our proof for our rounding)",
    paper: null,
    unit: "ratio",
    scale: "as published",
    measure: (outcomes) =>
      over(outcomes, 0, (r) => Math.max(ours(r).distances.ksIn / r.bounds.ksIn, ours(r).distances.ksOut / r.bounds.ksOut)),
    passes: ({ value }) => value <= 1 + 1e-9,
  },
  {
    says: "Joint-degree and degree-correlation distributions stay within the bound of the rounding: greatest total variation over bound",
    where: "theorem on deviations (our proof for our rounding)",
    paper: null,
    unit: "ratio",
    scale: "as published",
    measure: (outcomes) =>
      over(outcomes, 0, (r) =>
        Math.max(ours(r).distances.tvCorrelation / r.bounds.tvCorrelation, ours(r).distances.tvJoint / r.bounds.tvJoint),
      ),
    passes: ({ value }) => value <= 1 + 1e-9,
  },
  {
    says: "Deviation of the joint-degree distribution over |J|_0 / (2 m'), the bound if every entry moved by at most one",
    where: "theorem on deviations (reconstruction)",
    paper: null,
    unit: "ratio",
    scale: "as published",
    measure: (outcomes) => over(outcomes, 0, (r) => ours(r).distances.tvJoint / r.unitBounds.joint),
    passes: ({ value }) => value <= 1,
    direction: ({ low }) => low <= 1,
  },
  {
    says: "Degree correlation matrices are sparse: entries per node, greatest of the graphs",
    where: "abstract",
    paper: null,
    unit: "ratio",
    scale: "as published",
    measure: (outcomes) => over(outcomes, 0, (r) => r.correlationEntries / r.nodes),
    passes: ({ value }) => value < 0.5,
  },
  {
    says: "Joint degree matrices are sparse: entries per arc, greatest of the graphs",
    where: "abstract",
    paper: null,
    unit: "ratio",
    scale: "as published",
    measure: (outcomes) => over(outcomes, 0, (r) => r.jointEntries / r.arcs),
    passes: ({ value }) => value < 0.5,
  },
  {
    says: "Degree distributions are kept at least five times better than by random nodes (ratios of 0.3 and more): least factor",
    where: "comparison with sampling by nodes",
    paper: null,
    unit: "ratio",
    scale: "as published",
    measure: (outcomes) => {
      const all = outcomes.flatMap(({ config, result }) => {
        const node = result.samplers.find(({ sampler }) => sampler === "random-node");
        return config.ratio >= 0.3 && node
          ? [Math.max(node.distances.ksIn, node.distances.ksOut) / Math.max(ks(result), 1e-12)]
          : [];
      });
      const value = Math.min(...all);
      return { value, low: value, high: Math.max(...all), note: `least of ${all.length} samples` };
    },
    passes: ({ value }) => value >= 5,
  },
  {
    says: "The joint-degree distribution is nearer to the original's than by any baseline: share of samples",
    where: "comparison with sampling",
    paper: null,
    unit: "share",
    scale: "as published",
    measure: (outcomes) => {
      const all = outcomes.filter(({ result }) => others(result).length > 0);
      const wins = all.map(({ result }) =>
        others(result).every(({ distances }) => distances.tvJoint > ours(result).distances.tvJoint) ? 1 : 0,
      );
      const value = wins.reduce((sum: number, win) => sum + win, 0) / wins.length;
      return { value, low: value, high: value, note: `${wins.length} samples, six baselines each` };
    },
    passes: ({ value }) => value >= 0.95,
    direction: ({ value }) => value >= 0.75,
  },
  {
    says: "What the matrices do not fix is kept worse than by a forest fire: error of mean clustering, ours minus forest fire",
    where: "extension",
    paper: null,
    unit: "difference",
    scale: "as published",
    measure: (outcomes) =>
      interval(
        outcomes.flatMap(({ result }) => {
          const fire = result.samplers.find(({ sampler }) => sampler === "forest-fire")?.profile;
          const mine = ours(result).profile;
          if (!fire || !mine || !result.profile) return [];
          return [Math.abs(mine.clustering - result.profile.clustering) - Math.abs(fire.clustering - result.profile.clustering)];
        }),
      ),
    passes: ({ low }) => low > 0,
    direction: ({ value }) => value > 0,
  },
  {
    says: "Seconds for a tenth of a synthetic graph of millions of arcs, counting, rescaling and construction",
    where: "extension",
    paper: null,
    unit: "seconds",
    scale: "as published",
    measure: (outcomes) => {
      const all = outcomes.filter(({ config }) => config.graph === "synthetic");
      const arcs = Math.max(...all.map(({ result }) => result.arcs));
      const seconds = all.map(({ result }) => ours(result).seconds).sort((a, b) => a - b);
      const value = seconds[(seconds.length - 1) >> 1]!;
      return { value, low: seconds[0]!, high: seconds.at(-1)!, note: `${arcs} arcs; least and greatest of ${seconds.length} runs` };
    },
    passes: ({ value }) => value <= 60,
  },
];

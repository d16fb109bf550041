/** What the paper says, and the rule by which each statement counts as reproduced. */
import {
  type Claim,
  equivalence,
  interval,
  type Measured,
  mean,
  type Outcome,
  pairedDifference,
  spearman,
} from "../harness/index.js";
import type { Config, Masking, Result } from "./config.js";

type Outcomes = readonly Outcome<Config, Result>[];

/** One row of networks: everything but the seed. */
export interface Row {
  readonly masking: Masking;
  readonly density: number;
  readonly width: number;
  readonly depth: number;
}

/** Results of one row in the order of seeds. */
export const resultsOf = (outcomes: Outcomes, { masking, density, width, depth }: Row): Result[] =>
  outcomes
    .filter(
      ({ config }) =>
        config.masking === masking &&
        config.density === density &&
        config.network.width === width &&
        config.network.depth === depth,
    )
    .sort((a, b) => a.config.seed - b.config.seed)
    .map(({ result }) => result);

const distinct = (values: readonly number[]): number[] => [...new Set(values)].sort((a, b) => a - b);
const erk = (outcomes: Outcomes, density: number) =>
  outcomes.filter(({ config }) => config.masking === "erk" && config.density === density).map(({ config }) => config.network);

/** The depth at which widths vary: the one with the most widths. */
export const baseDepth = (outcomes: Outcomes): number => {
  const widthsAt = (depth: number) =>
    new Set(
      erk(outcomes, 0.3)
        .filter((network) => network.depth === depth)
        .map(({ width }) => width),
    ).size;
  return distinct(erk(outcomes, 0.3).map(({ depth }) => depth)).reduce((best, depth) =>
    widthsAt(depth) > widthsAt(best) ? depth : best,
  );
};
/** Widths of the width sweep, rising. */
export const widthsOf = (outcomes: Outcomes): number[] => {
  const depth = baseDepth(outcomes);
  return distinct(
    erk(outcomes, 0.3)
      .filter((network) => network.depth === depth)
      .map(({ width }) => width),
  );
};
/** The width at which maskings are compared and depths vary. */
export const middleWidth = (outcomes: Outcomes): number =>
  outcomes.find(({ config }) => config.masking === "uniform")!.config.network.width;
/** Depths of the depth sweep, rising. */
export const depthsOf = (outcomes: Outcomes): number[] => {
  const width = middleWidth(outcomes);
  return distinct(
    erk(outcomes, 0.3)
      .filter((network) => network.width === width)
      .map(({ depth }) => depth),
  );
};

const accuracies = (outcomes: Outcomes, row: Row): number[] => resultsOf(outcomes, row).map(({ accuracy }) => accuracy);

/** Dense minus random (ERK) accuracy of each seed, at equal width and depth, in points. */
export function gaps(outcomes: Outcomes, density: number, width: number, depth: number): number[] {
  const dense = accuracies(outcomes, { masking: "dense", density: 1, width, depth });
  return accuracies(outcomes, { masking: "erk", density, width, depth }).map((accuracy, i) => dense[i]! - accuracy);
}

/** Least-squares slope of y over x. */
export function slope(x: readonly number[], y: readonly number[]): number {
  const [mx, my] = [mean(x), mean(y)];
  const xx = x.reduce((sum, value) => sum + (value - mx) ** 2, 0);
  return x.reduce((sum, value, i) => sum + (value - mx) * (y[i]! - my), 0) / xx;
}

/** Below this gap of the narrowest network, in points, the task tells networks apart too little to speak of a trend. */
const DISCRIMINATING = 0.5;

const trendOverWidths =
  (density: number) =>
  (outcomes: Outcomes): Measured => {
    const depth = baseDepth(outcomes);
    const widths = widthsOf(outcomes);
    const means = widths.map((width) => mean(gaps(outcomes, density, width, depth)));
    const value = spearman(widths, means);
    const list = widths.map((width, i) => `${width}: ${means[i]!.toFixed(2)}`).join(", ");
    return {
      value,
      low: value,
      high: value,
      note: `gaps by width ${list}${means[0]! < DISCRIMINATING ? "; not discriminating" : ""}`,
    };
  };

const slopeOverWidths =
  (density: number) =>
  (outcomes: Outcomes): Measured => {
    const depth = baseDepth(outcomes);
    const widths = widthsOf(outcomes);
    const bySeed = widths.map((width) => gaps(outcomes, density, width, depth));
    return interval(
      bySeed[0]!.map((_, seed) =>
        slope(
          widths.map(Math.log2),
          bySeed.map((list) => list[seed]!),
        ),
      ),
    );
  };

const overDepths =
  (density: number) =>
  (outcomes: Outcomes): Measured => {
    const width = middleWidth(outcomes);
    const depths = depthsOf(outcomes);
    return pairedDifference(gaps(outcomes, density, width, depths[0]!), gaps(outcomes, density, width, depths.at(-1)!));
  };

/** Points by which one masking is above another at the middle width. */
const above =
  (masking: Masking, other: Masking, density: number) =>
  (outcomes: Outcomes): Measured => {
    const at = { width: middleWidth(outcomes), depth: baseDepth(outcomes) };
    return pairedDifference(
      accuracies(outcomes, { masking, density, ...at }),
      accuracies(outcomes, { masking: other, density: other === "dense" ? 1 : density, ...at }),
    );
  };

/** `a` no worse than `b` by `margin` points: the 90 % interval of the difference, which the one-sided test at 5 % reads. */
function noWorse(a: readonly number[], b: readonly number[], margin: number): Measured {
  if (a.length < 2) return pairedDifference(a, b);
  const { difference, noWorse: shown, pLower } = equivalence(a, b, margin);
  return {
    ...difference,
    note: `90 % interval; no worse than -${margin} points: ${shown ? "shown" : "not shown"}, p = ${pLower.toPrecision(2)}`,
  };
}

/** Random (ERK, density 0.3) against dense at the largest width, signed so that above 0 is better. */
const robuster =
  (value: (result: Result) => number, sign: 1 | -1) =>
  (outcomes: Outcomes): Measured => {
    const at = { width: widthsOf(outcomes).at(-1)!, depth: baseDepth(outcomes) };
    const of = (masking: Masking, density: number) =>
      resultsOf(outcomes, { masking, density, ...at }).map((result) => sign * value(result));
    return pairedDifference(of("erk", 0.3), of("dense", 1));
  };

const worst = (
  outcomes: Outcomes,
  keep: (outcome: Outcome<Config, Result>) => boolean,
  value: (result: Result) => number,
): Measured => {
  const most = Math.max(...outcomes.filter(keep).map(({ result }) => value(result)));
  return { value: most, low: most, high: most, note: "largest over all runs" };
};
const isStatic = ({ config: { masking } }: Outcome<Config, Result>) =>
  !["dense", "small-dense", "set", "rigl", "magnitude-trained"].includes(masking);

const points = { scale: "reduced", unit: "points", paper: null } as const;
/** One seed has no interval, and shows a direction at most. */
const known = ({ low, high }: Measured) => high > low;
const excludesZero = { passes: (m: Measured) => known(m) && m.low > 0, direction: ({ value }: Measured) => value > 0 };
const directionOnly = { atMost: "direction only", passes: ({ value }: Measured) => value > 0 } as const;
const discriminating = ({ note }: Measured) => !note?.includes("not discriminating");

export const claims: readonly Claim<Config, Result>[] = [
  {
    says: "at density 0.3 the gap between a random mask (ERK) and dense shrinks as the network widens",
    where: "abstract",
    paper: null,
    unit: "rank correlation of width and gap",
    scale: "reduced",
    measure: trendOverWidths(0.3),
    passes: (measured) => measured.value <= -0.8 && discriminating(measured),
    direction: ({ value }) => value < 0,
  },
  {
    says: "at density 0.05 the gap between a random mask (ERK) and dense shrinks as the network widens",
    where: 'abstract ("even at high sparsity")',
    paper: null,
    unit: "rank correlation of width and gap",
    scale: "reduced",
    measure: trendOverWidths(0.05),
    passes: (measured) => measured.value <= -0.8 && discriminating(measured),
    direction: ({ value }) => value < 0,
  },
  {
    says: "at density 0.1 each doubling of the width lowers the gap",
    where: "abstract",
    paper: null,
    unit: "points per doubling",
    scale: "reduced",
    measure: slopeOverWidths(0.1),
    passes: (measured) => known(measured) && measured.high < 0,
    direction: ({ value }) => value < 0,
  },
  {
    says: "at density 0.3 a random mask (ERK) of the widest network is at most 0.5 points below dense",
    where: "abstract",
    ...points,
    measure: (outcomes) => {
      const at = { width: widthsOf(outcomes).at(-1)!, depth: baseDepth(outcomes) };
      return noWorse(
        accuracies(outcomes, { masking: "erk", density: 0.3, ...at }),
        accuracies(outcomes, { masking: "dense", density: 1, ...at }),
        0.5,
      );
    },
    passes: (measured) => known(measured) && measured.low > -0.5,
    direction: ({ value }) => value > -0.5,
  },
  {
    says: "at density 0.05 the gap to dense is smaller in the deepest network than in the shallowest",
    where: "abstract",
    ...points,
    measure: overDepths(0.05),
    ...excludesZero,
  },
  ...([0.1, 0.05] as const).flatMap((density): Claim<Config, Result>[] => [
    {
      says: `at density ${density} ERK is better than uniform`,
      where: "comparison of layer-wise ratios",
      ...points,
      measure: above("erk", "uniform", density),
      ...excludesZero,
    },
    {
      says: `at density ${density} SNIP's ratios with random positions are better than uniform`,
      where: "comparison of layer-wise ratios",
      ...points,
      measure: above("snip-ratio", "uniform", density),
      ...excludesZero,
    },
    {
      says: `at density ${density} SNIP's ratios with random positions are within 0.5 points of SNIP's own mask`,
      where: "comparison with pruning at initialisation",
      ...points,
      measure: (outcomes) => {
        const at = { density, width: middleWidth(outcomes), depth: baseDepth(outcomes) };
        return noWorse(
          accuracies(outcomes, { masking: "snip-ratio", ...at }),
          accuracies(outcomes, { masking: "snip-mask", ...at }),
          0.5,
        );
      },
      passes: (measured) => known(measured) && measured.low > -0.5,
      direction: ({ value }) => value > -0.5,
    },
    {
      says: `at density ${density} a random mask (ERK) beats a small dense network of equal parameters`,
      where: "extension",
      ...points,
      measure: above("erk", "small-dense", density),
      ...excludesZero,
    },
  ]),
  {
    says: "better out-of-distribution detection than dense, at the largest width",
    where: "abstract",
    ...points,
    unit: "points of AUROC",
    measure: robuster(({ ood }) => ood, 1),
    ...directionOnly,
  },
  {
    says: "better calibrated than dense, at the largest width",
    where: "abstract",
    ...points,
    unit: "points of ECE saved",
    measure: robuster(({ ece }) => ece, -1),
    ...directionOnly,
  },
  {
    says: "lower negative log-likelihood than dense, at the largest width",
    where: "abstract (uncertainty)",
    ...points,
    unit: "nats saved",
    measure: robuster(({ nll }) => nll, -1),
    ...directionOnly,
  },
  {
    says: "more accurate than dense under attack (FGSM, 8/255), at the largest width",
    where: "abstract",
    ...points,
    measure: robuster(({ fgsm }) => fgsm, 1),
    ...directionOnly,
  },
  {
    says: "every static mask has its exact budget",
    where: "invariant",
    paper: 0,
    unit: "weights off",
    scale: "as published",
    measure: (outcomes) => worst(outcomes, isStatic, ({ budgetError }) => Math.abs(budgetError)),
    passes: ({ value }) => value === 0,
  },
  {
    says: "static masks stay as they are, with no weight outside",
    where: "invariant",
    paper: 0,
    unit: "runs where not, or weights outside",
    scale: "as published",
    measure: (outcomes) => worst(outcomes, isStatic, ({ fixed, outside }) => (fixed ? 0 : 1) + outside),
    passes: ({ value }) => value === 0,
  },
  {
    says: "at equal density ERK costs more theoretical FLOPs than uniform",
    where: "extension",
    paper: null,
    unit: "ratio",
    scale: "reduced",
    measure: (outcomes) => {
      const at = { density: 0.1, width: middleWidth(outcomes), depth: baseDepth(outcomes) };
      const of = (masking: Masking) =>
        mean(resultsOf(outcomes, { masking, ...at }).map(({ theoreticalFlops }) => theoreticalFlops));
      const value = of("erk") / of("uniform");
      return { value, low: value, high: value };
    },
    passes: ({ value }) => value > 1,
  },
];

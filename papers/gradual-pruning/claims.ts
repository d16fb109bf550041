/** What the paper says, and the rule by which each statement counts as reproduced. */
import { type Claim, equivalence, type Measured, mean, type Outcome, pairedDifference } from "../harness/index.js";
import type { Arm, Config, Result } from "./config.js";

type Outcomes = readonly Outcome<Config, Result>[];

/** Results of one arm in the order of seeds. */
export const resultsOf = (outcomes: Outcomes, part: Config["part"], arm: Arm, sparsity = 0): Result[] =>
  outcomes
    .filter(({ config }) => config.part === part && config.arm === arm && config.sparsity === sparsity)
    .sort((a, b) => a.config.seed - b.config.seed)
    .map(({ result }) => result);

const metrics = (...which: Parameters<typeof resultsOf>): number[] => resultsOf(...which).map(({ metric }) => metric);

/** Points of accuracy by which one arm is above another, paired by seed. */
const above =
  (arm: Arm, other: Arm, sparsity: number) =>
  (outcomes: Outcomes): Measured =>
    pairedDifference(
      metrics(outcomes, "images", arm, sparsity),
      metrics(outcomes, "images", other, other === "dense" ? 0 : sparsity),
    );

/** Bits per character by which one arm is below another, paired by seed. */
const below =
  (arm: Arm, other: Arm, sparsity: number) =>
  (outcomes: Outcomes): Measured =>
    pairedDifference(metrics(outcomes, "text", other, other === "dense" ? 0 : sparsity), metrics(outcomes, "text", arm, sparsity));

/**
 * Accuracy of a dense network of given bytes, read off the dense curve of one seed: straight lines in the logarithm of bytes between
 * the small dense networks and the large one.
 */
export function denseAtBytes(points: readonly { readonly bytes: number; readonly metric: number }[], bytes: number): number {
  const sorted = [...points].sort((a, b) => a.bytes - b.bytes);
  const upper = sorted.findIndex((point) => point.bytes >= bytes);
  if (upper === 0) return sorted[0]!.metric;
  // Beyond the largest network nothing is gained: more bytes than dense are wasted.
  if (upper < 0) return sorted.at(-1)!.metric;
  const [a, b] = [sorted[upper - 1]!, sorted[upper]!];
  const share = Math.log(bytes / a.bytes) / Math.log(b.bytes / a.bytes);
  return a.metric + share * (b.metric - a.metric);
}

/** Points by which the gradually pruned network is above a dense one of equal bytes, index overhead counted, by seed. */
export const aboveAtBytes =
  (sparsity: number, bytesOf: (result: Result) => number) =>
  (outcomes: Outcomes): Measured => {
    const seeds = [...new Set(outcomes.filter(({ config }) => config.part === "images").map(({ config }) => config.seed))].sort(
      (a, b) => a - b,
    );
    const own: number[] = [];
    const dense: number[] = [];
    for (const seed of seeds) {
      const mine = outcomes.filter(({ config }) => config.part === "images" && config.seed === seed);
      const curve = mine
        .filter(({ config }) => config.arm === "dense" || config.arm === "small-dense")
        .map(({ result }) => ({ bytes: result.valueBytes, metric: result.metric }));
      const sparse = mine.find(({ config }) => config.arm === "gradual" && config.sparsity === sparsity)!.result;
      own.push(sparse.metric);
      dense.push(denseAtBytes(curve, bytesOf(sparse)));
    }
    return pairedDifference(own, dense);
  };

const overSeeds = (
  outcomes: Outcomes,
  keep: (outcome: Outcome<Config, Result>) => boolean,
  value: (result: Result) => number,
): Measured => {
  const worst = Math.max(...outcomes.filter(keep).map(({ result }) => value(result)));
  return { value: worst, low: worst, high: worst, note: "largest over all runs" };
};

const twinsDiffer = (outcomes: Outcomes): Measured => {
  const off = outcomes
    .filter(({ config }) => config.arm === "small-dense")
    .map(({ config, result }) => {
      const sparse = outcomes.find(
        (other) =>
          other.config.part === config.part &&
          other.config.arm === "gradual" &&
          other.config.sparsity === config.sparsity &&
          other.config.seed === config.seed,
      )!;
      return 100 * Math.abs(result.params / sparse.result.nonZeros - 1);
    });
  const worst = Math.max(...off);
  return { value: worst, low: worst, high: worst, note: "largest over all runs" };
};

const reduced = { scale: "reduced", unit: "points" } as const;
/** One seed has no interval, and shows a direction at most. */
const known = ({ low, high }: Measured) => high > low;
const excludesZero = { passes: (m: Measured) => known(m) && m.low > 0, direction: ({ value }: Measured) => value > 0 };
/** The rule of the weaker claims asks for the mean alone; the reader must see where the interval says less. */
const inTheMean = { passes: (m: Measured) => known(m) && m.value > 0, direction: ({ value }: Measured) => value > 0 };
const frankly =
  (measure: (outcomes: Outcomes) => Measured) =>
  (outcomes: Outcomes): Measured => {
    const measured = measure(outcomes);
    return measured.low <= 0 && measured.high >= 0 && known(measured)
      ? { ...measured, note: "judged by the mean; the interval includes 0" }
      : measured;
  };

export const claims: readonly Claim<Config, Result>[] = [
  {
    says: "at 75 % sparsity the large network with sparse weights beats the small dense one of equal non-zeros",
    where: "Table 2, MobileNet: 67.7 (1.09 M non-zeros) against 63.7 (1.32 M)",
    paper: 4,
    ...reduced,
    measure: frankly(above("gradual", "small-dense", 0.75)),
    ...inTheMean,
  },
  {
    says: "at 90 % sparsity the large network with sparse weights beats the small dense one of equal non-zeros",
    where: "Table 2, MobileNet: 61.8 against 50.6, both 0.46 M",
    paper: 11.2,
    ...reduced,
    measure: above("gradual", "small-dense", 0.9),
    ...excludesZero,
  },
  {
    says: "at 95 % sparsity the large network with sparse weights beats the small dense one of equal non-zeros",
    where: "Table 2, MobileNet: 53.6 (0.25 M non-zeros) against 50.6 (0.46 M)",
    paper: 3,
    ...reduced,
    measure: frankly(above("gradual", "small-dense", 0.95)),
    ...inTheMean,
  },
  {
    says: "at 50 % sparsity the loss against dense is below 0.5 points",
    where: "Table 1, InceptionV3: 78.0 against 78.1",
    paper: -0.1,
    ...reduced,
    measure: (outcomes) => {
      const [a, b] = [metrics(outcomes, "images", "gradual", 0.5), metrics(outcomes, "images", "dense")];
      if (a.length < 2) return pairedDifference(a, b);
      const { difference, noWorse, pLower } = equivalence(a, b, 0.5);
      return {
        ...difference,
        note: `90 % interval; no worse than -0.5 points: ${noWorse ? "shown" : "not shown"}, p = ${pLower.toPrecision(2)}`,
      };
    },
    // The lower end of the 90 % interval is what the one-sided test at 5 % reads.
    passes: (measured) => known(measured) && measured.low > -0.5,
    direction: ({ value }) => value > -0.5,
  },
  {
    says: "the cubic schedule is no worse than pruning at once, in equal steps, at 90 %",
    where: "extension",
    paper: null,
    ...reduced,
    measure: above("gradual", "one-shot", 0.9),
    passes: (measured) => known(measured) && measured.low > -0.5,
    direction: ({ value }) => value >= 0,
  },
  {
    says: "at 90 % sparsity small magnitudes are better to prune than random weights, on the same schedule",
    where: "extension",
    paper: null,
    ...reduced,
    measure: above("gradual", "random-schedule", 0.9),
    ...excludesZero,
  },
  {
    says: "at 90 % sparsity a recurrent network with sparse weights beats the small dense one of equal non-zeros",
    where: "Table 3, PTB LSTM: 90 % of large, 6.6 M non-zeros, perplexity 80.2; small, 4.6 M, 115.3",
    paper: null,
    scale: "reduced",
    unit: "bits per character saved",
    measure: below("gradual", "small-dense", 0.9),
    ...excludesZero,
  },
  {
    says: "at 75 % sparsity a recurrent network with sparse weights beats the small dense one of equal non-zeros",
    where: "Table 3, PTB LSTM",
    paper: null,
    scale: "reduced",
    unit: "bits per character saved",
    measure: frankly(below("gradual", "small-dense", 0.75)),
    ...inTheMean,
  },
  {
    says: "at 95 % sparsity a recurrent network with sparse weights beats the small dense one of equal non-zeros",
    where: "Table 3, PTB LSTM",
    paper: null,
    scale: "reduced",
    unit: "bits per character saved",
    measure: frankly(below("gradual", "small-dense", 0.95)),
    ...inTheMean,
  },
  {
    says: "the weights kept follow equation 1 exactly, at every update of every run",
    where: "equation 1",
    paper: 0,
    scale: "as published",
    unit: "weights off",
    measure: (outcomes) =>
      overSeeds(
        outcomes,
        ({ result }) => result.scheduleError >= 0,
        ({ scheduleError }) => scheduleError,
      ),
    passes: ({ value }) => value === 0,
  },
  {
    says: "no weight is left outside the final mask",
    where: "invariant",
    paper: 0,
    scale: "as published",
    unit: "weights",
    measure: (outcomes) =>
      overSeeds(
        outcomes,
        () => true,
        ({ outside }) => outside,
      ),
    passes: ({ value }) => value === 0,
  },
  {
    says: "with frozen ranking no pruned weight comes back",
    where: "extension",
    paper: null,
    scale: "reduced",
    unit: "weights",
    measure: (outcomes) =>
      overSeeds(
        outcomes,
        ({ config }) => config.arm === "gradual-frozen",
        ({ returned }) => returned,
      ),
    passes: ({ value }) => value === 0,
  },
  {
    says: "small dense networks have the non-zeros of the sparse ones within 2 %",
    where: "extension",
    paper: null,
    scale: "reduced",
    unit: "%",
    measure: twinsDiffer,
    passes: ({ value }) => value <= 2,
  },
  {
    says: "at 90 % sparsity the advantage remains at equal bytes, positions stored as 32-bit column indices",
    where: "discussion (storage of positions); extension",
    paper: null,
    ...reduced,
    measure: aboveAtBytes(0.9, ({ csrBytes }) => csrBytes),
    ...excludesZero,
  },
  {
    says: "at 50 % sparsity 32-bit column indices eat the saving: the stored network is no smaller than the dense one",
    where: "discussion (storage of positions); extension",
    paper: null,
    scale: "reduced",
    unit: "bytes over dense bytes",
    measure: (outcomes) => {
      const ratio = mean(resultsOf(outcomes, "images", "gradual", 0.5).map(({ csrBytes, params }) => csrBytes / (4 * params)));
      return { value: ratio, low: ratio, high: ratio };
    },
    passes: ({ value }) => value >= 1,
  },
];

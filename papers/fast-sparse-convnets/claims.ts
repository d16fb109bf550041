/** What the paper says, and the rule by which each statement counts as reproduced. All rules were written before anything was measured. */
import { type Claim, interval, type Measured, mean, median, type Outcome, pairedDifference } from "../harness/index.js";
import { type Arm, type Config, type Form, type KernelTime, type PlainTime, type Result, sparsities } from "./config.js";

type Outcomes = readonly Outcome<Config, Result>[];
type Part<P extends Result["part"]> = Extract<Result, { part: P }>;

/** Results of one part in the order of seeds. */
const partOf = <P extends Result["part"]>(outcomes: Outcomes, part: P): Part<P>[] =>
  outcomes
    .filter(({ result }) => result.part === part)
    .sort((a, b) => a.config.seed - b.config.seed)
    .map(({ result }) => result as Part<P>);

const geometricMean = (values: readonly number[]): number => Math.exp(mean(values.map(Math.log)));

/** Geometric mean over the layers of how much faster a form is than the best dense kernel, by round. */
export const speedups = (outcomes: Outcomes, form: Form, sparsity: number): number[] =>
  partOf(outcomes, "kernels").map(({ times, byPixelMs }) =>
    geometricMean(
      times
        .filter((time) => time.form === form && time.sparsity === sparsity)
        .map(({ shape, denseMs, sparseMs }) => Math.min(denseMs, byPixelMs[shape]!) / sparseMs),
    ),
  );

/** Geometric mean over the layers of the time of one form over that of another, by round. */
export const formRatio = (outcomes: Outcomes, slow: Form, fast: Form, sparsity: number): number[] =>
  partOf(outcomes, "kernels").map(({ times }) => {
    const of = (form: Form) => times.filter((time) => time.form === form && time.sparsity === sparsity);
    const other = new Map(of(fast).map((time): [number, KernelTime] => [time.shape, time]));
    return geometricMean(of(slow).map(({ shape, sparseMs }) => sparseMs / other.get(shape)!.sparseMs));
  });

/**
 * The sparsity at which speed-ups cross 1, in straight lines between those measured; 1 when they never do.
 * @param curve in ascending sparsity
 */
export function crossover(curve: readonly { readonly sparsity: number; readonly speedup: number }[]): number {
  const at = curve.findIndex(({ speedup }) => speedup >= 1);
  if (at < 0) return 1;
  if (at === 0) return curve[0]!.sparsity;
  const [a, b] = [curve[at - 1]!, curve[at]!];
  return a.sparsity + ((b.sparsity - a.sparsity) * (1 - a.speedup)) / (b.speedup - a.speedup);
}

const curves = (outcomes: Outcomes) => {
  const bySparsity = sparsities.map((sparsity) => speedups(outcomes, "single", sparsity));
  return bySparsity[0]!.map((_, round) => sparsities.map((sparsity, i) => ({ sparsity, speedup: bySparsity[i]![round]! })));
};

/** Ratio of two plain TypeScript products at a sparsity, over the layers, by round. */
export const plainRatio = (
  outcomes: Outcomes,
  sparsity: number,
  slow: (time: PlainTime) => number,
  fast: keyof PlainTime,
): number[] =>
  partOf(outcomes, "plain").map(({ times }) =>
    geometricMean(times.filter((time) => time.sparsity === sparsity).map((time) => slow(time) / time[fast])),
  );

/** Networks of one kind in the order of seeds. */
export const networksOf = (outcomes: Outcomes, arm: Arm, sparsity: number, width?: number): Part<"network">[] =>
  outcomes
    .filter(
      ({ config }) =>
        config.part === "network" &&
        config.arm === arm &&
        config.sparsity === sparsity &&
        (width === undefined || config.width === width),
    )
    .sort((a, b) => a.config.seed - b.config.seed)
    .map(({ result }) => result as Part<"network">);

const accuracies = (...which: Parameters<typeof networksOf>): number[] => networksOf(...which).map(({ accuracy }) => accuracy);

/** Median over rounds of a network's least milliseconds. */
export const msOf = (outcomes: Outcomes, width: number, sparsity: number, blocks = false): number =>
  median(
    partOf(outcomes, "latency").map(
      ({ times }) => times.find((time) => time.width === width && time.sparsity === sparsity && time.blocks === blocks)!.ms,
    ),
  );

/** Width of the sparse networks. */
export const sparseWidth = (outcomes: Outcomes): number =>
  outcomes.flatMap(({ config }) => (config.part === "network" && config.arm === "gradual" ? [config.width] : []))[0]!;

/** Dense widths, ascending. */
export const denseWidths = (outcomes: Outcomes): number[] =>
  [...new Set(outcomes.flatMap(({ config }) => (config.part === "network" && config.arm === "dense" ? [config.width] : [])))].sort(
    (a, b) => a - b,
  );

/** A network on the plane of time and accuracy. */
interface Point {
  readonly ms: number;
  readonly accuracy: number;
}

/** The dense curve of each seed. */
const denseCurves = (outcomes: Outcomes): Point[][] => {
  const widths = denseWidths(outcomes);
  const columns = widths.map((width) => accuracies(outcomes, "dense", 0, width));
  return columns[0]!.map((_, seed) => widths.map((width, i) => ({ ms: msOf(outcomes, width, 0), accuracy: columns[i]![seed]! })));
};

/** Accuracy of a dense network of given time: straight lines in the logarithm of time; level beyond the ends. */
export function denseAtTime(curve: readonly Point[], ms: number): number {
  const sorted = [...curve].sort((a, b) => a.ms - b.ms);
  const at = sorted.findIndex((point) => point.ms >= ms);
  if (at === 0) return sorted[0]!.accuracy;
  if (at < 0) return Math.max(...sorted.map(({ accuracy }) => accuracy));
  const [a, b] = [sorted[at - 1]!, sorted[at]!];
  return a.accuracy + ((b.accuracy - a.accuracy) * Math.log(ms / a.ms)) / Math.log(b.ms / a.ms);
}

/** Time of the fastest dense network of at least this accuracy; the slowest one's where none is, which is then a lower bound. */
export function denseAtAccuracy(curve: readonly Point[], accuracy: number): number {
  const sorted = [...curve].sort((a, b) => a.ms - b.ms);
  const at = sorted.findIndex((point) => point.accuracy >= accuracy);
  if (at === 0) return sorted[0]!.ms;
  if (at < 0) return sorted.at(-1)!.ms;
  const [a, b] = [sorted[at - 1]!, sorted[at]!];
  return a.ms * (b.ms / a.ms) ** ((accuracy - a.accuracy) / (b.accuracy - a.accuracy));
}

/** Points of accuracy above the dense curve at a sparse network's time. */
const aboveDense = (outcomes: Outcomes, sparsity: number, confidence?: number): Measured => {
  const ms = msOf(outcomes, sparseWidth(outcomes), sparsity);
  const dense = denseCurves(outcomes).map((curve) => denseAtTime(curve, ms));
  return pairedDifference(accuracies(outcomes, "gradual", sparsity), dense, confidence);
};

/** How many times longer a dense network of equal accuracy takes. */
const fasterAtAccuracy = (outcomes: Outcomes, sparsity: number): Measured => {
  const ms = msOf(outcomes, sparseWidth(outcomes), sparsity);
  const own = accuracies(outcomes, "gradual", sparsity);
  const ratios = denseCurves(outcomes).map((curve, seed) => denseAtAccuracy(curve, own[seed]!) / ms);
  const beyond = denseCurves(outcomes).filter((curve, seed) => own[seed]! > Math.max(...curve.map(({ accuracy }) => accuracy)));
  const found = interval(ratios);
  return beyond.length === 0
    ? found
    : { ...found, note: `a lower bound: in ${beyond.length} of ${own.length} seeds no dense network is as accurate` };
};

const times = { paper: null, unit: "times", scale: "reduced" } as const;
const above = (least: number) => ({
  passes: ({ low }: Measured) => low >= least,
  direction: ({ value }: Measured) => value > 1,
});

export const claims: readonly Claim<Config, Result>[] = [
  {
    says: "at 90 % sparsity 1x1 layers run at least twice as fast as with the best dense kernel",
    where: "kernel figures (layers of MobileNet); acceptance of the reproduction",
    ...times,
    measure: (outcomes) => interval(speedups(outcomes, "single", 0.9)),
    ...above(2),
  },
  {
    says: "the sparser, the faster: at every step from 0 to 95 %",
    where: "kernel figures",
    ...times,
    measure: (outcomes) =>
      interval(curves(outcomes).map((curve) => Math.min(...curve.slice(1).map(({ speedup }, i) => speedup / curve[i]!.speedup)))),
    passes: ({ low }) => low > 1,
    direction: ({ value }) => value > 1,
  },
  {
    says: "sparsity begins to pay below 80 %",
    where: "introduction (70 to 95 % was thought useless)",
    paper: null,
    unit: "% sparsity",
    scale: "reduced",
    measure: (outcomes) => interval(curves(outcomes).map((curve) => 100 * crossover(curve))),
    passes: ({ high }) => high < 80,
    direction: ({ value }) => value < 80,
  },
  {
    says: "blocks of 4 output channels are faster than as many single weights at 90 %",
    where: "block sizes",
    ...times,
    measure: (outcomes) => interval(formRatio(outcomes, "single", "fours", 0.9)),
    ...above(1),
  },
  {
    says: "weights that lie in blocks of 4 run faster with the kernel for 4 than with that for single weights, at 90 %",
    where: "block sizes",
    ...times,
    measure: (outcomes) => interval(formRatio(outcomes, "fours held single", "fours", 0.9)),
    ...above(1),
  },
  {
    says: "a wide sparse network is more accurate than a dense one of equal time (the better of 80 and 90 %)",
    where: "figures of accuracy against time",
    paper: null,
    unit: "points",
    scale: "reduced",
    measure: (outcomes) => {
      // Two chances: each interval is 97.5 %.
      const tries = [0.8, 0.9].map((sparsity) => ({ sparsity, ...aboveDense(outcomes, sparsity, 0.975) }));
      const { sparsity, value, low, high } = tries.reduce((a, b) => (b.low > a.low ? b : a));
      return { value, low, high, note: `at ${100 * sparsity} %; 97.5 % interval, for two tries` };
    },
    passes: ({ low }) => low > 0,
    direction: ({ value }) => value > 0,
  },
  {
    says: "at equal accuracy the sparse network of 90 % is at least 1.3 times as fast",
    where: "abstract: 1.3 to 2.4 times over MobileNetV1, V2 and EfficientNet",
    paper: 1.3,
    unit: "times",
    scale: "reduced",
    measure: (outcomes) => fasterAtAccuracy(outcomes, 0.9),
    passes: ({ value, low }) => value >= 1.3 && low > 1,
    direction: ({ value }) => value > 1,
  },
  {
    says: "gradual pruning keeps more accuracy than a random mask of equal sparsity (90 %)",
    where: "extension",
    paper: null,
    unit: "points",
    scale: "reduced",
    measure: (outcomes) => pairedDifference(accuracies(outcomes, "gradual", 0.9), accuracies(outcomes, "random", 0.9)),
    passes: ({ low }) => low > 0,
    direction: ({ value }) => value > 0,
  },
  {
    says: "in plain TypeScript, too, the paper's order of loops at 90 % beats the better dense one",
    where: "extension",
    ...times,
    measure: (outcomes) => interval(plainRatio(outcomes, 0.9, (t) => Math.min(t.denseByChannel, t.denseByPixel), "single")),
    ...above(1),
  },
  {
    says: "channel-major sparse products are faster than pixel-major ones that gather inputs, at 90 %, in plain TypeScript",
    where: "description of the kernel (no gather)",
    ...times,
    measure: (outcomes) => interval(plainRatio(outcomes, 0.9, ({ gatherByPixel }) => gatherByPixel, "single")),
    ...above(1),
  },
  {
    says: "packed products equal the scalar loop bit for bit, for strips of 8, 16 and 32 pixels",
    where: "invariant",
    paper: 0,
    unit: "outputs that differ",
    scale: "as published",
    measure: (outcomes) => {
      const value = partOf(outcomes, "plain").reduce((sum, { differing }) => sum + differing, 0);
      return { value, low: value, high: value };
    },
    passes: ({ value }) => value === 0,
  },
];

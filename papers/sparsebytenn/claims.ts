/** What the paper says (its abstract, and the closest open relative 1xN), and the rule by which each statement counts as reproduced. */
import { type Claim, equivalence, interval, type Measured, type Outcome, pairedDifference } from "../harness/index.js";
import type { Arm, ArmResult, Config, Latency, Result, Retained } from "./config.js";

type Outcomes = readonly Outcome<Config, Result>[];

const inOrder = (outcomes: Outcomes): Result[] =>
  [...outcomes].sort((a, b) => a.config.seed - b.config.seed).map(({ result }) => result);

/** Results of one arm at one ratio, in the order of seeds. */
export const armResults = (outcomes: Outcomes, arm: Arm, ratio: number): ArmResult[] =>
  inOrder(outcomes).flatMap((result) =>
    result.part === "accuracy" ? result.arms.filter((found) => found.arm === arm && found.ratio === ratio) : [],
  );
export const denseResults = (outcomes: Outcomes): number[] =>
  inOrder(outcomes).flatMap((result) => (result.part === "accuracy" ? [result.dense] : []));
export const denseTunedResults = (outcomes: Outcomes): number[] =>
  inOrder(outcomes).flatMap((result) => (result.part === "accuracy" ? [result.denseTuned] : []));
export const retainedResults = (outcomes: Outcomes, ratio: number, filters: Retained["filters"] = 4): Retained[] =>
  inOrder(outcomes).flatMap((result) =>
    result.part === "accuracy" ? result.retained.filter((found) => found.ratio === ratio && found.filters === filters) : [],
  );
export const latencies = (outcomes: Outcomes, ratio: number): Latency[] =>
  inOrder(outcomes).flatMap((result) => (result.part === "latency" ? result.times.filter((found) => found.ratio === ratio) : []));

const tuned = (outcomes: Outcomes, arm: Arm, ratio: number): number[] =>
  armResults(outcomes, arm, ratio).map((found) => found.tuned);

const above =
  (arm: Arm, other: Arm, ratio: number) =>
  (outcomes: Outcomes): Measured =>
    pairedDifference(tuned(outcomes, arm, ratio), tuned(outcomes, other, ratio));

const ratioOf =
  (ratio: number, of: (times: Latency) => number) =>
  (outcomes: Outcomes): Measured =>
    interval(latencies(outcomes, ratio).map(of));

/** Points by which a network may be worse and still count as no worse. */
const MARGIN = 0.5;
const NO_WORSE = "no worse by more than 0.5 points: one-sided test, p < 0.05";
const NOT_SHOWN = "that it is no worse by more than 0.5 points is not shown at p < 0.05";

/** Points lost against a reference, with the verdict of the one-sided test in the note. */
const lost = (reference: readonly number[], own: readonly number[]): Measured => ({
  ...pairedDifference(reference, own),
  note: equivalence(own, reference, MARGIN).noWorse ? NO_WORSE : NOT_SHOWN,
});

export const claims: readonly Claim<Config, Result>[] = [
  {
    says: "group kernels at 30 % are faster than our own dense kernels",
    where: "abstract (MobileNet-v1, Qualcomm 855)",
    paper: 1.27,
    unit: "times",
    scale: "reduced",
    measure: ratioOf(0.3, ({ denseMs, groupMs }) => denseMs / groupMs),
    passes: ({ value }) => value >= 1.15,
    direction: ({ value }) => value > 1,
  },
  {
    says: "group kernels at 30 % are faster than an unstructured sparse engine",
    where: "abstract (against MNN sparse)",
    paper: 1.29,
    unit: "times",
    scale: "reduced",
    measure: ratioOf(0.3, ({ unstructuredMs, groupMs }) => unstructuredMs / groupMs),
    passes: ({ value }) => value >= 1.15,
    direction: ({ value }) => value > 1,
  },
  {
    says: "30 % of kernel groups cost little accuracy",
    where: "abstract",
    paper: 0.224,
    unit: "points lost",
    scale: "reduced",
    measure: (outcomes) => lost(denseTunedResults(outcomes), tuned(outcomes, "groups-rearranged", 0.3)),
    passes: ({ value, note }) => value <= MARGIN && note === NO_WORSE,
    direction: ({ value }) => value <= MARGIN,
  },
  {
    says: "single weights keep no less accuracy than kernel groups at 50 %",
    where: "abstract (unstructured pruning is accurate); 1xN: weights 70.76, 1x4 70.05",
    paper: 0.71,
    unit: "points",
    scale: "reduced",
    measure: (outcomes) => {
      const { value, low, high } = above("unstructured", "groups-rearranged", 0.5)(outcomes);
      const [single, groups] = [tuned(outcomes, "unstructured", 0.5), tuned(outcomes, "groups-rearranged", 0.5)];
      return { value, low, high, note: equivalence(single, groups, MARGIN).noWorse ? NO_WORSE : NOT_SHOWN };
    },
    passes: ({ note }) => note === NO_WORSE,
    direction: ({ value }) => value >= 0,
  },
  {
    says: "kernel groups keep more accuracy than whole filters at 50 %",
    where: "1xN, MobileNet-v1: 1x4 70.05, filters 65.35",
    paper: 4.7,
    unit: "points",
    scale: "reduced",
    measure: above("groups-rearranged", "filters", 0.5),
    passes: ({ low }) => low > 0,
    direction: ({ value }) => value > 0,
  },
  {
    says: "rearranging channels first keeps more accuracy at 50 %",
    where: "1xN, MobileNet-v2, N = 2: 70.23 against 69.90",
    paper: 0.33,
    unit: "points",
    scale: "reduced",
    measure: above("groups-rearranged", "groups", 0.5),
    passes: ({ low }) => low > 0,
    direction: ({ value }) => value > 0,
  },
  {
    says: "rearrangement raises the weight that groups keep at 50 %, above sorting by size",
    where: "extension",
    paper: null,
    unit: "points of sum |w|",
    scale: "as published",
    measure: (outcomes) => interval(retainedResults(outcomes, 0.5).map(({ before, after }) => 100 * (after - before))),
    passes: ({ low }, all) => low > 0 && all["rearrangement keeps at least what sorting by size keeps at 50 %"]!.low >= 0,
  },
  {
    says: "rearrangement keeps at least what sorting by size keeps at 50 %",
    where: "extension",
    paper: null,
    unit: "points of sum |w|",
    scale: "as published",
    measure: (outcomes) => interval(retainedResults(outcomes, 0.5).map(({ sorted, after }) => 100 * (after - sorted))),
    passes: ({ low }) => low >= 0,
  },
  {
    says: "sorting by size keeps at least what the given order keeps at 50 %",
    where: "1xN (its rearrangement); acceptance of the reproduction",
    paper: null,
    unit: "points of sum |w|",
    scale: "as published",
    measure: (outcomes) => interval(retainedResults(outcomes, 0.5).map(({ before, sorted }) => 100 * (sorted - before))),
    passes: ({ low }) => low >= 0,
  },
  {
    says: "at 30 % an unstructured engine does not pay: it is below 1.15 times the speed of dense kernels",
    where: "abstract (the gap that kernel groups close)",
    paper: null,
    unit: "times",
    scale: "reduced",
    measure: ratioOf(0.3, ({ denseMs, unstructuredMs }) => denseMs / unstructuredMs),
    passes: ({ value }) => value < 1.15,
  },
  {
    says: "time is linear in the blocks: 30 % and 70 % foretell 50 % within 15 %",
    where: "extension (cost model)",
    paper: null,
    unit: "% off",
    scale: "as published",
    measure: (outcomes) =>
      interval(
        [0.3, 0.5, 0.7]
          .map((ratio) => latencies(outcomes, ratio).map(({ groupMs }) => groupMs))
          .reduce<number[][]>((rounds, times) => times.map((ms, i) => [...(rounds[i] ?? []), ms]), [])
          .map(([few, half, many]) => 100 * Math.abs((few! + many!) / 2 / half! - 1)),
      ),
    passes: ({ value }) => value <= 15,
  },
];

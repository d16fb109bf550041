import { type Claim, interval, pairedDifference } from "../../../index.js";
import type { ToyConfig, ToyResult } from "./run.js";

const accuracies = (outcomes: readonly { config: ToyConfig; result: ToyResult }[], arm: string) =>
  outcomes.filter(({ config }) => config.arm === arm).map(({ result }) => result.accuracy);

export const claims: readonly Claim<ToyConfig, ToyResult>[] = [
  {
    says: "large sparse is better than small dense",
    where: "Table 1",
    paper: 11.2,
    unit: "points",
    scale: "reduced",
    measure: (outcomes) => pairedDifference(accuracies(outcomes, "sparse"), accuracies(outcomes, "small")),
    passes: ({ low }) => low > 0,
  },
  {
    says: "sparse reaches 99 %",
    where: "Figure 2",
    paper: null,
    unit: "%",
    scale: "reduced",
    measure: (outcomes) => interval(accuracies(outcomes, "sparse")),
    passes: ({ value }) => value >= 99,
    direction: ({ value }) => value > 50,
  },
  {
    says: "small dense is bad",
    where: "abstract",
    paper: 10,
    unit: "%",
    scale: "reduced",
    measure: (outcomes) => interval(accuracies(outcomes, "small")),
    passes: ({ value }, all) => value < 10 && all["sparse reaches 99 %"]!.value > 0,
  },
];

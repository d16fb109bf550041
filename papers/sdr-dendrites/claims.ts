/** What the paper says about segments and sparse codes, and when we call it reproduced. */

import type { Outcome } from "../harness/index.js";
import { type Claim, interval, type Measured } from "../harness/index.js";
import type { Comparison, closedForms, RealCodes, unionRatios } from "./experiments.js";

/** One job. */
export type Config =
  | { readonly kind: "closed" }
  | { readonly kind: "simulation"; readonly seed: number; readonly trials: number }
  | {
      readonly kind: "images";
      readonly seed: number;
      readonly set: "fashion-mnist" | "mnist";
      readonly stored: number;
      readonly shown: number;
    };

/** What a job measured; the fields of its kind are there. */
export interface Result {
  readonly closed?: ReturnType<typeof closedForms>;
  readonly comparisons?: readonly Comparison[];
  readonly unions?: ReturnType<typeof unionRatios>;
  readonly images?: readonly RealCodes[];
}

type Outcomes = readonly Outcome<Config, Result>[];

const closedOf = (outcomes: Outcomes) => outcomes.find(({ result }) => result.closed)!.result.closed!;
const exact = (value: number): Measured => ({ value, low: value, high: value, note: "a formula, no randomness" });

/** Measured over formula, at a threshold, for one image set. */
const ratios = (outcomes: Outcomes, set: string, threshold: number): number[] =>
  outcomes.flatMap(({ config, result }) => {
    const row = config.kind === "images" && config.set === set ? result.images?.find((r) => r.threshold === threshold) : undefined;
    return row ? [row.rate / row.formula] : [];
  });

const excess = (set: "fashion-mnist" | "mnist", name: string): Claim<Config, Result> => ({
  says: `Real codes match more often than the formula for random codes says (${name}, n 2000, a 40, s 20, theta 8): factor`,
  where: "extension",
  paper: null,
  unit: "ratio",
  scale: "reduced",
  measure: (outcomes) => ({
    ...interval(ratios(outcomes, set, 8)),
    note: "correlated codes: the effective dimension is in the table",
  }),
  passes: ({ low }) => low > 1,
});

/** The claims, rules included, as stated before measuring. */
export const claims: readonly Claim<Config, Result>[] = [
  {
    says: "Probability of a false match at n = 10000, a = 300, s = 24, theta = 12",
    where: "equation 4; value printed by the authors' verification code",
    paper: 8.37584522709849e-13,
    unit: "probability",
    scale: "as published",
    measure: (outcomes) => exact(closedOf(outcomes).published),
    passes: ({ value }) => Math.abs(value / 8.37584522709849e-13 - 1) < 1e-12,
  },
  {
    says: "Logarithmic arithmetic keeps the digits of exact rational arithmetic: worst relative error over five settings",
    where: "extension",
    paper: null,
    unit: "relative error",
    scale: "as published",
    measure: (outcomes) => exact(closedOf(outcomes).worstRelativeError),
    passes: ({ value }) => value < 1e-12,
  },
  {
    says: "The formulas for matches, misses and classification predict simulations: share inside the 99 % interval",
    where: "equations 4 to 7",
    paper: 0.99,
    unit: "share",
    scale: "as published",
    measure: (outcomes) => {
      const all = outcomes.flatMap(({ result }) => result.comparisons ?? []);
      const value = all.filter(({ inside }) => inside).length / all.length;
      return { value, low: value, high: value, note: `${all.length} comparisons` };
    },
    passes: ({ value }) => value >= 0.95,
  },
  {
    says: "Several patterns can share a segment: formula over simulation for unions of 2 to 8 patterns",
    where: "section on unions",
    paper: 1,
    unit: "ratio",
    scale: "as published",
    measure: (outcomes) =>
      interval(outcomes.flatMap(({ result }) => (result.unions ?? []).map(({ formula, simulated }) => formula / simulated))),
    passes: ({ low, high }) => low > 0.8 && high < 1.2,
  },
  {
    says: "A union of 10 patterns is still recognised safely: false matches at n = 10000, a = 200, s = 25, theta = 15",
    where: "section on unions",
    paper: 1.270804e-4,
    unit: "probability",
    scale: "as published",
    measure: (outcomes) => exact(closedOf(outcomes).unionOfTen),
    passes: ({ value }) => Math.abs(value / 1.270804e-4 - 1) < 1e-5,
  },
  {
    says: "At a fixed number of active cells false matches fall with the population like a power, -theta (theta = 12)",
    where: "figure on scaling",
    paper: -12,
    unit: "slope of log P over log n",
    scale: "as published",
    measure: (outcomes) => exact(closedOf(outcomes).slopeFixedActive),
    passes: ({ value }) => Math.abs(value + 12) < 0.2,
  },
  {
    says: "At half activity a larger population does not help",
    where: "figure on scaling",
    paper: 0,
    unit: "slope of log P over log n",
    scale: "as published",
    measure: (outcomes) => exact(closedOf(outcomes).slopeHalfActive),
    passes: ({ value }) => Math.abs(value) < 0.01,
  },
  {
    says: "The least threshold with a median false-match rate of 1e-9 lies where NMDA spikes are measured (9 to 20)",
    where: "figure on thresholds",
    paper: 9,
    unit: "threshold",
    scale: "as published",
    measure: (outcomes) => exact(closedOf(outcomes).rangeThreshold),
    passes: ({ value }) => value >= 9 && value <= 20,
  },
  {
    says: "The threshold of least total error agrees with exhaustive search (n 4000, a 128, s 24, half of the cells silent)",
    where: "section on thresholds",
    paper: null,
    unit: "threshold",
    scale: "as published",
    measure: (outcomes) => ({ ...exact(closedOf(outcomes).optimal), note: `exhaustive search: ${closedOf(outcomes).exhaustive}` }),
    passes: ({ value, note }) => note === `exhaustive search: ${value}`,
  },
  excess("fashion-mnist", "Fashion-MNIST"),
  excess("mnist", "MNIST"),
];

/** What the paper says about single-trial learning with sparse distributed codes, and when we call it reproduced. */
import { type Claim, interval, type Measured, type Outcome } from "../harness/index.js";
import type { Accuracy } from "./accuracy.js";
import type { Recall } from "./recall.js";
import type { Sequences } from "./sequences.js";
import type { Similarity } from "./similarity.js";

/** The two image sets. */
export type ImageSet = "mnist" | "fashion-mnist";

/** One job. */
export interface Config {
  readonly kind: "codes" | "times" | "accuracy" | "sequences";
  readonly set: ImageSet;
  readonly seed: number;
  readonly train: number;
  readonly test: number;
}

/** What a job measured; the fields of its kind are there. */
export interface Result {
  readonly recall?: readonly Recall[];
  readonly similarity?: Similarity;
  readonly times?: readonly number[];
  readonly accuracy?: Accuracy;
  readonly sequences?: readonly Sequences[];
}

type Outcomes = readonly Outcome<Config, Result>[];
type Rule = Pick<Claim<Config, Result>, "where" | "paper" | "unit" | "passes"> & Partial<Claim<Config, Result>>;

const names: Readonly<Record<ImageSet, string>> = { mnist: "MNIST", "fashion-mnist": "Fashion-MNIST" };
const sets: readonly ImageSet[] = ["mnist", "fashion-mnist"];

/** The values of one set, one per seed. */
function values(outcomes: Outcomes, set: ImageSet, of: (result: Result) => number | undefined): number[] {
  return outcomes.flatMap(({ config, result }) => {
    const value = config.set === set ? of(result) : undefined;
    return value === undefined ? [] : [value];
  });
}

/** The same claim for both sets. */
const forBoth = (says: string, of: (result: Result) => number | undefined, rule: Rule, note?: string): Claim<Config, Result>[] =>
  sets.map((set) => ({
    says: `${says} (${names[set]})`,
    scale: "reduced",
    measure: (outcomes): Measured => ({ ...interval(values(outcomes, set, of)), ...(note === undefined ? {} : { note }) }),
    ...rule,
  }));

const recalled = (stored: number, of: (row: Recall) => number) => (result: Result) => {
  const row = result.recall?.find((r) => r.stored === stored);
  return row && of(row);
};

/** The claims, rules included, as stated before measuring. */
export const claims: readonly Claim<Config, Result>[] = [
  ...forBoth(
    "The first 50 items, stored in one trial each, are recalled: share with at least 95 % of the code",
    recalled(50, (row) => row.exact),
    { where: "section on storage", paper: 1, unit: "share", passes: ({ value }) => value >= 0.95 },
  ),
  ...forBoth(
    "An item of which a quarter is missing is completed: share of the missing pixels, 50 stored",
    recalled(50, (row) => row.completed),
    { where: "section on retrieval", paper: null, unit: "share", passes: ({ value }) => value >= 0.9 },
    "chance is 0.02",
  ),
  ...forBoth(
    "Codes by familiarity store more than random codes in the same weights (Willshaw): share recalled exactly, 200 stored, difference",
    recalled(200, (row) => row.exact - row.willshawExact),
    {
      where: "comparison with Willshaw memory",
      paper: null,
      unit: "share",
      passes: ({ low }) => low > 0,
      direction: ({ value }) => value > 0,
    },
    "similar codes help completion and cost capacity: see the table",
  ),
  ...forBoth(
    "Similar inputs get intersecting codes: rank correlation over pairs of images, one of them stored",
    (result) => result.similarity?.pairs,
    {
      where: "section on code selection",
      paper: null,
      unit: "Spearman",
      passes: ({ value }) => value >= 0.7,
      direction: ({ low }) => low > 0.2,
    },
    "depends on the sigmoid; random codes give about 0",
  ),
  ...forBoth(
    "Codes keep similarity better than locality-sensitive hashing of as many bits: difference of the rank correlations",
    (result) => result.similarity && result.similarity.pairs - result.similarity.hashing,
    {
      where: "comparison with hashing",
      paper: null,
      unit: "Spearman",
      passes: ({ low }) => low > 0,
      direction: ({ value }) => value > 0,
    },
  ),
  ...forBoth(
    "Similarity of codes survives superposition: the same correlation over all pairs of 100 items in one store",
    (result) => result.similarity?.inStore,
    {
      where: "section on code selection",
      paper: null,
      unit: "Spearman",
      passes: ({ value }) => value >= 0.7,
      direction: ({ low }) => low > 0.05,
    },
    "crosstalk between stored items hides the similarity of single pairs",
  ),
  ...forBoth(
    "A familiar input is given its stored code again when it is presented for learning: share of modules, library defaults",
    (result) => result.similarity?.repeatedByDefault,
    { where: "section on code selection", paper: 1, unit: "share", passes: ({ value }) => value >= 0.95 },
    "at the gentle setting of the other claims it is far lower: see the table",
  ),
  ...forBoth(
    "Storing takes constant time as the store fills: last tenth over first tenth",
    (result) => result.times && result.times.at(-1)! / result.times[0]!,
    { where: "abstract", paper: 1, unit: "ratio", passes: ({ value }) => value <= 1.1 },
    "medians of single items; the first tenth still warms up",
  ),
  {
    says: "Accuracy after one pass, one level (MNIST)",
    where: "section on MNIST (from memory, unverified)",
    paper: 91,
    unit: "%",
    scale: "reduced",
    measure: (outcomes) => interval(values(outcomes, "mnist", (result) => result.accuracy?.oneLevel)),
    passes: ({ high }) => high >= 90,
    direction: ({ low }) => low >= 60,
  },
  ...forBoth(
    "Codes carry the classes: accuracy above codes chosen at random",
    (result) => result.accuracy && result.accuracy.oneLevel - result.accuracy.randomCodes,
    { where: "section on MNIST", paper: null, unit: "points", passes: ({ low }) => low >= 20 },
  ),
  ...forBoth(
    "The hierarchy adds to the pixels: accuracy above the same label counts on the pixels themselves",
    (result) => result.accuracy && result.accuracy.oneLevel - result.accuracy.pixels,
    { where: "extension", paper: null, unit: "points", passes: ({ low }) => low > 0, direction: ({ value }) => value > 0 },
  ),
  ...forBoth(
    "Sequences are played on from their first two frames: share of pixels beyond chance, 20 films stored",
    (result) => {
      const row = result.sequences?.find((r) => r.stored === 20);
      return row && (row.pixels - row.chance) / (1 - row.chance);
    },
    {
      where: "section on spatiotemporal memory",
      paper: null,
      unit: "share",
      passes: ({ value }) => value >= 0.7,
      direction: ({ low }) => low > 0,
    },
    "Moving digits, and moving clothes; capacity in the table",
  ),
];

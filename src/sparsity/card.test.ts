import { expect, it } from "vitest";
import { type MethodCard, type RunCard, validateCard, validateRunCard } from "./card.js";

const card: MethodCard = {
  name: "example",
  title: "an example",
  paper: { citation: "Someone 2020", id: "arXiv:0000.00000" },
  axes: {
    sparse: "weights",
    pattern: "N:M",
    decided: "during training",
    path: "sparse-to-sparse",
    overTime: "dynamic",
    criterion: "magnitude",
    distribution: "uniform",
    schedule: "one-shot",
    ranking: "per group",
    information: "weights",
  },
  excluded: "biases",
  optimiserState: "cleared",
};

const run: RunCard = {
  ...card,
  targetSparsity: 0.5,
  realisedSparsity: 0.5,
  perLayer: { w: 0.5 },
  begin: null,
  end: null,
  every: null,
  trainingFlops: 1e9,
  trainingFlopsRelative: 0.5,
  inferenceFlops: 1e6,
  storedBytes: 1000,
  seeds: [1],
  data: "Fashion-MNIST",
  split: "60000 / 10000",
  hardware: "a laptop",
  threads: 2,
  kernels: "real",
  claim: "not tested",
};

it("accepts a complete card, with and without a paper", () => {
  expect(validateCard(card)).toBe(card);
  validateCard({ ...card, paper: null });
  expect(validateRunCard(run)).toBe(run);
});

it("lists everything that is wrong at once", () => {
  const bad = { ...card, title: " ", axes: { ...card.axes, pattern: "2:4", criterion: "" } } as unknown as MethodCard;
  expect(() => validateCard(bad)).toThrow(
    /method card "example": title must be.*axes\.criterion must be.*axes\.pattern must be one of.*got "2:4"/,
  );
  expect(() => validateCard({ ...card, axes: undefined } as unknown as MethodCard)).toThrow("axes.information");
});

it.each([
  ["targetSparsity", 90],
  ["trainingFlops", Number.NaN],
  ["storedBytes", -1],
  ["seeds", []],
  ["threads", 0],
  ["kernels", "fast"],
  ["claim", "yes"],
  ["perLayer", { w: 50 }],
  ["hardware", ""],
])("a run card with %s = %j is refused by name", (key, value) => {
  expect(() => validateRunCard({ ...run, [key]: value } as RunCard)).toThrow(key);
});

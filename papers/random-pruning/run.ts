/** The unreasonable effectiveness of random pruning: return of the most naive baseline for sparse training (Liu et al. 2022). */
import { definePaper, type Figure, interval, type Job, type Outcome, type Series, type Table } from "../harness/index.js";
import { baseDepth, claims, gaps, resultsOf, widthsOf } from "./claims.js";
import type { Config, Masking, Network, Result } from "./config.js";
import { measure } from "./measure.js";

type Outcomes = readonly Outcome<Config, Result>[];
type Shared = Pick<Config, "data" | "images" | "epochs" | "batch" | "rate" | "schedule">;

/** What varies at a scale. */
interface Plan {
  readonly family: Network["family"];
  readonly widths: readonly number[];
  readonly depths: readonly number[];
  /** Depth of the width sweep, width of the depth sweep and of the comparison of maskings. */
  readonly depth: number;
  readonly width: number;
  readonly shared: Shared;
}

const small: Plan = {
  family: "plain",
  widths: [4, 8, 16, 32],
  depths: [3, 5, 8],
  depth: 4,
  width: 16,
  shared: { data: "fashion-mnist", images: 10_000, epochs: 5, batch: 128, rate: 0.1, schedule: "one-cycle" },
};

/** Section 4 of the paper: CIFAR-10, ResNet-20 to -56 of widths 8, 16, 24. */
const full: Plan = {
  family: "resnet",
  widths: [8, 16, 24],
  depths: [20, 32, 44, 56],
  depth: 20,
  width: 16,
  shared: { data: "cifar10", images: 50_000, epochs: 160, batch: 128, rate: 0.1, schedule: "paper" },
};

const densities = [0.5, 0.3, 0.1, 0.05] as const;
/** Compared at densities 0.1 and 0.05, beside ERK. */
const compared: readonly Masking[] = ["uniform", "er", "snip-ratio", "grasp-ratio", "snip-mask", "small-dense"];
/** For context, at density 0.1. */
const context: readonly Masking[] = [
  "uniform+",
  "erk+",
  "grasp-mask",
  "synflow-mask",
  "magnitude-init",
  "magnitude-trained",
  "set",
  "rigl",
];

function jobsOf({ family, widths, depths, depth, width, shared }: Plan, seed: number): Job<Config>[] {
  const jobs = new Map<string, Job<Config>>();
  const add = (masking: Masking, density: number, network: Omit<Network, "family">) => {
    const id = `${masking.replace("+", "-plus")}-d${density}-w${network.width}-l${network.depth}-s${seed}`;
    const robustness = network.width === widths.at(-1) && network.depth === depth && (density === 1 || density === 0.3);
    jobs.set(id, { id, config: { ...shared, network: { family, ...network }, masking, density, seed, robustness } });
  };
  for (const w of widths) {
    add("dense", 1, { width: w, depth });
    for (const density of densities) add("erk", density, { width: w, depth });
  }
  for (const layers of depths) {
    add("dense", 1, { width, depth: layers });
    for (const density of [0.3, 0.05]) add("erk", density, { width, depth: layers });
  }
  for (const density of [0.1, 0.05]) for (const masking of compared) add(masking, density, { width, depth });
  for (const masking of context) add(masking, 0.1, { width, depth });
  return [...jobs.values()];
}

const names: Readonly<Record<Masking, string>> = {
  dense: "dense",
  uniform: "random, uniform",
  "uniform+": "random, uniform+",
  er: "random, ER",
  erk: "random, ERK",
  "erk+": "random, ERK+",
  "snip-ratio": "random, SNIP ratio",
  "grasp-ratio": "random, GraSP ratio",
  "snip-mask": "SNIP mask",
  "grasp-mask": "GraSP mask",
  "synflow-mask": "SynFlow mask",
  "magnitude-init": "magnitude at initialisation",
  "magnitude-trained": "magnitude after training, retrained",
  set: "SET (dynamic)",
  rigl: "RigL (dynamic)",
  "small-dense": "small dense, equal parameters",
};

const average = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const spread = (values: readonly number[]) => {
  const { value, low } = interval(values);
  return `${value.toFixed(2)} ± ${(value - low).toFixed(2)}`;
};

function tables(outcomes: Outcomes): Table[] {
  const rows = [
    ...new Map(
      outcomes.map(({ config: { masking, density, network } }) => [
        `${masking} ${density} ${network.width} ${network.depth}`,
        { masking, density, width: network.width, depth: network.depth },
      ]),
    ).values(),
  ]
    .sort((a, b) => a.width - b.width || a.depth - b.depth || b.density - a.density)
    .map((row) => {
      const results = resultsOf(outcomes, row);
      const of = (value: (result: Result) => number) => average(results.map(value));
      const kib = (bytes: number) => Number((bytes / 1024).toFixed(1));
      return { row, results, of, kib };
    });
  return [
    {
      title: "All networks, mean and 95 % interval",
      columns: [
        "network",
        "width",
        "depth",
        "density",
        "accuracy, %",
        "NLL",
        "ECE, %",
        "non-zeros",
        "KiB, values alone",
        "KiB with 32-bit indices",
        "theoretical kFLOPs",
      ],
      rows: rows.map(({ row, results, of, kib }) => [
        names[row.masking],
        row.width,
        row.depth,
        row.masking === "small-dense" ? `twin of ${row.density}` : row.density,
        spread(results.map(({ accuracy }) => accuracy)),
        Number(of(({ nll }) => nll).toFixed(3)),
        Number(of(({ ece }) => ece).toFixed(2)),
        Math.round(of(({ nonZeros }) => nonZeros)),
        kib(of(({ valueBytes }) => valueBytes)),
        kib(of(({ csrBytes }) => csrBytes)),
        Math.round(of(({ theoreticalFlops }) => theoreticalFlops) / 1000),
      ]),
    },
    {
      title: "Robustness at the largest width (2,000 pictures for FGSM; -1: not measured)",
      columns: ["network", "density", "AUROC against digits, %", "FGSM accuracy, %", "ECE, %", "NLL"],
      rows: rows
        .filter(({ results }) => results.every(({ fgsm }) => fgsm >= 0))
        .map(({ row, results }) => [
          names[row.masking],
          row.density,
          spread(results.map(({ ood }) => ood)),
          spread(results.map(({ fgsm }) => fgsm)),
          spread(results.map(({ ece }) => ece)),
          spread(results.map(({ nll }) => nll)),
        ]),
    },
  ];
}

function figure(outcomes: Outcomes): Figure {
  const depth = baseDepth(outcomes);
  return {
    title: "Accuracy lost by a random mask (ERK) against width",
    x: { label: "width", scale: "log" },
    y: { label: "dense minus random, points" },
    series: densities.map(
      (density): Series => ({
        name: `density ${density}`,
        points: widthsOf(outcomes).map((width) => {
          const { value, low, high } = interval(gaps(outcomes, density, width, depth));
          return { x: width, y: value, low, high };
        }),
      }),
    ),
  };
}

export const paper = definePaper<Config, Result>({
  slug: "random-pruning",
  title: "The unreasonable effectiveness of random pruning: return of the most naive baseline for sparse training",
  arxiv: "2202.02643",
  claims,
  settings: {
    small: "plain convolutional networks of widths 4 to 32 and depths 3 to 8, 10,000 images of Fashion-MNIST, 5 epochs",
    full: "ResNet-20, -32, -44, -56 of widths 8 to 24 on CIFAR-10, 160 epochs (out-of-distribution detection is not measured; VGG and ImageNet are left out)",
  },
  seeds: { small: 5, full: 3 },
  async *run({ scale, seeds }) {
    yield seeds.flatMap((seed) => jobsOf(scale === "full" ? full : small, seed));
  },
  measure,
  tables,
  figure,
});

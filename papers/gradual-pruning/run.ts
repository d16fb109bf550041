/** To prune, or not to prune: exploring the efficacy of pruning for model compression (Zhu and Gupta 2017). */
import { definePaper, type Figure, interval, type Job, type Outcome, type Series, type Table } from "../harness/index.js";
import { claims, resultsOf } from "./claims.js";
import { type Arm, type Config, type ImageConfig, type Result, sparsities, type TextConfig, textSparsities } from "./config.js";
import { measureImages } from "./images.js";
import { measureText } from "./text.js";

type Outcomes = readonly Outcome<Config, Result>[];

const small = {
  images: { part: "images", data: "fashion-mnist", images: 20_000, epochs: 10, batch: 128, rate: 0.1, every: 20 },
  text: { part: "text", hidden: 128, steps: 1600, streams: 16, window: 32, rate: 6e-3, every: 20 },
} as const;

/** MobileNetV1 on ImageNet; the paper updates masks every 100 to 1000 steps. Its Penn Treebank network has no stand-in of its size but a larger GRU. */
const full = {
  images: { part: "images", data: "imagenet", images: Number.MAX_SAFE_INTEGER, epochs: 100, batch: 64, rate: 0.045, every: 500 },
  text: { part: "text", hidden: 512, steps: 20_000, streams: 32, window: 64, rate: 2e-3, every: 100 },
} as const;

const job = (config: Config): Job<Config> => ({ id: `${config.part}-${config.arm}-${config.sparsity}-${config.seed}`, config });

/** The arms of the picture part at one sparsity; context arms at 90 % only. */
const imageArms = (sparsity: number): Arm[] => [
  "gradual",
  "small-dense",
  "static-random",
  "random-schedule",
  "one-shot",
  "iterative",
  ...(sparsity === 0.9 ? (["linear", "gradual-frozen"] as const) : []),
];
const textArms = (sparsity: number): TextConfig["arm"][] => [
  "gradual",
  "small-dense",
  ...(sparsity === 0.9 ? (["static-random", "one-shot"] as const) : []),
];

const imageJobs = (shared: Omit<ImageConfig, "arm" | "sparsity" | "seed">, seed: number): Job<Config>[] => [
  job({ ...shared, arm: "dense", sparsity: 0, seed }),
  ...sparsities.flatMap((sparsity) => imageArms(sparsity).map((arm) => job({ ...shared, arm, sparsity, seed }))),
];
const textJobs = (shared: Omit<TextConfig, "arm" | "sparsity" | "seed">, seed: number): Job<Config>[] => [
  job({ ...shared, arm: "dense", sparsity: 0, seed }),
  ...textSparsities.flatMap((sparsity) => textArms(sparsity).map((arm) => job({ ...shared, arm, sparsity, seed }))),
];

const names: Readonly<Record<Arm, string>> = {
  dense: "dense",
  gradual: "gradual magnitude (the paper)",
  "gradual-frozen": "gradual magnitude, frozen ranking",
  linear: "gradual magnitude, linear schedule",
  "one-shot": "one-shot magnitude",
  iterative: "iterative magnitude",
  "random-schedule": "random, same schedule",
  "static-random": "random mask from the start",
  "small-dense": "small dense, equal parameters",
};

const average = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const spread = (values: readonly number[]) => {
  const { value, low } = interval(values);
  return `${value.toFixed(2)} ± ${(value - low).toFixed(2)}`;
};

function rowsOf(outcomes: Outcomes, part: Config["part"]): (string | number)[][] {
  const arms = [
    ...new Map(
      outcomes.filter(({ config }) => config.part === part).map(({ config }) => [`${config.arm} ${config.sparsity}`, config]),
    ).values(),
  ];
  return arms
    .sort((a, b) => a.sparsity - b.sparsity)
    .map(({ arm, sparsity }) => {
      const results = resultsOf(outcomes, part, arm, sparsity);
      const of = (pick: (result: Result) => number) => average(results.map(pick));
      const kib = (bytes: number) => Number((bytes / 1024).toFixed(1));
      return [
        names[arm],
        arm === "small-dense" ? `twin of ${sparsity}` : sparsity,
        spread(results.map(({ metric }) => metric)),
        Math.round(of(({ nonZeros }) => nonZeros)),
        kib(of(({ valueBytes }) => valueBytes)),
        kib(of(({ bitmapBytes }) => bitmapBytes)),
        kib(of(({ csrBytes }) => csrBytes)),
        ...(part === "images" ? [Math.round(of(({ theoreticalFlops }) => theoreticalFlops) / 1000)] : []),
      ];
    });
}

function tables(outcomes: Outcomes): Table[] {
  const bytes = ["non-zeros", "KiB, values alone", "KiB with bitmap", "KiB with 32-bit indices"];
  const parts = [
    {
      part: "images",
      title: "Pictures: LeNet-300-100 on Fashion-MNIST (or MobileNet at full scale), mean and 95 % interval",
      columns: ["network", "sparsity", "accuracy, %", ...bytes, "theoretical kFLOPs"],
    },
    {
      part: "text",
      title: "Text: character GRU on tinyshakespeare, mean and 95 % interval",
      columns: ["network", "sparsity", "bits per character", ...bytes],
    },
  ] as const;
  return parts.flatMap(({ part, title, columns }) => {
    const rows = rowsOf(outcomes, part);
    return rows.length === 0 ? [] : [{ title, columns, rows }];
  });
}

/** Accuracy against what is stored: by non-zeros, and again with positions counted. */
function figure(outcomes: Outcomes): Figure {
  const line = (name: string, arms: readonly Arm[], x: (result: Result) => number): Series => ({
    name,
    points: arms
      .flatMap((arm) => (arm === "dense" ? [0] : sparsities).map((sparsity) => resultsOf(outcomes, "images", arm, sparsity)))
      .filter((results) => results.length > 0)
      .map((results) => {
        const { value, low, high } = interval(results.map(({ metric }) => metric));
        return { x: average(results.map(x)) / 1024, y: value, low, high };
      })
      .sort((a, b) => a.x - b.x),
  });
  return {
    title: "Accuracy against stored size: large and sparse, or small and dense",
    x: { label: "KiB stored", scale: "log" },
    y: { label: "test accuracy, %" },
    series: [
      line("gradual, values alone", ["gradual", "dense"], ({ valueBytes }) => valueBytes),
      line("gradual, with 32-bit indices", ["gradual"], ({ csrBytes }) => csrBytes),
      line("gradual, with bitmap", ["gradual"], ({ bitmapBytes }) => bitmapBytes),
      line("small dense", ["small-dense", "dense"], ({ valueBytes }) => valueBytes),
      line("random mask, values alone", ["static-random", "dense"], ({ valueBytes }) => valueBytes),
    ],
  };
}

export const paper = definePaper<Config, Result>({
  slug: "gradual-pruning",
  title: "To prune, or not to prune: exploring the efficacy of pruning for model compression",
  arxiv: "1710.01878",
  claims,
  settings: {
    small:
      "pictures: LeNet-300-100, 20,000 images of Fashion-MNIST, 10 epochs; text: character GRU of 128 units, tinyshakespeare, 1,600 steps of 16 x 32 characters, 3 seeds",
    full: "pictures: MobileNetV1 on ImageNet, 100 epochs; text: character GRU of 512 units, tinyshakespeare, 20,000 steps of 32 x 64 characters",
  },
  seeds: { small: 5, full: 1 },
  async *run({ scale, seeds }) {
    const { images, text } = scale === "full" ? full : small;
    // Text costs the most: at small scale its first three seeds must do.
    const textSeeds = scale === "full" ? seeds : seeds.slice(0, 3);
    yield seeds.flatMap((seed) => [...imageJobs(images, seed), ...(textSeeds.includes(seed) ? textJobs(text, seed) : [])]);
  },
  measure: (config, context) => (config.part === "images" ? measureImages(config, context) : measureText(config, context)),
  tables,
  figure,
});

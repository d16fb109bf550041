/** Fast sparse ConvNets (Elsen et al. 2019). */
import { definePaper, type Figure, interval, type Job, median, type Outcome, type Table } from "../harness/index.js";
import { claims, denseWidths, formRatio, msOf, networksOf, plainRatio, sparseWidth, speedups } from "./claims.js";
import { type Arm, type Config, type NetworkConfig, type Result, shapes, sparsities } from "./config.js";
import { measureKernels } from "./kernels.js";
import { measureLatency, measureNetwork } from "./networks.js";
import { measurePlain } from "./plain.js";

type Outcomes = readonly Outcome<Config, Result>[];

const pruned = [0.8, 0.9] as const;
const small = {
  network: { part: "network", images: 4000, epochs: 6, batch: 32, rate: 0.05 },
  dense: [0.25, 0.375, 0.5],
  width: 0.5,
} as const;
/** The paper trains on ImageNet; this is the largest that the data at hand allow. */
const full = {
  network: { part: "network", images: 50_000, epochs: 60, batch: 128, rate: 0.1 },
  dense: [0.25, 0.375, 0.5, 0.75, 1],
  width: 1,
} as const;

const networkJobs = ({ network, dense, width }: typeof small | typeof full, seed: number): Job<Config>[] => {
  const job = (arm: Arm, w: number, sparsity: number): Job<NetworkConfig> => ({
    id: `${arm}-${w}-${sparsity}-${seed}`,
    config: { ...network, arm, width: w, sparsity, seed },
  });
  return [
    ...dense.map((w) => job("dense", w, 0)),
    ...pruned.map((sparsity) => job("gradual", width, sparsity)),
    job("random", width, 0.9),
  ];
};

const shown = (values: readonly number[], digits = 2) => {
  const { value, low } = interval(values);
  return `${value.toFixed(digits)} ± ${(value - low).toFixed(digits)}`;
};

function kernelTables(outcomes: Outcomes): Table[] {
  const rounds = outcomes.flatMap(({ result }) => (result.part === "kernels" ? [result] : []));
  const micro = (at: number, form: string, sparsity: number, of: "denseMs" | "sparseMs") =>
    1000 *
    median(
      rounds.map(({ times }) => times.find((time) => time.shape === at && time.form === form && time.sparsity === sparsity)![of]),
    );
  return [
    {
      title: "Times faster than the best dense kernel, geometric mean over the 19 layers, mean and 95 % interval over rounds",
      columns: ["sparsity", "single weights", "blocks of 2", "blocks of 4"],
      rows: sparsities.map((sparsity) => [
        sparsity,
        shown(speedups(outcomes, "single", sparsity)),
        ...(["pairs", "fours"] as const).map((form) => (sparsity < 0.66 ? "-" : shown(speedups(outcomes, form, sparsity)))),
      ]),
    },
    {
      title: "The same weights in blocks of 4, 90 %: times slower with a kernel for smaller blocks",
      columns: ["kernel", "times"],
      rows: [
        ["single weights", shown(formRatio(outcomes, "fours held single", "fours", 0.9))],
        ["blocks of 2", shown(formRatio(outcomes, "fours held in pairs", "fours", 0.9))],
      ],
    },
    {
      title: "Microseconds of each layer, one thread",
      columns: ["pixels x out x in", "dense", "dense, pixel-major", "80 %", "90 %", "90 %, blocks of 2", "90 %, blocks of 4"],
      rows: shapes.map((shape, at) => [
        shape.join(" x "),
        micro(at, "single", 0.9, "denseMs").toFixed(1),
        (1000 * median(rounds.map(({ byPixelMs }) => byPixelMs[at]!))).toFixed(1),
        micro(at, "single", 0.8, "sparseMs").toFixed(1),
        micro(at, "single", 0.9, "sparseMs").toFixed(1),
        micro(at, "pairs", 0.9, "sparseMs").toFixed(1),
        micro(at, "fours", 0.9, "sparseMs").toFixed(1),
      ]),
    },
    {
      title: "Plain TypeScript: times slower than single weights, channel-major (NR = 1), mean and 95 % interval over rounds",
      columns: [
        "sparsity",
        "dense, channel-major",
        "dense, pixel-major",
        "compressed rows with gather, pixel-major",
        "blocks of 4",
      ],
      rows: [0.8, 0.9].map((sparsity) => [
        sparsity,
        ...(["denseByChannel", "denseByPixel", "gatherByPixel", "fours"] as const).map((name) =>
          shown(plainRatio(outcomes, sparsity, (time) => time[name], "single")),
        ),
      ]),
    },
  ];
}

function networkTable(outcomes: Outcomes): Table {
  const wide = sparseWidth(outcomes);
  const middle = (width: number, sparsity: number) =>
    median(
      outcomes.flatMap(({ result }) =>
        result.part !== "latency"
          ? []
          : result.times.filter((t) => t.width === width && t.sparsity === sparsity && !t.blocks).map(({ medianMs }) => medianMs),
      ),
    );
  const row = (name: string, arm: Arm, width: number, sparsity: number): (string | number)[] => {
    const found = networksOf(outcomes, arm, sparsity, width);
    const of = (pick: (result: (typeof found)[number]) => number) => interval(found.map(pick)).value;
    return [
      name,
      width,
      sparsity,
      shown(found.map(({ accuracy }) => accuracy)),
      Math.round(of(({ nonZeros }) => nonZeros)),
      Number((of(({ bestBytes }) => bestBytes) / 1024).toFixed(1)),
      `${msOf(outcomes, width, sparsity).toFixed(3)} (${middle(width, sparsity).toFixed(3)})`,
      sparsity === 0 ? "-" : msOf(outcomes, width, sparsity, true).toFixed(3),
    ];
  };
  return {
    title: "Networks: accuracy (mean and 95 % interval over seeds) and milliseconds at batch 1, one thread: least (median)",
    columns: ["network", "width", "sparsity of 1x1", "accuracy, %", "non-zeros", "KiB", "ms", "ms, blocks of 4"],
    rows: [
      ...denseWidths(outcomes).map((width) => row("dense", "dense", width, 0)),
      ...pruned.map((sparsity) => row("gradual magnitude (the paper)", "gradual", wide, sparsity)),
      row("random mask from the start", "random", wide, 0.9),
    ],
  };
}

function figure(outcomes: Outcomes): Figure {
  const wide = sparseWidth(outcomes);
  const point = (arm: Arm, width: number, sparsity: number) => {
    const { value, low, high } = interval(networksOf(outcomes, arm, sparsity, width).map(({ accuracy }) => accuracy));
    return { x: msOf(outcomes, width, sparsity), y: value, low, high };
  };
  return {
    title: "Accuracy against measured time: wide and sparse, or narrow and dense",
    x: { label: "milliseconds, batch 1, one thread", scale: "log" },
    y: { label: "test accuracy, %" },
    series: [
      { name: "dense", points: denseWidths(outcomes).map((width) => point("dense", width, 0)) },
      { name: "sparse 1x1 layers, gradual", points: [...pruned].reverse().map((sparsity) => point("gradual", wide, sparsity)) },
      { name: "sparse 1x1 layers, random mask", points: [point("random", wide, 0.9)] },
    ],
  };
}

export const paper = definePaper<Config, Result>({
  slug: "fast-sparse-convnets",
  title: "Fast sparse ConvNets",
  arxiv: "1911.09723",
  claims,
  settings: {
    small:
      "kernels: the 19 1x1 layers of MobileNetV2, one thread; networks: MobileNetV1 of width 0.25 to 0.5 on 4,000 images of CIFAR-10, 6 epochs, all test images at hand (2,000, or 10,000 with the whole data set)",
    full: "kernels as at small scale; networks: MobileNetV1 of width 0.25 to 1 on CIFAR-10, 60 epochs",
  },
  seeds: { small: 3, full: 3 },
  async *run({ scale, seeds }) {
    const setting = scale === "full" ? full : small;
    yield seeds.flatMap((seed) => networkJobs(setting, seed));
    const { dense, width } = setting;
    yield seeds.flatMap((seed): Job<Config>[] => [
      { id: `kernels-${seed}`, config: { part: "kernels", seed }, timing: true },
      { id: `plain-${seed}`, config: { part: "plain", seed, runs: 15 }, timing: true },
      { id: `latency-${seed}`, config: { part: "latency", seed, runs: 300, dense, width, sparsities: pruned }, timing: true },
    ]);
  },
  measure(config, context) {
    if (config.part === "kernels") return measureKernels(config, context);
    if (config.part === "plain") return measurePlain(config, context);
    return config.part === "latency" ? measureLatency(config, context) : measureNetwork(config, context);
  },
  tables: (outcomes) => [networkTable(outcomes), ...kernelTables(outcomes)],
  figure,
});

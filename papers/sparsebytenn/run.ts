/** SparseByteNN: mobile inference with fine-grained group sparsity (Xu et al. 2023). */
import { definePaper, type Figure, interval, type Job, median, type Outcome, type Table } from "../harness/index.js";
import { measureAccuracy } from "./accuracy.js";
import { armResults, claims, denseResults, denseTunedResults, latencies, retainedResults } from "./claims.js";
import { type Arm, type Config, groupSizes, type Latency, type Result, ratios } from "./config.js";
import { measureLatency } from "./latency.js";

type Outcomes = readonly Outcome<Config, Result>[];

const small = {
  accuracy: {
    part: "accuracy",
    data: "fashion-mnist",
    images: 6000,
    width: 0.25,
    epochs: 6,
    tuning: 1,
    batch: 64,
    rate: 0.05,
  },
  latency: { part: "latency", width: 0.5, pixels: 128, runs: 100 },
} as const;
const full = {
  accuracy: {
    part: "accuracy",
    data: "cifar10",
    images: 50_000,
    width: 0.5,
    epochs: 60,
    tuning: 30,
    batch: 128,
    rate: 0.1,
  },
  latency: { part: "latency", width: 1, pixels: 224, runs: 100 },
} as const;

const names: Readonly<Record<Arm, string>> = {
  unstructured: "unstructured magnitude",
  groups: "kernel groups of 4 filters",
  "groups-rearranged": "kernel groups, channels rearranged (the paper)",
  "groups-of-8": "kernel groups of 8 filters, channels rearranged",
  filters: "whole channels, cut",
};

const shown = (values: readonly number[], digits = 2) => (values.length === 0 ? "-" : interval(values).value.toFixed(digits));

function tables(outcomes: Outcomes): Table[] {
  return [
    {
      title: "Accuracy, %: pruned, and after fine-tuning (mean over seeds)",
      columns: ["network", ...ratios.flatMap((ratio) => [`${ratio} pruned`, `${ratio} tuned`])],
      rows: [
        ["dense", ...ratios.flatMap(() => [shown(denseResults(outcomes)), shown(denseTunedResults(outcomes))])],
        ...(Object.keys(names) as Arm[]).map((arm) => [
          names[arm],
          ...ratios.flatMap((ratio) => {
            const found = armResults(outcomes, arm, ratio);
            return [shown(found.map(({ pruned }) => pruned)), shown(found.map(({ tuned }) => tuned))];
          }),
        ]),
      ],
    },
    {
      title: "Share of sum |w| that groups keep, %",
      columns: ["ratio", "filters of a group", "as given", "sorted by size (1xN)", "rearranged"],
      rows: groupSizes.flatMap((filters) =>
        ratios.map((ratio) => {
          const found = retainedResults(outcomes, ratio, filters);
          return [
            ratio,
            filters,
            shown(found.map(({ before }) => 100 * before)),
            shown(found.map(({ sorted }) => 100 * sorted)),
            shown(found.map(({ after }) => 100 * after)),
          ];
        }),
      ),
    },
    {
      title: "Milliseconds, whole network, batch 1, one thread: least of all runs (median of the rounds)",
      columns: ["ratio", "dense kernels", "group kernels 4x1", "unstructured kernels"],
      rows: ratios.map((ratio) => {
        const found = latencies(outcomes, ratio);
        const both = (least: (time: Latency) => number, middle: (time: Latency) => number) =>
          found.length === 0 ? "-" : `${Math.min(...found.map(least)).toFixed(3)} (${median(found.map(middle)).toFixed(3)})`;
        return [
          ratio,
          both(
            ({ denseMs }) => denseMs,
            ({ medians }) => medians.dense,
          ),
          both(
            ({ groupMs }) => groupMs,
            ({ medians }) => medians.group,
          ),
          both(
            ({ unstructuredMs }) => unstructuredMs,
            ({ medians }) => medians.unstructured,
          ),
        ];
      }),
    },
  ];
}

const figure = (outcomes: Outcomes): Figure => ({
  title: "Accuracy after fine-tuning against the share of kernel groups removed",
  x: { label: "removed" },
  y: { label: "test accuracy, %" },
  series: (Object.keys(names) as Arm[]).map((arm) => ({
    name: names[arm],
    points: ratios.flatMap((ratio) => {
      const found = armResults(outcomes, arm, ratio).map(({ tuned }) => tuned);
      if (found.length === 0) return [];
      const { value, low, high } = interval(found);
      return [{ x: ratio, y: value, low, high }];
    }),
  })),
});

export const paper = definePaper<Config, Result>({
  slug: "sparsebytenn",
  title: "SparseByteNN: a novel mobile inference acceleration framework based on fine-grained group sparsity",
  arxiv: "2310.19509",
  claims,
  settings: {
    small:
      "accuracy: MobileNetV1-0.25, 6,000 images of Fashion-MNIST, 6 epochs and 1 of fine-tuning, 2,000 test images; latency: MobileNetV1-0.5 at 128 x 128, 3 rounds",
    full: "accuracy: MobileNetV1-0.5, CIFAR-10, 60 epochs and 30 of fine-tuning; latency: MobileNetV1-1.0 at 224 x 224",
  },
  seeds: { small: 3, full: 3 },
  async *run({ scale, seeds }) {
    const { accuracy, latency } = scale === "full" ? full : small;
    yield seeds.map((seed): Job<Config> => ({ id: `accuracy-${seed}`, config: { ...accuracy, seed } }));
    yield seeds.map((seed): Job<Config> => ({ id: `latency-${seed}`, config: { ...latency, seed }, timing: true }));
  },
  measure: (config, context) => (config.part === "accuracy" ? measureAccuracy(config, context) : measureLatency(config, context)),
  tables,
  figure,
});

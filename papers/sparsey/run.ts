/** Superposed Episodic and Semantic Memory via Sparse Distributed Representation. Rinkus and Leveille 2017. */
import { definePaper, type Job, mean } from "../harness/index.js";
import { accuracy } from "./accuracy.js";
import { type Config, claims, type ImageSet, type Result } from "./claims.js";
import { images } from "./images.js";
import { recall } from "./recall.js";
import { sequences } from "./sequences.js";
import { similarity } from "./similarity.js";
import { storageTimes } from "./times.js";

const SIZES = { small: { train: 5000, test: 1000 }, full: { train: 60_000, test: 10_000 } } as const;
const STORED = [25, 50, 100, 200, 400];
const FILMS = [5, 20, 50];

export const paper = definePaper<Config, Result>({
  slug: "sparsey",
  title: "Superposed Episodic and Semantic Memory via Sparse Distributed Representation",
  arxiv: "1710.07829",
  claims,
  settings: {
    small: "MNIST and Fashion-MNIST, one pass over 5000 items, tests on 1000; recall of 25 to 400 items; films of 10 frames",
    full: "one pass over all 60,000 items, tests on all 10,000; recall and films as in the small setting",
  },
  seeds: { small: 3, full: 3 },
  async *run({ scale, seeds }) {
    const jobs: Job<Config>[] = [];
    for (const set of ["mnist", "fashion-mnist"] as const) {
      for (const seed of seeds) {
        for (const kind of ["codes", "times", "accuracy", "sequences"] as const) {
          const size = kind === "accuracy" ? SIZES[scale] : { train: kind === "times" ? 3000 : 1000, test: 1 };
          jobs.push({ id: `${kind}-${set}-${seed}`, config: { kind, set, seed, ...size } });
        }
      }
    }
    yield jobs;
  },
  async measure({ kind, set, seed, train: size, test: tests }, { dataFolder, now, progress }) {
    const { train, test } = await images(set, dataFolder, size, tests);
    if (kind === "codes") return { recall: recall(train, STORED, seed), similarity: similarity(train, 150, seed) };
    if (kind === "times") return { times: storageTimes(train, size, seed, now) };
    if (kind === "sequences") return { sequences: sequences(train, FILMS, seed) };
    return { accuracy: await accuracy(train, test, seed, now, progress) };
  },
  figure(outcomes) {
    const curve = (set: ImageSet) => {
      const all = outcomes.flatMap(({ config, result }) =>
        config.set === set && result.similarity ? [result.similarity.curve] : [],
      );
      return all[0]!.map(({ similarity: x }, i) => ({ x, y: mean(all.map((points) => points[i]!.overlap)) }));
    };
    return {
      title: "Code overlap against input similarity, one item stored",
      x: { label: "share of active pixels in common" },
      y: { label: "share of modules with the same winner" },
      series: [
        { name: "MNIST", points: curve("mnist") },
        { name: "Fashion-MNIST", points: curve("fashion-mnist") },
        {
          name: "chance, 1 / K",
          points: [
            { x: 0, y: 1 / 64 },
            { x: 1, y: 1 / 64 },
          ],
        },
      ],
    };
  },
  figures(outcomes) {
    const times = (set: ImageSet) => {
      const all = outcomes.flatMap(({ config, result }) => (config.set === set && result.times ? [result.times] : []));
      return all[0]!.map((_, i) => {
        const values = all.map((own) => own[i]!);
        return { x: (i + 1) * 300, y: mean(values), low: Math.min(...values), high: Math.max(...values) };
      });
    };
    return {
      time: {
        title: "Time to store one item as the store fills",
        x: { label: "items in store" },
        y: { label: "microseconds, median of 300 items" },
        series: [
          { name: "MNIST", points: times("mnist") },
          { name: "Fashion-MNIST", points: times("fashion-mnist") },
        ],
      },
    };
  },
  tables(outcomes) {
    const of = <T>(pick: (result: Result) => T | undefined) =>
      outcomes.flatMap(({ config, result }) => {
        const value = pick(result);
        return value === undefined ? [] : [{ config, value }];
      });
    return [
      {
        title: "Recall after one trial: one mac of 100 modules of 64 cells over the edges of an image",
        columns: [
          "images",
          "seed",
          "stored",
          "exact",
          "mean overlap",
          "completed",
          "chance",
          "weights full",
          "distinct codes",
          "exact, random codes",
          "completed, random codes",
        ],
        rows: of((r) => r.recall).flatMap(({ config, value }) =>
          value.map((r) => [
            config.set,
            config.seed,
            r.stored,
            r.exact,
            r.meanOverlap,
            r.completed,
            r.chance,
            r.fullness,
            r.distinct,
            r.willshawExact,
            r.willshawCompleted,
          ]),
        ),
      },
      {
        title: "Similarity preservation (Spearman), and modules that keep their winner when an item is stored twice",
        columns: [
          "images",
          "seed",
          "one stored",
          "100 in store",
          "random codes",
          "hashing",
          "stored twice",
          "stored twice, defaults",
        ],
        rows: of((r) => r.similarity).map(({ config, value }) => [
          config.set,
          config.seed,
          value.pairs,
          value.inStore,
          value.random,
          value.hashing,
          value.repeated,
          value.repeatedByDefault,
        ]),
      },
      {
        title: "Accuracy after one pass (%), label counts on each code; nearest neighbour keeps all items",
        columns: [
          "images",
          "seed",
          "one level",
          "two levels",
          "random codes",
          "pixels",
          "k-winner layer",
          "nearest neighbour",
          "softmax regression",
          "perceptron, 256",
          "seconds",
          "cells frozen",
        ],
        rows: of((r) => r.accuracy).map(({ config, value: a }) => [
          config.set,
          config.seed,
          a.oneLevel,
          a.twoLevels,
          a.randomCodes,
          a.pixels,
          a.kWinners,
          a.nearestNeighbour,
          a.logistic,
          a.perceptron,
          a.seconds,
          a.frozen,
        ]),
      },
      {
        title: "Microseconds to store an item, median of each tenth of 3000",
        columns: ["images", "seed", ...Array.from({ length: 10 }, (_, i) => `${i + 1}/10`)],
        rows: of((r) => r.times).map(({ config, value }) => [config.set, config.seed, ...value]),
      },
      {
        title: "Films of 10 frames played on from their first two",
        columns: ["images", "seed", "films", "pixels recalled", "chance", "modules right"],
        rows: of((r) => r.sequences).flatMap(({ config, value }) =>
          value.map((r) => [config.set, config.seed, r.stored, r.pixels, r.chance, r.codes]),
        ),
      },
    ];
  },
});

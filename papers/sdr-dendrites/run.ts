/** How do neurons operate on sparse distributed representations? Ahmad and Hawkins 2016. */
import { definePaper, type Job } from "../harness/index.js";
import { images } from "../sparsey/images.js";
import { type Config, claims, type Result } from "./claims.js";
import { closedForms, realCodes, simulations, unionRatios } from "./experiments.js";

const SIZES = {
  small: { trials: 100_000, stored: 200, shown: 1000 },
  full: { trials: 1_000_000, stored: 2000, shown: 10_000 },
} as const;

export const paper = definePaper<Config, Result>({
  slug: "sdr-dendrites",
  title:
    "How do neurons operate on sparse distributed representations? A mathematical theory of sparsity, neurons and active dendrites",
  arxiv: "1601.00720",
  claims,
  settings: {
    small: "all formulas as published; 100,000 trials a setting; codes of 1200 images of Fashion-MNIST and MNIST each",
    full: "all formulas as published; 1,000,000 trials a setting; codes of 12,000 images of each set",
  },
  seeds: { small: 3, full: 3 },
  async *run({ scale, seeds }) {
    const { trials, stored, shown } = SIZES[scale];
    const jobs: Job<Config>[] = [{ id: "closed-forms", config: { kind: "closed" } }];
    for (const seed of seeds) {
      jobs.push({ id: `simulation-${seed}`, config: { kind: "simulation", seed, trials } });
      for (const set of ["fashion-mnist", "mnist"] as const)
        jobs.push({ id: `${set}-${seed}`, config: { kind: "images", seed, set, stored, shown } });
    }
    yield jobs;
  },
  async measure(config, { dataFolder }) {
    if (config.kind === "closed") return { closed: closedForms() };
    if (config.kind === "simulation") {
      return { comparisons: simulations(config.seed, config.trials), unions: unionRatios(config.seed, config.trials) };
    }
    const { train } = await images(config.set, dataFolder, config.stored + config.shown, 1);
    return { images: realCodes(train.pixels, 784, config.stored, config.shown, config.seed) };
  },
  figure(outcomes) {
    const { scaling } = outcomes.find(({ result }) => result.closed)!.result.closed!;
    const line = (name: string, of: (row: (typeof scaling)[number]) => number) => ({
      name,
      points: scaling.map((row) => ({ x: row.n, y: of(row) })),
    });
    return {
      title: "False matches as the population grows (s 24, threshold 12)",
      x: { label: "cells", scale: "log" },
      y: { label: "log10 of the false-match probability" },
      series: [
        line("128 active cells", (row) => row.fixedActive),
        line("2 % active", (row) => row.fixedSparsity),
        line("50 % active", (row) => row.halfActive),
      ],
    };
  },
  tables(outcomes) {
    const first = outcomes.find(({ result }) => result.comparisons)!.result;
    const rows = (set: string) =>
      outcomes
        .filter(({ config }) => config.kind === "images" && config.set === set)
        .flatMap(({ config, result }) =>
          result.images!.map((r) => [
            set,
            config.kind === "images" ? config.seed : 0,
            r.threshold,
            r.rate,
            r.formula,
            r.rate / r.formula,
            r.effectiveCells ?? "none seen",
          ]),
        );
    return [
      {
        title: "Formula beside simulation (first seed)",
        columns: ["setting", "formula", "simulated", "99 % low", "99 % high"],
        rows: first.comparisons!.map(({ setting, formula, simulated, low, high }) => [setting, formula, simulated, low, high]),
      },
      {
        title: "Codes of real images (n 2000, a 40, s 20): false matches beside the formula for random codes",
        columns: ["images", "seed", "threshold", "measured", "formula", "ratio", "effective cells"],
        rows: [...rows("fashion-mnist"), ...rows("mnist")],
      },
    ];
  },
});

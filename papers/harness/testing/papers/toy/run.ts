/** A paper for tests: arithmetic instead of training. `TOY_FAIL` in the configuration makes a job fail or die. */
import { definePaper } from "../../../index.js";
import { claims } from "./claims.js";

export interface ToyConfig {
  readonly arm: string;
  readonly seed: number;
  readonly base?: number;
}

export interface ToyResult {
  readonly accuracy: number;
  readonly pid: number;
}

export const paper = definePaper<ToyConfig, ToyResult>({
  slug: "toy",
  title: "A toy",
  arxiv: "0000.00000",
  claims,
  settings: { small: "no data", full: "no data either" },
  seeds: { small: 3, full: 5 },
  async *run({ seeds }) {
    const first = yield seeds.map((seed) => ({ id: `small-${seed}`, config: { arm: "small", seed } }));
    yield first.map(({ config: { seed }, result }) => ({
      id: `sparse-${seed}`,
      config: { arm: "sparse", seed, base: result.accuracy },
    }));
  },
  async measure({ arm, seed, base = 0 }, { progress }) {
    progress(0.5, "half");
    if (arm === "die") process.kill(process.pid, "SIGKILL");
    if (arm === "nan") return { accuracy: Number.NaN, pid: process.pid };
    return { accuracy: arm === "small" ? 60 + seed : base + 10 + 0.1 * seed, pid: process.pid };
  },
  figure: (outcomes) => ({
    title: "Toy",
    x: { label: "seed" },
    y: { label: "accuracy, %" },
    series: ["small", "sparse"].map((name) => ({
      name,
      points: outcomes
        .filter(({ config }) => config.arm === name)
        .map(({ config, result }) => ({ x: config.seed, y: result.accuracy })),
    })),
  }),
  tables: (outcomes) => [
    { title: "All", columns: ["job", "accuracy"], rows: outcomes.map(({ id, result }) => [id, result.accuracy]) },
  ],
});

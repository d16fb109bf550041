/** Efficient inverted indexes for approximate retrieval over learned sparse representations (Bruch et al. 2024). */
import { definePaper, type Figure, type Job, mean, type Outcome, type Table } from "../harness/index.js";
import { atLeastAsLarge, cheapest, claims, scoredAt } from "./claims.js";
import { type Config, fixedCounts, fixedFractions, type Result, type Work } from "./config.js";
import { measure } from "./measure.js";

type Outcomes = readonly Outcome<Config, Result>[];

const sizes = {
  small: { documents: 30_000, queries: 200 },
  full: { documents: 1_000_000, queries: 1000 },
} as const;

/** Collection sizes at which exact search may still win. */
const crossover = [1000, 5000, 10_000, 100_000] as const;

const job = (config: Config): Job<Config> => ({
  id: `${config.part}-${config.part === "crossover" ? config.documents : config.arm}-${config.seed}`,
  config,
});

const average = (outcomes: Outcomes, part: Config["part"], arm: string, value: (o: Outcome<Config, Result>) => number) =>
  mean(outcomes.filter(({ config }) => config.part === part && config.arm === arm).map(value));

function speedTable(outcomes: Outcomes): Table {
  const of = (arm: string, value: (o: Outcome<Config, Result>) => number) => average(outcomes, "speed", arm, value);
  const search = (arm: "paper" | "ours", accuracy: number) => [
    `${arm}, accuracy@10 of at least ${accuracy}`,
    (1000 * of(arm, ({ result }) => cheapest(result.points, accuracy).ms)).toFixed(0),
    of(arm, ({ result }) => cheapest(result.points, accuracy).accuracy).toFixed(4),
    of(arm, ({ result }) => cheapest(result.points, accuracy).scored).toFixed(0),
    (of(arm, ({ result }) => result.bytes) / 1e6).toFixed(1),
  ];
  return {
    title: "Median time of a query, one thread",
    columns: ["search", "microseconds", "accuracy@10", "documents scored", "index MB"],
    rows: [
      search("paper", 0.9),
      search("paper", 0.95),
      search("ours", 0.9),
      search("ours", 0.95),
      ["exhaustive", (1000 * of("paper", ({ result }) => result.exhaustiveMs!)).toFixed(0), "1", "all", ""],
      [
        "exact, term at a time",
        (1000 * of("paper", ({ result }) => result.termAtATimeMs!)).toFixed(0),
        "1",
        "all that share a coordinate",
        "",
      ],
      ["exact, MaxScore", (1000 * of("paper", ({ result }) => result.maxScoreMs!)).toFixed(0), "1", "", ""],
    ],
  };
}

function crossoverTable(outcomes: Outcomes): Table {
  const rows = outcomes
    .filter(({ config: { part, arm } }) => part === "crossover" || (part === "speed" && arm === "paper"))
    .sort((a, b) => a.config.documents - b.config.documents)
    .filter(({ config }, i, all) => config.documents !== all[i - 1]?.config.documents);
  const microseconds = (ms: number | null) => (1000 * ms!).toFixed(0);
  return {
    title: "Microseconds of a query as the collection grows (paper's grouping, accuracy@10 of at least 0.90, first seed)",
    columns: ["documents", "seismic", "exact, term at a time", "exhaustive", "MaxScore", "documents scored", "accuracy@10"],
    rows: rows.map(({ config, result }) => {
      const point = cheapest(result.points, 0.9);
      return [
        config.documents,
        microseconds(point.ms),
        microseconds(result.termAtATimeMs),
        microseconds(result.exhaustiveMs),
        microseconds(result.maxScoreMs),
        point.scored.toFixed(0),
        point.accuracy.toFixed(4),
      ];
    }),
  };
}

function baselineTable(outcomes: Outcomes): Table {
  const own = outcomes.filter(({ config }) => config.part === "baselines");
  const lines = (search: string, unit: string, pick: (result: Result) => readonly Work[]) =>
    pick(own[0]!.result).map(({ setting }, i) => [
      search,
      setting,
      mean(own.map(({ result }) => pick(result)[i]!.accuracy)).toFixed(4),
      `${mean(own.map(({ result }) => pick(result)[i]!.work)).toFixed(0)} ${unit}`,
    ]);
  return {
    title: `Other families (means over seeds); a query's coordinates have ${mean(own.map(({ result }) => result.postings!)).toFixed(0)} postings`,
    columns: ["search", "clusters or share of postings", "accuracy@10", "work per query"],
    rows: [
      ...lines("clustering (SparseIvf)", "documents", (r) => r.clustering!),
      ...lines("impact-ordered anytime", "postings", (r) => r.impactOrdered!),
    ],
  };
}

function ablationTable(outcomes: Outcomes): Table {
  const seeds = [...new Set(outcomes.map(({ config }) => config.seed))];
  const rows = seeds.flatMap((seed) => {
    const own = outcomes.filter(({ config }) => config.seed === seed);
    const paper = own.find(({ config }) => config.part === "ablation" && config.arm === "paper")!;
    return [paper, atLeastAsLarge(own, "fixed-blocks-"), atLeastAsLarge(own, "fixed-count-")].map(({ config, result }) => [
      seed,
      config.arm,
      (result.bytes / 1e6).toFixed(2),
      scoredAt(result.points, 0.9).toFixed(0),
    ]);
  });
  return {
    title: "Ablations at equal bytes: documents scored for accuracy@10 of 0.90",
    columns: ["seed", "index", "MB", "documents scored"],
    rows,
  };
}

/** The paper, as the harness runs it. */
export const paper = definePaper<Config, Result>({
  slug: "seismic",
  title: "Efficient inverted indexes for approximate retrieval over learned sparse representations",
  arxiv: "2404.18812",
  claims,
  settings: {
    small: "30,000 synthetic SPLADE-shaped documents (30,522 coordinates, 120 non-zeros), 200 queries; Cranfield through BM25",
    full: "1,000,000 synthetic SPLADE-shaped documents, 1,000 queries; Cranfield through BM25",
  },
  seeds: { small: 3, full: 3 },
  timing: true,
  async *run({ scale, seeds }) {
    const { documents, queries } = sizes[scale];
    const [first] = seeds;
    yield seeds.flatMap((seed) => {
      const shared = { documents, queries, seed, cut: 8 };
      const arms = [
        "paper",
        ...fixedFractions.map((f) => `fixed-blocks-${f}` as const),
        ...fixedCounts.map((n) => `fixed-count-${n}` as const),
      ] as const;
      return [
        job({ ...shared, part: "speed", arm: "paper" }),
        job({ ...shared, part: "speed", arm: "ours" }),
        ...(seed === first ? crossover.map((size) => job({ ...shared, documents: size, part: "crossover", arm: "paper" })) : []),
        job({ ...shared, part: "baselines", arm: "paper" }),
        ...arms.map((arm) => job({ ...shared, part: "ablation", arm })),
        job({ ...shared, part: "cranfield", arm: "paper", cut: 12 }),
      ];
    });
  },
  measure,
  figure(outcomes): Figure {
    const series = (["paper", "ours"] as const).map((arm) => {
      const runs = outcomes.filter(({ config }) => config.part === "speed" && config.arm === arm);
      const points = (runs[0]?.result.points ?? []).map(({ heapFactor }, i) => ({
        heapFactor,
        x: mean(runs.map(({ result }) => result.points[i]!.scored)),
        y: mean(runs.map(({ result }) => result.points[i]!.accuracy)),
      }));
      return {
        name: arm === "paper" ? "grouping of the paper" : "cosine, large groups split",
        points: points.map(({ x, y }) => ({ x, y })).sort((a, b) => a.x - b.x),
      };
    });
    return {
      title: "Accuracy against documents scored",
      x: { label: "documents scored per query", scale: "log" },
      y: { label: "accuracy@10" },
      series,
    };
  },
  tables: (outcomes) => [speedTable(outcomes), crossoverTable(outcomes), baselineTable(outcomes), ablationTable(outcomes)],
});

/** Constructing and Sampling Directed Graphs with Linearly Rescaled Degree Matrices. 2025. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createRng, InputError } from "../../src/core/index.js";
import { gunzip, readNpz } from "../../src/formats/index.js";
import {
  baselineNames,
  baselineSample,
  type Digraph,
  degreeCorrelationMatrix,
  degreeDistances,
  digraphFromArcs,
  graphProfile,
  jointDegreeMatrix,
  powerLawDigraph,
  readEdgeList,
  readGml,
  sampleDigraph,
} from "../../src/graphs/index.js";
import { definePaper, type Job, mean } from "../harness/index.js";
import { type Config, claims, type GraphName, ours, type Result, type SamplerResult } from "./claims.js";

const REAL = ["polblogs", "gnutella", "cora-ml"] as const;
/** Ratios at which samplers are compared. */
const RATIOS = [0.1, 0.3, 0.5];

/** Cora-ML as arcs: `edges` is [arcs, 2]. */
function coraMl(bytes: Uint8Array): Digraph {
  const edges = readNpz(bytes)["edges"];
  if (edges?.shape.length !== 2 || edges.shape[1] !== 2 || !(edges.data instanceof Int32Array)) {
    throw new InputError("cora_ml_directed.npz: expected the array edges, int32 [arcs, 2]");
  }
  const { data } = edges;
  const count = data.length / 2;
  let nodes = 0;
  for (const v of data) nodes = Math.max(nodes, v + 1);
  return digraphFromArcs({
    nodes,
    from: Int32Array.from({ length: count }, (_, e) => data[2 * e]!),
    to: Int32Array.from({ length: count }, (_, e) => data[2 * e + 1]!),
  }).graph;
}

function load(name: GraphName, dataFolder: string, arcs: number): Digraph {
  if (name === "synthetic") return powerLawDigraph({ nodes: Math.round(arcs / 10), arcs }, createRng(20_250_723));
  const read = (file: string) => {
    const path = join(dataFolder, "graphs", file);
    if (!existsSync(path)) {
      throw new InputError(
        `directed-graph-sampling: there is no ${path}; put the graphs of papers/directed-graph-sampling/README.md there, or set SPARSELAND_DATA to the folder that holds graphs/`,
      );
    }
    return new Uint8Array(readFileSync(path));
  };
  if (name === "polblogs") return readGml(gunzip(read("polblogs.gml.gz"))).graph;
  if (name === "gnutella") return readEdgeList(gunzip(read("p2p-Gnutella04.txt.gz"))).graph;
  return coraMl(read("cora_ml_directed.npz"));
}

export const paper = definePaper<Config, Result>({
  slug: "directed-graph-sampling",
  title: "Constructing and Sampling Directed Graphs with Linearly Rescaled Degree Matrices",
  arxiv: "2507.23025",
  claims,
  settings: {
    small:
      "polblogs, Gnutella04, Cora-ML at ratios 0.1, 0.3, 0.5 with six baselines, and rebuilt whole; a tenth of a synthetic graph of 10 million arcs",
    full: "the same graphs and ratios; the synthetic graph has 50 million arcs",
  },
  seeds: { small: 5, full: 5 },
  async *run({ scale, seeds }) {
    const jobs: Job<Config>[] = [];
    for (const seed of seeds) {
      for (const graph of REAL) {
        for (const ratio of RATIOS)
          jobs.push({ id: `${graph}-${ratio}-${seed}`, config: { graph, ratio, seed, arcs: 0, baselines: true } });
        jobs.push({ id: `${graph}-1-${seed}`, config: { graph, ratio: 1, seed, arcs: 0, baselines: false } });
      }
    }
    const arcs = scale === "small" ? 10_000_000 : 50_000_000;
    for (const seed of seeds.slice(0, 2))
      jobs.push({ id: `synthetic-${seed}`, config: { graph: "synthetic", ratio: 0.1, seed, arcs, baselines: false } });
    yield jobs;
  },
  async measure({ graph: name, ratio, seed, arcs, baselines }, { dataFolder, now, progress }) {
    const graph = load(name, dataFolder, arcs);
    progress(0.3, "sampling");
    const start = now();
    const { graph: sample, rescaled } = sampleDigraph(graph, { ratio, rng: createRng(seed) });
    const seconds = (now() - start) / 1000;
    const memoryMiB = process.resourceUsage().maxRSS / 1024;
    const profiled = baselines;
    const row = (sampler: string, made: Digraph, took: number): SamplerResult => ({
      sampler,
      nodes: made.nodes,
      arcs: made.arcs,
      seconds: took,
      distances: degreeDistances(graph, made),
      profile: profiled ? graphProfile(made) : null,
    });
    const samplers = [row("degree matrices", sample, seconds)];
    for (const baseline of baselines ? baselineNames : []) {
      const from = now();
      const made = baselineSample(baseline, graph, ratio, createRng(seed).split(baseline));
      samplers.push(row(baseline, made, (now() - from) / 1000));
    }
    const correlationEntries = degreeCorrelationMatrix(graph).counts.length;
    const jointEntries = jointDegreeMatrix(graph).counts.length;
    const limit = (deviation: number) => (Math.max(1, deviation) + 0.5) / rescaled.nodes;
    return {
      nodes: graph.nodes,
      arcs: graph.arcs,
      correlationEntries,
      jointEntries,
      profile: profiled ? graphProfile(graph) : null,
      samplers,
      bounds: {
        ksIn: limit(rescaled.levelDeviationIn),
        ksOut: limit(rescaled.levelDeviationOut),
        tvCorrelation: rescaled.correlationStep.bound,
        tvJoint: rescaled.jointStep.bound,
      },
      unitBounds: { correlation: correlationEntries / (2 * rescaled.nodes), joint: jointEntries / (2 * rescaled.arcs) },
      repairs: rescaled.repairs,
      cappedShare: (rescaled.cappedIn + rescaled.cappedOut) / (2 * graph.arcs),
      memoryMiB,
    };
  },
  figure(outcomes) {
    return {
      title: "Total variation of the joint-degree distribution (mean over seeds)",
      x: { label: "ratio" },
      y: { label: "total variation" },
      series: REAL.flatMap((graph) =>
        (["degree matrices", "configuration", "forest-fire"] as const).map((sampler) => ({
          name: `${graph}: ${sampler}`,
          points: RATIOS.map((ratio) => ({
            x: ratio,
            y: mean(
              outcomes
                .filter(({ config }) => config.graph === graph && config.ratio === ratio)
                .map(({ result }) => result.samplers.find((row) => row.sampler === sampler)!.distances.tvJoint),
            ),
          })),
        })),
      ),
    };
  },
  tables(outcomes) {
    const groups = [...REAL, "synthetic" as const].flatMap((graph) =>
      RATIOS.map((ratio) => ({
        graph,
        ratio,
        all: outcomes.filter(({ config }) => config.graph === graph && config.ratio === ratio).map(({ result }) => result),
      })),
    );
    const present = groups.filter(({ all }) => all.length > 0);
    return [
      {
        title: "Distances by sampler, means over seeds",
        columns: ["sampler", "graph", "ratio", "arcs", "KS in", "KS out", "TV in x out", "TV joint", "seconds"],
        rows: present.flatMap(({ graph, ratio, all }) =>
          all[0]!.samplers.map(({ sampler }, i) => {
            const of = (pick: (row: SamplerResult) => number) => mean(all.map((result) => pick(result.samplers[i]!)));
            return [
              sampler,
              graph,
              ratio,
              Math.round(of((row) => row.arcs)),
              of((row) => row.distances.ksIn),
              of((row) => row.distances.ksOut),
              of((row) => row.distances.tvCorrelation),
              of((row) => row.distances.tvJoint),
              of((row) => row.seconds),
            ];
          }),
        ),
      },
      {
        title: "Bounds of our sample, and what had to be repaired (means over seeds)",
        columns: [
          "graph",
          "ratio",
          "KS bound",
          "TV in x out bound",
          "TV joint bound",
          "|C|/(2n')",
          "|J|/(2m')",
          "stubs capped",
          "repairs",
          "peak MiB",
        ],
        rows: present.map(({ graph, ratio, all }) => [
          graph,
          ratio,
          mean(all.map(({ bounds }) => Math.max(bounds.ksIn, bounds.ksOut))),
          mean(all.map(({ bounds }) => bounds.tvCorrelation)),
          mean(all.map(({ bounds }) => bounds.tvJoint)),
          mean(all.map(({ unitBounds }) => unitBounds.correlation)),
          mean(all.map(({ unitBounds }) => unitBounds.joint)),
          mean(all.map(({ cappedShare }) => cappedShare)),
          mean(all.map(({ repairs }) => repairs.length)),
          Math.round(Math.max(...all.map(({ memoryMiB }) => memoryMiB))),
        ]),
      },
      {
        title: "Properties that the degree matrices do not fix (means over seeds)",
        columns: [
          "graph",
          "ratio",
          "sampler",
          "reciprocity",
          "clustering",
          "weak",
          "strong",
          "PageRank top tenth",
          "assortativity out-in",
        ],
        rows: present
          .filter(({ graph }) => graph !== "synthetic")
          .flatMap(({ graph, ratio, all }) => {
            const line = (name: string, profiles: readonly Result["profile"][]) => [
              graph,
              ratio,
              name,
              ...[
                (p: NonNullable<Result["profile"]>) => p.reciprocity,
                (p: NonNullable<Result["profile"]>) => p.clustering,
                (p: NonNullable<Result["profile"]>) => p.largestWeak,
                (p: NonNullable<Result["profile"]>) => p.largestStrong,
                (p: NonNullable<Result["profile"]>) => p.pageRankTopDecile,
                (p: NonNullable<Result["profile"]>) => p.assortativity.outIn,
              ].map((pick) => mean(profiles.map((p) => pick(p!)))),
            ];
            return [
              line("original", [all[0]!.profile]),
              line(
                "degree matrices",
                all.map((result) => ours(result).profile),
              ),
              line(
                "forest-fire",
                all.map((result) => result.samplers.find(({ sampler }) => sampler === "forest-fire")!.profile),
              ),
            ];
          }),
      },
    ];
  },
});

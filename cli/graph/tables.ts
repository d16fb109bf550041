/** Tables about graphs and samples. */
import type { DegreeDistances, Digraph, DigraphSample, GraphProfile } from "../../src/graphs/index.js";

/** A number as the tables show it. */
export const round = (value: number) => (Number.isInteger(value) ? value : Number(value.toPrecision(4)));

/** The numbers of one graph as rows of a table. */
export function profileRows(profiles: readonly GraphProfile[]): (readonly (string | number)[])[] {
  const row = (name: string, of: (profile: GraphProfile) => number) => [name, ...profiles.map((profile) => round(of(profile)))];
  return [
    row("nodes", (p) => p.nodes),
    row("arcs", (p) => p.arcs),
    row("largest in-degree", (p) => p.maxIn),
    row("largest out-degree", (p) => p.maxOut),
    row("degree correlation entries per node", (p) => p.correlationEntries),
    row("joint degree entries per arc", (p) => p.jointEntries),
    row("reciprocity", (p) => p.reciprocity),
    row("mean clustering", (p) => p.clustering),
    row("largest weak component, share", (p) => p.largestWeak),
    row("largest strong component, share", (p) => p.largestStrong),
    row("PageRank mass of the top tenth", (p) => p.pageRankTopDecile),
    row("assortativity out-in", (p) => p.assortativity.outIn),
    row("assortativity out-out", (p) => p.assortativity.outOut),
    row("assortativity in-in", (p) => p.assortativity.inIn),
    row("assortativity in-out", (p) => p.assortativity.inOut),
  ];
}

/** A sampler as a row. */
export function distanceRow(name: string, graph: Digraph, d: DegreeDistances, seconds: number): readonly (string | number)[] {
  return [name, graph.nodes, graph.arcs, ...[d.ksIn, d.ksOut, d.tvCorrelation, d.tvJoint].map(round), round(seconds)];
}

/** What is guaranteed of a sample, beside what was measured. */
export function bounds({ rescaled }: DigraphSample) {
  const ks = (deviation: number) => (rescaled.nodes === 0 ? 0 : (Math.max(1, deviation) + 0.5) / rescaled.nodes);
  return {
    ksIn: ks(rescaled.levelDeviationIn),
    ksOut: ks(rescaled.levelDeviationOut),
    tvCorrelation: rescaled.correlationStep.bound,
    tvJoint: rescaled.jointStep.bound,
  };
}

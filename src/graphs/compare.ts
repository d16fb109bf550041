/** How well a sample stands for its original: distances beside their bounds, and the properties that nothing guarantees. */
import { degreeCorrelationMatrix, histogram, jointDegreeMatrix } from "./degree-matrix.js";
import { type Digraph, inDegrees, outDegrees } from "./digraph.js";
import { ksDistance, l1Distance, totalVariation } from "./distances.js";
import { assortativity, meanClustering, pageRankTopDecile, reciprocity, strongComponents, weakComponents } from "./statistics.js";

/** Distances of a sample's degree structure from its original's. */
export interface DegreeDistances {
  readonly ksIn: number;
  readonly ksOut: number;
  readonly l1In: number;
  readonly l1Out: number;
  /** Total variation of the degree correlation and of the joint degree distributions. */
  readonly tvCorrelation: number;
  readonly tvJoint: number;
}

/** A graph's numbers beyond its degree matrices. */
export interface GraphProfile {
  readonly nodes: number;
  readonly arcs: number;
  readonly maxIn: number;
  readonly maxOut: number;
  /** Non-zero entries of the degree correlation matrix per node, and of the joint degree matrix per arc. */
  readonly correlationEntries: number;
  readonly jointEntries: number;
  readonly reciprocity: number;
  readonly clustering: number;
  readonly largestWeak: number;
  readonly largestStrong: number;
  readonly pageRankTopDecile: number;
  readonly assortativity: { readonly outIn: number; readonly outOut: number; readonly inIn: number; readonly inOut: number };
}

/** Distances between the degree structures of two graphs. */
export function degreeDistances(original: Digraph, sample: Digraph): DegreeDistances {
  const into = [histogram(inDegrees(original)), histogram(inDegrees(sample))] as const;
  const out = [histogram(outDegrees(original)), histogram(outDegrees(sample))] as const;
  return {
    ksIn: ksDistance(...into),
    ksOut: ksDistance(...out),
    l1In: l1Distance(...into),
    l1Out: l1Distance(...out),
    tvCorrelation: totalVariation(degreeCorrelationMatrix(original), degreeCorrelationMatrix(sample)),
    tvJoint: totalVariation(jointDegreeMatrix(original), jointDegreeMatrix(sample)),
  };
}

/** All numbers of one graph. Clustering takes time in the squares of degrees: meant for graphs up to about a million arcs. */
export function graphProfile(graph: Digraph): GraphProfile {
  const share = (sizes: Uint32Array) => (graph.nodes === 0 ? 0 : sizes[0]! / graph.nodes);
  const top = (degrees: Uint32Array) => degrees.reduce((most, d) => Math.max(most, d), 0);
  return {
    nodes: graph.nodes,
    arcs: graph.arcs,
    maxIn: top(inDegrees(graph)),
    maxOut: top(outDegrees(graph)),
    correlationEntries: degreeCorrelationMatrix(graph).counts.length / Math.max(1, graph.nodes),
    jointEntries: jointDegreeMatrix(graph).counts.length / Math.max(1, graph.arcs),
    reciprocity: reciprocity(graph),
    clustering: meanClustering(graph),
    largestWeak: share(weakComponents(graph)),
    largestStrong: share(strongComponents(graph)),
    pageRankTopDecile: pageRankTopDecile(graph),
    assortativity: {
      outIn: assortativity(graph, "out-in"),
      outOut: assortativity(graph, "out-out"),
      inIn: assortativity(graph, "in-in"),
      inOut: assortativity(graph, "in-out"),
    },
  };
}

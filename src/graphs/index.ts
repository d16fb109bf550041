/** Directed graphs: their degree matrices, small graphs with the same ones, classical sampling, and graph files. */
export * from "./baselines.js";
export * from "./compare.js";
export { constructDigraph, realisabilityProblems } from "./construct.js";
export { controlledRounding, type RealEntries } from "./controlled-rounding.js";
export * from "./degree-matrix.js";
export * from "./digraph.js";
export * from "./distances.js";
export { readEdgeList, writeEdgeList } from "./edge-list.js";
export { readGml, writeGml } from "./gml.js";
export type { GraphFile, ReadOptions } from "./graph-file.js";
export { readGraphml, writeGraphml } from "./graphml.js";
export * from "./graphology.js";
export { readMatrixMarket, writeMatrixMarket } from "./matrix-market.js";
export * from "./read-graph.js";
export * from "./rescale.js";
export * from "./sample.js";
export * from "./statistics.js";
export * from "./synthetic.js";

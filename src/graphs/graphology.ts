/**
 * To and from `graphology` graphs (MIT), the general graph library of the JavaScript world: for its layouts, metrics and formats.
 * Only the shape of its objects is used here, so nothing is installed for those who do not need it. A graphology graph takes some
 * hundreds of bytes an arc, against 4 here: convert samples, not originals.
 */
import type { Digraph } from "./digraph.js";
import { ArcList, finishGraph, type GraphFile, NodeNames, type ReadOptions } from "./graph-file.js";

/** What is read of a graphology graph. */
export interface GraphologySource {
  forEachNode(use: (node: string) => void): void;
  forEachEdge(
    use: (edge: string, attributes: unknown, source: string, target: string, a: unknown, b: unknown, undirected: boolean) => void,
  ): void;
}

/** What is written to a graphology graph. */
export interface GraphologyTarget {
  addNode(node: string): unknown;
  addDirectedEdge(source: string, target: string): unknown;
}

/** A graphology graph as typed arrays; edges without direction become two arcs. */
export function fromGraphology(source: GraphologySource, options: ReadOptions = {}): GraphFile {
  const names = new NodeNames();
  const arcs = new ArcList();
  let undirected = false;
  source.forEachNode((node) => {
    names.number(node);
  });
  source.forEachEdge((_edge, _attributes, from, to, _a, _b, loose) => {
    arcs.push(names.number(from), names.number(to));
    if (loose) {
      undirected = true;
      arcs.push(names.number(to), names.number(from));
    }
  });
  return finishGraph("graphology", names.names.length, arcs, (node) => names.names[node]!, undirected, options);
}

/** Adds all nodes and arcs to an empty graphology graph, and returns it. */
export function toGraphology<T extends GraphologyTarget>(graph: Digraph, target: T, label: (node: number) => string = String): T {
  for (let v = 0; v < graph.nodes; v++) target.addNode(label(v));
  for (let v = 0; v < graph.nodes; v++) {
    for (let e = graph.outStart[v]!; e < graph.outStart[v + 1]!; e++) target.addDirectedEdge(label(v), label(graph.outTo[e]!));
  }
  return target;
}

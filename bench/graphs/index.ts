/** Directed graphs: sampling at size, and reading edge lists. One thread. */
import graphology from "graphology";
import { createRng } from "../../src/core/index.js";
import { baselineSample, powerLawDigraph, readEdgeList, sampleDigraph, writeEdgeList } from "../../src/graphs/index.js";
import { compare, type Row, type SuiteOptions, wanted } from "../row.js";

// The class is the default export of a CommonJS module, which types call a namespace.
const Graph = graphology as unknown as typeof graphology.default;

const timed = (work: () => void): number => {
  const start = performance.now();
  work();
  return performance.now() - start;
};

/** A tenth of synthetic heavy-tailed graphs, beside the induced subgraph on random nodes. */
async function* sampleBench(options: SuiteOptions): AsyncGenerator<Row> {
  for (const arcs of [1_000_000, 10_000_000]) {
    const name = `sample a tenth of ${arcs.toLocaleString("en")} arcs`;
    if (!wanted(options, name)) continue;
    options.say(`drawing ${arcs} arcs`);
    const graph = powerLawDigraph({ nodes: arcs / 10, arcs }, createRng(1));
    const own: number[] = [];
    const peer: number[] = [];
    for (let round = 0; round < (options.rounds ?? 3); round++) {
      own.push(timed(() => void sampleDigraph(graph, { ratio: 0.1, rng: createRng(round) })));
      peer.push(timed(() => void baselineSample("random-node", graph, 0.1, createRng(round))));
    }
    const peak = Math.round(process.resourceUsage().maxRSS / 1024);
    yield compare(
      name,
      1,
      own,
      "random nodes (a faster, far worse sample)",
      peer,
      `${graph.arcs} arcs left, peak memory ${peak} MiB`,
    );
  }
}

/** Reading an edge list into typed arrays, beside splitting its lines into a graphology graph. */
async function* readBench(options: SuiteOptions): AsyncGenerator<Row> {
  const name = "read an edge list of 300,000 arcs";
  if (!wanted(options, name)) return;
  const graph = powerLawDigraph({ nodes: 30_000, arcs: 300_000 }, createRng(1));
  const bytes = Buffer.from([...writeEdgeList(graph)].join(""));
  const own: number[] = [];
  const peer: number[] = [];
  for (let round = 0; round < (options.rounds ?? 5); round++) {
    own.push(timed(() => void readEdgeList(bytes)));
    peer.push(
      timed(() => {
        const other = new Graph({ type: "directed" });
        for (const line of bytes.toString().split("\n")) {
          if (line === "" || line.startsWith("#")) continue;
          const [from, to] = line.split("\t");
          other.mergeDirectedEdge(from, to);
        }
      }),
    );
  }
  yield compare(name, 1, own, "graphology 0.26, lines split in JavaScript", peer);
}

/** All graph benchmarks. */
export async function* suite(options: SuiteOptions): AsyncGenerator<Row> {
  yield* readBench(options);
  yield* sampleBench(options);
}

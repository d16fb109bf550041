import fc from "fast-check";
import graphology from "graphology";
import graphml from "graphology-graphml";
import { describe, expect, it } from "vitest";
import { createRng, FormatError, InputError, type Rng } from "../core/index.js";
import { arcsOf, digraphFromArcs } from "./digraph.js";
import { fromGraphology, toGraphology } from "./graphology.js";
import { type GraphFormat, graphFormats, guessGraphFormat, readGraph, writeGraph } from "./read-graph.js";
import { arcList, cycle, digraphs } from "./testing/arbitraries.js";

// The class is the default export of a CommonJS module, which types call a namespace.
const Graph = graphology as unknown as typeof graphology.default;

const bytes = (text: string) => new TextEncoder().encode(text);
const written = (...args: Parameters<typeof writeGraph>) => bytes([...writeGraph(...args)].join(""));
const read = (text: string, format: GraphFormat, options = {}) => readGraph(bytes(text), format, options);

/** Small valid files of each format, with every feature that the reader knows. */
const examples: Record<GraphFormat, string[]> = {
  "edge-list": [
    "# Nodes: 5 Edges: 3\n0\t1\n1\t2\n4\t0\n",
    "% comment\n10 20 0.5 1e9\n20,10\n\n30;10\r\n10 10\n10 20\n",
    "alice bob\nbob carol\nüñí alice",
    "4294967295 7\n7 123456789\n",
  ],
  graphml: [
    '<?xml version="1.0"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns"><key id="d0" for="node"/><graph id="G" edgedefault="directed"><node id="a"><data key="d0">x</data></node><node id="b&amp;c"/><edge source="a" target="b&amp;c"/></graph></graphml>',
    '<graphml><graph edgedefault="undirected"><edge source="x" target="y"/><edge source="y" target="x" directed="true"/><node id="x"/><node id="y"/></graph></graphml>',
    '<g:graphml xmlns:g="http://graphml.graphdrawing.org/xmlns"><g:graph edgedefault="directed"><g:node id="1"/><g:edge source="1" target="1"/></g:graph></g:graphml>',
  ],
  gml: [
    'Creator "me"\ngraph [ directed 1 node [ id 1 label "A" graphics [ x 1.5 y -2e3 ] ] node [ id 2 label "B &quot;q&quot; &#228;" ] edge [ source 1 target 2 weight .5 ] ]',
    "# comment\ngraph\n[\n  node [ id 0 ]\n  node [ id 5 ]\n  edge [ source 0 target 5 ]\n  edge [ source 5 target 0 ]\n]\n",
    "graph [ directed 1 ]",
  ],
  "matrix-market": [
    "%%MatrixMarket matrix coordinate pattern general\n% c\n3 3 2\n1 2\n3 1\n",
    "%%MatrixMarket matrix coordinate real symmetric\n3 3 3\n2 1 0.5\n3 3 1\n3 1 0\n",
    "%%MatrixMarket matrix coordinate complex hermitian\n2 2 1\n2 1 0 -1\n",
    "%%MatrixMarket matrix coordinate integer general\n0 0 0\n",
  ],
};

describe.each(graphFormats)("%s", (format) => {
  it("gives back what was written, isolated nodes included", () => {
    fc.assert(
      fc.property(digraphs(20), (graph) => {
        const back = readGraph(written(graph, format), format);
        expect(back.graph.nodes).toBe(graph.nodes);
        expect(back.graph).toEqual(graph);
        expect([back.selfLoops, back.repeats, back.undirected]).toEqual([0, 0, false]);
      }),
      { numRuns: 60 },
    );
  });

  it("keeps names that it can hold, and refuses others instead of writing another graph", () => {
    const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 8 }), fc.nat(1e6), (names, seed) => {
        const rng = createRng(seed);
        const from = Array.from({ length: names.length * 2 }, () => rng.below(names.length));
        const { graph } = digraphFromArcs({ nodes: names.length, from, to: from.map(() => rng.below(names.length)) });
        const label = (v: number) => names[v]!;
        let file: Uint8Array;
        try {
          file = written(graph, format, label);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
          return;
        }
        const back = readGraph(file, format);
        if (format === "matrix-market") expect(back.graph).toEqual(graph);
        else expect(arcList(back.graph, back.label)).toEqual(arcList(graph, label));
      }),
      { numRuns: 200 },
    );
  });

  it("never fails but with a message, over 10,000 damaged files", () => {
    const rng = createRng(20_26);
    const seeds = examples[format].map((text) => bytes(text));
    for (const seed of seeds) readGraph(seed, format);
    const words = [
      "graph",
      "[",
      "]",
      "node",
      "id",
      '"',
      "<",
      ">",
      "&#",
      "&",
      "/",
      "-1",
      "99999999999",
      "1e999",
      "NaN",
      "directed",
      "\n",
      "\0",
      " ",
      "%%",
      "edge source=",
      "\ud83d\ude00",
    ].map(bytes);
    let accepted = 0;
    for (let i = 0; i < 10_000; i++) {
      const damaged = damage(seeds[rng.below(seeds.length)]!, words, rng);
      try {
        const { graph } = readGraph(damaged, format);
        accepted++;
        digraphFromArcs({ nodes: graph.nodes, ...arcsOf(graph), selfLoops: "refuse", repeats: "refuse" });
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        expect(error.message.length).toBeGreaterThan(10);
      }
    }
    // Some damage hits comments or names: those files are still good.
    expect(accepted).toBeGreaterThan(50);
    expect(accepted).toBeLessThan(10_000);
  });

  it("refuses or reads every truncation, and never allocates what a file only claims", () => {
    for (const text of examples[format]) {
      const whole = bytes(text);
      for (let end = 0; end < whole.length; end++) {
        try {
          readGraph(whole.subarray(0, end), format);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }
    }
  });
});

function damage(source: Uint8Array, words: readonly Uint8Array[], rng: Rng): Uint8Array {
  const list = [...source];
  for (let edits = 1 + rng.below(4); edits > 0; edits--) {
    const at = rng.below(list.length + 1);
    const kind = rng.below(6);
    if (kind === 0) list.splice(at, 1 + rng.below(8));
    else if (kind === 1) list.splice(at, 0, ...words[rng.below(words.length)]!);
    else if (kind === 2) list.splice(at, 1, rng.below(256));
    else if (kind === 3) list.length = at;
    else if (kind === 4) list.splice(at, 0, ...list.slice(rng.below(list.length + 1)).slice(0, 20));
    else list.splice(at, 1, 48 + rng.below(10));
  }
  return Uint8Array.from(list);
}

describe("edge lists", () => {
  it("number whole names in their own order, and texts in the order they come", () => {
    const numbers = read("10 20 0.5\n20,10\n30;10\r\n10 10\n10 20\n", "edge-list");
    expect(arcList(numbers.graph, numbers.label)).toEqual(["10 20", "20 10", "30 10"]);
    expect([numbers.selfLoops, numbers.repeats]).toEqual([1, 1]);
    const far = read("4294967295 7\n7 123456789\n", "edge-list");
    expect(arcList(far.graph, far.label)).toEqual(["4294967295 7", "7 123456789"]);
    expect(far.label(0)).toBe("7");
    const mixed = read("a 1\n1 01\n", "edge-list");
    expect(arcList(mixed.graph, mixed.label)).toEqual(["1 01", "a 1"]);
    expect(read("# Nodes: 5 Edges: 1\n0 1\n", "edge-list").graph.nodes).toBe(5);
    expect(read("# Nodes: 5 Edges: 1\n10 11\n", "edge-list").graph.nodes).toBe(2);
    expect(read("", "edge-list").graph.nodes).toBe(0);
  });

  it.each([
    ["0 1\n2\n", /line 2: expected a source and a target, found one column "2"/],
    ["0 1\n-1 2\n", /line 2: -1 is a negative node number/],
    ["a\0b c\n", /line 1: a name holds a zero byte/],
    ["# Nodes: 99999999999 Edges: 1\n0 1\n", /declares 99999999999 nodes; at most 16777216/],
    ["# Nodes: 1\na b\n", /declares 1 nodes, but 2 names occur/],
  ])("refuse %j", (text, message) => {
    expect(() => read(text, "edge-list")).toThrow(message);
  });

  it("refuse bytes that are no text, and names that hold blanks", () => {
    expect(() => readGraph(Uint8Array.of(31, 139, 8, 0, 32, 255, 10), "edge-list")).toThrow(
      /no UTF-8 text; is the file compressed/,
    );
    expect(() => written(cycle(2), "edge-list", (v) => `a ${v}`)).toThrow(/cannot stand in an edge list; write GraphML or GML/);
  });
});

describe("GraphML", () => {
  it("reads directions of the graph and of single edges", () => {
    const both = read(examples.graphml[1]!, "graphml");
    expect(arcList(both.graph, both.label)).toEqual(["x y", "y x"]);
    expect([both.undirected, both.repeats]).toEqual([true, 1]);
    expect(() => read(examples.graphml[1]!, "graphml", { undirected: "refuse" })).toThrow(/no direction/);
  });

  it.each([
    ["<graphml></graphml>", /no <graph> found/],
    ["<graphml>", /unclosed tag/i],
    ['<graphml><graph edgedefault="directed"><node/></graph></graphml>', /line 1: <node> without the attribute id/],
    ['<graphml><graph><node id="a"/></graph></graphml>', /without the attribute edgedefault/],
    ['<graphml><graph edgedefault="x"></graph></graphml>', /expected directed or undirected/],
    ['<graphml><graph edgedefault="directed"><node id="a"/><node id="a"/></graph></graphml>', /given twice/],
    ['<graphml><graph edgedefault="directed"><edge source="a" target="b"/></graph></graphml>', /"a", which is not declared/],
    ['<graphml><graph edgedefault="directed"><hyperedge/></graph></graphml>', /hyperedges are not supported/],
    [
      '<graphml><graph edgedefault="directed"><node id="a"><graph edgedefault="directed"/></node></graph></graphml>',
      /nested graph/,
    ],
    ['<!DOCTYPE x [<!ENTITY a "aa">]><graphml><graph edgedefault="directed"><node id="&a;"/></graph></graphml>', /entity/i],
  ])("refuses %s", (text, message) => {
    expect(() => read(text, "graphml")).toThrow(message);
    expect(() => read(text, "graphml")).toThrow(FormatError);
  });

  it("is read by graphology, whose graphs come and go unchanged", () => {
    const label = (v: number) => `n"<${v}&`;
    const parsed = graphml.parse(Graph, [...writeGraph(cycle(5), "graphml", label)].join(""));
    const back = fromGraphology(parsed as unknown as Parameters<typeof fromGraphology>[0]);
    expect(arcList(back.graph, back.label)).toEqual(arcList(cycle(5), label));
    const there = toGraphology(cycle(4), new Graph({ type: "directed" }));
    expect([there.order, there.size, there.hasDirectedEdge("3", "0")]).toEqual([4, 4, true]);
    const again = fromGraphology(there as unknown as Parameters<typeof fromGraphology>[0]);
    expect(again.graph).toEqual(cycle(4));
  });
});

describe("GML", () => {
  it("names nodes by distinct labels, else by ids, and turns undirected edges into two arcs", () => {
    const named = read(examples.gml[0]!, "gml");
    expect(arcList(named.graph, named.label)).toEqual(['A B "q" ä']);
    const loose = read(examples.gml[1]!, "gml");
    expect(arcList(loose.graph, loose.label)).toEqual(["0 5", "5 0"]);
    expect(loose.undirected).toBe(true);
    const same = read('graph [ directed 1 node [ id 1 label "A" ] node [ id 2 label "A" ] edge [ source 1 target 2 ] ]', "gml");
    expect(arcList(same.graph, same.label)).toEqual(["1 2"]);
  });

  it.each([
    ["", /no 'graph/],
    ["graph [ node [ id 1 ]", /ends inside graph \[; it is cut short/],
    ["graph [ node [ label 3 ] ]", /line 1: a node without an id/],
    ["graph [\nnode [ id 1 ]\nnode [ id 1 ] ]", /line 3: the node id 1 is given twice/],
    ["graph [ node [ id 1 ]\nedge [ source 1 ] ]", /line 2: an edge without a target/],
    ["graph [ node [ id 1 ] edge [ source 1 target 7 ] ]", /names the node 7, which is not declared/],
    ['graph [ node [ id 1 label "x ] ]', /text without its closing quote/],
    ["graph [ ] ]", /a \] without its \[/],
    ["graph [ ] graph [ ]", /a second graph/],
    ["graph [ node [ id id 1 ] ]", /the key id is followed by the key id/],
    ["graph [ 3 ]", /expected a key, got "3"/],
    ["graph [ directed ]", /the key directed has no value/],
    ["graph", /ends after the key graph/],
    ["graph { }", /unexpected character "\{"/],
    ["a [ ".repeat(300), /nested deeper than 200/],
  ])("refuses %j", (text, message) => {
    expect(() => read(text, "gml")).toThrow(message);
  });
});

describe("Matrix Market", () => {
  it("reads values as arcs, zeros as none, symmetric files as edges", () => {
    const symmetric = read(examples["matrix-market"][1]!, "matrix-market");
    expect(arcList(symmetric.graph, symmetric.label)).toEqual(["1 2", "2 1"]);
    expect(symmetric.undirected).toBe(true);
  });

  it.each([
    ["1 1 0", /line 1: expected '%%MatrixMarket/],
    ["%%MatrixMarket matrix array real general\n", /expected the layout coordinate, got array/],
    ["%%MatrixMarket matrix coordinate quaternion general\n", /got quaternion/],
    ["%%MatrixMarket matrix coordinate real odd\n", /got odd/],
    ["%%MatrixMarket matrix coordinate real general\n% only comments\n", /expected 'rows columns entries'/],
    ["%%MatrixMarket matrix coordinate pattern general\n2 3 1\n1 1\n", /expected a square matrix, got 2 x 3/],
    ["%%MatrixMarket matrix coordinate pattern general\n2 2 2\n1 2\n", /ends after 1 of 2 entries/],
    ["%%MatrixMarket matrix coordinate pattern general\n2 2 1\n1 2\n2 1\n", /more entries than the 1 declared/],
    ["%%MatrixMarket matrix coordinate pattern general\n2 2 1\n1 3\n", /line 3: index "3" is outside 1\.\.2/],
    ["%%MatrixMarket matrix coordinate real general\n2 2 1\n1 2\n", /expected 3 columns, got 2/],
    ["%%MatrixMarket matrix coordinate real general\n2 2 1\n1 2 x\n", /"x" is no number/],
    ["%%MatrixMarket matrix coordinate pattern general\n2 2 999999999\n1 2\n", /more than the file can hold/],
    ["%%MatrixMarket matrix coordinate pattern general\n999999999999 999999999999 1\n1 2\n", /declares 999999999999 nodes/],
  ])("refuses %j", (text, message) => {
    expect(() => read(text, "matrix-market")).toThrow(message);
  });
});

it("guesses formats by name, then by content", () => {
  expect(["a.graphml", "a.GML.gz", "a.mtx", "a.txt", "a"].map((name) => guessGraphFormat(name))).toEqual([
    "graphml",
    "gml",
    "matrix-market",
    "edge-list",
    "edge-list",
  ]);
  expect(guessGraphFormat("a", bytes(examples.gml[0]!))).toBe("gml");
  expect(guessGraphFormat("a", bytes(examples.graphml[0]!))).toBe("graphml");
  expect(guessGraphFormat("a", bytes(examples["matrix-market"][0]!))).toBe("matrix-market");
});

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createRng } from "../core/index.js";
import { gunzip } from "../formats/index.js";
import {
  baselineSample,
  degreeCorrelationMatrix,
  degreeDistances,
  jointDegreeMatrix,
  readEdgeList,
  readGml,
  sampleDigraph,
} from "./index.js";

const folder = `${process.env["SPARSELAND_DATA"] ?? fileURLToPath(new URL("../../../shared/data", import.meta.url))}/graphs`;
const load = (name: string) => gunzip(new Uint8Array(readFileSync(`${folder}/${name}`)));

// Skipped where the data folder is absent (set SPARSELAND_DATA).
describe.skipIf(!existsSync(`${folder}/polblogs.gml.gz`))("real graphs", () => {
  const polblogs = () => readGml(load("polblogs.gml.gz"));
  const gnutella = () => readEdgeList(load("p2p-Gnutella04.txt.gz"));

  it("have the published sizes, once simple", () => {
    const blogs = polblogs();
    expect([blogs.graph.nodes, blogs.graph.arcs + blogs.repeats + blogs.selfLoops, blogs.undirected]).toEqual([1490, 19090, false]);
    expect(blogs.label(0)).toBe("100monkeystyping.com");
    const peers = gnutella();
    expect([peers.graph.nodes, peers.graph.arcs, peers.selfLoops, peers.repeats]).toEqual([10876, 39994, 0, 0]);
  });

  it("have few entries in their degree matrices", () => {
    for (const { graph } of [polblogs(), gnutella()]) {
      expect(degreeCorrelationMatrix(graph).counts.length).toBeLessThan(0.5 * graph.nodes);
      expect(jointDegreeMatrix(graph).counts.length).toBeLessThan(0.5 * graph.arcs);
    }
  });

  it("keep their degree distributions, far better than random nodes do", () => {
    for (const { graph } of [polblogs(), gnutella()]) {
      for (const ratio of [0.3, 0.5]) {
        const far = degreeDistances(graph, sampleDigraph(graph, { ratio, rng: createRng(1) }).graph);
        const node = degreeDistances(graph, baselineSample("random-node", graph, ratio, createRng(1)));
        expect(far.ksIn).toBeLessThanOrEqual(0.02);
        expect(far.ksOut).toBeLessThanOrEqual(0.02);
        expect(node.ksIn).toBeGreaterThan(5 * far.ksIn);
        expect(node.ksOut).toBeGreaterThan(5 * far.ksOut);
        expect(node.tvJoint).toBeGreaterThan(far.tvJoint);
      }
    }
  });
});

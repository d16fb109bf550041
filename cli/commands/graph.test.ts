import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createRng } from "../../src/core/index.js";
import { powerLawDigraph, readGraphml, writeEdgeList } from "../../src/graphs/index.js";
import { atLeast } from "../graph/report.js";
import { exitBadInput, exitOk, runCommandLine } from "../program.js";
import { testTerminal } from "../testing/terminal.js";
import { register } from "./graph.js";

const all = [{ name: "graph", summary: "graphs", load: async () => ({ register }) }];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sparseland-graph-"));
  writeFileSync(
    join(folder, "g.txt"),
    [...writeEdgeList(powerLawDigraph({ nodes: 400, arcs: 2500, spread: 20 }, createRng(1)))].join(""),
  );
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function run(...args: string[]) {
  const terminal = testTerminal(folder);
  const code = await runCommandLine(["graph", ...args], terminal, all);
  return { code, out: terminal.stdout(), err: terminal.stderr() };
}

describe("sparseland graph", () => {
  it("samples, compares and writes, the same for the same seed", async () => {
    const { code, out } = await run("sample", "g.txt", "--ratio", "0.5", "--out", "small.graphml", "--json", "--seed", "3");
    expect(code).toBe(exitOk);
    const document = JSON.parse(out);
    expect(document.sample.nodes).toBe(200);
    expect(document.sample.distances.ksIn).toBeLessThanOrEqual(document.sample.bounds.ksIn);
    expect(document.baselines.map((b: { name: string }) => b.name)).toEqual([
      "random-node",
      "random-edge",
      "random-walk",
      "forest-fire",
    ]);
    expect(document.profile.sample.arcs).toBe(document.sample.arcs);
    const first = readFileSync(join(folder, "small.graphml"));
    expect(readGraphml(first).graph.nodes).toBe(200);
    await run("sample", "g.txt", "--ratio", "0.5", "--out", "small.graphml", "--seed", "3", "--compare", "none");
    expect(readFileSync(join(folder, "small.graphml"))).toEqual(first);
    await run("sample", "g.txt", "--ratio", "0.5", "--out", "small.graphml", "--seed", "4", "--compare", "none");
    expect(readFileSync(join(folder, "small.graphml"))).not.toEqual(first);
  });

  it("writes the comparison as one page", async () => {
    const { code } = await run("sample", "g.txt", "--ratio", "0.5", "--report", "r.html", "--compare", "random-node");
    expect(code).toBe(exitOk);
    const page = readFileSync(join(folder, "r.html"), "utf8");
    for (const words of [
      "Sample of g.txt",
      "Out-degree",
      "In-degree",
      "random-node",
      "mean clustering",
      "at most, by construction",
    ])
      expect(page).toContain(words);
    expect(page.match(/<svg/g)!.length).toBeGreaterThanOrEqual(2);
    expect(page).not.toMatch(/<script|src=|href=/);
    const points = atLeast({ degrees: Uint32Array.of(0, 1, 2, 50), counts: Float64Array.of(2, 4, 3, 1) }, 10);
    expect(points).toEqual([
      { x: 1, y: 0.8 },
      { x: 2, y: 0.4 },
      { x: 50, y: 0.1 },
    ]);
  });

  it("prints a table for people, with the bounds under the distances", async () => {
    const { code, out } = await run("sample", "g.txt", "--ratio", "0.2", "--compare", "snowball,configuration");
    expect(code).toBe(exitOk);
    for (const words of [
      "g.txt: 400 nodes",
      "degree matrices (this method)",
      "at most, by construction",
      "snowball",
      "configuration",
      "mean clustering",
    ]) {
      expect(out).toContain(words);
    }
    expect((await run("sample", "g.txt", "--no-profile")).out).not.toContain("mean clustering");
  });

  it("converts between formats and back, packed or not", async () => {
    expect((await run("convert", "g.txt", "g.gml")).code).toBe(exitOk);
    expect((await run("convert", "g.gml", "h.mtx.gz")).code).toBe(exitOk);
    expect(
      gunzipSync(readFileSync(join(folder, "h.mtx.gz")))
        .toString()
        .startsWith("%%MatrixMarket"),
    ).toBe(true);
    const info = JSON.parse((await run("info", "h.mtx.gz", "--json")).out);
    const original = JSON.parse((await run("info", "g.txt", "--json")).out);
    expect(info.profile).toEqual(original.profile);
    writeFileSync(join(folder, "packed"), gzipSync(readFileSync(join(folder, "g.txt"))));
    expect(JSON.parse((await run("info", "packed", "--json")).out).profile).toEqual(original.profile);
  });

  it.each([
    [["sample", "g.txt", "--ratio", "0"], /--ratio: expected a ratio in \(0, 1\], got 0/],
    [["sample", "g.txt", "--ratio", "1.5"], /--ratio/],
    [["sample", "g.txt", "--ratio", "half"], /--ratio: expected a number/],
    [["sample", "g.txt", "--swaps", "-1"], /swapsPerArc/],
    [["sample", "g.txt", "--compare", "all,best"], /--compare: expected none, all, or names out of/],
    [["sample", "absent.txt"], /no such file/],
    [["sample", "g.txt", "--format", "gml"], /g\.txt: GML:/],
    [["sample", "g.txt", "--format", "excel"], /Allowed choices/],
    [["sample"], /missing required argument/],
  ])("refuses %j with exit code 2", async (args, message) => {
    const { code, err, out } = await run(...args);
    expect(code).toBe(exitBadInput);
    expect(err).toMatch(message);
    expect(out).toBe("");
  });

  it("obeys the policies for loops, repeats and undirected edges", async () => {
    writeFileSync(join(folder, "bad.txt"), "0 0\n0 1\n0 1\n");
    expect((await run("info", "bad.txt")).out).toContain("1 self-loops dropped; 1 repeated arcs dropped");
    expect((await run("info", "bad.txt", "--self-loops", "refuse")).err).toMatch(/self-loop at node 0/);
    expect((await run("info", "bad.txt", "--repeats", "refuse")).code).toBe(exitBadInput);
    writeFileSync(join(folder, "u.gml"), "graph [ node [ id 0 ] node [ id 1 ] edge [ source 0 target 1 ] ]");
    expect((await run("info", "u.gml")).out).toContain("became two arcs");
    expect((await run("info", "u.gml", "--undirected", "refuse")).code).toBe(exitBadInput);
  });

  it("shows help", async () => {
    const { code, out } = await run("sample", "--help");
    expect(code).toBe(exitOk);
    expect(out).toContain("--ratio <p>");
  });
});

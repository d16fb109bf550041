import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createRng } from "../../src/core/index.js";
import { rowOf, syntheticCollection } from "../../src/retrieval/index.js";
import { exitBadInput, exitOk, runCommandLine } from "../program.js";
import { testTerminal } from "../testing/terminal.js";
import { register } from "./index.js";
import { register as registerQuery } from "./query.js";

const all = [
  { name: "index", summary: "search", load: async () => ({ register }) },
  { name: "query", summary: "search", load: async () => ({ register: registerQuery }) },
];
const folder = mkdtempSync(join(tmpdir(), "sparseland-index-cli-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (...args: string[]) => command("index", ...args);
async function command(...args: string[]) {
  const terminal = testTerminal(folder);
  const code = await runCommandLine(args, terminal, all);
  return { code, out: terminal.stdout(), err: terminal.stderr() };
}

const collection = syntheticCollection(
  { documents: 600, queries: 30, dim: 1500, documentTerms: 30, queryTerms: 10, areas: 6, topicsPerArea: 4 },
  createRng(1),
);
const jsonl = (m: typeof collection.documents, tokens: boolean) =>
  Array.from({ length: m.rows }, (_, r) => {
    const { indices, values } = rowOf(m, r);
    return JSON.stringify({
      id: `r${r}`,
      vector: Object.fromEntries(Array.from(indices, (c, i) => [tokens ? `t${c}` : String(c), values[i]])),
    });
  }).join("\n");
writeFileSync(join(folder, "docs.jsonl"), jsonl(collection.documents, true));
writeFileSync(join(folder, "queries.jsonl"), jsonl(collection.queries, true));

describe("sparseland index", () => {
  it("builds, describes, queries, evaluates and tunes", async () => {
    const built = await run("build", "docs.jsonl", "--out", "a.index", "--postings", "100", "--energy", "0.5", "--json");
    expect([built.code, built.err]).toEqual([exitOk, ""]);
    expect(JSON.parse(built.out)).toMatchObject({ documents: 600 });
    const info = JSON.parse((await run("info", "a.index", "--json")).out);
    expect(info.config).toMatchObject({ postingsPerList: 100, summaryEnergy: 0.5, values: "f16" });
    expect((await run("info", "a.index")).out).toContain("600 documents");
    const { indices, values } = rowOf(collection.documents, 7);
    const vector = JSON.stringify(Object.fromEntries(Array.from(indices, (c, i) => [`t${c}`, values[i]])));
    const found = JSON.parse((await run("query", "a.index", "--vector", vector, "--k", "3", "--json")).out);
    expect(found.hits[0].id).toBe("r7");
    expect(found.hits.length).toBe(3);
    const short = JSON.parse((await command("query", "a.index", "--vector", vector, "--k", "3", "--json")).out);
    expect(short.hits).toEqual(found.hits);
    const evaluated = JSON.parse((await run("eval", "a.index", "queries.jsonl", "--cut", "100", "--factor", "0", "--json")).out);
    expect(evaluated.accuracy).toBeGreaterThan(0.99);
    expect(evaluated.documentsScored).toBeGreaterThan(200);
    const tuned = JSON.parse((await run("tune", "a.index", "queries.jsonl", "--accuracy", "0.9", "--threads", "2", "--json")).out);
    expect(tuned.best.accuracy).toBeGreaterThanOrEqual(0.9);
    expect(tuned.queriesPerSecond).toBeGreaterThan(0);
  });

  it("builds from svmlight with ids and tokens beside it", async () => {
    writeFileSync(join(folder, "rows.svm"), "0 1:0.5 3:2\n0 2:1\n");
    writeFileSync(join(folder, "labels.jsonl"), '{"id":"first","payload":{"title":"Heat"}}\n{"id":"second"}\n');
    writeFileSync(join(folder, "words.txt"), "wing\nlift\nheat\n");
    const labels = ["--labels", "labels.jsonl", "--vocabulary", "words.txt"];
    expect((await run("build", "rows.svm", ...labels, "--out", "s.index")).code).toBe(exitOk);
    expect((await command("query", "s.index", "--vector", '{"heat": 1}')).out).toMatch(/2\.0000\s+first\s+Heat/);
    const refused = await run("build", "rows.svm", "--text", "jsonl", ...labels, "--out", "s.index");
    expect([refused.code, refused.err]).toEqual([exitBadInput, expect.stringContaining("belong to vectors")]);
  });

  it("builds from text and answers words", async () => {
    writeFileSync(
      join(folder, "text.jsonl"),
      '{"id":"w","title":"Wings","text":"lift of heated wings"}\n{"id":"p","text":"boundary layer on a plate"}\n',
    );
    expect((await run("build", "text.jsonl", "--text", "jsonl", "--out", "t.index")).code).toBe(exitOk);
    const { out } = await run("query", "t.index", "heating", "a", "wing");
    expect(out).toMatch(/w\s+Wings/);
    expect((await run("query", "t.index", "zebra")).out).toContain("no document");
  });

  it("trains an encoder with the engine, builds with it and finds related text", async () => {
    const topics = ["wing lift drag airfoil flap", "heat plate cone transfer layer", "ship hull wave keel rudder"].map((t) =>
      t.split(" "),
    );
    const rng = createRng(4);
    const lines = Array.from({ length: 120 }, (_, i) => {
      const words = topics[i % 3]!;
      const some = (n: number) => Array.from({ length: n }, () => words[rng.below(words.length)]).join(" ");
      return JSON.stringify({ id: `d${i}`, title: `${some(3)} n${i}`, text: `${some(12)} n${i}` });
    });
    writeFileSync(join(folder, "pairs.jsonl"), lines.join("\n"));
    const trained = await run(
      "train-encoder",
      "pairs.jsonl",
      "--out",
      "e.safetensors",
      "--steps",
      "60",
      "--batch",
      "16",
      "--rank",
      "8",
      "--json",
    );
    expect([trained.code, trained.err]).toEqual([exitOk, ""]);
    const { firstLoss, lastLoss } = JSON.parse(trained.out);
    expect(lastLoss).toBeLessThan(firstLoss);
    expect((await run("build", "pairs.jsonl", "--text", "jsonl", "--encoder", "e.safetensors", "--out", "e.index")).code).toBe(
      exitOk,
    );
    expect((await run("query", "e.index", "n7")).err).toContain("--encoder");
    const found = JSON.parse((await run("query", "e.index", "n7", "heat", "--encoder", "e.safetensors", "--json")).out);
    expect(found.hits[0].id).toBe("d7");
    expect((await run("build", "pairs.jsonl", "--text", "jsonl", "--encoder", "pairs.jsonl", "--out", "f.index")).code).toBe(
      exitBadInput,
    );
  });

  it("refuses bad input with one clear line, and keeps the old index", async () => {
    const before = existsSync(join(folder, "a.index")) ? readFileSync(join(folder, "a.index")) : undefined;
    writeFileSync(join(folder, "bad.jsonl"), '{"id":"a","vector":{"x":1}}\n{"id":"b","vector":{"x":-1}}\n');
    for (const [args, words] of [
      [["build", "bad.jsonl", "--out", "a.index"], /line 2.*weight of/],
      [["build", "missing.jsonl", "--out", "b.index"], /no such file/],
      [["build", "docs.jsonl"], /--out/],
      [["build", "docs.jsonl", "--out", "b.index", "--energy", "2"], /summaryEnergy/],
      [["build", "docs.jsonl", "--out", "b.index", "--postings", "many"], /expected a number/],
      [["info", "docs.jsonl"], /SPLINDEX/],
      [["query", "a.index", "word"], /not built from text/],
      [["query", "a.index", "--vector", "{"], /not JSON/],
    ] as const) {
      const { code, out, err } = await run(...args);
      expect([code, out], args.join(" ")).toEqual([exitBadInput, ""]);
      expect(err).toMatch(words);
    }
    if (before) expect(readFileSync(join(folder, "a.index")).equals(before)).toBe(true);
  });
});

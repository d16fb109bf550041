import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { createRng, FormatError, InputError } from "../core/index.js";
import { bm25Collection, bm25Query } from "./bm25.js";
import { parseCranfield, parseDumpavail } from "./cranfield.js";
import { rowOf } from "./csr.js";
import { encoderPairs, titlePairs } from "./encoder-pairs.js";
import { buildIndex, openIndex } from "./index-handle.js";
import { accuracyAt, ndcg, recall } from "./metrics.js";
import { joined } from "./testing/collections.js";
import { createTokeniser } from "./tokenise.js";

const home = join(process.env["SPARSELAND_DATA"] ?? join(import.meta.dirname, "../../../shared/data"), "cranfield");
const unpack = (name: string) => gunzipSync(readFileSync(join(home, name))).toString("utf8");

describe("tokeniser", () => {
  it("folds, stems and drops function words", () => {
    expect(createTokeniser()("The Flows' résumé of 3 heated WINGS, isn't it?")).toEqual([
      "flow",
      "resum",
      "3",
      "heat",
      "wing",
      "isnt",
    ]);
    expect(createTokeniser({ stem: false, stopWords: false })("The wings")).toEqual(["the", "wings"]);
  });
});

describe("BM25", () => {
  it("gives the weights of the formula, worked by hand", () => {
    const { documents, tokens, encoder } = bm25Collection(["wing wing flow", "flow"], { k1: 1.2, b: 0.75 });
    expect(tokens).toEqual(["wing", "flow"]);
    const norm = (length: number) => 1.2 * (0.25 + (0.75 * length) / 2);
    const idf = (n: number) => Math.log(1 + (2 - n + 0.5) / (n + 0.5));
    expect(rowOf(documents, 0).values[0]).toBeCloseTo((idf(1) * 2 * 2.2) / (2 + norm(3)), 6);
    expect(rowOf(documents, 0).values[1]).toBeCloseTo((idf(2) * 2.2) / (1 + norm(3)), 6);
    expect(rowOf(documents, 1).values[0]).toBeCloseTo((idf(2) * 2.2) / (1 + norm(1)), 6);
    expect(bm25Query("Wings and wing __proto__ constructor", encoder)).toEqual({ wing: 2, proto: 1, constructor: 1 });
  });

  it("refuses text without tokens", () => {
    expect(() => bm25Collection(["the of", ""])).toThrow(InputError);
  });
});

describe("pairs for an encoder", () => {
  it("are titles and texts without them, over the most frequent tokens", () => {
    const texts = [
      { title: "Wing lift", text: "Wing lift. heat of wings and heat of plates in flow" },
      { title: "Plates", text: "about Plates: heat flows through heated plates slowly" },
      { title: "", text: "no title here, so no pair comes of it" },
      { title: "Short", text: "Short but it" },
    ];
    const pairs = titlePairs(texts);
    expect(pairs.map(({ query }) => query)).toEqual(["Wing lift", "Plates"]);
    expect(pairs[1]!.document).toBe("about : heat flows through heated plates slowly");
    const { tokens, queries, documents } = encoderPairs(pairs, 3);
    expect(tokens).toHaveLength(3);
    expect(tokens).toContain("heat");
    expect([queries.length, documents.length]).toEqual([2, 2]);
    expect(documents.every((bag) => [...bag].every(([t, w]) => t < 3 && w > 0))).toBe(true);
    expect(() => encoderPairs([])).toThrow(/no pairs/);
    expect(() => encoderPairs(pairs, 1)).toThrow(/vocabulary/);
  });
});

describe("metrics", () => {
  it("are the definitions", () => {
    const judged = new Map([
      ["a", 1],
      ["b", 1],
    ]);
    expect(ndcg(["a", "x", "b"], judged)).toBeCloseTo((1 + 1 / 2) / (1 + 1 / Math.log2(3)), 12);
    expect(ndcg([], judged)).toBe(0);
    expect(recall(["a", "x"], judged)).toBe(0.5);
    expect(accuracyAt(2, [1, 7], { documents: [1, 2, 7], scores: [3, 2, 2] })).toBe(1);
    expect(accuracyAt(2, [1, 8], { documents: [1, 2, 7], scores: [3, 2, 2] })).toBe(0.5);
    expect(accuracyAt(10, [], { documents: [], scores: [] })).toBe(1);
  });
});

describe("Debian's package index", () => {
  it("gives one document per described package", () => {
    const text =
      "Package: aa\nVersion: 1\nDescription: first\n more words\nTag: x::y,\n z::w\n\nPackage: aa\nVersion: 2\nDescription: again\n\nPackage: bb\nVersion: 1\n\n";
    expect(parseDumpavail(text)).toEqual([{ id: "aa", title: "first", text: "aa first more words x::y, z::w" }]);
    expect(() => parseDumpavail("")).toThrow(FormatError);
  });
});

describe("Cranfield", () => {
  it("refuses other files", () => {
    expect(() => parseCranfield("<html/>", "", "")).toThrow(/no <doc>/);
    expect(() => parseCranfield("<doc><docno>1</docno></doc>", "<top><title>x</title></top>", "9 0 1 1")).toThrow(/line 1/);
  });

  it.skipIf(!existsSync(home))(
    "is searched as well as by exact search, and as well as BM25 should",
    { timeout: 300_000 },
    async () => {
      const { documents, queries, judged } = parseCranfield(
        unpack("cran.all.1400.xml.gz"),
        unpack("cran.qry.xml.gz"),
        unpack("cranqrel.trec.txt.gz"),
      );
      expect([documents.length, queries.length]).toEqual([1400, 225]);
      const bm25 = bm25Collection(documents.map((d) => `${d.title} ${d.text}`));
      const index = await openIndex(
        joined(
          await buildIndex(bm25.documents, { postingsPerList: 200, centroidFraction: 0.2, summaryEnergy: 0.5 }, createRng(1), {
            ids: documents.map((d) => d.id),
            tokens: bm25.tokens,
          }),
        ),
      );
      let exact = 0;
      let approximate = 0;
      let scored = 0;
      queries.forEach((text, q) => {
        const query = bm25Query(text, bm25.encoder);
        exact += ndcg(
          index.exact(query).map((h) => h.id),
          judged[q]!,
        );
        approximate += ndcg(
          index.search(query, { queryCut: 12, heapFactor: 0.6 }).map((h) => h.id),
          judged[q]!,
        );
        scored += index.stats().scored;
      });
      exact /= queries.length;
      approximate /= queries.length;
      expect(exact).toBeGreaterThan(0.38);
      expect(Math.abs(exact - approximate)).toBeLessThan(0.005);
      expect(scored / queries.length).toBeLessThan(350);
      console.info(
        `Cranfield: nDCG@10 exact ${exact.toFixed(4)}, approximate ${approximate.toFixed(4)}, scored ${(scored / queries.length).toFixed(0)}`,
      );
    },
  );
});

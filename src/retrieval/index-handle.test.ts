import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { createRng, FormatError, InputError, OptionError } from "../core/index.js";
import { writeNpz } from "../formats/index.js";
import { assemble } from "./assemble.js";
import { buildParts } from "./build.js";
import { matrixFromVectors, rowOf, stackRows } from "./csr.js";
import { openIndexFile, readVectors, writeIndexFile } from "./files.node.js";
import { buildIndex, openIndex } from "./index-handle.js";
import { readJsonl } from "./jsonl.js";
import { labelsFromJsonl, readVocabulary, vectorsFromNpz, vectorsFromSvmlight } from "./readers.js";
import { reserve } from "./store.js";
import { bruteForce, joined, small, unstructured } from "./testing/collections.js";
import { createSearchPool } from "./threads.node.js";
import { bestTrial, tune } from "./tune.js";

const folder = mkdtempSync(join(tmpdir(), "sparseland-search-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("adding documents", () => {
  it("finds them exactly at once, and gives the same answers after a merge", async () => {
    const { documents, queries } = small(500);
    const first = stackRows(
      Array.from({ length: 300 }, (_, d) => rowOf(documents, d)),
      documents.cols,
    );
    const options = { postingsPerList: 1e6, values: "f32" } as const;
    const index = await openIndex(joined(await buildIndex(first, options, createRng(1))));
    index.add(Array.from({ length: 200 }, (_, i) => ({ id: `new-${i}`, vector: rowOf(documents, 300 + i), payload: i })));
    expect(index.size).toBe(500);
    const merged = await openIndex(joined(await index.merged(createRng(2))));
    expect(merged.size).toBe(500);
    for (let q = 0; q < queries.rows; q++) {
      const query = rowOf(queries, q);
      const scores = bruteForce(documents, query);
      const expected = Array.from(scores.keys())
        .sort((a, b) => scores[b]! - scores[a]!)
        .slice(0, 10);
      for (const one of [index, merged]) {
        const got = one.exact(query);
        expect(got.map((h) => h.document)).toEqual(expected);
        expect(got.map((h) => h.id)).toEqual(expected.map((d) => (d < 300 ? String(d) : `new-${d - 300}`)));
        expect(one.search(query, { queryCut: 100, heapFactor: 0 }).map((h) => h.document)).toEqual(expected);
      }
      expect(merged.exact(query).find((h) => h.document >= 300)?.payload).toBe(
        index.exact(query).find((h) => h.document >= 300)?.payload,
      );
    }
  });

  it("adds all or none, and refuses known ids", async () => {
    const index = await openIndex(
      joined(await buildIndex(unstructured(10, 8, 4, 1), {}, createRng(1), { ids: "abcdefghij".split("") })),
    );
    const vector = { indices: [1], values: [1] };
    expect(() =>
      index.add([
        { id: "k", vector },
        { id: "a", vector },
      ]),
    ).toThrow(/"a" is in the index already/);
    expect(() => index.add([{ id: "k", vector: { indices: [1], values: [Number.NaN] } }])).toThrow(InputError);
    expect(index.size).toBe(10);
    index.add([{ id: "k", vector }]);
    expect(() => index.add([{ id: "k", vector }])).toThrow(/already/);
    expect(index.search(vector, { k: 20 }).some((h) => h.id === "k")).toBe(true);
  });
});

describe("stored neighbours", () => {
  it("raise accuracy at the same cut", async () => {
    const { documents, queries } = small(3000, 60);
    const index = await openIndex(joined(await buildIndex(documents, { postingsPerList: 20, neighbours: 8 }, createRng(1))));
    const accuracy = (neighbours: number) => {
      let found = 0;
      for (let q = 0; q < queries.rows; q++) {
        const truth = new Set(index.exactRaw(rowOf(queries, q)).documents);
        for (const d of index.searchRaw(rowOf(queries, q), { queryCut: 2, heapFactor: 1, neighbours }).documents)
          found += truth.has(d) ? 1 : 0;
      }
      return found / queries.rows / 10;
    };
    expect(accuracy(8)).toBeGreaterThan(accuracy(0) + 0.03);
  });
});

describe("threads", () => {
  it("give the answers of one thread", async () => {
    const { documents, queries } = small(2000, 100);
    const path = join(folder, "pool.index");
    writeIndexFile(path, await buildIndex(documents, { postingsPerList: 60 }, createRng(1)));
    const index = await openIndexFile(path);
    const options = { queryCut: 5, k: 7 };
    const expected = Array.from({ length: queries.rows }, (_, q) => index.searchRaw(rowOf(queries, q), options));
    for (const threads of [1, 3]) {
      const pool = await createSearchPool(index.store, threads);
      try {
        expect(await pool.search(queries, options)).toEqual(expected);
        const [one, two] = await Promise.all([pool.search(queries, options), pool.search(queries, { k: 3 })]);
        expect(one).toEqual(expected);
        expect(two[0]!.documents.length).toBe(3);
        await expect(pool.search(queries, { k: 0 })).rejects.toThrow(OptionError);
      } finally {
        await pool.close();
      }
    }
    const plain = await openIndexFile(path, false);
    await expect(createSearchPool(plain.store, 2)).rejects.toThrow(/not in shared memory/);
  });
});

describe("tune", () => {
  it("finds a setting that keeps the promise, and no faster one that was tried does", async () => {
    const { documents, queries } = small(2000, 60);
    const index = await openIndex(joined(await buildIndex(documents, { postingsPerList: 60 }, createRng(1))));
    let clock = 0;
    // A clock that counts documents scored makes the search for the fastest setting reproducible.
    const trials = [...tune(index, queries, { accuracy: 0.9 }, () => (clock += index.stats().scored))];
    const best = bestTrial(trials, 0.9)!;
    expect(best.accuracy).toBeGreaterThanOrEqual(0.9);
    expect(best.scored).toBeLessThan(1000);
    for (const t of trials) if (t.median < best.median) expect(t.accuracy).toBeLessThan(0.9);
    expect(bestTrial(trials, 1.1)).toBeUndefined();
  });
});

describe("bad input", () => {
  const build = (indices: number[], values: number[]) => matrixFromVectors([{ indices, values }], 10);
  it("names the document and the entry", () => {
    expect(() => build([1, 1], [1, 2])).toThrow(/document 0: coordinate 1 comes twice/);
    expect(() => build([1], [-1])).toThrow(/weight -1 of coordinate 1/);
    expect(() => build([1], [Number.NaN])).toThrow(/weight NaN/);
    expect(() => build([1], [Number.POSITIVE_INFINITY])).toThrow(/weight Infinity/);
    expect(() => build([10], [1])).toThrow(/coordinate 10 .* outside 0..9/);
    expect(() => build([1.5], [1])).toThrow(/coordinate 1.5/);
    expect(() => build([1, 2], [1])).toThrow(/one weight per coordinate/);
  });

  it("holds for building", async () => {
    const m = unstructured(5, 6, 4, 1);
    const bad = (change: object, options = {}, labels = {}) => buildIndex({ ...m, ...change }, options, createRng(1), labels);
    await expect(
      bad({ rows: 0, offsets: new Uint32Array(1), indices: new Uint32Array(0), values: new Float32Array(0) }),
    ).rejects.toThrow(/no documents/);
    await expect(bad({ values: m.values.map(() => Number.NaN) })).rejects.toThrow(/weight NaN/);
    await expect(bad({ offsets: m.offsets.map((o, i) => (i === 2 ? 99 : o)) })).rejects.toThrow(InputError);
    await expect(bad({}, { summaryEnergy: 0 })).rejects.toThrow(/summaryEnergy/);
    await expect(bad({}, { summaryEnergy: 1.1 })).rejects.toThrow(OptionError);
    await expect(bad({}, { centroidFraction: Number.NaN })).rejects.toThrow(OptionError);
    await expect(bad({}, {}, { ids: ["a"] })).rejects.toThrow(/5 ids/);
    await expect(bad({}, {}, { ids: ["a", "b", "a", "c", "d"] })).rejects.toThrow(/"a" comes twice/);
    const large = matrixFromVectors([{ indices: [0], values: [1e6] }], 2);
    await expect(buildIndex(large, {}, createRng(1))).rejects.toThrow(/half float.*f32/);
    // More than one memory holds: refused before anything is reserved, and before such a file is laid out.
    expect(() => reserve(4_300_000_000, false)).toThrow(/does not fit 32-bit memory.*split/);
    const parts = buildParts(m, {}, createRng(1));
    const vast = { ...parts, forward: { ...parts.forward, bytes: { byteLength: 4_300_000_000 } as Uint8Array } };
    expect(() => assemble(vast)).toThrow(/43000\d+ bytes does not fit 32-bit memory.*split/);
  });

  it("holds for queries", async () => {
    const index = await openIndex(joined(await buildIndex(unstructured(20, 6, 4, 1), {}, createRng(1))));
    expect(index.search({ indices: [], values: [] })).toEqual([]);
    expect(() => index.search({ indices: [6], values: [1] })).toThrow(/query: coordinate 6/);
    expect(() => index.search({ indices: [1, 1], values: [1, 1] })).toThrow(/comes twice/);
    expect(() => index.search({ indices: [1], values: [-1] })).toThrow(/weight -1/);
    expect(() => index.search({ token: 1 })).toThrow(/no vocabulary/);
    const query = { indices: [1], values: [1] };
    for (const options of [{ k: 0 }, { k: 1.5 }, { queryCut: 0 }, { heapFactor: -1 }, { heapFactor: Number.NaN }])
      expect(() => index.search(query, options)).toThrow(OptionError);
    expect(() => index.search(query, { neighbours: 3 })).toThrow(/stores 0 per document/);
    expect(index.search(query, { k: 1000 }).length).toBeLessThanOrEqual(20);
  });

  it("holds for an index of empty documents", async () => {
    const index = await openIndex(
      joined(
        await buildIndex(
          matrixFromVectors(
            [
              { indices: [], values: [] },
              { indices: [2], values: [1] },
            ],
            4,
          ),
          {},
          createRng(1),
        ),
      ),
    );
    expect(index.search({ indices: [2], values: [1] }).map((h) => h.document)).toEqual([1]);
    expect(index.search({ indices: [0], values: [1] })).toEqual([]);
  });
});

describe("collections from files", () => {
  const text = '{"id":"a","vector":{"x":1,"y":0.5},"payload":{"u":1}}\n\n{"id":"b","vector":{"y":2}}\n';
  it("reads JSONL with tokens, coordinates and pairs", async () => {
    const { matrix, ids, payloads, tokens } = readJsonl(text);
    expect(ids).toEqual(["a", "b"]);
    expect(tokens).toEqual(["x", "y"]);
    expect(payloads).toEqual([{ u: 1 }, null]);
    expect(Array.from(rowOf(matrix, 1).indices)).toEqual([1]);
    expect(readJsonl('{"vector":{"7":1,"2":3}}').matrix.cols).toBe(8);
    expect(Array.from(rowOf(readJsonl('{"vector":{"indices":[5,2],"values":[1,3]}}').matrix, 0).values)).toEqual([3, 1]);
    expect(rowOf(readJsonl(text, { tokens: ["y"] }).matrix, 0).indices.length).toBe(1);
    const path = join(folder, "docs.jsonl.gz");
    writeFileSync(path, gzipSync(text));
    expect(await readVectors(path)).toEqual(readJsonl(text));
    await expect(readVectors(join(folder, "docs.csv"))).rejects.toThrow(/expected vectors in/);
  });

  it("names the line of a bad record", () => {
    for (const [bad, why] of [
      ["{", "not JSON"],
      ["[1]", "expected"],
      ['{"id":"z"}', "expected"],
      ['{"id":"c","vector":{"x":-1}}', "weight of"],
      ['{"id":"c","vector":{"x":null}}', "weight of"],
      ['{"vector":{"x":1}}', "no id"],
      ['{"id":{},"vector":{}}', "id must be"],
      ['{"id":"c","vector":{"x":1e300}}', "weight of"],
      ['{"id":"c","vector":{"indices":[1,1],"values":[1,1]}}', "comes twice"],
      ['{"id":"c","vector":{"x":1,"y":2,"x":3}}', '"x".*add its weights'],
      ['{"id":"c","vector":{"indices":[1,2],"values":[1]}}', "2 indices and 1 values"],
    ] as const) {
      expect(() => readJsonl(text + bad), bad).toThrow(new RegExp(`line 4: .*${why}`));
    }
    // The same name in different objects, and text that looks like a name, are no repetition.
    expect(readJsonl('{"id":"c","vector":{"x":1,"id":2},"payload":{"x":"a \\"x\\": b","id":[{"x":1},{"x":2}]}}').matrix.rows).toBe(
      1,
    );
    expect(() => readJsonl('{"vector":{"x":1}}', { dim: 5 })).toThrow(/line 1: "x" is no coordinate in 0..4/);
    expect(() => readJsonl('{"vector":{"5":1}}', { dim: 5 })).toThrow(/line 1: "5" is no coordinate in 0..4/);
    expect(() => readJsonl("\n")).toThrow(FormatError);
    expect(() => readJsonl('{"vector":{"4000000000":1}}')).toThrow(/too large/);
  });

  it("agrees with a plain reading of generated lines", () => {
    const rng = createRng(5);
    for (const token of [(c: number) => `t${c}`, (c: number) => String(c)]) {
      const rows = Array.from({ length: 200 }, () => {
        const coordinates = Array.from(rng.permutation(50).subarray(0, rng.below(12)));
        return new Map(coordinates.map((c) => [token(c), rng.below(4) / 2]));
      });
      const { matrix, tokens } = readJsonl(rows.map((row) => JSON.stringify({ vector: Object.fromEntries(row) })).join("\n"));
      rows.forEach((row, r) => {
        const { indices, values } = rowOf(matrix, r);
        const got = Array.from(indices, (c, i): [string, number] => [tokens ? tokens[c]! : String(c), values[i]!]);
        expect(new Map(got)).toEqual(new Map([...row].filter(([, w]) => w > 0)));
        expect(indices.every((c, i) => i === 0 || c > indices[i - 1]!)).toBe(true);
      });
    }
  });

  it("takes ids, payloads and tokens beside files that have no place for them", async () => {
    const place = (name: string, content: string | Uint8Array) => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    const vectors = place("rows.svmlight", "1 1:0.5 3:2\n-1 2:1\n");
    const labels = place("labels.jsonl", '{"id":"a","payload":{"u":1}}\n{"id":2}\n');
    const vocabulary = place("vocabulary.txt", "wing\nlift\nheat\ncone\n");
    const read = await readVectors(vectors, { labels, vocabulary });
    expect(read).toMatchObject({ ids: ["a", "2"], payloads: [{ u: 1 }, null], tokens: ["wing", "lift", "heat", "cone"] });
    expect(read.matrix.cols).toBe(4);
    const index = await openIndex(joined(await buildIndex(read.matrix, {}, createRng(1), read)));
    expect(index.search({ heat: 1 })).toEqual([{ id: "a", score: 2, document: 0, payload: { u: 1 } }]);
    expect(() => labelsFromJsonl('{"id":"a"}\n', 2)).toThrow(/1 lines for 2 rows/);
    expect(() => labelsFromJsonl('{"id":"a"}\n{"payload":1}\n', 2)).toThrow(/line 2: id is/);
    expect(() => readVocabulary("a\nb\na\n")).toThrow(/line 3: token "a" is on line 1/);
    expect(() => readVocabulary("a\n\nb\n")).toThrow(/line 2 is empty/);
    const short = place("short.txt", "wing\n");
    await expect(readVectors(vectors, { vocabulary: short })).rejects.toThrow(/1 tokens, but .* coordinates up to 2/);
    const own = place("own.jsonl", '{"id":"a","vector":{"x":1}}\n{"id":"b","vector":{"x":1}}\n');
    await expect(readVectors(own, { labels })).rejects.toThrow(/ids of its own/);
    await expect(readVectors(own, { vocabulary })).rejects.toThrow(/written in tokens/);
  });

  it("reads svmlight and npz", () => {
    const svm = vectorsFromSvmlight("1 1:0.5 3:2\n-1 2:1\n");
    expect([svm.matrix.rows, svm.matrix.cols]).toEqual([2, 3]);
    expect(Array.from(rowOf(svm.matrix, 0).indices)).toEqual([0, 2]);
    expect(() => vectorsFromSvmlight("1 1:-0.5\n")).toThrow(/weight -0.5/);
    const npz = (data: number[], indices: number[], indptr: number[], shape: number[]) =>
      writeNpz({
        data: { dtype: "f32", shape: [data.length], data: Float32Array.from(data) },
        indices: { dtype: "i32", shape: [indices.length], data: Int32Array.from(indices) },
        indptr: { dtype: "i32", shape: [indptr.length], data: Int32Array.from(indptr) },
        shape: { dtype: "i64", shape: [2], data: BigInt64Array.from(shape.map(BigInt)) },
      });
    expect(Array.from(rowOf(vectorsFromNpz(npz([2, 1, 0], [2, 0, 1], [0, 2, 3], [2, 3])).matrix, 0).values)).toEqual([1, 2]);
    expect(() => vectorsFromNpz(npz([1, 1], [0, 0], [0, 2], [1, 3]))).toThrow(/comes twice/);
    expect(() => vectorsFromNpz(npz([1], [0], [0], [1, 3]))).toThrow(/indptr/);
    expect(() => vectorsFromNpz(writeNpz({}))).toThrow(/no array/);
  });
});

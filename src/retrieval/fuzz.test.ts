/** Readers of text collections and encoders, on 10,000 damaged inputs each: a result that holds together, or an InputError. */
import { describe, expect, it } from "vitest";
import { createRng, tensor } from "../core/index.js";
import { readSafetensors, writeSafetensors } from "../formats/index.js";
import { meetDamage, mutate, mutateJson } from "../formats/testing/mutate.js";
import { parseCranfield, parseDumpavail } from "./cranfield.js";
import { encodeDocuments, encodeQuery, encoderShapes, readEncoder, writeEncoder } from "./encoder.js";
import { type JsonlOptions, readJsonl } from "./jsonl.js";
import { labelsFromJsonl, readVocabulary } from "./readers.js";

const ROUNDS = 10_000;
const decoder = new TextDecoder();
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const damagedText = (text: string, seed: number): (() => string) => {
  const rng = createRng(seed);
  const bytes = bytesOf(text);
  return () => decoder.decode(mutate(bytes, rng));
};

describe("JSON lines", () => {
  const records = [
    { id: "a", vector: { wing: 1.5, lift: 0.25 }, payload: { title: "On wings" } },
    { id: 7, vector: { indices: [3, 1, 900], values: [1, 2, 0.5] } },
    { vector: { 4: 1, 17: 2 } },
    { id: "d", vector: {} },
  ];
  const check = (options: JsonlOptions) => (text: string) => {
    const { matrix, ids, tokens, payloads } = readJsonl(text, options);
    const { rows, cols, offsets, indices, values } = matrix;
    expect([offsets.length, offsets[0], offsets[rows]]).toEqual([rows + 1, 0, indices.length]);
    expect(values.every((v) => Number.isFinite(v) && v >= 0)).toBe(true);
    for (let r = 0; r < rows; r++)
      for (let i = offsets[r]!; i < offsets[r + 1]!; i++)
        if (indices[i]! >= cols || (i > offsets[r]! && indices[i]! <= indices[i - 1]!)) throw new Error(`row ${r} is out of order`);
    for (const list of [ids, payloads]) if (list) expect(list.length).toBe(rows);
    if (tokens) expect(tokens.length).toBeLessThanOrEqual(cols);
  };
  const lines = (list: readonly unknown[]): string => list.map((record) => JSON.stringify(record)).join("\n");
  const some = [records.slice(0, 1), records.slice(1, 2), [records[0], records[3]], records.slice(2, 3)];
  const options: readonly JsonlOptions[] = [{}, { tokens: ["wing", "lift", "4"] }, { dim: 1000 }];

  it("of damaged bytes", () => {
    const texts = some.map((list, i) => damagedText(lines(list), i));
    for (const option of options) {
      const { taken, refused } = meetDamage(ROUNDS / 2, (round) => texts[round % texts.length]!(), check(option));
      expect(taken).toBeGreaterThan(0);
      expect(refused).toBeGreaterThan(1000);
    }
  });

  it("of strange values", () => {
    const rng = createRng(4);
    for (const option of options) {
      const strange = (round: number) => lines(some[round % some.length]!.map((record) => mutateJson(record, rng)));
      const { taken, refused } = meetDamage(ROUNDS / 2, strange, check(option));
      expect(Math.min(taken, refused)).toBeGreaterThan(100);
    }
  });
});

describe("labels and vocabularies", () => {
  it("labels: one id per row", () => {
    const rng = createRng(6);
    const records = [{ id: "a", payload: { title: "x" } }, { id: 2 }];
    const damaged = (round: number): string => {
      const text = records.map((record) => JSON.stringify(round % 2 ? mutateJson(record, rng) : record)).join("\n");
      return round % 2 ? text : decoder.decode(mutate(bytesOf(text), rng));
    };
    const { taken, refused } = meetDamage(ROUNDS, damaged, (text) => {
      const { ids, payloads } = labelsFromJsonl(text, 2);
      expect([ids!.length, payloads?.length ?? 2]).toEqual([2, 2]);
    });
    expect(Math.min(taken, refused)).toBeGreaterThan(100);
  });

  it("vocabularies: each token once", () => {
    const { taken, refused } = meetDamage(ROUNDS, damagedText("wing\nlift\nw\nfall\n", 7), (text) => {
      const tokens = readVocabulary(text);
      expect(new Set(tokens).size).toBe(tokens.length);
    });
    expect(Math.min(taken, refused)).toBeGreaterThan(100);
  });
});

describe("collections of text", () => {
  const files = [
    "<root><doc><docno>1</docno><title>wings &amp; lift</title><text>a wing lifts</text></doc><doc><docno>2</docno></doc></root>",
    "<root><top><num>1</num><title>what lifts</title></top><top><title>and what not</title></top></root>",
    "1 0 1 2\n2 0 2 -1\n\n2 0 1 4\n",
  ] as const;

  it("Cranfield's three files", () => {
    const damaged = files.map((file, i) => damagedText(file, 10 + i));
    const broken = (round: number) => files.map((file, i) => (round % 3 === i ? damaged[i]!() : file));
    const { taken, refused } = meetDamage(ROUNDS, broken, (texts) => {
      const { documents, queries, judged } = parseCranfield(texts[0]!, texts[1]!, texts[2]!);
      expect(documents.length).toBeGreaterThan(0);
      expect(judged.length).toBe(queries.length);
    });
    expect(Math.min(taken, refused)).toBeGreaterThan(100);
  });

  it("descriptions of packages", () => {
    const text = "Package: wing\nDescription-en: lifts\n more of it\nTag: a::b,\n c::d\n\nPackage: other\nDescription: falls\n";
    const { taken, refused } = meetDamage(ROUNDS, damagedText(text, 20), (damaged) => {
      const list = parseDumpavail(damaged);
      expect(new Set(list.map(({ id }) => id)).size).toBe(list.length);
    });
    expect(taken).toBeGreaterThan(1000);
    expect(refused).toBeGreaterThan(0);
  });
});

describe("encoder files", () => {
  const rng = createRng(5);
  const tokens = ["lift", "wing", "fall"];
  const params = Object.fromEntries(
    Object.entries(encoderShapes(3, 2)).map(([name, shape]) => [
      name,
      tensor(
        shape,
        Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
      ),
    ]),
  );
  const bytes = writeEncoder({ tokens, text: { kind: "bm25", stem: true, stopWords: true }, params });
  /** What is read can be used. */
  const use = (file: Uint8Array): void => {
    const encoder = readEncoder(file);
    encodeQuery(encoder, "wings that lift");
    encodeDocuments(encoder, ["wings lift", "they fall"]);
  };

  it("of damaged bytes", () => {
    const { taken, refused } = meetDamage(ROUNDS, () => mutate(bytes, rng), use);
    expect(Math.min(taken, refused)).toBeGreaterThan(100);
  });

  it("of strange vocabularies, settings and shapes", () => {
    const { tensors, metadata } = readSafetensors(bytes);
    const parts = (list: Readonly<Record<string, string>>) => ({
      ...list,
      tokens: JSON.parse(list["tokens"]!),
      text: JSON.parse(list["text"]!),
    });
    const strange = (): Uint8Array => {
      const head = mutateJson(parts(metadata!), rng) as Record<string, unknown>;
      const text = Object.fromEntries(
        Object.entries(Object(head)).map(([key, v]) => [key, key === "kind" ? String(v) : (JSON.stringify(v) ?? "")]),
      );
      const kept = Object.entries(tensors).filter(() => rng.below(12) > 0);
      return writeSafetensors({ tensors: Object.fromEntries(kept), metadata: text });
    };
    const { taken, refused } = meetDamage(ROUNDS, strange, use);
    expect(Math.min(taken, refused)).toBeGreaterThan(100);
  });
});

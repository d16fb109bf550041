import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { createRng, InputError } from "../../src/core/index.js";
import { meetDamage, mutate, mutateJson } from "../../src/formats/testing/mutate.js";
import { readTexts, textOf, textsFromJsonl } from "./texts.js";

const ROUNDS = 10_000;
const records = [{ id: "a", title: "On wings", text: "wings lift" }, { id: 7, text: "they fall" }, { text: "ü" }];
const lines = (list: readonly unknown[]): string => list.map((record) => JSON.stringify(record)).join("\n");
const folder = mkdtempSync(join(tmpdir(), "sparseland-texts-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("lines of text", () => {
  const check = (text: string): void => {
    for (const document of textsFromJsonl(text))
      for (const part of [document.id, document.title, document.text]) expect(typeof part).toBe("string");
  };

  it("of damaged bytes and strange values: documents, or an InputError", () => {
    const rng = createRng(1);
    const bytes = new TextEncoder().encode(lines(records));
    const damaged = (round: number): string =>
      round % 2 ? new TextDecoder().decode(mutate(bytes, rng)) : lines(records.map((record) => mutateJson(record, rng)));
    const { taken, refused } = meetDamage(ROUNDS, damaged, check);
    expect(Math.min(taken, refused)).toBeGreaterThan(500);
  });

  it.each([
    ['{"text": "x"}\n{"id": {"toString": 1}, "text": "y"}', /line 2: id must be text or a number, got \{"toString":1\}/],
    ['{"title": [], "text": "x"}', /line 1: title must be text/],
    ["null", /line 1: expected/],
    ["\n{", /line 2: not JSON/],
  ])("%j is refused", (text, message) => {
    expect(() => textsFromJsonl(text)).toThrow(InputError);
    expect(() => textsFromJsonl(text)).toThrow(message);
  });
});

describe("packed text", () => {
  const place = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const packed = gzipSync(lines(records));

  it("is unpacked", () => {
    expect(readTexts(place("good.jsonl.gz", packed), "jsonl").map(({ id }) => id)).toEqual(["a", "7", "2"]);
  });

  it("is refused when it is cut, altered or not packed", () => {
    for (const bytes of [packed.subarray(0, packed.length - 9), new Uint8Array(0), new Uint8Array(20)])
      expect(() => textOf(place("bad.gz", bytes))).toThrow(/bad\.gz: does not unpack as gzip/);
    const rng = createRng(2);
    const { refused } = meetDamage(
      300,
      () => mutate(packed, rng),
      (bytes) => textOf(place("bad.gz", bytes)),
    );
    expect(refused).toBeGreaterThan(200);
  });
});

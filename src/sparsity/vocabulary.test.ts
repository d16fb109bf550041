/** The naming standard, enforced: no banned term in the docs, no banned key in a report. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { axisValues } from "./card.js";
import { bannedKeys, bannedTerms, findBannedKeys, findBannedTerms } from "./vocabulary.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

function filesUnder(folder: string, ending: RegExp): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesUnder(path, ending) : ending.test(entry.name) ? [path] : [];
  });
}

const docs = [
  ...readdirSync(root)
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(root, name)),
  ...filesUnder(join(root, "docs"), /\.md$/),
  ...filesUnder(join(root, "papers"), /\.md$/),
];
const reports = filesUnder(join(root, "papers", "results"), /\.json$/);

it("docs use the vocabulary", () => {
  expect(docs.map((path) => relative(root, path))).toContain("docs/vocabulary.md");
  const found = docs.flatMap((path) =>
    findBannedTerms(readFileSync(path, "utf8")).map(
      ({ line, found, use }) => `${relative(root, path)}:${line} "${found}": write ${use}`,
    ),
  );
  expect(found).toEqual([]);
});

it("stored reports use the vocabulary", () => {
  expect(
    reports.flatMap((path) =>
      findBannedKeys(JSON.parse(readFileSync(path, "utf8"))).map((key) => `${relative(root, path)}: ${key}`),
    ),
  ).toEqual([]);
});

it("the page on vocabulary lists every banned term's replacement and every value of every axis", () => {
  const page = readFileSync(join(root, "docs", "vocabulary.md"), "utf8");
  for (const values of Object.values(axisValues)) for (const value of values) expect(page).toContain(`\`${value}\``);
  const avoided = page.slice(page.indexOf("<!-- avoid -->"), page.indexOf("<!-- /avoid -->"));
  for (const { term } of bannedTerms) expect(term.test(avoided), `${term} is not shown in the list of terms to avoid`).toBe(true);
});

it("the check finds what it should and skips marked parts", () => {
  const text = [
    "At a sparsity of 10x it is",
    "a Sparse model.",
    "<!-- avoid -->",
    "remaining ratio",
    "<!-- /avoid -->",
    "the remaining ratio",
    "a sparsity of 0.9 and 3x faster, measured",
  ].join("\n");
  expect(findBannedTerms(text).map(({ line, found }) => [line, found])).toEqual([
    [1, "sparsity of 10x"],
    [2, "Sparse model"],
    [6, "remaining ratio"],
  ]);
  expect(findBannedKeys({ entries: [{ flops: 1, theoreticalFlops: 2 }], speedupBatch1: 3, nested: { speedup: 2 } })).toEqual([
    "entries.0.flops",
    "nested.speedup",
  ]);
  expect(findBannedKeys(null)).toEqual([]);
  expect(Object.keys(bannedKeys).length).toBeGreaterThan(0);
});

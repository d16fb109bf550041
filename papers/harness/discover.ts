/** Papers are found, never listed: a folder of `papers/` with a `run` file. */
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { InputError } from "../../src/core/index.js";
import type { Paper, Scale } from "./types.js";

/** `.ts` from a checkout under tsx or vitest, `.js` when compiled. */
export const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";

/** The folder `papers/`, or `dist/papers/` when compiled. */
export const papersFolder = dirname(dirname(fileURLToPath(import.meta.url)));

/** The slugs of all papers, sorted. */
export function paperSlugs(folder = papersFolder): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, `run${extension}`)))
    .map(({ name }) => name)
    .sort();
}

/** The file that defines a paper. */
export const paperFile = (slug: string, folder = papersFolder): string => join(folder, slug, `run${extension}`);

/** Loads a paper and checks its form. @throws InputError when there is none, or when its form is wrong */
export async function loadPaper(slug: string, folder = papersFolder): Promise<Paper> {
  if (!/^[a-z0-9][a-z0-9-]*$/.test(slug) || !existsSync(paperFile(slug, folder))) {
    throw new InputError(`no paper ${JSON.stringify(slug)}; there are: ${paperSlugs(folder).join(", ") || "none"}`);
  }
  return loadPaperFile(paperFile(slug, folder));
}

/** Loads a paper from its file. */
export async function loadPaperFile(file: string): Promise<Paper> {
  const { paper } = (await import(pathToFileURL(file).href)) as { paper?: Paper };
  if (!paper) throw new InputError(`${file}: must export \`paper\``);
  checkPaper(paper, file);
  return paper;
}

/** @throws InputError when the paper's data contradict the rules of `types.ts` */
export function checkPaper(paper: Paper, file: string): void {
  const fail = (problem: string): never => {
    throw new InputError(`${file}: ${problem}`);
  };
  const scales: readonly Scale[] = ["small", "full"];
  if (paper.claims.length === 0) fail("has no claims");
  if (!paper.title || !paper.arxiv) fail("title and arxiv must not be empty");
  for (const scale of scales) {
    if (!paper.settings[scale]) fail(`settings.${scale} must say data, sizes and epochs`);
    if (!Number.isSafeInteger(paper.seeds[scale]) || paper.seeds[scale] < 1) fail(`seeds.${scale} must be at least 1`);
  }
  const said = new Set<string>();
  for (const { says, where, unit, paper: number } of paper.claims) {
    if (!says || !where || !unit) fail(`claim ${JSON.stringify(says)}: says, where and unit must not be empty`);
    if (said.has(says)) fail(`two claims say ${JSON.stringify(says)}`);
    if (number !== null && !Number.isFinite(number))
      fail(`claim ${JSON.stringify(says)}: the paper's number must be finite or null`);
    said.add(says);
  }
}

/** Collections and indexes of the suite. An index of a million documents takes minutes to build, so it is kept in `.cache/bench/retrieval`. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRng } from "../../src/core/index.js";
import {
  type BuildOptions,
  buildIndex,
  type SparseIndex,
  type SparseMatrix,
  syntheticCollection,
} from "../../src/retrieval/index.js";
import { openIndexFile, writeIndexFile } from "../../src/retrieval/index.node.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const cache = join(root, ".cache/bench/retrieval");

/** A collection with its index, and the seconds that building took (when it was built). */
export interface Prepared {
  readonly documents: SparseMatrix;
  readonly queries: SparseMatrix;
  readonly index: SparseIndex;
  readonly buildSeconds: number;
}

/** Changes with the library's code: a kept index of other code is not used. */
function codeVersion(): string {
  const folder = join(root, "src/retrieval");
  const hash = createHash("sha256");
  for (const name of readdirSync(folder).sort())
    if (name.endsWith(".ts") && !name.includes(".test.") && !/^(tune|searcher|inverted|threads)/.test(name))
      hash.update(readFileSync(join(folder, name)));
  return hash.digest("hex").slice(0, 12);
}

/** Draws the synthetic collection, and builds its index or takes the one that is kept. */
export async function prepare(
  documents: number,
  queries: number,
  options: BuildOptions,
  say: (text: string) => void,
): Promise<Prepared> {
  say(`${documents} documents: drawing the collection`);
  const collection = syntheticCollection({ documents, queries }, createRng(1));
  const key = createHash("sha256")
    .update(JSON.stringify([codeVersion(), documents, options]))
    .digest("hex")
    .slice(0, 16);
  const file = join(cache, `${documents}-${key}.index`);
  const note = `${file}.json`;
  if (!existsSync(file) || !existsSync(note)) {
    say("building the index");
    const started = performance.now();
    const pieces = await buildIndex(collection.documents, options, createRng(2));
    const seconds = (performance.now() - started) / 1000;
    mkdirSync(cache, { recursive: true });
    writeIndexFile(file, pieces);
    writeFileSync(note, JSON.stringify({ seconds }));
  } else say(`using ${file}`);
  const { seconds } = JSON.parse(readFileSync(note, "utf8")) as { seconds: number };
  return { documents: collection.documents, queries: collection.queries, index: await openIndexFile(file), buildSeconds: seconds };
}

/** The index as users meet it: vectors or tokens in, hits with ids and payloads out, documents added as they come. */
import { FormatError, InputError, type Rng, requireInteger } from "../core/index.js";
import { assemble, type IndexLabels, toMemory } from "./assemble.js";
import { type BuildOptions, buildParts, type IndexParts, type Progress } from "./build.js";
import { type SparseMatrix, type SparseVector, stackRows } from "./csr.js";
import type { IndexHeader } from "./format.js";

import { createSearcher, type RawHits, type SearchOptions, type SearchStats, searchConfig } from "./searcher.js";
import { createSideIndex, type NewDocument } from "./side.js";
import { type FileMemory, openStore, reserve, type Store } from "./store.js";
import { storedVector } from "./stored.js";
import { decodeStrings, type StringTable, stringAt } from "./strings.js";

/** A query: coordinates and weights, or tokens and weights where the index knows a vocabulary. */
export type Query = SparseVector | Readonly<Record<string, number>>;

/** One result. */
export interface Hit {
  /** the document's id; its number as text where the index has no ids */
  readonly id: string;
  readonly score: number;
  /** number of the document; documents added since the last merge follow those of the file */
  readonly document: number;
  readonly payload?: unknown;
}

/** An open index. Searches run one at a time; batches on threads are in `threads.node.js`. */
export interface SparseIndex {
  readonly header: IndexHeader;
  readonly store: Store;
  /** documents in the file and those added since */
  readonly size: number;
  /** The best k, best first; ties in increasing document number. @throws InputError for a bad query or option */
  search(query: Query, options?: SearchOptions): Hit[];
  /** The same by scoring every document: the oracle. */
  exact(query: Query, k?: number): Hit[];
  /** Results as arrays, without ids: nothing is decoded. Covers the documents of the file alone. */
  searchRaw(query: SparseVector, options?: SearchOptions): RawHits;
  /** Exact results as arrays, over the documents of the file alone. */
  exactRaw(query: SparseVector, k?: number): RawHits;
  /** What the last search of the file cost. */
  stats(): SearchStats;
  /** Adds documents to a small exact index that every search also looks at. @throws InputError for a known id or a bad vector */
  add(documents: readonly NewDocument[]): void;
  /** Builds a new index over everything, with the options of this one unless others are given. Returns the pieces of its file. */
  merged(rng: Rng, options?: BuildOptions, onProgress?: Progress): Promise<Uint8Array[]>;
  /** Coordinates of a token query; unknown tokens are left out. @throws InputError without a vocabulary */
  vector(query: Query): { indices: number[]; values: number[] };
}

/**
 * Opens an index that lies in memory as bytes: in a browser, after one `fetch`.
 * @throws FormatError when it is damaged, truncated, or of a newer version
 */
export async function openIndex(bytes: Uint8Array): Promise<SparseIndex> {
  const file = reserve(bytes.length, false);
  file.bytes.set(bytes);
  return openIndexMemory(file);
}

/** Opens an index whose file was read straight into the kernels' memory. @throws FormatError */
export async function openIndexMemory(file: FileMemory): Promise<SparseIndex> {
  const store = openStore(file);
  const searcher = await createSearcher(store);
  const { header } = store;
  const { docs } = header;
  const side = createSideIndex(header.dim);
  let tokenNumbers: Map<string, number> | undefined;
  let idNumbers: Set<string> | undefined;
  const idOf = (d: number) => (d < docs ? (store.ids ? stringAt(store.ids, d) : String(d)) : side.at(d - docs).id);
  const payloadOf = (d: number): unknown => {
    if (d >= docs) return side.at(d - docs).payload;
    return store.payloads ? storedPayload(store.payloads, d) : undefined;
  };

  const vector = (query: Query): { indices: number[]; values: number[] } => {
    if (isVector(query)) return { indices: Array.from(query.indices), values: Array.from(query.values) };
    if (!store.tokens)
      throw new InputError("query: the index has no vocabulary; give coordinates ({ indices, values }) or build it with tokens");
    tokenNumbers ??= new Map(decodeStrings(store.tokens).map((t, i) => [t, i]));
    const indices: number[] = [];
    const values: number[] = [];
    for (const [token, weight] of Object.entries(query)) {
      if (!(Number.isFinite(weight) && weight >= 0))
        throw new InputError(`query: weight ${weight} of token ${JSON.stringify(token)} is not a finite number of at least 0`);
      const c = tokenNumbers.get(token);
      if (c === undefined) continue;
      indices.push(c);
      values.push(weight);
    }
    return { indices, values };
  };

  const answer = (raw: RawHits, added: readonly { document: number; score: number }[], k: number): Hit[] => {
    const all = Array.from(raw.documents, (document, i) => ({ document, score: raw.scores[i]! }));
    for (const hit of added) all.push({ document: docs + hit.document, score: hit.score });
    all.sort((a, b) => b.score - a.score || a.document - b.document);
    return all.slice(0, k).map(({ document, score }) => {
      const payload = payloadOf(document);
      return { id: idOf(document), score, document, ...(payload === undefined ? {} : { payload }) };
    });
  };

  return {
    header,
    store,
    get size() {
      return docs + side.size;
    },
    search(query, options = {}) {
      const { k } = searchConfig(options);
      const v = vector(query);
      return answer(searcher.search(v, options), side.search(v, k), k);
    },
    exact(query, k = 10) {
      requireInteger("search.k", k, 1);
      const v = vector(query);
      return answer(searcher.exact(v, k), side.search(v, k), k);
    },
    searchRaw: searcher.search,
    exactRaw: searcher.exact,
    stats: searcher.stats,
    vector,
    add(documents) {
      if (store.ids) idNumbers ??= new Set(decodeStrings(store.ids));
      const known = (id: string) => (idNumbers ? idNumbers.has(id) : /^(0|[1-9]\d*)$/.test(id) && Number(id) < docs);
      side.add(
        documents.map((d) => ({ ...d, vector: vector(d.vector) })),
        known,
      );
    },
    async merged(rng, options, onProgress) {
      const rows: { indices: Uint32Array; values: Float32Array }[] = Array.from({ length: docs }, (_, d) => {
        const v = storedVector(store, d);
        return { indices: Uint32Array.from(v.indices), values: Float32Array.from(v.values) };
      });
      for (let i = 0; i < side.size; i++) rows.push(side.at(i).vector);
      const total = rows.length;
      const labels: IndexLabels = {
        ...(store.ids || side.size > 0 ? { ids: Array.from({ length: total }, (_, d) => idOf(d)) } : {}),
        ...(store.payloads || side.hasPayloads ? { payloads: Array.from({ length: total }, (_, d) => payloadOf(d) ?? null) } : {}),
        ...(store.tokens ? { tokens: decodeStrings(store.tokens) } : {}),
        meta: header.meta,
      };
      const { summaryCount, ...config } = header.config;
      const chosen = options ?? { ...config, ...(summaryCount === null ? {} : { summaryCount }) };
      return buildIndex(stackRows(rows, header.dim), chosen, rng, labels, onProgress);
    },
  };
}

function storedPayload(payloads: StringTable, d: number): unknown {
  try {
    return JSON.parse(stringAt(payloads, d));
  } catch {
    throw new FormatError("index file", `section payloads: document ${d} has no JSON; the file is damaged, build it again`);
  }
}

function isVector(query: Query): query is SparseVector {
  const { indices, values } = query as SparseVector;
  return typeof indices === "object" && typeof values === "object";
}

/**
 * Builds an index and returns the pieces of its file, to be written in order or joined.
 *
 * @param documents one row per document
 * @param options   see `BuildOptions`
 * @param rng       chooses centroids: the same seed gives the same file
 * @param labels    ids, payloads, vocabulary
 * @throws InputError for bad vectors or labels, OptionError for a bad option
 */
export async function buildIndex(
  documents: SparseMatrix,
  options: BuildOptions,
  rng: Rng,
  labels: IndexLabels = {},
  onProgress?: Progress,
): Promise<Uint8Array[]> {
  const parts = buildParts(documents, options, rng, onProgress);
  const { neighbours } = parts.config;
  if (neighbours === 0) return assemble(parts, labels);
  return assemble({ ...parts, neighbours: await findNeighbours(parts, documents, neighbours, onProgress) }, labels);
}

/** The nearest documents of each document, searched in the index itself. CIKM 2024: "Pairing clustered inverted indexes with kNN graphs". */
async function findNeighbours(
  parts: IndexParts,
  documents: SparseMatrix,
  count: number,
  onProgress?: Progress,
): Promise<Uint32Array> {
  const searcher = await createSearcher(openStore(toMemory(assemble(parts))));
  const out = new Uint32Array(documents.rows * count).fill(0xffffffff);
  const step = Math.max(1, documents.rows >>> 7);
  for (let d = 0; d < documents.rows; d++) {
    const indices = documents.indices.subarray(documents.offsets[d]!, documents.offsets[d + 1]!);
    const values = documents.values.subarray(documents.offsets[d]!, documents.offsets[d + 1]!);
    const { documents: found } = searcher.search({ indices, values }, { k: count + 1, queryCut: 8, heapFactor: 0.9 });
    let at = d * count;
    for (const e of found) if (e !== d && at < (d + 1) * count) out[at++] = e;
    if (d % step === 0) onProgress?.("neighbours", d / documents.rows);
  }
  onProgress?.("neighbours", 1);
  return out;
}

/** The side index: documents added since the file was built, searched exactly until they are merged. */
import { InputError } from "../core/index.js";
import { checkVector, type SparseVector } from "./csr.js";

/** A document to add. Tokens may be given where the index has a vocabulary; tokens it does not know are left out. */
export interface NewDocument {
  readonly id: string;
  readonly vector: SparseVector | Readonly<Record<string, number>>;
  readonly payload?: unknown;
}

/** A document held by the side index. */
export interface SideDocument {
  readonly id: string;
  readonly vector: { indices: Uint32Array; values: Float32Array };
  readonly payload?: unknown;
}

/** Exact search over postings per coordinate. */
export interface SideIndex {
  readonly size: number;
  readonly hasPayloads: boolean;
  at(i: number): SideDocument;
  /** Adds all documents or, when one is bad, none. */
  add(documents: readonly { id: string; vector: SparseVector; payload?: unknown }[], known: (id: string) => boolean): void;
  /** The best k documents that share a coordinate with the query, best first. */
  search(query: SparseVector, k: number): { document: number; score: number }[];
}

/** An empty side index over `dim` coordinates. */
export function createSideIndex(dim: number): SideIndex {
  const held: SideDocument[] = [];
  const ids = new Set<string>();
  const lists = new Map<number, { documents: number[]; weights: number[] }>();
  return {
    get size() {
      return held.length;
    },
    get hasPayloads() {
      return held.some((d) => d.payload !== undefined);
    },
    at: (i) => held[i]!,
    add(documents, known) {
      const fresh = new Set<string>();
      const checked = documents.map(({ id, vector, payload }) => {
        if (typeof id !== "string" || id === "")
          throw new InputError(`index add: a document's id must be a non-empty string, got ${JSON.stringify(id)}`);
        if (known(id) || ids.has(id) || fresh.has(id))
          throw new InputError(`index add: document ${JSON.stringify(id)} is in the index already; use another id`);
        fresh.add(id);
        return {
          id,
          vector: checkVector(`document ${JSON.stringify(id)}`, vector, dim),
          ...(payload === undefined ? {} : { payload }),
        };
      });
      for (const document of checked) {
        document.vector.indices.forEach((c, i) => {
          let list = lists.get(c);
          if (!list) lists.set(c, (list = { documents: [], weights: [] }));
          list.documents.push(held.length);
          list.weights.push(document.vector.values[i]!);
        });
        ids.add(document.id);
        held.push(document);
      }
    },
    search(query, k) {
      if (held.length === 0) return [];
      const { indices, values } = checkVector("query", query, dim);
      const scores = new Float32Array(held.length);
      indices.forEach((c, j) => {
        const list = lists.get(c);
        list?.documents.forEach((d, i) => {
          scores[d]! += values[j]! * list.weights[i]!;
        });
      });
      const found: { document: number; score: number }[] = [];
      scores.forEach((score, document) => {
        if (score > 0) found.push({ document, score });
      });
      return found.sort((a, b) => b.score - a.score || a.document - b.document).slice(0, k);
    },
  };
}

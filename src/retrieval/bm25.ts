/** BM25 as sparse vectors: the inner product of a document's and a query's vector is the BM25 score. */
import { InputError, requireFraction, requireNumber } from "../core/index.js";
import { type SparseMatrix, stackRows } from "./csr.js";
import { createTokeniser, type TokeniseOptions } from "./tokenise.js";

/** Parameters of BM25. */
export interface Bm25Options extends TokeniseOptions {
  /** saturation of term frequency, at least 0; 1.2 */
  readonly k1?: number;
  /** share of length normalisation in [0, 1]; 0.75 */
  readonly b?: number;
  /** tokens in fewer documents are left out; 1 */
  readonly minDocuments?: number;
}

/** A collection as BM25 vectors. */
export interface Bm25Collection {
  readonly documents: SparseMatrix;
  /** token of each coordinate, by first appearance */
  readonly tokens: readonly string[];
  /** what `bm25Query` needs, plain JSON: kept in an index's meta */
  readonly encoder: Bm25Encoder;
}

/** How queries are made for a BM25 index. */
export interface Bm25Encoder {
  readonly kind: "bm25";
  readonly stem: boolean;
  readonly stopWords: boolean;
}

/**
 * Weighs every document's tokens.
 *
 *     w(d, t) = idf(t) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * |d| / mean |d|))
 *     idf(t)  = ln(1 + (N - n_t + 0.5) / (n_t + 0.5))
 *
 * @param texts   one per document
 * @returns       vectors and vocabulary
 * @throws InputError when no document holds a token; OptionError for a parameter outside its range
 *
 * Robertson and Zaragoza 2009; the idf is Lucene's, which is never negative.
 */
export function bm25Collection(texts: readonly string[], options: Bm25Options = {}): Bm25Collection {
  const k1 = requireNumber("bm25.k1", options.k1 ?? 1.2, 0);
  const b = requireFraction("bm25.b", options.b ?? 0.75);
  const { stem = true, stopWords = true, minDocuments = 1 } = options;
  const tokenise = createTokeniser({ stem, stopWords });
  const numbers = new Map<string, number>();
  const counts: Map<number, number>[] = [];
  const lengths: number[] = [];
  const documentsOf: number[] = [];
  for (const text of texts) {
    const count = new Map<number, number>();
    const tokens = tokenise(text);
    for (const token of tokens) {
      let t = numbers.get(token);
      if (t === undefined) {
        numbers.set(token, (t = numbers.size));
        documentsOf.push(0);
      }
      count.set(t, (count.get(t) ?? 0) + 1);
    }
    for (const t of count.keys()) documentsOf[t]!++;
    counts.push(count);
    lengths.push(tokens.length);
  }
  const kept = new Int32Array(numbers.size).fill(-1);
  const tokens: string[] = [];
  for (const [token, t] of numbers) {
    if (documentsOf[t]! < minDocuments) continue;
    kept[t] = tokens.length;
    tokens.push(token);
  }
  if (tokens.length === 0) throw new InputError("bm25: no document holds a token; is the text empty, or all stop words?");
  const n = texts.length;
  const mean = lengths.reduce((s, x) => s + x, 0) / n;
  const rows = counts.map((count, d) => {
    const norm = k1 * (1 - b + (b * lengths[d]!) / mean);
    const entries = [...count].filter(([t]) => kept[t]! >= 0).sort(([s], [t]) => kept[s]! - kept[t]!);
    return {
      indices: Uint32Array.from(entries, ([t]) => kept[t]!),
      values: Float32Array.from(
        entries,
        ([t, tf]) => (Math.log(1 + (n - documentsOf[t]! + 0.5) / (documentsOf[t]! + 0.5)) * tf * (k1 + 1)) / (tf + norm),
      ),
    };
  });
  return { documents: stackRows(rows, tokens.length), tokens, encoder: { kind: "bm25", stem, stopWords } };
}

/** The query of a text for a BM25 index: each token weighs as often as it is said. */
export function bm25Query(text: string, encoder: Bm25Encoder): Record<string, number> {
  const query: Record<string, number> = Object.create(null) as Record<string, number>;
  for (const token of createTokeniser(encoder)(text)) query[token] = (query[token] ?? 0) + 1;
  return query;
}

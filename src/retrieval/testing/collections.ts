/** Small collections for tests. */
import { createRng } from "../../core/index.js";
import { matrixFromVectors, type SparseMatrix, type SparseVector } from "../csr.js";
import { syntheticCollection } from "../synthetic.js";

/** A small synthetic collection with topics. */
export const small = (documents: number, queries = 20, seed = 1) =>
  syntheticCollection(
    { documents, queries, dim: 2000, documentTerms: 40, queryTerms: 12, areas: 8, topicsPerArea: 4 },
    createRng(seed),
  );

/** Uniform random vectors without structure; some rows are empty, some values repeat. */
export function unstructured(rows: number, cols: number, most: number, seed: number): SparseMatrix {
  const rng = createRng(seed);
  const vectors: SparseVector[] = Array.from({ length: rows }, () => {
    const n = rng.below(most + 1);
    const indices = rng.permutation(cols).slice(0, Math.min(n, cols));
    return { indices, values: Array.from(indices, () => (1 + rng.below(8)) / 4) };
  });
  return matrixFromVectors(vectors, cols);
}

/** Scores of every document by the definition, in double precision. */
export function bruteForce(m: SparseMatrix, q: SparseVector): Float64Array {
  const dense = new Float64Array(m.cols);
  for (let j = 0; j < q.indices.length; j++) dense[q.indices[j]!] = q.values[j]!;
  return Float64Array.from({ length: m.rows }, (_, d) => {
    let s = 0;
    for (let i = m.offsets[d]!; i < m.offsets[d + 1]!; i++) s += dense[m.indices[i]!]! * m.values[i]!;
    return s;
  });
}

/** Pieces of a file joined. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(pieces.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of pieces) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

/**
 * Two further families of approximate search over sparse vectors, to count what they must look at: in plain TypeScript, so work is compared
 * and never time.
 */
import type { Rng } from "../../src/core/index.js";
import { accuracyAt, type RawHits, rowOf, type SparseMatrix, transpose } from "../../src/retrieval/index.js";
import type { Work } from "./config.js";

type Row = ReturnType<typeof rowOf>;

const K = 10;

/** The best documents among some scores; ties to the lower number. */
function best(documents: Iterable<number>, score: Float32Array): Uint32Array {
  return Uint32Array.from(
    [...documents]
      .filter((d) => score[d]! > 0)
      .sort((a, b) => score[b]! - score[a]! || a - b)
      .slice(0, K),
  );
}

/**
 * Clustering (SparseIvf, Bruch et al. 2023): every document belongs to the nearest of some documents by cosine; the clusters whose centroids
 * score best are scored whole. Work: documents scored, centroids included.
 */
export function clustering(documents: SparseMatrix, queries: readonly Row[], truth: readonly RawHits[], rng: Rng): Work[] {
  const count = Math.max(1, Math.round(4 * Math.sqrt(documents.rows)));
  const chosen = rng.permutation(documents.rows).subarray(0, count);
  const centroids = transposedRows(documents, chosen);
  const norms = Float32Array.from(chosen, (d) => Math.hypot(...rowOf(documents, d).values));
  const scores = new Float32Array(count);
  const against = ({ indices, values }: Row) => {
    scores.fill(0);
    indices.forEach((c, i) => {
      for (let p = centroids.offsets[c]!; p < centroids.offsets[c + 1]!; p++)
        scores[centroids.indices[p]!]! += values[i]! * centroids.values[p]!;
    });
    for (let j = 0; j < count; j++) scores[j]! /= norms[j]! || 1;
    return scores;
  };
  const members: number[][] = Array.from({ length: count }, () => []);
  for (let d = 0; d < documents.rows; d++) {
    const near = against(rowOf(documents, d));
    let own = 0;
    for (let j = 1; j < count; j++) if (near[j]! > near[own]!) own = j;
    members[own]!.push(d);
  }
  const dense = new Float32Array(documents.cols);
  const score = new Float32Array(documents.rows);
  const orders = queries.map((q) => {
    const near = against(q).slice();
    return Uint32Array.from(near.keys()).sort((a, b) => near[b]! - near[a]!);
  });
  return [1, 2, 4, 8, 16, 32, 64, 128]
    .filter((probes) => probes <= count)
    .map((probes) => {
      let accuracy = 0;
      let work = 0;
      queries.forEach((q, i) => {
        q.indices.forEach((c, j) => {
          dense[c] = q.values[j]!;
        });
        const looked: number[] = [];
        for (const cluster of orders[i]!.subarray(0, probes)) {
          for (const d of members[cluster]!) {
            let sum = 0;
            for (let e = documents.offsets[d]!; e < documents.offsets[d + 1]!; e++)
              sum += dense[documents.indices[e]!]! * documents.values[e]!;
            score[d] = sum;
            looked.push(d);
          }
        }
        for (const c of q.indices) dense[c] = 0;
        accuracy += accuracyAt(K, best(looked, score), truth[i]!) / queries.length;
        work += (count + looked.length) / queries.length;
      });
      return { setting: probes, accuracy, work };
    });
}

const transposedRows = (m: SparseMatrix, rows: ArrayLike<number>): SparseMatrix => {
  const picked = Array.from(rows, (r) => rowOf(m, r));
  const offsets = new Uint32Array(picked.length + 1);
  picked.forEach(({ indices }, i) => {
    offsets[i + 1] = offsets[i]! + indices.length;
  });
  const indices = new Uint32Array(offsets[picked.length]!);
  const values = new Float32Array(indices.length);
  picked.forEach((row, i) => {
    indices.set(row.indices, offsets[i]!);
    values.set(row.values, offsets[i]!);
  });
  return transpose({ rows: picked.length, cols: m.cols, offsets, indices, values });
};

/**
 * Impact-ordered anytime search (JASS, Lin and Trotman 2015; Ioqp, Mackenzie et al. 2022): postings of all query coordinates in segments of equal
 * 8-bit impact, highest contribution first, added up until a budget is spent. Work: postings.
 */
export function impactOrdered(documents: SparseMatrix, queries: readonly Row[], truth: readonly RawHits[]): Work[] {
  const lists = transpose(documents);
  let most = 0;
  for (const v of documents.values) most = Math.max(most, v);
  const code = (v: number) => Math.max(1, Math.round((255 * v) / most));
  // Postings of each list, by falling impact: sorted once.
  const order = new Uint32Array(lists.indices.length);
  for (let c = 0; c < lists.rows; c++) {
    const [from, to] = [lists.offsets[c]!, lists.offsets[c + 1]!];
    const own = Uint32Array.from({ length: to - from }, (_, i) => from + i);
    order.set(
      own.sort((a, b) => lists.values[b]! - lists.values[a]! || a - b),
      from,
    );
  }
  const score = new Float32Array(documents.rows);
  const budgets = [0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 1];
  const accuracy = budgets.map(() => 0);
  const work = budgets.map(() => 0);
  queries.forEach((q, i) => {
    const segments: { from: number; to: number; gain: number }[] = [];
    let total = 0;
    q.indices.forEach((c, j) => {
      const to = lists.offsets[c + 1]!;
      total += to - lists.offsets[c]!;
      for (let p = lists.offsets[c]!; p < to; ) {
        const impact = code(lists.values[order[p]!]!);
        let end = p;
        while (end < to && code(lists.values[order[end]!]!) === impact) end++;
        segments.push({ from: p, to: end, gain: q.values[j]! * impact });
        p = end;
      }
    });
    segments.sort((a, b) => b.gain - a.gain || a.from - b.from);
    score.fill(0);
    const touched = new Set<number>();
    let spent = 0;
    let at = 0;
    budgets.forEach((share, b) => {
      for (; at < segments.length && spent < share * total; at++) {
        const { from, to, gain } = segments[at]!;
        for (let p = from; p < to; p++) {
          const d = lists.indices[order[p]!]!;
          score[d]! += gain;
          touched.add(d);
        }
        spent += to - from;
      }
      accuracy[b]! += accuracyAt(K, best(touched, score), truth[i]!) / queries.length;
      work[b]! += spent / queries.length;
    });
  });
  return budgets.map((setting, b) => ({ setting, accuracy: accuracy[b]!, work: work[b]! }));
}

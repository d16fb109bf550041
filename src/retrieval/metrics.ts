/** How good a ranking is. */

/** Relevance of documents to one query: id to grade, above 0 when relevant. */
export type Judgements = ReadonlyMap<string, number>;

/**
 * Normalised discounted cumulative gain.
 *
 *     DCG = sum over ranks r = 1..k of (2^grade - 1) / log2(r + 1),   nDCG = DCG / the best possible DCG
 *
 * @param ranked ids, best first
 * @param judged grades of the relevant documents
 * @returns      in [0, 1]; 0 when nothing is relevant
 * Järvelin and Kekäläinen 2002.
 */
export function ndcg(ranked: readonly string[], judged: Judgements, k = 10): number {
  const gain = (grade: number, rank: number) => (2 ** grade - 1) / Math.log2(rank + 2);
  let got = 0;
  for (let r = 0; r < Math.min(k, ranked.length); r++) got += gain(judged.get(ranked[r]!) ?? 0, r);
  let best = 0;
  [...judged.values()]
    .sort((a, b) => b - a)
    .slice(0, k)
    .forEach((grade, r) => {
      best += gain(grade, r);
    });
  return best > 0 ? got / best : 0;
}

/** Share of the relevant documents among the first k. */
export function recall(ranked: readonly string[], judged: Judgements, k = 100): number {
  let relevant = 0;
  for (const grade of judged.values()) if (grade > 0) relevant++;
  if (relevant === 0) return 0;
  let found = 0;
  for (const id of ranked.slice(0, k)) if ((judged.get(id) ?? 0) > 0) found++;
  return found / relevant;
}

/**
 * Accuracy@k: the share of the exact best k that the approximate search also returned. Documents whose exact score
 * equals the last one's count as right, whichever of them was returned.
 *
 * @param found  documents returned
 * @param truth  exact documents and scores, best first; may go past k so that ties can be seen
 */
export function accuracyAt(
  k: number,
  found: ArrayLike<number>,
  truth: { documents: ArrayLike<number>; scores: ArrayLike<number> },
): number {
  const wanted = Math.min(k, truth.documents.length);
  if (wanted === 0) return 1;
  const last = truth.scores[wanted - 1]!;
  const right = new Set<number>();
  for (let i = 0; i < truth.documents.length && truth.scores[i]! >= last; i++) right.add(truth.documents[i]!);
  let hits = 0;
  for (let i = 0; i < Math.min(k, found.length); i++) if (right.has(found[i]!)) hits++;
  return Math.min(hits, wanted) / wanted;
}

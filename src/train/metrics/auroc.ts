import { InputError } from "../../core/index.js";

/**
 * Area under the receiver operating characteristic: the probability that a positive scores above a negative, ties counted half.
 *
 *     AUROC = (sum of ranks of the positives - P (P + 1) / 2) / (P N)
 *
 * @param positives scores that should be high
 * @param negatives scores that should be low
 * @returns         in [0, 1]; 0.5 = no better than chance
 * @throws InputError when one side is empty or a score is not a number
 *
 * Hanley and McNeil 1982, "The meaning and use of the area under a ROC curve".
 */
export function auroc(positives: ArrayLike<number>, negatives: ArrayLike<number>): number {
  const [p, n] = [positives.length, negatives.length];
  if (p === 0 || n === 0) throw new InputError(`auroc: expected scores on both sides, got ${p} positives and ${n} negatives`);
  const score = (i: number) => (i < p ? positives[i]! : negatives[i - p]!);
  const order = Array.from({ length: p + n }, (_, i) => i);
  for (const i of order)
    if (Number.isNaN(score(i))) throw new InputError(`auroc: ${i < p ? `positive ${i}` : `negative ${i - p}`} is not a number`);
  order.sort((a, b) => score(a) - score(b));
  let ranks = 0;
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && score(order[end]!) === score(order[start]!)) end++;
    const shared = (start + end + 1) / 2;
    for (let k = start; k < end; k++) if (order[k]! < p) ranks += shared;
    start = end;
  }
  return (ranks - (p * (p + 1)) / 2) / (p * n);
}

/** "Did you mean": the candidate nearest to what was typed. */

/** Edit distance with transpositions of neighbours counted once (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => new Array<number>(b.length + 1).fill(i));
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      rows[i]![j] = least;
    }
  }
  return rows[a.length]![b.length]!;
}

/** The nearest candidate, or undefined when none is near (more than 40 % of its letters differ). */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const short = word.slice(0, 64).toLowerCase();
  let best: { name: string; distance: number } | undefined;
  for (const name of candidates) {
    const distance = editDistance(short, name.toLowerCase());
    if (distance <= Math.max(1, Math.floor(0.4 * name.length)) && (!best || distance < best.distance)) best = { name, distance };
  }
  return best?.name;
}

/** Names that look like another: what an error offers instead. */

/** Edits (insert, delete, replace) between two strings. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}

const words = (name: string): string[] => name.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+/g)?.map((w) => w.toLowerCase()) ?? [];

/** The names most like `name`: shared words first, then fewest edits. */
export function nearby(name: string, names: Iterable<string>, count = 3): string[] {
  const short = name.slice(0, 64);
  const own = new Set(words(short));
  const score = (other: string): number => {
    const shared = words(other).filter((w) => own.has(w) && w.length > 2).length;
    return distance(short.toLowerCase(), other.toLowerCase()) - 6 * shared;
  };
  return [...names]
    .map((other) => ({ other, score: score(other) }))
    .sort((a, b) => a.score - b.score || (a.other < b.other ? -1 : 1))
    .slice(0, count)
    .map(({ other }) => other);
}

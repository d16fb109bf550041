/** The naming standard as a check: words that docs and reports must not use, each with the word to use instead. */

/** A word to avoid and what to write. */
export interface BannedTerm {
  readonly term: RegExp;
  readonly use: string;
}

/** Terms that docs avoid (docs/vocabulary.md lists why). */
export const bannedTerms: readonly BannedTerm[] = [
  { term: /\bremaining ratio\b/i, use: "density" },
  { term: /\bsparsity (?:of )?\d+(?:\.\d+)?x\b|\b\d+(?:\.\d+)?x sparsity\b/i, use: "a sparsity in [0, 1], or nominal compression" },
  { term: /\binverted masks?\b/i, use: "mask (1 = kept)" },
  { term: /\b(?:neuron|weight|synapse|connection)s? (?:death|birth)\b/i, use: "prune and grow" },
  { term: /\bpruning rate\b/i, use: "drop fraction, or sparsity" },
  { term: /\bforesight pruning\b/i, use: "pruning at initialisation" },
  {
    term: /\blossless(?:ly)? (?:pruned?|pruning|sparse|sparsity|compression of networks?)\b/i,
    use: "matching, within the stated margin",
  },
  { term: /\btheoretical speed-?ups?\b|\bFLOPs? speed-?ups?\b/i, use: "theoretical FLOPs" },
  { term: /\bsparse models?\b/i, use: "what is sparse: a network with sparse weights, sparse activations, ..." },
];

/** Where a banned term stands. */
export interface Finding {
  readonly line: number;
  readonly found: string;
  readonly use: string;
}

/**
 * Banned terms of a text. Parts between `<!-- avoid -->` and `<!-- /avoid -->` are skipped: there the terms are listed.
 * @param text Markdown or plain text
 */
export function findBannedTerms(text: string): Finding[] {
  const findings: Finding[] = [];
  let skipping = false;
  text.split("\n").forEach((line, at) => {
    if (line.includes("<!-- avoid -->")) skipping = true;
    if (line.includes("<!-- /avoid -->")) skipping = false;
    if (skipping) return;
    for (const { term, use } of bannedTerms) {
      const match = term.exec(line);
      if (match) findings.push({ line: at + 1, found: match[0], use });
    }
  });
  return findings;
}

/** Report keys that say too little, with the keys to use. */
export const bannedKeys: Readonly<Record<string, string>> = {
  flops: "theoreticalFlops",
  compression: "compressionRatio (indices included) or nominalCompression",
  sparsityPercent: "a fraction: targetSparsity, realisedSparsity",
  pruningRate: "dropFraction or targetSparsity",
  remainingRatio: "density",
  similarity: "jaccard with chance",
  speedup: "speedupBatch1, speedupBatch64: measured, with the batch named",
  theoreticalSpeedup: "theoreticalFlops",
};

/** Banned keys anywhere in a JSON value, as dotted places. */
export function findBannedKeys(value: unknown, place = ""): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const at = place ? `${place}.${key}` : key;
    return [...(Object.hasOwn(bannedKeys, key) ? [at] : []), ...findBannedKeys(inner, at)];
  });
}

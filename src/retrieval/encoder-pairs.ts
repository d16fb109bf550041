/** Text for training an encoder: titles against texts, cut into bags over a vocabulary. */
import { InputError, requireInteger } from "../core/index.js";
import { type Bm25Encoder, bm25Collection } from "./bm25.js";
import { documentWeights, queryWeights } from "./encoder.js";

/** A pair to bring together: a short text as query, a longer one as document. */
export interface TextPair {
  readonly query: string;
  readonly document: string;
}

/** Pairs as bags of words, as `trainSparseEncoder` of `sparseland/train` takes them. */
export interface EncoderPairs {
  readonly tokens: readonly string[];
  readonly text: Bm25Encoder;
  readonly queries: readonly ReadonlyMap<number, number>[];
  readonly documents: readonly ReadonlyMap<number, number>[];
}

/**
 * Cuts pairs into bags over their most frequent tokens.
 *
 * @param pairs      at least one, with text in them
 * @param vocabulary most tokens kept, at least 2; 4096
 * @throws InputError without pairs or tokens; OptionError for a vocabulary outside its range
 */
export function encoderPairs(pairs: readonly TextPair[], vocabulary = 4096): EncoderPairs {
  requireInteger("encoder.vocabulary", vocabulary, 2);
  if (pairs.length === 0) throw new InputError("encoder: no pairs of a short and a longer text came");
  const texts = pairs.map((p) => p.document);
  const bm25 = bm25Collection([...texts, ...pairs.map((p) => p.query)]);
  const frequency = new Uint32Array(bm25.tokens.length);
  for (const t of bm25.documents.indices) frequency[t]!++;
  const tokens = Array.from(frequency.keys())
    .sort((a, b) => frequency[b]! - frequency[a]! || a - b)
    .slice(0, vocabulary)
    .map((t) => bm25.tokens[t]!);
  const encoder = { tokens, text: bm25.encoder };
  return { ...encoder, queries: pairs.map((p) => queryWeights(encoder, p.query)), documents: documentWeights(encoder, texts) };
}

/** The pairs of texts with titles: the title is the query, and its first mention is taken out of the text, so that it gives nothing away. */
export function titlePairs(texts: readonly { readonly title: string; readonly text: string }[]): TextPair[] {
  return texts
    .filter(({ title }) => title !== "")
    .map(({ title, text }) => ({ query: title, document: text.replace(title, () => "") }))
    .filter(({ document }) => document.trim().length > 20);
}

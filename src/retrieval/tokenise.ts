/** From text to tokens. */
import { stemmer } from "stemmer";

/** A function from text to tokens, in order, with repeats. */
export type Tokeniser = (text: string) => string[];

/** How text is cut into tokens. */
export interface TokeniseOptions {
  /** reduce English words to their stems (Porter 1980); true */
  readonly stem?: boolean;
  /** leave out the most common English function words; true */
  readonly stopWords?: boolean;
}

/** Function words that carry no topic: articles, prepositions, pronouns, auxiliaries. */
const STOP = new Set(
  (
    "a an and are as at be been but by can could did do does for from had has have he her his how i if in into is it its may might more most no not of on or " +
    "our over she should so some such than that the their them then there these they this those through to under up was we were what when where which while who whom why will with would you your"
  ).split(" "),
);

/**
 * Lower-cases, folds accents, and takes runs of letters and digits; an apostrophe inside a word is dropped.
 *
 * @param options stemming and stop words
 */
export function createTokeniser(options: TokeniseOptions = {}): Tokeniser {
  const { stem = true, stopWords = true } = options;
  return (text) => {
    const tokens: string[] = [];
    const folded = text
      .normalize("NFKD")
      .replace(/[\u0300-\u036f'\u2019]/g, "")
      .toLowerCase();
    for (const [word] of folded.matchAll(/[\p{L}\p{N}]+/gu)) {
      if (stopWords && STOP.has(word)) continue;
      tokens.push(stem ? stemmer(word) : word);
    }
    return tokens;
  };
}

/** The context block of a query: addresses and counts, one word each, in the order of `src/retrieval/searcher.ts`. */

/** Word `i`. */
export function word(ctx: usize, i: i32): u32 {
  return load<u32>(ctx + (i << 2));
}
/** Numbers of the words. */
export const DOCS: i32 = 0,
  WIDE_COORDS: i32 = 2,
  VALUES: i32 = 3,
  WIDE_BLOCKS: i32 = 4,
  DOC_QUADS: i32 = 5,
  FORWARD: i32 = 6,
  LIST_BLOCKS: i32 = 7,
  BLOCK_STARTS: i32 = 8,
  POSTINGS: i32 = 9,
  BLOCK_MIN: i32 = 10,
  BLOCK_STEP: i32 = 11,
  LIST_TERMS: i32 = 12,
  TERM_COORDS: i32 = 13,
  TERM_STARTS: i32 = 14,
  LIST_ENTRIES: i32 = 15,
  ENTRIES: i32 = 16,
  WIDE_STARTS: i32 = 17,
  DENSE: i32 = 18,
  VISITED: i32 = 19,
  LOG: i32 = 20,
  SCORES: i32 = 21,
  ORDER: i32 = 22,
  HEAP: i32 = 23,
  CHOSEN: i32 = 24,
  STATS: i32 = 25,
  NEIGHBOURS: i32 = 26,
  NEIGHBOUR_COUNT: i32 = 27,
  RUNS: i32 = 28;

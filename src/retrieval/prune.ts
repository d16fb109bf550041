/** Static pruning: which postings of each coordinate's list the index keeps. */
import { requireInteger, requireNumber, requireOneOf } from "../core/index.js";
import type { SparseMatrix } from "./csr.js";
import { kthLargest, topPositions } from "./select.js";

/** How many postings to keep, and how they are shared among the lists. */
export interface PruneOptions {
  /**
   * `global`: the `postingsPerList * coordinates` largest weights of the collection, at most
   * `postingsPerList * maxFraction` in one list. `fixed`: the `postingsPerList` largest of each list (lambda).
   */
  readonly strategy?: "global" | "fixed";
  /** lambda: postings per list, on average (`global`) or at most (`fixed`) */
  readonly postingsPerList: number;
  /** cap of one list as a multiple of `postingsPerList`, at least 1, for `global`; 1.5 */
  readonly maxFraction?: number;
}

/**
 * Keeps the strongest postings of each list.
 *
 * @param lists   transposed collection: row c holds the documents of coordinate c
 * @returns       the kept postings in the same form; documents stay in increasing order inside a list
 * @throws OptionError when an option is outside its range
 *
 * Ties at a threshold go to the lower document, and between lists to the lower coordinate.
 * Bruch et al. 2024, section 5.1 (`fixed`); the authors' code (`global`).
 */
export function pruneLists(lists: SparseMatrix, options: PruneOptions): SparseMatrix {
  const { strategy = "global", maxFraction = 1.5 } = options;
  requireOneOf("prune.strategy", strategy, ["global", "fixed"]);
  const per = requireInteger("prune.postingsPerList", options.postingsPerList, 1, 0xffffffff);
  requireNumber("prune.maxFraction", maxFraction, 1);
  const cap = strategy === "fixed" ? per : Math.max(1, Math.floor(per * maxFraction));
  const capped = capLists(lists, cap);
  const budget = per * lists.rows;
  return strategy === "fixed" || capped.indices.length <= budget ? capped : keepLargest(capped, budget);
}

function capLists(lists: SparseMatrix, cap: number): SparseMatrix {
  let longest = 0;
  const offsets = new Uint32Array(lists.rows + 1);
  for (let c = 0; c < lists.rows; c++) {
    const n = lists.offsets[c + 1]! - lists.offsets[c]!;
    longest = Math.max(longest, n);
    offsets[c + 1] = offsets[c]! + Math.min(n, cap);
  }
  if (longest <= cap) return lists;
  const scratch = new Float32Array(longest);
  const kept = new Uint32Array(longest);
  const indices = new Uint32Array(offsets[lists.rows]!);
  const values = new Float32Array(indices.length);
  for (let c = 0, at = 0; c < lists.rows; c++) {
    const n = topPositions(lists.values, lists.offsets[c]!, lists.offsets[c + 1]!, cap, scratch, kept);
    for (let i = 0; i < n; i++, at++) {
      indices[at] = lists.indices[kept[i]!]!;
      values[at] = lists.values[kept[i]!]!;
    }
  }
  return { rows: lists.rows, cols: lists.cols, offsets, indices, values };
}

/** The `budget` largest entries of the whole matrix. */
function keepLargest(lists: SparseMatrix, budget: number): SparseMatrix {
  const threshold = kthLargest(lists.values.slice(), budget);
  let above = 0;
  for (const v of lists.values) if (v > threshold) above++;
  let ties = budget - above;
  const offsets = new Uint32Array(lists.rows + 1);
  const indices = new Uint32Array(budget);
  const values = new Float32Array(budget);
  let at = 0;
  for (let c = 0; c < lists.rows; c++) {
    for (let p = lists.offsets[c]!; p < lists.offsets[c + 1]!; p++) {
      const v = lists.values[p]!;
      if (v > threshold || (v === threshold && ties-- > 0)) {
        indices[at] = lists.indices[p]!;
        values[at++] = v;
      }
    }
    offsets[c + 1] = at;
  }
  return { rows: lists.rows, cols: lists.cols, offsets, indices, values };
}

/** Topology updates on index arrays: drop-and-grow without any dense array. */
import { InputError, type Rng, requireFraction, ShapeError } from "../core/index.js";
import { csrOfMask, randomFreeCells } from "./csr.js";
import { dropLeast } from "./drop.js";
import type { CsrPattern, Dropper, Mask, Rewired } from "./types.js";

/**
 * Takes entries out and merges others in, in O(entries).
 *
 * @param csr     the pattern
 * @param values  one value per entry
 * @param dropped indices of entries to take out, ascending
 * @param grown   cells to add, none of them in `csr` (so that born = new minus old)
 * @throws ShapeError when the sizes do not fit; InputError when a grown cell is already held
 */
export function replaceEntries(csr: CsrPattern, values: Float32Array, dropped: Int32Array, grown: CsrPattern): Rewired {
  if (values.length !== csr.columns.length)
    throw new ShapeError("rewire", { values: [values.length], columns: [csr.columns.length] }, "one value per entry");
  if (grown.rows !== csr.rows || grown.cols !== csr.cols) {
    throw new ShapeError("rewire", { csr: [csr.rows, csr.cols], grown: [grown.rows, grown.cols] }, "the same matrix");
  }
  const n = csr.columns.length - dropped.length + grown.columns.length;
  const rowPtr = new Int32Array(csr.rows + 1);
  const columns = new Int32Array(n);
  const from = new Int32Array(n);
  const next = new Float32Array(n);
  const born = new Uint8Array(n);
  let at = 0;
  let d = 0;
  for (let r = 0; r < csr.rows; r++) {
    let e = csr.rowPtr[r]!;
    let g = grown.rowPtr[r]!;
    const lastOld = csr.rowPtr[r + 1]!;
    const lastGrown = grown.rowPtr[r + 1]!;
    while (e < lastOld || g < lastGrown) {
      const old = e < lastOld ? csr.columns[e]! : csr.cols;
      const fresh = g < lastGrown ? grown.columns[g]! : csr.cols;
      if (old === fresh) throw new InputError(`rewire: cell (${r}, ${old}) is grown but already held`);
      if (fresh < old) {
        columns[at] = fresh;
        from[at] = -1;
        born[at++] = 1;
        g++;
        continue;
      }
      if (d < dropped.length && dropped[d] === e) d++;
      else {
        columns[at] = old;
        from[at] = e;
        next[at++] = values[e]!;
      }
      e++;
    }
    rowPtr[r + 1] = at;
  }
  return { csr: { rows: csr.rows, cols: csr.cols, rowPtr, columns }, values: next, from, born };
}

/**
 * Carries a compressed layer over to a new mask, for methods that decide on dense masks (RigL).
 *
 * @param mask of the layer's weight; may keep another number than before
 * @returns    entries in the order of the new pattern; `from` says where each came from
 * @throws ShapeError
 */
export function rewireToMask(csr: CsrPattern, values: Float32Array, mask: Mask): Rewired {
  const next = csrOfMask(mask);
  if (next.rows !== csr.rows || next.cols !== csr.cols) {
    throw new ShapeError("rewireToMask", { csr: [csr.rows, csr.cols], mask: mask.shape }, "the same matrix");
  }
  if (values.length !== csr.columns.length) {
    throw new ShapeError("rewireToMask", { values: [values.length], columns: [csr.columns.length] }, "one value per entry");
  }
  const from = new Int32Array(next.columns.length);
  const carried = new Float32Array(next.columns.length);
  const born = new Uint8Array(next.columns.length);
  for (let r = 0; r < next.rows; r++) {
    let old = csr.rowPtr[r]!;
    for (let e = next.rowPtr[r]!; e < next.rowPtr[r + 1]!; e++) {
      while (old < csr.rowPtr[r + 1]! && csr.columns[old]! < next.columns[e]!) old++;
      const stayed = old < csr.rowPtr[r + 1]! && csr.columns[old] === next.columns[e];
      from[e] = stayed ? old : -1;
      carried[e] = stayed ? values[old]! : 0;
      born[e] = stayed ? 0 : 1;
    }
  }
  return { csr: next, values: carried, from, born };
}

/**
 * SET's topology update on a compressed layer: drops a fraction of the entries and grows as many at random free cells.
 *
 * Grown cells are never among those just dropped. The fraction is capped so that there are enough free cells.
 * Cost: O(nnz) selection, one random draw pair per grown cell, O(nnz) merge. A 50,000 x 50,000 layer with 250,000 entries takes milliseconds.
 *
 * @param csr      the pattern
 * @param values   one value per entry
 * @param fraction drop fraction, in [0, 1]
 * @param drop     default `dropLeast` (least |w|)
 * @returns        the same number of entries; born ones are 0; `from` says where each came from
 * @throws OptionError, ShapeError, InputError (NaN among the values)
 *
 * Mocanu et al. 2018, arXiv:1707.04780, algorithm 1; compressed as in Liu et al. 2021, arXiv:1901.09181.
 */
export function rewireRandom(options: {
  readonly csr: CsrPattern;
  readonly values: Float32Array;
  readonly fraction: number;
  readonly rng: Rng;
  readonly drop?: Dropper;
}): Rewired {
  const { csr, values, fraction, rng, drop = dropLeast } = options;
  requireFraction("rewireRandom.fraction", fraction);
  const held = csr.columns.length;
  if (values.length !== held)
    throw new ShapeError("rewireRandom", { values: [values.length], columns: [held] }, "one value per entry");
  const free = csr.rows * csr.cols - held;
  const dropped = drop(values, held === 0 ? 0 : Math.min(fraction, free / held));
  return replaceEntries(csr, values, dropped, randomFreeCells(csr, dropped.length, rng));
}

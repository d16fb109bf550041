/** The inverted side of an index: blocks of documents per coordinate, and their summaries, transposed. */
import { InputError, type Rng } from "../core/index.js";
import type { Blocker } from "./blocks.js";
import type { SparseMatrix } from "./csr.js";
import { growingF32, growingU8, growingU16, growingU32 } from "./growing.js";
import { alphaMassCut, quantise } from "./summary.js";

/**
 * The lists of an index. Blocks are numbered through all lists: those of coordinate c are `listBlocks[c]` to
 * `listBlocks[c + 1]`; block b holds `postings[blockStarts[b]..blockStarts[b + 1])`, documents.
 *
 * Summaries are stored by coordinate: the terms of list c are `listTerms[c]` to `listTerms[c + 1]`; term t stands for
 * coordinate `termCoords[t]`, and its entries are `listEntries[c] + termStarts[t + c]` to
 * `listEntries[c] + termStarts[t + c + 1]`. An entry is the block within the list (one byte, or two little-endian when
 * `wideBlocks`) and the 8-bit code.
 */
export interface Lists {
  readonly listBlocks: Uint32Array;
  readonly blockStarts: Uint32Array;
  readonly postings: Uint32Array;
  readonly blockMin: Float32Array;
  readonly blockStep: Float32Array;
  readonly listTerms: Uint32Array;
  readonly termCoords: Uint32Array | Uint16Array;
  readonly termStarts: Uint32Array | Uint16Array;
  readonly listEntries: Uint32Array;
  readonly entries: Uint8Array;
  /** block numbers inside a list take two bytes */
  readonly wideBlocks: boolean;
}

/** How a summary is cut from the maxima of a block. */
export interface SummaryOptions {
  /** alpha in (0, 1]: share of the L1 mass that is kept */
  readonly energy: number;
  /** keep this many largest entries instead of a share of the mass (the ablation's baseline) */
  readonly fixedCount?: number;
  /** round codes up: with energy 1 the score of a block then bounds every document in it */
  readonly upward: boolean;
}

/**
 * Blocks and summaries of all lists.
 *
 * @param m      the collection, weights as stored
 * @param kept   pruned lists: row c holds the documents of coordinate c
 * @param block  how a list is grouped
 * @param rng    split by coordinate, so a list does not depend on the others
 * @param onList called after each list with the number done
 * Bruch et al. 2024, sections 5.2 and 5.3.
 */
export function buildLists(
  m: SparseMatrix,
  kept: SparseMatrix,
  block: Blocker,
  options: SummaryOptions,
  rng: Rng,
  onList?: (done: number) => void,
): Lists {
  const wideCoords = m.cols > 65536;
  const listBlocks = new Uint32Array(m.cols + 1);
  const listTerms = new Uint32Array(m.cols + 1);
  const listEntries = new Uint32Array(m.cols + 1);
  const blockStarts = growingU32();
  const postings = kept.indices.slice();
  const blockMin = growingF32();
  const blockStep = growingF32();
  const termCoords = wideCoords ? growingU32() : growingU16();
  const termStarts = growingU32();
  const entryBlocks = growingU16();
  const entryCodes = growingU8();
  const maxima = new Float32Array(m.cols);
  const counts = new Uint32Array(m.cols);
  const summarise = createSummariser(m, maxima, options);
  const distinctCoords = new Uint32Array(m.cols);
  let mostBlocks = 0;
  let mostEntries = 0;

  for (let c = 0; c < m.cols; c++) {
    const from = kept.offsets[c]!;
    const documents = postings.subarray(from, kept.offsets[c + 1]!);
    const bounds = documents.length === 0 ? [] : block(documents, rng.split(c));
    const summaries: Summary[] = [];
    let distinct = 0;
    for (let b = 0; b + 1 < bounds.length; b++) {
      blockStarts.push(from + bounds[b]!);
      const summary = summarise(documents.subarray(bounds[b]!, bounds[b + 1]!));
      blockMin.push(summary.min);
      blockStep.push(summary.step);
      for (let i = 0; i < summary.coords.length; i++)
        if (counts[summary.coords[i]!]!++ === 0) distinctCoords[distinct++] = summary.coords[i]!;
      summaries.push(summary);
    }
    if (summaries.length > 65536)
      throw new InputError(
        `index build: coordinate ${c} has ${summaries.length} blocks, at most 65536: lower centroidFraction or maxBlocks`,
      );
    const terms = distinctCoords.slice(0, distinct).sort();
    let entries = 0;
    for (const t of terms) {
      const n = counts[t]!;
      termCoords.push(t);
      termStarts.push(entries);
      counts[t] = entries;
      entries += n;
    }
    termStarts.push(entries);
    const blocksOf = new Uint16Array(entries);
    const codesOf = new Uint8Array(entries);
    for (let b = 0; b < summaries.length; b++) {
      const { coords, codes } = summaries[b]!;
      for (let i = 0; i < coords.length; i++) {
        const at = counts[coords[i]!]!++;
        blocksOf[at] = b;
        codesOf[at] = codes[i]!;
      }
    }
    for (const t of terms) counts[t] = 0;
    for (let i = 0; i < entries; i++) {
      entryBlocks.push(blocksOf[i]!);
      entryCodes.push(codesOf[i]!);
    }
    listBlocks[c + 1] = listBlocks[c]! + summaries.length;
    listTerms[c + 1] = listTerms[c]! + terms.length;
    listEntries[c + 1] = listEntries[c]! + entries;
    mostBlocks = Math.max(mostBlocks, summaries.length);
    mostEntries = Math.max(mostEntries, entries);
    onList?.(c + 1);
  }
  blockStarts.push(postings.length);
  const wideBlocks = mostBlocks > 256;
  const starts = termStarts.join();
  return {
    listBlocks,
    blockStarts: blockStarts.join(),
    postings,
    blockMin: blockMin.join(),
    blockStep: blockStep.join(),
    listTerms,
    termCoords: termCoords.join(),
    termStarts: mostEntries < 65536 ? Uint16Array.from(starts) : starts,
    listEntries,
    entries: pack(entryBlocks.join(), entryCodes.join(), wideBlocks),
    wideBlocks,
  };
}

function pack(blocks: Uint16Array, codes: Uint8Array, wide: boolean): Uint8Array {
  const stride = wide ? 3 : 2;
  const out = new Uint8Array(blocks.length * stride);
  for (let i = 0, at = 0; i < blocks.length; i++) {
    out[at++] = blocks[i]! & 255;
    if (wide) out[at++] = blocks[i]! >>> 8;
    out[at++] = codes[i]!;
  }
  return out;
}

interface Summary {
  readonly coords: Uint32Array;
  readonly min: number;
  readonly step: number;
  readonly codes: Uint8Array;
}

/** Coordinate-wise maxima of a block, cut to their alpha-mass part and quantised. `maxima` is all zero between calls. */
function createSummariser(m: SparseMatrix, maxima: Float32Array, options: SummaryOptions): (documents: Uint32Array) => Summary {
  let touched = new Uint32Array(4096);
  let values = new Float32Array(4096);
  return (documents) => {
    let room = 0;
    for (let i = 0; i < documents.length; i++) room += m.offsets[documents[i]! + 1]! - m.offsets[documents[i]!]!;
    if (Math.min(room, m.cols) > touched.length) {
      touched = new Uint32Array(Math.min(m.cols, 2 * room));
      values = new Float32Array(touched.length);
    }
    const n = takeMaxima(m, documents, maxima, touched);
    drain(maxima, touched, values, n);
    const { threshold, ties } = cut(values, n, options);
    const { coords, weights } = keepAbove(touched, values, n, threshold, ties);
    return { coords, ...quantise(weights, options.upward) };
  };
}

/** Raises `maxima` to the documents' weights; writes the coordinates that were zero before to `touched`, returns how many. */
function takeMaxima(m: SparseMatrix, documents: Uint32Array, maxima: Float32Array, touched: Uint32Array): number {
  const { offsets, indices, values } = m;
  let n = 0;
  for (let i = 0; i < documents.length; i++) {
    const d = documents[i]!;
    const end = offsets[d + 1]!;
    for (let p = offsets[d]!; p < end; p++) {
      const c = indices[p]!;
      const v = values[p]!;
      const old = maxima[c]!;
      if (v > old) {
        if (old === 0) touched[n++] = c;
        maxima[c] = v;
      }
    }
  }
  return n;
}

/** Moves the maxima of the touched coordinates to `values`, leaving zeros behind. */
function drain(maxima: Float32Array, touched: Uint32Array, values: Float32Array, n: number): void {
  for (let i = 0; i < n; i++) {
    const c = touched[i]!;
    values[i] = maxima[c]!;
    maxima[c] = 0;
  }
}

/** Entries above the threshold, and the first `ties` by coordinate of those equal to it, so that visiting order does not matter. */
function keepAbove(
  touched: Uint32Array,
  values: Float32Array,
  n: number,
  threshold: number,
  ties: number,
): { coords: Uint32Array; weights: Float32Array } {
  let above = 0;
  const equal: number[] = [];
  for (let i = 0; i < n; i++) {
    if (values[i]! > threshold) above++;
    else if (ties > 0 && values[i] === threshold) equal.push(touched[i]!);
  }
  equal.sort((x, y) => x - y);
  const keep = Math.min(ties, equal.length);
  const coords = new Uint32Array(above + keep);
  const weights = new Float32Array(above + keep);
  let at = 0;
  for (let i = 0; i < n; i++) {
    if (values[i]! > threshold) {
      coords[at] = touched[i]!;
      weights[at++] = values[i]!;
    }
  }
  for (let i = 0; i < keep; i++) {
    coords[at] = equal[i]!;
    weights[at++] = threshold;
  }
  return { coords, weights };
}

function cut(values: Float32Array, n: number, options: SummaryOptions): { threshold: number; ties: number } {
  if (options.fixedCount === undefined) return alphaMassCut(values, n, options.energy);
  if (options.fixedCount >= n) return { threshold: 0, ties: 0 };
  const sorted = values.slice(0, n).sort();
  const threshold = sorted[n - options.fixedCount]!;
  let ties = 0;
  for (let i = n - options.fixedCount; i < n && sorted[i] === threshold; i++) ties++;
  return { threshold, ties };
}

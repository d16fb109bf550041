/** Sparse binary codes as bitsets: 32 cells a word, cell c is bit c & 31 of word c >> 5. */
import { InputError, requireInteger, ShapeError } from "../core/index.js";

/** Number of ones in a 32-bit word. */
export function popcount(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/**
 * A bitset of `cells` cells with the listed ones on.
 * @throws InputError for a cell outside 0..cells-1 or one that is listed twice
 */
export function toBits(active: ArrayLike<number>, cells: number): Uint32Array {
  requireInteger("toBits.cells", cells, 1);
  const words = new Uint32Array(Math.ceil(cells / 32));
  for (let i = 0; i < active.length; i++) {
    const cell = active[i]!;
    if (!Number.isInteger(cell) || cell < 0 || cell >= cells) {
      throw new InputError(`toBits: active[${i}] is ${cell}; expected a cell number in [0, ${cells - 1}]`);
    }
    const word = cell >>> 5;
    const bit = (1 << (cell & 31)) >>> 0;
    if (words[word]! & bit)
      throw new InputError(`toBits: cell ${cell} is listed twice (again at active[${i}]); list each active cell once`);
    words[word]! |= bit;
  }
  return words;
}

/** The active cells of a bitset, ascending. */
export function fromBits(words: Uint32Array): Int32Array {
  const active = new Int32Array(countBits(words));
  let at = 0;
  for (let w = 0; w < words.length; w++) {
    let word = words[w]!;
    while (word !== 0) {
      const low = word & -word;
      active[at++] = w * 32 + (31 - Math.clz32(low));
      word ^= low;
    }
  }
  return active;
}

/** Active cells of a bitset. */
export function countBits(words: Uint32Array): number {
  let sum = 0;
  for (const word of words) sum += popcount(word);
  return sum;
}

/** Cells active in both. @throws ShapeError when the lengths differ */
export function overlap(a: Uint32Array, b: Uint32Array): number {
  requireSameLength("overlap", a, b);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += popcount(a[i]! & b[i]!);
  return sum;
}

/** Cells active in either. @throws ShapeError when the lengths differ */
export function union(a: Uint32Array, b: Uint32Array): Uint32Array {
  requireSameLength("union", a, b);
  return a.map((word, i) => word | b[i]!);
}

/** Cells active in both, as a bitset. @throws ShapeError when the lengths differ */
export function intersection(a: Uint32Array, b: Uint32Array): Uint32Array {
  requireSameLength("intersection", a, b);
  return a.map((word, i) => word & b[i]!);
}

function requireSameLength(place: string, a: Uint32Array, b: Uint32Array): void {
  if (a.length !== b.length) throw new ShapeError(place, { a: [a.length], b: [b.length] }, "bitsets of equal length");
}

/**
 * Rounding a matrix to integers without changing its row and column sums.
 *
 * Dependent rounding: while fractional entries remain, walk along them, alternating rows and columns, until a cycle closes;
 * shift mass round the cycle, alternately up and down, until an entry becomes an integer. The two directions are drawn with
 * the odds that keep every entry's expectation. Each entry ends at its floor or ceiling; sums of rows and columns stay.
 *
 * Gandhi, Khuller, Parthasarathy, Srinivasan 2006, "Dependent rounding and its applications to approximation algorithms".
 */
import type { Rng } from "../core/index.js";

/** Entries of a matrix by position. */
export interface RealEntries {
  /** Row of every entry, [entries]. */
  readonly rows: Int32Array;
  /** Column of every entry, [entries]; a position occurs once. */
  readonly cols: Int32Array;
  /** Values, at least 0, [entries]. */
  readonly values: Float64Array;
}

/** Distance from an integer below which a value counts as that integer. */
const TINY = 1e-7;

/**
 * Rounds in place.
 * @param size number of rows and of columns
 * @returns how many entries were fractional. Row and column sums that were integers are kept, up to the floating-point error of
 *          the sums that came (an entry left alone in its row and column goes to the nearest integer)
 */
export function controlledRounding({ rows, cols, values }: RealEntries, size: readonly [number, number], rng: Rng): number {
  const [height, width] = size;
  const vertices = height + width;
  // Fractional entries of each vertex: rows first, then columns. Removal swaps with the last.
  const degree = new Int32Array(vertices);
  const fractional: number[] = [];
  for (let e = 0; e < values.length; e++) {
    const nearest = Math.round(values[e]!);
    if (Math.abs(values[e]! - nearest) <= TINY) {
      values[e] = nearest;
      continue;
    }
    fractional.push(e);
    degree[rows[e]!]!++;
    degree[height + cols[e]!]!++;
  }
  const start = new Int32Array(vertices + 1);
  for (let v = 0; v < vertices; v++) start[v + 1] = start[v]! + degree[v]!;
  const list = new Int32Array(fractional.length * 2);
  const placeInRow = new Int32Array(values.length);
  const placeInCol = new Int32Array(values.length);
  degree.fill(0);
  for (const e of fractional) {
    const r = rows[e]!;
    const c = height + cols[e]!;
    placeInRow[e] = start[r]! + degree[r]!++;
    list[placeInRow[e]!] = e;
    placeInCol[e] = start[c]! + degree[c]!++;
    list[placeInCol[e]!] = e;
  }
  const drop = (v: number, at: number) => {
    const last = start[v]! + --degree[v]!;
    const moved = list[last]!;
    list[at] = moved;
    if (v < height) placeInRow[moved] = at;
    else placeInCol[moved] = at;
  };
  const settle = (e: number) => {
    values[e] = Math.round(values[e]!);
    drop(rows[e]!, placeInRow[e]!);
    drop(height + cols[e]!, placeInCol[e]!);
  };
  const isSettled = (e: number) => Math.abs(values[e]! - Math.round(values[e]!)) <= TINY;

  const onPath = new Int32Array(vertices).fill(-1);
  const pathVertices: number[] = [];
  const pathEdges: number[] = [];
  const shift = (from: number) => {
    // The cycle is pathEdges[from..]; even positions go up, odd ones down, or the reverse.
    let up = 1;
    let down = 1;
    for (let i = from; i < pathEdges.length; i++) {
      const value = values[pathEdges[i]!]!;
      const below = value - Math.floor(value);
      const even = ((i - from) & 1) === 0;
      up = Math.min(up, even ? 1 - below : below);
      down = Math.min(down, even ? below : 1 - below);
    }
    const step = rng.uniform() * (up + down) < down ? up : -down;
    for (let i = from; i < pathEdges.length; i++) values[pathEdges[i]!]! += ((i - from) & 1) === 0 ? step : -step;
    for (let i = from; i < pathEdges.length; i++) if (isSettled(pathEdges[i]!)) settle(pathEdges[i]!);
  };
  for (let root = 0; root < vertices; root++) {
    while (degree[root]! > 0) {
      pathVertices.push(root);
      onPath[root] = 0;
      while (pathVertices.length > 0) {
        const v = pathVertices.at(-1)!;
        const arrived = pathEdges.at(-1) ?? -1;
        let edge = degree[v]! > 0 ? list[start[v]!]! : -1;
        if (edge === arrived) edge = degree[v]! > 1 ? list[start[v]! + 1]! : -1;
        if (edge < 0) {
          // A dead end: one fractional entry left in this row or column, off an integer by rounding error of the sums alone.
          if (arrived >= 0) settle(arrived);
          pathEdges.pop();
          pathVertices.pop();
          onPath[v] = -1;
          continue;
        }
        const w = v < height ? height + cols[edge]! : rows[edge]!;
        pathEdges.push(edge);
        if (onPath[w]! < 0) {
          onPath[w] = pathVertices.length;
          pathVertices.push(w);
          continue;
        }
        const from = onPath[w]!;
        shift(from);
        pathEdges.length = from;
        while (pathVertices.length > from + 1) onPath[pathVertices.pop()!] = -1;
      }
    }
  }
  return fractional.length;
}

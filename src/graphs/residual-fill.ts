/**
 * Brings a whole-numbered matrix to exact row and column sums under a capacity per cell, changing as little as it can:
 * shortest augmenting paths from rows that lack mass to columns that lack it. Complete: when it stops short, no matrix exists.
 */

/** A matrix of non-negative integers over `height` x `width` classes, held by rows. */
export interface IntegerMatrix {
  readonly height: number;
  readonly width: number;
  /** cells[row]: column -> count, no zeros. */
  readonly cells: Map<number, number>[];
}

/** An empty matrix. */
export function integerMatrix(height: number, width: number): IntegerMatrix {
  return { height, width, cells: Array.from({ length: height }, () => new Map<number, number>()) };
}

/** Adds `amount` (may be negative) to a cell. */
export function addTo({ cells }: IntegerMatrix, row: number, col: number, amount: number): void {
  const value = (cells[row]!.get(col) ?? 0) + amount;
  if (value === 0) cells[row]!.delete(col);
  else cells[row]!.set(col, value);
}

/** What the fill did. */
export interface FillResult {
  /** Units that were taken out of cells above their capacity, or of rows and columns above their sums. */
  readonly removed: number;
  /** Units put in, path by path. */
  readonly added: number;
  /** Sum over cells of the absolute change: at most `removed` plus the paths' units times their lengths. */
  readonly changed: number;
  /** Units that found no place: 0 when the sums are met. */
  readonly unmet: number;
}

/**
 * @param capacity most units of a cell
 */
export function fillResidual(
  matrix: IntegerMatrix,
  rowSums: ArrayLike<number>,
  colSums: ArrayLike<number>,
  capacity: (row: number, col: number) => number,
): FillResult {
  const { height, width, cells } = matrix;
  const rowLack = Float64Array.from({ length: height }, (_, r) => rowSums[r]!);
  const colLack = Float64Array.from({ length: width }, (_, c) => colSums[c]!);
  for (let r = 0; r < height; r++) {
    for (const [c, value] of cells[r]!) {
      rowLack[r]! -= value;
      colLack[c]! -= value;
    }
  }
  let removed = 0;
  let changed = 0;
  const take = (r: number, c: number, units: number) => {
    if (units <= 0) return;
    addTo(matrix, r, c, -units);
    rowLack[r]! += units;
    colLack[c]! += units;
    removed += units;
    changed += units;
  };
  for (let r = 0; r < height; r++) {
    for (const [c, value] of [...cells[r]!]) take(r, c, value - capacity(r, c));
    for (const [c, value] of [...cells[r]!]) take(r, c, Math.min(value, Math.max(-rowLack[r]!, -colLack[c]!)));
  }

  // Rows and columns by who reaches them: search breadth-first from all lacking rows at once.
  let added = 0;
  const fromRow = new Int32Array(height);
  const fromCol = new Int32Array(width);
  const holders: Set<number>[] = Array.from({ length: width }, () => new Set<number>());
  for (let r = 0; r < height; r++) for (const c of cells[r]!.keys()) holders[c]!.add(r);
  for (;;) {
    fromRow.fill(-2);
    fromCol.fill(-2);
    const queue: number[] = [];
    for (let r = 0; r < height; r++) {
      if (rowLack[r]! > 0) {
        fromRow[r] = -1;
        queue.push(r);
      }
    }
    let unseen = Array.from({ length: width }, (_, c) => c);
    let end = -1;
    for (let head = 0; head < queue.length && end < 0; head++) {
      const r = queue[head]!;
      const still: number[] = [];
      for (const c of unseen) {
        if (end >= 0 || capacity(r, c) - (cells[r]!.get(c) ?? 0) <= 0) {
          still.push(c);
          continue;
        }
        fromCol[c] = r;
        if (colLack[c]! > 0) end = c;
        else {
          for (const other of holders[c]!) {
            if (fromRow[other] !== -2) continue;
            fromRow[other] = c;
            queue.push(other);
          }
        }
      }
      unseen = still;
    }
    if (end < 0) break;
    // Back along the path: how much fits, then move it.
    let units = colLack[end]!;
    for (let c = end; ; ) {
      const r = fromCol[c]!;
      units = Math.min(units, capacity(r, c) - (cells[r]!.get(c) ?? 0));
      if (fromRow[r]! < 0) {
        units = Math.min(units, rowLack[r]!);
        break;
      }
      c = fromRow[r]!;
      units = Math.min(units, cells[r]!.get(c)!);
    }
    colLack[end]! -= units;
    for (let c = end; ; ) {
      const r = fromCol[c]!;
      addTo(matrix, r, c, units);
      changed += units;
      holders[c]!.add(r);
      if (fromRow[r]! < 0) {
        rowLack[r]! -= units;
        break;
      }
      c = fromRow[r]!;
      addTo(matrix, r, c, -units);
      changed += units;
      if (!cells[r]!.has(c)) holders[c]!.delete(r);
    }
    added += units;
  }
  let unmet = 0;
  for (let r = 0; r < height; r++) unmet += Math.max(0, rowLack[r]!);
  return { removed, added, changed, unmet };
}

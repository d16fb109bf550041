/** Giving a matrix new row and column sums by moving as little mass as possible, to the nearest degrees. */
import type { DegreeHistogram, DegreeMatrix } from "./degree-matrix.js";

/** Real entries over classes: `rows[i]` and `cols[i]` are positions in the target histograms. */
export interface Transported {
  readonly rows: Int32Array;
  readonly cols: Int32Array;
  readonly values: Float64Array;
  /** Mass that had to change its row, and its column. */
  readonly movedRows: number;
  readonly movedCols: number;
}

interface Share {
  readonly to: number;
  readonly part: number;
}

/**
 * Spreads the mass of each degree class over the target classes: what fits stays in its own class, the surplus goes in order of
 * degree to the classes that lack mass (the optimal transport on a line).
 */
function coupling(
  source: DegreeHistogram,
  scale: number,
  target: DegreeHistogram,
): { readonly shares: readonly Share[][]; readonly moved: number } {
  const place = new Map<number, number>();
  target.degrees.forEach((d, i) => {
    place.set(d, i);
  });
  const lack = Float64Array.from(target.counts);
  const shares: Share[][] = [];
  const surplus: number[] = [];
  for (let i = 0; i < source.degrees.length; i++) {
    const mass = source.counts[i]! * scale;
    const at = place.get(source.degrees[i]!);
    const stays = at === undefined ? 0 : Math.min(mass, target.counts[at]!);
    shares.push([]);
    if (at !== undefined && stays > 0) {
      lack[at]! -= stays;
      shares[i]!.push({ to: at, part: stays / mass });
    }
    surplus.push(mass - stays);
  }
  let moved = 0;
  let to = 0;
  for (let i = 0; i < surplus.length; i++) {
    const mass = source.counts[i]! * scale;
    let left = surplus[i]!;
    const small = 1e-9 * Math.max(1, mass);
    while (left > small) {
      while (to < lack.length - 1 && lack[to]! <= 1e-9) to++;
      const amount = to === lack.length - 1 ? left : Math.min(left, lack[to]!);
      lack[to]! -= amount;
      left -= amount;
      moved += amount;
      shares[i]!.push({ to, part: amount / mass });
    }
  }
  return { shares, moved };
}

/**
 * The matrix times total(target) / total(matrix), with its rows and columns coupled to the targets' classes.
 * @param source  histograms of the matrix's own rows and columns, in the matrix's unit (nodes or stubs)
 * @param targets wanted row and column sums; both sum to the same total
 */
export function transportMargins(
  matrix: DegreeMatrix,
  source: { readonly rows: DegreeHistogram; readonly cols: DegreeHistogram },
  targets: { readonly rows: DegreeHistogram; readonly cols: DegreeHistogram },
): Transported {
  const total = targets.rows.counts.reduce((sum, x) => sum + x, 0);
  if (total === 0 || matrix.total === 0) {
    return { rows: new Int32Array(0), cols: new Int32Array(0), values: new Float64Array(0), movedRows: 0, movedCols: 0 };
  }
  const scale = total / matrix.total;
  const byRow = coupling(source.rows, scale, targets.rows);
  const byCol = coupling(source.cols, scale, targets.cols);
  const rowPlace = places(source.rows.degrees);
  const colPlace = places(source.cols.degrees);
  const width = targets.cols.degrees.length;
  const sums = new Map<number, number>();
  for (let i = 0; i < matrix.counts.length; i++) {
    const value = matrix.counts[i]! * scale;
    for (const row of byRow.shares[rowPlace.get(matrix.rows[i]!)!]!) {
      for (const col of byCol.shares[colPlace.get(matrix.cols[i]!)!]!) {
        const key = row.to * width + col.to;
        sums.set(key, (sums.get(key) ?? 0) + value * row.part * col.part);
      }
    }
  }
  const keys = Float64Array.from(sums.keys()).sort();
  return {
    rows: Int32Array.from(keys, (key) => Math.floor(key / width)),
    cols: Int32Array.from(keys, (key) => key % width),
    values: Float64Array.from(keys, (key) => sums.get(key)!),
    movedRows: byRow.moved,
    movedCols: byCol.moved,
  };
}

function places(degrees: Uint32Array): Map<number, number> {
  const map = new Map<number, number>();
  degrees.forEach((d, i) => {
    map.set(d, i);
  });
  return map;
}

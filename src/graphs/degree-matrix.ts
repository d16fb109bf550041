/**
 * The two matrices that hold a directed graph's degree structure, as sparse lists of counts.
 *
 * - Degree Correlation Matrix: C[a][b] = nodes of in-degree a and out-degree b.
 * - Joint Degree Matrix: J[k][l] = arcs from a node of out-degree k to a node of in-degree l.
 *
 *     sum_l J[k][l] = k n_out(k)        sum_k J[k][l] = l n_in(l)
 */
import { type Digraph, inDegrees, outDegrees } from "./digraph.js";

/** A sparse matrix of counts, sorted by row, then column. Row and column are degrees. */
export interface DegreeMatrix {
  readonly rows: Uint32Array;
  readonly cols: Uint32Array;
  readonly counts: Float64Array;
  /** Sum of all counts. */
  readonly total: number;
}

/** Degrees that occur and how many nodes have each: ascending. */
export interface DegreeHistogram {
  readonly degrees: Uint32Array;
  readonly counts: Float64Array;
}

/** Cells of the largest counting table, 64 MB; larger problems sort keys instead. */
const TABLE_CELLS = 1 << 24;

/** Counts of the degrees in a list. */
export function histogram(degrees: Uint32Array): DegreeHistogram {
  let top = 0;
  for (const d of degrees) if (d > top) top = d;
  const table = new Float64Array(top + 1);
  for (const d of degrees) table[d]!++;
  const present: number[] = [];
  for (let d = 0; d <= top; d++) if (table[d]! > 0) present.push(d);
  return { degrees: Uint32Array.from(present), counts: Float64Array.from(present, (d) => table[d]!) };
}

/**
 * C: rows are in-degrees, columns out-degrees. Time linear in nodes and arcs.
 * @param tableCells as for `jointDegreeMatrix`
 */
export function degreeCorrelationMatrix(graph: Digraph, tableCells = TABLE_CELLS): DegreeMatrix {
  const a = inDegrees(graph);
  const b = outDegrees(graph);
  const rowIndex = classIndex(a);
  const colIndex = classIndex(b);
  return countPairs(rowIndex, colIndex, graph.nodes, tableCells, (emit) => {
    for (let v = 0; v < graph.nodes; v++) emit(a[v]!, b[v]!);
  });
}

/**
 * J: rows are the source's out-degree, columns the target's in-degree. Time linear in nodes and arcs.
 * @param tableCells largest number of degree pairs that are counted in a table; beyond it keys are sorted: the same result
 */
export function jointDegreeMatrix(graph: Digraph, tableCells = TABLE_CELLS): DegreeMatrix {
  const a = inDegrees(graph);
  const b = outDegrees(graph);
  return countPairs(classIndex(b), classIndex(a), graph.arcs, tableCells, (emit) => {
    for (let v = 0; v < graph.nodes; v++) {
      const k = b[v]!;
      for (let e = graph.outStart[v]!; e < graph.outStart[v + 1]!; e++) emit(k, a[graph.outTo[e]!]!);
    }
  });
}

/** A matrix from unsorted entries; equal positions are summed, zeros left out. */
export function degreeMatrix(rows: ArrayLike<number>, cols: ArrayLike<number>, counts: ArrayLike<number>): DegreeMatrix {
  const order = Array.from({ length: rows.length }, (_, i) => i).filter((i) => counts[i] !== 0);
  order.sort((x, y) => rows[x]! - rows[y]! || cols[x]! - cols[y]!);
  const r: number[] = [];
  const c: number[] = [];
  const n: number[] = [];
  let total = 0;
  for (const i of order) {
    const last = r.length - 1;
    total += counts[i]!;
    if (last >= 0 && r[last] === rows[i] && c[last] === cols[i]) n[last]! += counts[i]!;
    else {
      r.push(rows[i]!);
      c.push(cols[i]!);
      n.push(counts[i]!);
    }
  }
  return { rows: Uint32Array.from(r), cols: Uint32Array.from(c), counts: Float64Array.from(n), total };
}

/** Sums of the rows (or columns) by degree, ascending. */
export function marginal(matrix: DegreeMatrix, axis: "rows" | "cols"): DegreeHistogram {
  const sums = new Map<number, number>();
  for (let i = 0; i < matrix.counts.length; i++) {
    const d = matrix[axis][i]!;
    sums.set(d, (sums.get(d) ?? 0) + matrix.counts[i]!);
  }
  const degrees = Uint32Array.from(sums.keys()).sort();
  return { degrees, counts: Float64Array.from(degrees, (d) => sums.get(d)!) };
}

/** Degree -> position among the degrees that occur. */
function classIndex(degrees: Uint32Array): { readonly of: Int32Array; readonly values: Uint32Array } {
  const values = histogram(degrees).degrees;
  const of = new Int32Array((values.at(-1) ?? 0) + 1).fill(-1);
  values.forEach((d, i) => {
    of[d] = i;
  });
  return { of, values };
}

type ClassIndex = ReturnType<typeof classIndex>;

function countPairs(
  rows: ClassIndex,
  cols: ClassIndex,
  pairs: number,
  tableCells: number,
  each: (emit: (row: number, col: number) => void) => void,
): DegreeMatrix {
  const width = cols.values.length;
  const cells = rows.values.length * width;
  const keys: number[] = [];
  const counts: number[] = [];
  if (cells <= tableCells) {
    const table = new Uint32Array(cells);
    each((row, col) => {
      table[rows.of[row]! * width + cols.of[col]!]!++;
    });
    for (let key = 0; key < cells; key++) {
      if (table[key] === 0) continue;
      keys.push(key);
      counts.push(table[key]!);
    }
  } else {
    const all = new Float64Array(pairs);
    let at = 0;
    each((row, col) => {
      all[at++] = rows.of[row]! * width + cols.of[col]!;
    });
    all.sort();
    for (let i = 0; i < pairs; ) {
      let j = i + 1;
      while (j < pairs && all[j] === all[i]) j++;
      keys.push(all[i]!);
      counts.push(j - i);
      i = j;
    }
  }
  return {
    rows: Uint32Array.from(keys, (key) => rows.values[Math.floor(key / width)]!),
    cols: Uint32Array.from(keys, (key) => cols.values[key % width]!),
    counts: Float64Array.from(counts),
    total: pairs,
  };
}

/**
 * Building a simple directed graph with a given Degree Correlation Matrix and Joint Degree Matrix (a directed 2K graph).
 *
 *     while some J[k][l] is unmet: choose v of out-degree k and w of in-degree l, v != w, without the arc v -> w;
 *     where v has no free out-stub, take over for it: v -> t becomes v' -> t for a class-mate v' with a free stub;
 *     where w has none, likewise on its side; then add v -> w.
 *
 * Every round adds one arc and keeps all met targets, so it ends after sum(J) rounds.
 *
 * Tillman, Markopoulou, Butts, Gjoka 2017, "Construction of Directed 2K Graphs", arXiv:1703.07340.
 */
import { InputError, type Rng } from "../core/index.js";
import { ArcTable } from "./arc-table.js";
import { type DegreeMatrix, marginal } from "./degree-matrix.js";
import type { Digraph } from "./digraph.js";

/** Random pairs tried before a cell is searched. */
const TRIES = 24;

/** Nodes of one degree, those with free stubs first. */
class DegreeClass {
  readonly members: number[] = [];
  open = 0;
  constructor(private readonly place: Uint32Array) {}

  push(v: number): void {
    this.place[v] = this.members.length;
    this.members.push(v);
    this.open++;
  }

  close(v: number): void {
    this.swap(this.place[v]!, --this.open);
  }

  reopen(v: number): void {
    this.swap(this.place[v]!, this.open++);
  }

  private swap(i: number, j: number): void {
    const a = this.members[i]!;
    const b = this.members[j]!;
    this.members[i] = b;
    this.members[j] = a;
    this.place[a] = j;
    this.place[b] = i;
  }
}

/**
 * Checks that a simple directed graph can have both matrices, and says what stands in the way.
 *
 *     whole numbers; sum_l J[k][l] = k n_out(k); sum_k J[k][l] = l n_in(l);
 *     J[k][l] + C[l][k] <= n_out(k) n_in(l)      (nodes of both degrees cannot point at themselves)
 *
 * @returns the violations in words, at most 20; empty when the matrices are realisable
 */
export function realisabilityProblems(correlation: DegreeMatrix, joint: DegreeMatrix): string[] {
  const problems: string[] = [];
  const say = (text: string) => {
    if (problems.length < 20) problems.push(text);
  };
  for (const [name, matrix] of [
    ["C", correlation],
    ["J", joint],
  ] as const) {
    for (let i = 0; i < matrix.counts.length; i++) {
      const count = matrix.counts[i]!;
      if (!Number.isSafeInteger(count) || count < 0)
        say(`${name}[${matrix.rows[i]}][${matrix.cols[i]}] = ${count} is no whole number`);
    }
  }
  const toMap = (matrix: DegreeMatrix, axis: "rows" | "cols") => {
    const { degrees, counts } = marginal(matrix, axis);
    return new Map(Array.from(degrees, (d, i) => [d, counts[i]!]));
  };
  const nIn = toMap(correlation, "rows");
  const nOut = toMap(correlation, "cols");
  const arcsOut = toMap(joint, "rows");
  const arcsIn = toMap(joint, "cols");
  for (const [what, nodes, arcs] of [
    ["out", nOut, arcsOut],
    ["in", nIn, arcsIn],
  ] as const) {
    for (const d of new Set([...nodes.keys(), ...arcs.keys()])) {
      const want = d * (nodes.get(d) ?? 0);
      const have = arcs.get(d) ?? 0;
      if (want !== have) say(`${what}-degree ${d}: ${nodes.get(d) ?? 0} nodes have ${want} stubs, J gives them ${have} arcs`);
    }
  }
  const cells = new Map<string, number>();
  for (let i = 0; i < correlation.counts.length; i++)
    cells.set(`${correlation.rows[i]} ${correlation.cols[i]}`, correlation.counts[i]!);
  for (let i = 0; i < joint.counts.length; i++) {
    const k = joint.rows[i]!;
    const l = joint.cols[i]!;
    const room = (nOut.get(k) ?? 0) * (nIn.get(l) ?? 0) - (cells.get(`${l} ${k}`) ?? 0);
    if (joint.counts[i]! > room) say(`J[${k}][${l}] = ${joint.counts[i]}, but only ${room} arcs fit between those nodes`);
  }
  return problems;
}

/**
 * @param correlation C, rows in-degree, columns out-degree
 * @param joint       J, rows out-degree of the source, columns in-degree of the target
 * @returns a simple graph whose own matrices equal both, entry by entry
 * @throws InputError listing the violations when no simple graph has these matrices
 */
export function constructDigraph(correlation: DegreeMatrix, joint: DegreeMatrix, rng: Rng): Digraph {
  return constructTable(correlation, joint, rng).toDigraph();
}

/** `constructDigraph`, still open to swaps. */
export function constructTable(correlation: DegreeMatrix, joint: DegreeMatrix, rng: Rng): ArcTable {
  const problems = realisabilityProblems(correlation, joint);
  if (problems.length > 0)
    throw new InputError(`constructDigraph: no simple directed graph has these matrices: ${problems.join("; ")}`);
  const nodes = correlation.total;
  const out = new Uint32Array(nodes);
  const into = new Uint32Array(nodes);
  const outPlace = new Uint32Array(nodes);
  const inPlace = new Uint32Array(nodes);
  const outClasses = new Map<number, DegreeClass>();
  const inClasses = new Map<number, DegreeClass>();
  const classOf = (classes: Map<number, DegreeClass>, degree: number, place: Uint32Array) => {
    const found = classes.get(degree) ?? new DegreeClass(place);
    classes.set(degree, found);
    return found;
  };
  let v = 0;
  for (let i = 0; i < correlation.counts.length; i++) {
    const a = correlation.rows[i]!;
    const b = correlation.cols[i]!;
    const sources = classOf(outClasses, b, outPlace);
    const targets = classOf(inClasses, a, inPlace);
    for (let j = 0; j < correlation.counts[i]!; j++, v++) {
      into[v] = a;
      out[v] = b;
      sources.push(v);
      targets.push(v);
    }
  }
  const table = new ArcTable(out, into);
  // Hubs first: their cells have the least room.
  const order = Array.from({ length: joint.counts.length }, (_, i) => i);
  const weight = (i: number) => joint.rows[i]! * joint.cols[i]!;
  order.sort((x, y) => weight(y) - weight(x) || x - y);
  for (const i of order) {
    const cell = new Cell(table, outClasses.get(joint.rows[i]!)!, inClasses.get(joint.cols[i]!)!, rng);
    for (let left = joint.counts[i]!; left > 0; left--) cell.addArc();
  }
  return table;
}

/** All arcs between one class of sources and one class of targets. */
class Cell {
  constructor(
    private readonly table: ArcTable,
    private readonly sources: DegreeClass,
    private readonly targets: DegreeClass,
    private readonly rng: Rng,
  ) {}

  addArc(): void {
    const { sources, targets, rng, table } = this;
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const v = sources.members[rng.below(sources.open)]!;
      const w = targets.members[rng.below(targets.open)]!;
      if (v !== w && !table.has(v, w)) {
        this.link(v, w);
        return;
      }
    }
    let [v, w] = this.freePair();
    if (table.outFree(v) === 0) v = this.openSource(v);
    if (table.inFree(w) === 0) w = this.openTarget(w);
    this.link(v, w);
  }

  private link(v: number, w: number): void {
    this.table.add(v, w);
    if (this.table.outFree(v) === 0) this.sources.close(v);
    if (this.table.inFree(w) === 0) this.targets.close(w);
  }

  /** Any pair of the two classes without an arc, those with free stubs preferred. */
  private freePair(): [number, number] {
    const a = this.sources.members;
    const b = this.targets.members;
    const shiftB = this.rng.below(b.length);
    let fallback: [number, number] | undefined;
    for (let i = 0; i < a.length; i++) {
      const v = a[i]!;
      for (let j = 0; j < b.length; j++) {
        const w = b[(j + shiftB) % b.length]!;
        if (v === w || this.table.has(v, w)) continue;
        if (this.table.outFree(v) > 0 && this.table.inFree(w) > 0) return [v, w];
        fallback ??= [v, w];
      }
      // Sources with free stubs stand first; once past them, the first pair serves.
      if (fallback && i >= this.sources.open) break;
    }
    if (!fallback) throw new InputError("constructDigraph: a cell of J is full; the matrices are not realisable");
    return fallback;
  }

  /** Frees an out-stub of v through a class-mate u, or returns u itself where it can stand in for v. */
  private openSource(v: number): number {
    const { table, sources } = this;
    const u = sources.members[this.rng.below(sources.open)]!;
    const start = table.outStart[v]!;
    for (let i = start; i < start + table.outCount[v]!; i++) {
      const t = table.outTo[i]!;
      if (t === u || table.has(u, t)) continue;
      table.remove(v, t);
      table.add(u, t);
      if (table.outFree(u) === 0) sources.close(u);
      sources.reopen(v);
      return v;
    }
    // Every target of u is one of v's, and v -> w is no arc: neither is u -> w, and u is not w, since v points at u.
    return u;
  }

  /** The same on the side of the targets. */
  private openTarget(w: number): number {
    const { table, targets } = this;
    const u = targets.members[this.rng.below(targets.open)]!;
    const start = table.inStart[w]!;
    for (let i = start; i < start + table.inCount[w]!; i++) {
      const s = table.inFrom[i]!;
      if (s === u || table.has(s, u)) continue;
      table.remove(s, w);
      table.add(s, u);
      if (table.inFree(u) === 0) targets.close(u);
      targets.reopen(w);
      return w;
    }
    return u;
  }
}

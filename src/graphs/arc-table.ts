/** A directed graph under construction: every node's final degrees are known, and arcs come and go in constant room. */
import type { Digraph } from "./digraph.js";

/** Slots for every stub; the arcs of a node fill its slots from the front. */
export class ArcTable {
  readonly nodes: number;
  readonly outStart: Uint32Array;
  readonly inStart: Uint32Array;
  readonly outCount: Uint32Array;
  readonly inCount: Uint32Array;
  readonly outTo: Uint32Array;
  readonly inFrom: Uint32Array;

  /** @param out final out-degrees, @param into final in-degrees: equal sums */
  constructor(out: Uint32Array, into: Uint32Array) {
    this.nodes = out.length;
    this.outStart = starts(out);
    this.inStart = starts(into);
    this.outCount = new Uint32Array(this.nodes);
    this.inCount = new Uint32Array(this.nodes);
    this.outTo = new Uint32Array(this.outStart[this.nodes]!);
    this.inFrom = new Uint32Array(this.inStart[this.nodes]!);
  }

  /** Free out-stubs of v. */
  outFree(v: number): number {
    return this.outStart[v + 1]! - this.outStart[v]! - this.outCount[v]!;
  }

  /** Free in-stubs of w. */
  inFree(w: number): number {
    return this.inStart[w + 1]! - this.inStart[w]! - this.inCount[w]!;
  }

  /** True when the arc v -> w exists: scans the shorter of the two lists. */
  has(v: number, w: number): boolean {
    const out = this.outCount[v]!;
    const into = this.inCount[w]!;
    if (out <= into) return find(this.outTo, this.outStart[v]!, out, w) >= 0;
    return find(this.inFrom, this.inStart[w]!, into, v) >= 0;
  }

  /** Adds v -> w: both have a free stub, and the arc is new. */
  add(v: number, w: number): void {
    this.outTo[this.outStart[v]! + this.outCount[v]!++] = w;
    this.inFrom[this.inStart[w]! + this.inCount[w]!++] = v;
  }

  /** Removes v -> w, which exists. */
  remove(v: number, w: number): void {
    const at = find(this.outTo, this.outStart[v]!, this.outCount[v]!, w);
    this.outTo[at] = this.outTo[this.outStart[v]! + --this.outCount[v]!]!;
    const back = find(this.inFrom, this.inStart[w]!, this.inCount[w]!, v);
    this.inFrom[back] = this.inFrom[this.inStart[w]! + --this.inCount[w]!]!;
  }

  /** Puts `after` where `before` stands among the sources of w. */
  replaceSource(w: number, before: number, after: number): void {
    this.inFrom[find(this.inFrom, this.inStart[w]!, this.inCount[w]!, before)] = after;
  }

  /** The finished graph, rows sorted. All stubs are in use. */
  toDigraph(): Digraph {
    const outTo = this.outTo.slice();
    for (let v = 0; v < this.nodes; v++) outTo.subarray(this.outStart[v]!, this.outStart[v + 1]!).sort();
    return { nodes: this.nodes, arcs: outTo.length, outStart: this.outStart.slice(), outTo };
  }
}

function starts(degrees: Uint32Array): Uint32Array {
  const start = new Uint32Array(degrees.length + 1);
  for (let v = 0; v < degrees.length; v++) start[v + 1] = start[v]! + degrees[v]!;
  return start;
}

function find(list: Uint32Array, from: number, count: number, value: number): number {
  for (let i = from; i < from + count; i++) if (list[i] === value) return i;
  return -1;
}

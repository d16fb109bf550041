/**
 * Which positions of which axes live and die together: a union-find over every (value, axis, index) of a program. Rules tie
 * positions or hold them (they cannot be removed), each with a reason.
 */
import type { Program } from "../types.js";

/** Why positions belong together. */
export interface Tie {
  /** Position in `program.operations`. */
  readonly operation: number;
  readonly why: string;
  /** One node per tied position. */
  readonly nodes: readonly number[];
}

/** The links of one program. A node is the number of one (value, axis, index). */
export class ChannelLinks {
  readonly ties: Tie[] = [];
  readonly #first: number[][] = [];
  readonly #parent: Int32Array;
  readonly #held = new Map<number, string>();
  /** The operation whose rule is at work. */
  operation = 0;

  constructor(readonly program: Program) {
    let nodes = 0;
    for (const { shape } of program.values) {
      this.#first.push(
        shape.map((d) => {
          nodes += d;
          return nodes - d;
        }),
      );
    }
    this.#parent = Int32Array.from({ length: nodes }, (_, i) => i);
  }

  size(value: number, axis: number): number {
    return this.program.values[value]!.shape[axis]!;
  }

  rank(value: number): number {
    return this.program.values[value]!.shape.length;
  }

  node(value: number, axis: number, index: number): number {
    return this.#first[value]![axis]! + index;
  }

  find(node: number): number {
    let at = node;
    while (this.#parent[at] !== at) {
      this.#parent[at] = this.#parent[this.#parent[at]!]!;
      at = this.#parent[at]!;
    }
    return at;
  }

  #union(a: number, b: number): void {
    const [x, y] = [this.find(a), this.find(b)];
    if (x === y) return;
    const [to, from] = x < y ? [x, y] : [y, x];
    this.#parent[from] = to;
    const why = this.#held.get(to) ?? this.#held.get(from);
    this.#held.delete(from);
    if (why !== undefined) this.#held.set(to, why);
  }

  /** Ties index i of one axis to index `map(i)` of another (default: the same), for `count` indices. */
  tie(
    why: string,
    [a, axisA]: readonly [number, number],
    [b, axisB]: readonly [number, number],
    map: (i: number) => number = (i) => i,
    count = this.size(a, axisA),
  ): void {
    const nodes: number[] = [];
    for (let i = 0; i < count; i++) {
      const node = this.node(a, axisA, i);
      this.#union(node, this.node(b, axisB, map(i)));
      nodes.push(node);
    }
    this.ties.push({ operation: this.operation, why, nodes });
  }

  /** Holds every position of an axis. */
  hold(why: string, value: number, axis: number): void {
    for (let i = 0; i < this.size(value, axis); i++) {
      const root = this.find(this.node(value, axis, i));
      if (!this.#held.has(root)) this.#held.set(root, why);
    }
  }

  holdAll(why: string, value: number): void {
    for (let axis = 0; axis < this.rank(value); axis++) this.hold(why, value, axis);
  }

  /** Why a position cannot be removed, or undefined when it can. */
  heldWhy(node: number): string | undefined {
    return this.#held.get(this.find(node));
  }

  isHeld(value: number, axis: number): boolean {
    for (let i = 0; i < this.size(value, axis); i++) if (this.heldWhy(this.node(value, axis, i)) === undefined) return false;
    return true;
  }
}

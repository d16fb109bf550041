/** What every reader of graph files shares: collecting arcs of unknown number, naming nodes, making the graph simple. */
import { FormatError, InputError, OptionError } from "../core/index.js";
import { type Digraph, digraphFromArcs, type LoopPolicy } from "./digraph.js";

/** A graph read from a file. */
export interface GraphFile {
  readonly graph: Digraph;
  /** The file's name for a node. */
  readonly label: (node: number) => string;
  /** Arcs dropped because they pointed at their own source, or repeated an earlier one. */
  readonly selfLoops: number;
  readonly repeats: number;
  /** True when the file's edges had no direction: each became two arcs. */
  readonly undirected: boolean;
}

/** What a reader does with arcs that a simple directed graph cannot have. */
export interface ReadOptions {
  /** Default "drop": counted in the result. */
  readonly selfLoops?: LoopPolicy;
  /** Default "drop": counted in the result. */
  readonly repeats?: LoopPolicy;
  /** Edges without direction become two arcs ("both", default) or are refused. */
  readonly undirected?: "both" | "refuse";
}

/** Nodes that a file may declare without naming them: 16 per byte of the file, or 2^24. */
export function requireDeclaredNodes(format: string, where: string, nodes: number, bytes: number): void {
  const most = Math.max(1 << 24, 16 * bytes);
  if (!Number.isSafeInteger(nodes) || nodes < 0 || nodes > most) {
    throw new FormatError(format, `${where}: declares ${nodes} nodes; at most ${most} are accepted for a file of ${bytes} bytes`);
  }
}

/** Sources and targets, growing as they come. */
export class ArcList {
  private source = new Uint32Array(1024);
  private target = new Uint32Array(1024);
  length = 0;

  push(v: number, w: number): void {
    if (this.length === this.source.length) {
      this.source = grown(this.source);
      this.target = grown(this.target);
    }
    this.source[this.length] = v;
    this.target[this.length++] = w;
  }

  /** Adds the reverse of every arc collected so far. */
  mirror(): void {
    const half = this.length;
    for (let e = 0; e < half; e++) this.push(this.target[e]!, this.source[e]!);
  }

  from(): Uint32Array {
    return this.source.subarray(0, this.length);
  }

  to(): Uint32Array {
    return this.target.subarray(0, this.length);
  }
}

function grown(array: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(array.length * 2);
  larger.set(array);
  return larger;
}

/** Numbers names in the order they come. */
export class NodeNames {
  private readonly numbers = new Map<string, number>();
  readonly names: string[] = [];

  has(name: string): boolean {
    return this.numbers.has(name);
  }

  get(name: string): number | undefined {
    return this.numbers.get(name);
  }

  /** The number of `name`, new if it was not seen before. */
  number(name: string): number {
    let node = this.numbers.get(name);
    if (node === undefined) {
      node = this.names.length;
      this.numbers.set(name, node);
      this.names.push(name);
    }
    return node;
  }
}

/** Makes the graph simple and wraps it up. @throws FormatError when a policy refuses what the file holds */
export function finishGraph(
  format: string,
  nodes: number,
  arcs: ArcList,
  label: (node: number) => string,
  undirected: boolean,
  options: ReadOptions,
): GraphFile {
  if (undirected && options.undirected === "refuse") {
    throw new FormatError(format, "the edges have no direction; read with undirected: both to make each edge two arcs");
  }
  try {
    const simple = digraphFromArcs({
      nodes,
      from: arcs.from(),
      to: arcs.to(),
      selfLoops: options.selfLoops ?? "drop",
      repeats: undirected ? "drop" : (options.repeats ?? "drop"),
    });
    return { ...simple, label, undirected };
  } catch (error) {
    if (error instanceof InputError && !(error instanceof OptionError)) throw new FormatError(format, error.message);
    throw error;
  }
}

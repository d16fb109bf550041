/** Algorithm C: which part of a network XNNPACK would run channel-major with sparse weights, and whether it expects that to pay. */
import type { Tensor, Tree } from "../../src/core/index.js";
import type { Operation, Program } from "../../src/program/index.js";

/** What an operation is to the channel-major pipeline. */
export type Place =
  /** 1x1 convolution (groups 1, stride 1, no padding, no dilation): may be sparse. */
  | "sparse"
  /** 3x3, stride 2, padding 1, 3 input channels: reads pixel-major, writes channel-major; dense. */
  | "stem"
  /** Depthwise 3x3 (padding 1) or 5x5 (padding 2), stride 1 or 2, one filter per channel. */
  | "depthwise"
  /** Elementwise on four axes. */
  | "elementwise"
  /** Mean over the plane: leaves the pipeline. */
  | "exit"
  /** Runs pixel-major only. */
  | "none";

const UNARY = new Set(["relu", "clamp", "neg", "abs", "sqrt", "exp", "sigmoid", "tanh"]);

/** Classifies an operation of a program at batch 1, batch norm folded. */
export function placeOf({ values }: Program, { op, inputs, outputs, attrs }: Operation): Place {
  const shape = (at: number) => values[inputs[at]!]!.shape;
  const result = values[outputs[0]!]!.shape;
  if (op === "conv2d") {
    const { stride, padding, dilation, groups } = attrs as Record<string, number[]> & { groups: number };
    const [, channels] = shape(0) as [number, number];
    const [filters, , height, width] = shape(1) as [number, number, number, number];
    const all = (list: readonly number[] | undefined, n: number) => list!.every((v) => v === n);
    if (!all(dilation, 1)) return "none";
    if (height === 1 && width === 1) return groups === 1 && all(stride, 1) && all(padding, 0) ? "sparse" : "none";
    const square = height === width && (height === 3 || height === 5) && all(padding, (height - 1) / 2);
    if (square && groups === channels && filters === channels && (all(stride, 1) || all(stride, 2))) return "depthwise";
    return square && height === 3 && groups === 1 && channels === 3 && all(stride, 2) ? "stem" : "none";
  }
  if (op === "mean") return shape(0).length === 4 && (attrs["axes"] as number[]).join() === "2,3" ? "exit" : "none";
  if (result.length !== 4) return "none";
  if (UNARY.has(op)) return "elementwise";
  // A second operand of one axis (a bias, a scale) or of the same shape (a residual stream).
  if (op === "add" || op === "mul") {
    const plain = (list: readonly number[]) => list.join() === result.join() || list.filter((n) => n !== 1).length <= 1;
    return plain(shape(0)) && plain(shape(1)) ? "elementwise" : "none";
  }
  return "none";
}

/** A connected part that ends in an exit. */
export interface Cluster {
  readonly operations: readonly number[];
  /** Weights of its 1x1 layers, and the zeros among them. */
  readonly weights: number;
  readonly zeros: number;
  /** Runs sparse: 3 x zeros above 2 x weights (strictly more than two thirds), and at least one 1x1 layer. */
  readonly pays: boolean;
}

/**
 * The clusters of a program: operations that exits read, back to the stem. One that touches the program's input or output with anything
 * but a stem, or that feeds an operation outside the pipeline, is dropped: the list does not hold it.
 * @param params weights by path; zeros are counted in them
 */
export function clustersOf(program: Program, params: Tree<Tensor>): Cluster[] {
  const { operations, outputs } = program;
  const places = operations.map((operation) => placeOf(program, operation));
  const maker = new Map(operations.flatMap((operation, i) => operation.outputs.map((id) => [id, i] as const)));
  const path = new Map(Object.entries(program.params).map(([name, { value }]) => [value, name]));
  const promised = new Set(Object.values(outputs));
  const given = new Set(Object.values(program.inputs));
  /** Activations that an operation reads: weights, and constants shaped from them, are not among them. */
  const isData = (id: number): boolean => {
    if (path.has(id)) return false;
    const made = maker.get(id);
    return made === undefined ? given.has(id) : operations[made]!.inputs.some(isData);
  };
  const found: Cluster[] = [];
  operations.forEach((_, exit) => {
    if (places[exit] !== "exit") return;
    const members = new Set([exit]);
    let whole = true;
    for (const at of members) {
      if (places[at] === "stem") continue;
      for (const id of operations[at]!.inputs.filter(isData)) {
        const made = maker.get(id);
        if (made === undefined || places[made] === "none" || places[made] === "exit") whole = false;
        else members.add(made);
      }
    }
    // Whoever reads a value of the cluster must be in it.
    for (const at of members) {
      if (at === exit) continue;
      for (const id of operations[at]!.outputs) {
        if (promised.has(id) || operations.some(({ inputs }, i) => inputs.includes(id) && !members.has(i))) whole = false;
      }
    }
    if (!whole) return;
    let [weights, zeros] = [0, 0];
    for (const at of members) {
      if (places[at] !== "sparse") continue;
      const { data } = params[path.get(operations[at]!.inputs[1]!)!]!;
      weights += data.length;
      zeros += data.reduce((n, w) => n + Number(w === 0), 0);
    }
    found.push({ operations: [...members].sort((a, b) => a - b), weights, zeros, pays: weights > 0 && 3 * zeros > 2 * weights });
  });
  return found;
}

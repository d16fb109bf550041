/** A program as other engines see it: products with bias and activation in one node. */
import type { Operation, Program } from "../../src/program/index.js";

/** What follows a product or an addition at no cost. */
export type Activation = "none" | "relu" | "relu6";

/** One node. `values` are numbers of the program's values. */
export interface PeerNode {
  readonly op: string;
  readonly inputs: readonly number[];
  readonly output: number;
  readonly attrs: Operation["attrs"];
  /** Path of the weight of conv2d and linear. */
  readonly weight?: string;
  readonly bias?: string;
  readonly activation: Activation;
}

/** Nodes in order, and the params that they name. */
export interface PeerGraph {
  readonly program: Program;
  readonly nodes: readonly PeerNode[];
  readonly input: number;
  readonly output: number;
  /** Paths of params used as plain values. */
  readonly paths: ReadonlyMap<number, string>;
}

const activationOf = ({ op, attrs }: Operation): Activation | undefined => {
  if (op === "relu") return "relu";
  return op === "clamp" && attrs["a"] === 0 && attrs["b"] === 6 ? "relu6" : undefined;
};

/** Joins conv2d or matmul by a param + bias + activation, and add + activation. */
export function peerGraph(program: Program): PeerGraph {
  const paths = new Map(Object.entries(program.params).map(([path, { value }]) => [value, path]));
  const uses = new Map<number, Operation[]>();
  const makers = new Map<number, Operation>();
  for (const operation of program.operations) {
    for (const id of operation.inputs) uses.set(id, [...(uses.get(id) ?? []), operation]);
    for (const id of operation.outputs) makers.set(id, operation);
  }
  const only = (id: number): Operation | undefined => (uses.get(id)?.length === 1 ? uses.get(id)![0] : undefined);
  const biasPath = (id: number): string | undefined => {
    const maker = makers.get(id);
    return paths.get(id) ?? (maker?.op === "reshape" ? paths.get(maker.inputs[0]!) : undefined);
  };
  const biasAdded = (operation: Operation | undefined, id: number): boolean =>
    operation?.op === "add" && operation.inputs[0] === id && biasPath(operation.inputs[1]!) !== undefined;
  const taken = new Set<Operation>();
  const nodes: PeerNode[] = [];
  for (const operation of program.operations) {
    if (taken.has(operation)) continue;
    const weight = paths.get(operation.inputs[1] ?? -1);
    const product = operation.op === "conv2d" || (operation.op === "matmul" && operation.attrs["transposeB"] === true);
    const joins = product && weight !== undefined;
    let output = operation.outputs[0]!;
    let bias: string | undefined;
    let reshaped: Operation | undefined;
    let next = joins ? only(output) : undefined;
    if (next?.op === "reshape" && operation.op === "matmul" && biasAdded(only(next.outputs[0]!), next.outputs[0]!)) {
      reshaped = next;
      next = only(next.outputs[0]!);
    }
    const before = reshaped ? reshaped.outputs[0]! : output;
    if (next && biasAdded(next, before)) {
      bias = biasPath(next.inputs[1]!);
      taken.add(next);
      if (reshaped) {
        // The bias moves before the reshape; the reshape then makes what the addition made.
        taken.add(reshaped);
        nodes.push({
          op: "linear",
          inputs: [operation.inputs[0]!],
          output,
          attrs: operation.attrs,
          weight: weight!,
          bias: bias!,
          activation: "none",
        });
        nodes.push({ op: "reshape", inputs: [output], output: next.outputs[0]!, attrs: reshaped.attrs, activation: "none" });
        continue;
      }
      output = next.outputs[0]!;
    }
    next = joins || operation.op === "add" ? only(output) : undefined;
    const activation = next && activationOf(next);
    if (next && activation) {
      taken.add(next);
      output = next.outputs[0]!;
    }
    nodes.push({
      op: joins && operation.op === "matmul" ? "linear" : operation.op,
      inputs: joins ? [operation.inputs[0]!] : operation.inputs,
      output,
      attrs: operation.attrs,
      ...(joins ? { weight } : {}),
      ...(bias === undefined ? {} : { bias }),
      activation: activation ?? activationOf(operation) ?? "none",
    });
  }
  const needed = new Set(nodes.flatMap((node) => node.inputs));
  const output = Object.values(program.outputs)[0]!;
  return {
    program,
    nodes: nodes.filter((node) => node.output === output || needed.has(node.output)),
    input: Object.values(program.inputs)[0]!,
    output,
    paths,
  };
}

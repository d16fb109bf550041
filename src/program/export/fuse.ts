/** Puts a bias that is added after a convolution or product into the node itself, where ONNX has a place for it. */
import type { OnnxNode } from "../../formats/index.js";

/**
 * Conv, then Add of Reshape(bias [O]) to [1, O, 1, 1], becomes Conv with a third operand; Gemm, then Add of a vector, likewise.
 * @param shapes  shapes of params by name
 * @param lists   stored lists of integers by name
 * @param outputs names that must stay
 */
export function fuseBias(
  nodes: readonly OnnxNode[],
  shapes: ReadonlyMap<string, readonly number[]>,
  lists: ReadonlyMap<string, readonly number[]>,
  outputs: ReadonlySet<string>,
): OnnxNode[] {
  const uses = new Map<string, number>();
  for (const node of nodes) for (const name of node.inputs) uses.set(name, (uses.get(name) ?? 0) + 1);
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((o) => [o, node] as const)));
  const single = (name: string): boolean => uses.get(name) === 1 && !outputs.has(name);
  const gone = new Set<OnnxNode>();
  const replaced = new Map<OnnxNode, OnnxNode>();
  for (const add of nodes) {
    if (add.opType !== "Add") continue;
    for (const [from, other] of [add.inputs, [...add.inputs].reverse()] as [string, string][]) {
      const product = makers.get(from);
      if (!product || !single(from) || product.inputs.length !== 2 || gone.has(product)) continue;
      const width = shapes.get(product.inputs[1]!)?.[0];
      const direct = shapes.get(other);
      const reshape = makers.get(other);
      let bias: string | undefined;
      if (product.opType === "Gemm" && direct?.length === 1 && isTransposed(product)) bias = other;
      if (
        product.opType === "Conv" &&
        reshape?.opType === "Reshape" &&
        single(other) &&
        lists.get(reshape.inputs[1]!)?.join() === `1,${width},1,1`
      )
        bias = reshape.inputs[0];
      if (bias === undefined || shapes.get(bias)?.join() !== `${width}`) continue;
      // The sum stands where the Add stood: the bias may be made between the two.
      replaced.set(add, { ...product, inputs: [...product.inputs, bias], outputs: add.outputs });
      gone.add(product);
      if (reshape && product.opType === "Conv") gone.add(reshape);
      break;
    }
  }
  return nodes.filter((node) => !gone.has(node)).map((node) => replaced.get(node) ?? node);
}

const isTransposed = (node: OnnxNode): boolean => node.attributes.some((a) => a.name === "transB" && a.i === 1);

/** Small helpers of tests: fixed values, and one-line runs of traced functions. */
import { type AnyTensor, mapTree, sizeOf, type Tensor, type Tree, tensor } from "../../core/index.js";
import type { Value } from "../graph.js";
import { interpret, type Mask } from "../interpret.js";
import { trace } from "../trace.js";
import type { ParamLayout } from "../types.js";

/** sin(1.3 i + seed) for element i: the same numbers in every language. */
export const wave = (shape: readonly number[], seed = 0): Tensor =>
  tensor(
    shape,
    Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(1.3 * i + seed)),
  );

/** Traces f over params of the given values and runs it; sparse params by path in `masks`. */
export function evaluate(f: (p: Tree<Value>) => Tree<Value>, params: Tree<AnyTensor>, masks: Tree<Mask> = {}): Tree<AnyTensor> {
  const layout = (path: string, n: number): { layout?: ParamLayout } =>
    masks[path] ? { layout: { kind: "csr", capacity: n } } : {};
  const program = trace(({ params: p }) => ({ outputs: f(p) }), {
    params: mapTree(params, (t, path) => ({ shape: t.shape, dtype: t.dtype, ...layout(path, t.data.length) })),
  });
  return interpret(program, { params, masks }).outputs;
}

/** The numbers of a tensor. */
export const numbers = (t: AnyTensor | undefined): number[] => [...t!.data];

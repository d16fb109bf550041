/** Helpers of tests in this folder. */
import { type AnyTensor, mapTree, sizeOf, type Tensor, type Tree, tensor } from "../core/index.js";
import { interpret, trace, type Value } from "../program/index.js";
import { createContext, type Module } from "./module.js";

/** sin(1.3 i + seed) for element i: the same numbers in every language. */
export const wave = (shape: readonly number[], seed = 0): Tensor =>
  tensor(
    shape,
    Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(1.3 * i + seed)),
  );

/** Runs a module once; `key` seeds dropout. */
export function run(
  module: Module,
  params: Tree<AnyTensor>,
  x: AnyTensor,
  { training = false, key }: { training?: boolean; key?: AnyTensor } = {},
): { y: AnyTensor; updates: Tree<AnyTensor> } {
  const program = trace(
    ({ params: p, inputs }) => {
      const context = createContext(key ? { training, key: inputs["key"]! } : { training });
      const y = module.apply(p, inputs["x"] as Value, context);
      return { outputs: { y }, updates: context.updates };
    },
    {
      inputs: { x: { shape: x.shape, dtype: x.dtype }, ...(key ? { key: { shape: [2], dtype: "i32" as const } } : {}) },
      params: mapTree(params, (t) => ({ shape: t.shape })),
    },
  );
  const { outputs, updates } = interpret(program, { params, inputs: { x, ...(key ? { key } : {}) } });
  return { y: outputs["y"]!, updates };
}

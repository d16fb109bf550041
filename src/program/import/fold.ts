/** Constant folding: what depends on constants alone is computed at import, in float64, with the references of the operations. */
import { InputError, sizeOf } from "../../core/index.js";
import { interpret } from "../interpret.js";
import type { Builder } from "./builder.js";
import { type Held, kindOf } from "./held.js";

/** Multiplications that folding may do for one node. */
export const MOST_WORK = 2 ** 24;

/** Rough work of a traced node: elements made, and multiplications of products. */
export function workOf(builder: Builder): number {
  const { values, operations } = builder.graph;
  let work = 0;
  for (const { op, inputs, outputs, attrs } of operations) {
    let each = 1;
    const a = values[inputs[0] ?? -1]?.shape;
    const b = values[inputs[1] ?? -1]?.shape;
    if (op === "matmul" && a) each = attrs["transposeA"] ? a.at(-2)! : a.at(-1)!;
    else if ((op === "conv2d" || op === "conv2dInputGrad") && b) each = sizeOf(b.slice(1));
    else if (a) each = Math.max(1, sizeOf(a) / Math.max(1, sizeOf(values[outputs[0]!]!.shape)));
    for (const id of outputs) work += sizeOf(values[id]!.shape) * each;
  }
  return work;
}

/**
 * Computes what a node made of constants.
 * @param names names of the results
 * @throws InputError when a result is not finite where integers are meant
 */
export function evaluate(builder: Builder, results: readonly Held[], names: readonly string[]): Held[] {
  const { graph, sources } = builder;
  const outputs: Record<string, number> = {};
  results.forEach((held, i) => {
    if (!("constant" in held)) outputs[`${i}`] = held.value.id;
  });
  const computed = interpret(
    {
      values: graph.values,
      operations: graph.operations,
      inputs: Object.fromEntries(sources.map(({ value }, i) => [`${i}`, value.id])),
      params: {},
      outputs,
      updates: {},
    },
    {
      inputs: Object.fromEntries(
        sources.map(({ constant }, i) => [`${i}`, { shape: constant.shape, dtype: "f32", data: constant.data as Float32Array }]),
      ),
      double: true,
    },
  ).outputs;
  const fixed = sources.every(({ constant }) => constant.fixed);
  return results.map((held, i): Held => {
    if ("constant" in held) return held;
    const tensor = computed[`${i}`]!;
    const kind = kindOf(held);
    const data = kind === "float" ? Float32Array.from(tensor.data) : Float64Array.from(tensor.data);
    if (kind === "int" && data.some((v) => !Number.isFinite(v)))
      throw new InputError(`"${names[i]}" is computed at import and holds integers that are not finite (a division by 0?)`);
    return { constant: { kind, shape: tensor.shape, data, fixed, name: names[i] ?? "" } };
  });
}

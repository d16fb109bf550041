/** Reverse-mode differentiation: Graph -> the same graph with more operations, so gradients can be differentiated again. */
import { InputError, sizeOf, type Tree } from "../core/index.js";
import type { Value } from "./graph.js";
import { add, constant, operationNamed } from "./ops/index.js";
import { inline, trace } from "./trace.js";
import type { Program } from "./types.js";

/**
 * Gradients of a scalar with respect to other values of the same trace.
 *
 * @param of   a value of one element
 * @param wrt  values that it depends on; a value that it does not depend on gets zeros
 * @param seed gradient that flows into `of`, default 1
 * @returns    one gradient per entry of `wrt`, of its type (a sparse param's gradient has its pattern)
 * @throws InputError when `of` is not a scalar, or an operation on the way has no gradient
 */
export function gradients(of: Value, wrt: readonly Value[], seed?: Value): Value[] {
  const { graph } = of;
  if (!seed && sizeOf(of.shape) !== 1)
    throw new InputError(`gradients: expected a scalar, got shape [${of.shape}]; reduce it first or pass a seed`);
  const reaches = new Uint8Array(graph.values.length);
  for (const value of wrt) reaches[value.id] = 1;
  const count = graph.operations.length;
  for (let i = 0; i < count; i++) {
    const operation = graph.operations[i]!;
    if (operation.inputs.some((id) => reaches[id])) for (const id of operation.outputs) reaches[id] = 1;
  }
  const grads: (Value | undefined)[] = [];
  grads[of.id] = seed ?? constant(graph, of.shape, 1);
  for (let i = (graph.producers[of.id] ?? -1) as number; i >= 0; i--) {
    const operation = graph.operations[i]!;
    const flowing = operation.outputs.map((id) => grads[id]);
    if (!flowing.some((g) => g) || !operation.inputs.some((id) => reaches[id])) continue;
    const def = operationNamed(operation.op);
    if (!def.gradient)
      throw new InputError(`gradients: the operation "${operation.op}" has no gradient; put stopGradient before it`);
    const needs = operation.inputs.map((id) => reaches[id] === 1);
    const back = def.gradient({
      inputs: operation.inputs.map((id) => graph.value(id)),
      outputs: operation.outputs.map((id) => graph.value(id)),
      grads: flowing,
      attrs: operation.attrs,
      needs,
      operationNamed,
    });
    operation.inputs.forEach((id, k) => {
      const g = back[k];
      if (!g || !needs[k]) return;
      const before = grads[id];
      grads[id] = before ? add(before, g) : g;
    });
  }
  return wrt.map((value) => grads[value.id] ?? constant(graph, value.shape, 0, value.type.pattern));
}

/**
 * A program that also yields gradients: outputs of `program`, and `grad:<path>` for every param in `wrt`.
 *
 * @param of  name of a scalar output
 * @param wrt param paths, default all f32 params
 */
export function grad(program: Program, of: string, wrt?: readonly string[]): Program {
  const paths = wrt ?? Object.keys(program.params).filter((path) => program.values[program.params[path]!.value]!.dtype === "f32");
  const spec = {
    inputs: Object.fromEntries(Object.entries(program.inputs).map(([name, id]) => [name, program.values[id]!])),
    params: Object.fromEntries(
      Object.entries(program.params).map(([path, p]) => [path, { ...program.values[p.value]!, layout: p.layout }]),
    ),
  };
  return trace(({ inputs, params }) => {
    const { outputs, updates } = inline(program, operationNamed, { inputs, params });
    const target = outputs[of];
    if (!target) throw new InputError(`grad: the program has no output "${of}"; outputs are ${Object.keys(outputs).join(", ")}`);
    const values = paths.map((path) => {
      const param = params[path];
      if (!param) throw new InputError(`grad: the program has no param "${path}"`);
      return param;
    });
    const found = gradients(target, values);
    const extra: Record<string, Value> = {};
    paths.forEach((path, i) => {
      extra[`grad:${path}`] = found[i]!;
    });
    return { outputs: { ...outputs, ...extra }, updates };
  }, spec);
}

/** Loss and gradients of a tree of values in one call: `{ value, grads }`, keys as in `wrt`. */
export function valueAndGrad(of: Value, wrt: Tree<Value>): { value: Value; grads: Tree<Value> } {
  const paths = Object.keys(wrt);
  const found = gradients(
    of,
    paths.map((path) => wrt[path]!),
  );
  return { value: of, grads: Object.fromEntries(paths.map((path, i) => [path, found[i]!])) };
}

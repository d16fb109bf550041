/** Tracing: runs a TypeScript function once on symbolic values and keeps the operations that it performed. */
import { InputError, mapTree, type Tree } from "../core/index.js";
import { Graph, type Value } from "./graph.js";
import { type InputSpec, isSparse, type ParamSpec, type Program, type ProgramParam, type ValueType } from "./types.js";

/** What a traced function returns. */
export interface Traced {
  readonly outputs: Tree<Value>;
  /** New values of params, by path: a run leaves them in place of the old ones. */
  readonly updates?: Tree<Value>;
}

/** Params and inputs of the program to trace. */
export interface TraceSpec {
  readonly inputs?: Tree<InputSpec>;
  readonly params?: Tree<ParamSpec>;
}

const valueType = (path: string, spec: ParamSpec | InputSpec): ValueType => {
  const layout = (spec as ParamSpec).layout;
  const pattern = (spec as ParamSpec).pattern ?? (isSparse(layout) ? path : undefined);
  return { shape: [...spec.shape], dtype: spec.dtype ?? "f32", ...(pattern === undefined ? {} : { pattern }) };
};

/**
 * Traces `f` into a Program.
 *
 *     const program = trace(({ params, inputs }) => ({ outputs: { y: relu(linear(inputs.x, params.w)) } }),
 *                           { inputs: { x: { shape: [1, 4] } }, params: { w: { shape: [3, 4] } } });
 *
 * @throws ShapeError at the operation whose operands do not fit
 * @throws InputError when an update names no param, or has another shape or dtype
 */
export function trace(f: (t: { params: Tree<Value>; inputs: Tree<Value> }) => Traced, spec: TraceSpec): Program {
  const graph = new Graph();
  const inputs = mapTree(spec.inputs ?? {}, (s, name) => graph.source(valueType(name, s)));
  const params = mapTree(spec.params ?? {}, (s, path) => graph.source(valueType(path, s)));
  const traced = f({ params, inputs });
  for (const [path, value] of Object.entries(traced.updates ?? {})) {
    const param = params[path];
    if (!param) throw new InputError(`trace: the update "${path}" names no param; params are ${Object.keys(params).join(", ")}`);
    if (param.shape.join() !== value.shape.join() || param.type.dtype !== value.type.dtype) {
      throw new InputError(
        `trace: the update of "${path}" is ${value.type.dtype} [${value.shape}], expected the type of the param, ${param.type.dtype} [${param.shape}]`,
      );
    }
    if (param.type.pattern !== value.type.pattern) {
      const has = (pattern: string | undefined) => (pattern === undefined ? "dense" : `of the pattern of "${pattern}"`);
      throw new InputError(`trace: the update of "${path}" is ${has(value.type.pattern)}, the param ${has(param.type.pattern)}`);
    }
  }
  return finish(graph, {
    inputs: mapTree(inputs, (v) => v.id),
    params: mapTree(params, (v, path): ProgramParam => ({ value: v.id, layout: spec.params![path]!.layout ?? { kind: "dense" } })),
    outputs: mapTree(traced.outputs, (v) => v.id),
    updates: mapTree(traced.updates ?? {}, (v) => v.id),
  });
}

/** Drops operations whose results nobody uses, and closes the graph. */
function finish(graph: Graph, ends: Pick<Program, "inputs" | "params" | "outputs" | "updates">): Program {
  const used = new Uint8Array(graph.values.length);
  for (const id of [...Object.values(ends.outputs), ...Object.values(ends.updates)]) used[id] = 1;
  const kept = [];
  for (let i = graph.operations.length - 1; i >= 0; i--) {
    const operation = graph.operations[i]!;
    if (!operation.outputs.some((id) => used[id])) continue;
    for (const id of operation.inputs) used[id] = 1;
    kept.push(operation);
  }
  return { values: graph.values, operations: kept.reverse(), ...ends };
}

/**
 * Continues a program inside another trace: its operations are appended to the graph of the given values.
 * @returns the program's outputs and updates as values there
 */
export function inline(
  program: Program,
  operations: (name: string) => import("./graph.js").OpDef,
  bind: { inputs: Tree<Value>; params: Tree<Value> },
): { outputs: Tree<Value>; updates: Tree<Value> } {
  const at: Value[] = [];
  for (const [name, id] of Object.entries(program.inputs)) at[id] = need(bind.inputs[name], "input", name);
  for (const [path, param] of Object.entries(program.params)) at[param.value] = need(bind.params[path], "param", path);
  const first = at.find((v) => v !== undefined);
  for (const operation of program.operations) {
    const graph = first?.graph;
    if (!graph) throw new InputError("inline: the program has neither inputs nor params");
    const results = graph.emit(
      operations(operation.op),
      operation.inputs.map((id) => at[id]!),
      operation.attrs,
    );
    operation.outputs.forEach((id, i) => {
      at[id] = results[i]!;
    });
  }
  return { outputs: mapTree(program.outputs, (id) => at[id]!), updates: mapTree(program.updates, (id) => at[id]!) };
}

function need(value: Value | undefined, kind: string, name: string): Value {
  if (!value) throw new InputError(`inline: no value is bound to the ${kind} "${name}"`);
  return value;
}

/** Every operation of the registry: the engine equals the interpreter, values and gradients, on the contract suite's random cases. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AnyTensor, createRng, type Tree } from "../core/index.js";
import { add, gradients, mul, operationNamed, operations, type Program, sum, trace, type Value } from "../program/index.js";
import { cases, type OpCase, uniform } from "../program/testing/cases.js";
import { createEngine, type Engine } from "./engine.js";
import { differences } from "./testing/agree.js";

const ROUNDS = 8;
/** Both sides compute in float32; sums of a few dozen terms, and polynomials for the transcendental functions. */
const BOUND = 1e-5;

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

const specs = (tensors: readonly AnyTensor[]) =>
  Object.fromEntries(tensors.map((t, i) => [`${i}`, { shape: t.shape, dtype: t.dtype }]));
const named = (tensors: readonly AnyTensor[]): Tree<AnyTensor> => Object.fromEntries(tensors.map((t, i) => [`${i}`, t]));

/** In-place operations: their leading operands are params, their results the params' updates. */
const IN_PLACE: Readonly<Record<string, (made: OpCase) => readonly number[]>> = {
  sgd: ({ inputs }) => (inputs.length === 4 ? [0, 2] : [0]),
  adam: () => [0, 2, 3],
};

function optimiserProgram(name: string, made: OpCase): { program: Program; params: Tree<AnyTensor>; inputs: Tree<AnyTensor> } {
  const own = IN_PLACE[name]!(made);
  const held = named(made.inputs);
  const params = Object.fromEntries(Object.entries(held).filter(([i]) => own.includes(Number(i))));
  const inputs = Object.fromEntries(Object.entries(held).filter(([i]) => !own.includes(Number(i))));
  const shape = (tree: Tree<AnyTensor>) =>
    Object.fromEntries(Object.entries(tree).map(([i, t]) => [i, { shape: t.shape, dtype: t.dtype }]));
  const program = trace(
    ({ params: p, inputs: x }) => {
      const operands = made.inputs.map((_, i) => (p[i] ?? x[i])!);
      const results = operands[0]!.graph.emit(operationNamed(name), operands, made.attrs);
      return { outputs: {}, updates: Object.fromEntries(own.map((i, k) => [`${i}`, results[k]!])) };
    },
    { params: shape(params), inputs: shape(inputs) },
  );
  return { program, params, inputs };
}

/** The operation's results, and the gradients of a random weighting of them. */
function valueProgram(name: string, made: OpCase, weights: readonly AnyTensor[]): Program {
  const def = operationNamed(name);
  const n = made.inputs.length;
  const moving = made.inputs.map((t, i) => ({ t, i })).filter(({ t, i }) => t.dtype === "f32" && !made.still?.includes(i));
  return trace(
    ({ inputs }) => {
      const own = made.inputs.map((_, i) => inputs[i]!);
      const graph = own[0]?.graph ?? inputs[`anchor`]!.graph;
      const results = graph.emit(def, own, made.attrs);
      const outputs: Record<string, Value> = Object.fromEntries(results.map((y, k) => [`result ${k}`, y]));
      const flowing = results.filter((y) => y.type.dtype === "f32");
      if (def.gradient && moving.length > 0 && flowing.length > 0) {
        const loss = flowing.map((y, k) => sum(mul(y, inputs[n + k]!))).reduce((a, b) => add(a, b));
        gradients(
          loss,
          moving.map(({ i }) => own[i]!),
        ).forEach((g, k) => {
          outputs[`gradient ${moving[k]!.i}`] = g;
        });
      }
      return { outputs };
    },
    { inputs: { ...specs([...made.inputs, ...weights]), anchor: { shape: [1] } } },
  );
}

/** Bytes exist only between int8 operations: int8.test.ts runs them in programs. */
const INT8 = new Set(["quantise", "dequantise", "conv2dInt8", "meanInt8", "maxPoolInt8", "linearInt8"]);

describe.each([...operations.keys()].filter((name) => !INT8.has(name)))("%s", (name) => {
  it("equals the interpreter, and so do its gradients", () => {
    for (let round = 0; round < ROUNDS; round++) {
      const rng = createRng(70 + round).split(name);
      const made = cases[name]!(rng);
      const about = `round ${round}, ${JSON.stringify(made.inputs.map((t) => t.shape))} ${JSON.stringify(made.attrs)}`;
      if (IN_PLACE[name]) {
        const { program, params, inputs } = optimiserProgram(name, made);
        for (const { name: what, error } of differences(engine, program, { params, inputs }))
          expect(error, `${what}: ${about}`).toBeLessThan(BOUND);
        continue;
      }
      const types = operationNamed(name).type(made.inputs, made.attrs);
      const weights = types.filter((t) => t.dtype === "f32").map((t) => uniform(rng, t.shape));
      const program = valueProgram(name, made, weights);
      const inputs = { ...named([...made.inputs, ...weights]), anchor: uniform(rng, [1]) };
      for (const { name: what, error } of differences(engine, program, { params: {}, inputs }))
        expect(error, `${what}: ${about}`).toBeLessThan(BOUND);
    }
  });
});

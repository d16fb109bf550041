/** The contract of operations: every member of the registry, on random shapes with size-1 and broadcast axes. */
import { describe, expect, it } from "vitest";
import { type AnyTensor, createRng, type Rng, sizeOf } from "../../core/index.js";
import { gradients } from "../grad.js";
import type { Value } from "../graph.js";
import { interpret } from "../interpret.js";
import { cases, notTheSlope, type OpCase, uniform } from "../testing/cases.js";
import { indices, naive } from "../testing/naive.js";
import { trace } from "../trace.js";
import type { Program } from "../types.js";
import { add, mul, operationNamed, operations, sum } from "./index.js";

const ROUNDS = 6;
const rounds = (name: string): { rng: Rng; made: OpCase }[] =>
  Array.from({ length: ROUNDS }, (_, i) => {
    const rng = createRng(20 + i).split(name);
    return { rng, made: cases[name]!(rng) };
  });
const specs = (tensors: readonly AnyTensor[]) =>
  Object.fromEntries(tensors.map((t, i) => [`${i}`, { shape: t.shape, dtype: t.dtype }]));
const named = (tensors: readonly AnyTensor[]) => Object.fromEntries(tensors.map((t, i) => [`${i}`, t]));
const operands = (inputs: Readonly<Record<string, Value>>, n: number) => Array.from({ length: n }, (_, i) => inputs[i]!);

/** Sum of products over pairs: a scalar. */
const inner = (a: readonly Value[], b: readonly Value[]): Value | undefined =>
  a.map((x, i) => sum(mul(x, b[i]!))).reduce<Value | undefined>((t, x) => (t ? add(t, x) : x), undefined);

/**
 * The central difference of the scalar output `of` along a direction beside the inner product of `grad:i` with it,
 * both in float64. Inputs `0..n-1` move where a direction is given.
 */
function slopes(program: Program, inputs: Record<string, AnyTensor>, directions: ReadonlyMap<string, AnyTensor>, of: string) {
  const h = 1e-5;
  const moved = (s: number) => {
    const shifted = { ...inputs };
    for (const [name, d] of directions) {
      const data = Float64Array.from(inputs[name]!.data, (v, i) => v + s * d.data[i]!);
      shifted[name] = { ...inputs[name]!, data: data as unknown as Float32Array } as AnyTensor;
    }
    return interpret(program, { inputs: shifted, double: true }).outputs[of]!.data[0]!;
  };
  const { outputs } = interpret(program, { inputs, double: true });
  let analytic = 0;
  for (const [name, d] of directions) {
    const g = outputs[`grad:${name}`]!.data;
    for (let i = 0; i < g.length; i++) analytic += g[i]! * d.data[i]!;
  }
  return { analytic, numeric: (moved(h) - moved(-h)) / (2 * h) };
}

describe.each([...operations.keys()])("%s", (name) => {
  const def = operationNamed(name);

  it("has cases, keeps its declared types, leaves operands untouched and is finite", () => {
    expect(cases[name], `add a case generator for ${name}`).toBeDefined();
    for (const { made } of rounds(name)) {
      const types = def.type(made.inputs, made.attrs);
      const before = made.inputs.map((t) => t.data.slice());
      const results = def.reference(made.inputs, made.attrs, types);
      expect(results.map((r) => [r.shape, r.dtype, r.data.length])).toEqual(types.map((t) => [t.shape, t.dtype, sizeOf(t.shape)]));
      expect(made.inputs.map((t) => t.data)).toEqual(before);
      for (const r of results) expect(r.data.every(Number.isFinite)).toBe(true);
    }
  });

  it.runIf(naive[name])("equals its formula", () => {
    for (const { made } of rounds(name)) {
      const [y] = def.reference(made.inputs, made.attrs, def.type(made.inputs, made.attrs));
      const formula = naive[name]!(made.inputs, made.attrs);
      let i = 0;
      for (const index of indices(y!.shape)) {
        const expected = formula(index);
        expect(Math.abs(y!.data[i++]! - expected)).toBeLessThanOrEqual(3e-6 * Math.max(1, Math.abs(expected)));
      }
    }
  });

  it.runIf(def.gradient && !notTheSlope[name])("has the gradient that finite differences give, and so has its gradient", () => {
    for (const { rng, made } of rounds(name)) {
      const n = made.inputs.length;
      const moving = made.inputs.map((t, i) => ({ t, i })).filter(({ t, i }) => t.dtype === "f32" && !made.still?.includes(i));
      const types = def.type(made.inputs, made.attrs).filter((t) => t.dtype === "f32");
      if (moving.length === 0 || types.length === 0) continue;
      const weights = types.map((t) => uniform(rng, t.shape));
      const probes = moving.map(({ t }) => uniform(rng, t.shape));
      const used = rng.below(types.length);
      const tensors = [...made.inputs, ...weights, ...probes];
      const program = trace(
        ({ inputs }) => {
          const own = operands(inputs, n);
          const results = own.length ? own[0]!.graph.emit(def, own, made.attrs).filter((v) => v.type.dtype === "f32") : [];
          const flowing = results
            .map((y, i) => ({ y, weight: inputs[n + i]! }))
            .filter((_, i) => i === used || results.length * rng.uniform() > 1);
          const loss = inner(
            flowing.map(({ y }) => y),
            flowing.map(({ weight }) => weight),
          )!;
          const wrt = moving.map(({ i }) => own[i]!);
          const first = gradients(loss, wrt);
          const slope = inner(
            first,
            probes.map((_, i) => inputs[n + weights.length + i]!),
          )!;
          const second = gradients(slope, wrt);
          return {
            outputs: {
              loss,
              slope,
              ...Object.fromEntries(moving.map(({ i }, k) => [`grad:${i}`, first[k]!])),
              ...Object.fromEntries(moving.map(({ i }, k) => [`second:${i}`, second[k]!])),
            },
          };
        },
        { inputs: specs(tensors) },
      );
      const directions = new Map(moving.map(({ i, t }) => [`${i}`, uniform(rng, t.shape)]));
      const one = slopes(program, named(tensors), directions, "loss");
      expect(Math.abs(one.analytic - one.numeric), `gradient of ${name} ${JSON.stringify(made.attrs)}`).toBeLessThan(
        2e-6 * (1 + Math.abs(one.numeric)),
      );
      const outputs = Object.fromEntries(
        Object.entries(program.outputs)
          .filter(([key]) => !key.startsWith("grad:"))
          .map(([key, id]) => [key.replace("second:", "grad:"), id]),
      );
      const two = slopes({ ...program, outputs }, named(tensors), directions, "slope");
      expect(Math.abs(two.analytic - two.numeric), `second derivative of ${name}`).toBeLessThan(5e-6 * (1 + Math.abs(two.numeric)));
    }
  });
});

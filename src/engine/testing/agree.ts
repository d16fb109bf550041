/** Runs a program in the interpreter and in the engine, and compares every output and update. */
import { type AnyTensor, createRng, intTensor, type Rng, tensor, type Tree } from "../../core/index.js";
import { interpret, type ParamSpec, type Program } from "../../program/index.js";
import type { CompileOptions, Engine } from "../engine.js";

/** Greatest difference relative to the greatest reference value, per output. */
export interface Difference {
  readonly name: string;
  readonly error: number;
}

/** Random data for a shape. */
export function randomTensor(shape: readonly number[], rng: Rng, scale = 1): AnyTensor {
  const t = tensor(shape);
  for (let i = 0; i < t.data.length; i++) t.data[i] = rng.normal() * scale;
  return t;
}

/** Random labels below `classes`. */
export function randomLabels(n: number, classes: number, rng: Rng): AnyTensor {
  return intTensor(
    [n],
    Array.from({ length: n }, () => rng.below(classes)),
  );
}

/** The specs of a program's params, for a store. */
export function specsOf(program: Program): Tree<ParamSpec> {
  return Object.fromEntries(Object.entries(program.params).map(([path, p]) => [path, { ...program.values[p.value]!, layout: p.layout }]));
}

/** Differences of one run of the engine against the interpreter. */
export function differences(
  engine: Engine,
  program: Program,
  given: { params: Tree<AnyTensor>; inputs: Tree<AnyTensor>; masks?: Tree<{ shape: readonly number[]; data: Uint8Array }> },
  options: CompileOptions = {},
): Difference[] {
  const expected = interpret(program, given);
  const specs = specsOf(program);
  const store = engine.params(specs);
  for (const [path, value] of Object.entries(given.params)) store.set(path, value);
  const plan = engine.compile(program, store, options);
  const outputs = plan.run(given.inputs);
  const found: Difference[] = [];
  const compare = (name: string, a: ArrayLike<number>, b: ArrayLike<number>) => {
    let worst = 0;
    let most = 1e-30;
    for (let i = 0; i < b.length; i++) {
      const d = Math.abs(a[i]! - b[i]!);
      if (!(d <= worst)) worst = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
      most = Math.max(most, Math.abs(b[i]!));
    }
    found.push({ name, error: worst / most });
  };
  for (const [name, value] of Object.entries(expected.outputs)) compare(name, outputs[name]!.data, value.data);
  for (const [path, value] of Object.entries(expected.updates)) compare(`update ${path}`, store.get(path).data, value.data);
  plan.close();
  store.close();
  return found;
}

export { createRng };

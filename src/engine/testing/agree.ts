/** Runs a program in the interpreter and in the engine, and compares every output and update. */
import { type AnyTensor, createRng, intTensor, type Rng, type Tree, tensor } from "../../core/index.js";
import { interpret, type Mask, type ParamSpec, type Program } from "../../program/index.js";
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
  return Object.fromEntries(
    Object.entries(program.params).map(([path, p]) => [path, { ...program.values[p.value]!, layout: p.layout }]),
  );
}

/** What a run is given. */
export interface Given {
  readonly params: Tree<AnyTensor>;
  readonly inputs: Tree<AnyTensor>;
  readonly masks?: Tree<Mask>;
}

/** Greatest difference, relative to the greatest value of `b` (or to `least`, where all of it is smaller). */
function relative(a: ArrayLike<number>, b: ArrayLike<number>, least = 1e-30): number {
  let worst = 0;
  let most = least;
  for (let i = 0; i < b.length; i++) {
    const d = Math.abs(a[i]! - b[i]!);
    if (!(d <= worst)) worst = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
    most = Math.max(most, Math.abs(b[i]!));
  }
  return worst / most;
}

/** Every output and update of one run in the engine, by name. */
export function runEngine(engine: Engine, program: Program, given: Given, options: CompileOptions): Map<string, ArrayLike<number>> {
  const store = engine.params(specsOf(program));
  for (const [path, value] of Object.entries(given.params)) store.set(path, value);
  const plan = engine.compile(program, store, options);
  const outputs = plan.run(given.inputs);
  const found = new Map<string, ArrayLike<number>>();
  for (const name of Object.keys(program.outputs)) found.set(name, outputs[name]!.data.slice());
  for (const path of Object.keys(program.updates)) found.set(`update ${path}`, store.get(path).data);
  plan.close();
  store.close();
  return found;
}

function runInterpreter(program: Program, given: Given, double: boolean): Map<string, ArrayLike<number>> {
  const { outputs, updates } = interpret(program, { ...given, double });
  return new Map([
    ...Object.entries(outputs).map(([name, t]) => [name, t.data] as const),
    ...Object.entries(updates).map(([path, t]) => [`update ${path}`, t.data] as const),
  ]);
}

/** Differences of one run of the engine against the interpreter. */
export function differences(engine: Engine, program: Program, given: Given, options: CompileOptions = {}): Difference[] {
  const expected = runInterpreter(program, given, false);
  const got = runEngine(engine, program, given, options);
  return [...expected].map(([name, data]) => ({ name, error: relative(got.get(name)!, data) }));
}

/** An error against float64, beside the error that float32 itself makes there. */
export interface Rounding extends Difference {
  /** The interpreter's error in float32. */
  readonly float32: number;
}

/** Values below this are compared by absolute error: means that are zero but for rounding have no relative one. */
const LEAST = 1e-3;

/** Errors against the interpreter in float64: for deep programs, where rounding is amplified. */
export function roundings(engine: Engine, program: Program, given: Given, options: CompileOptions = {}): Rounding[] {
  const exact = runInterpreter(program, given, true);
  const float32 = runInterpreter(program, given, false);
  const got = runEngine(engine, program, given, options);
  return [...exact].map(([name, data]) => ({
    name,
    error: relative(got.get(name)!, data, LEAST),
    float32: relative(float32.get(name)!, data, LEAST),
  }));
}

export { createRng };

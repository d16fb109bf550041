/** What must hold of every program, tried on a random one: the interpreter's values, and the same bits however it is run. */
import { type AnyTensor, createRng, type Tensor, type Tree } from "../../core/index.js";
import { foldBatchNorm, fuseActivations, interpret } from "../../program/index.js";
import type { CompileOptions, Engine } from "../engine.js";
import type { Live } from "../live.js";
import type { ParamStore } from "../params.js";
import { type RandomOptions, type RandomProgram, randomProgram } from "./random-program.js";

type Values = Map<string, ArrayLike<number>>;

/**
 * Outputs may differ from float64 by so many times what the interpreter's do in float32, or in float64 with all inputs and params moved by
 * their last bits (the larger: how well the program is conditioned). A wrong element is off by thousands of times that.
 */
const TIMES = 64;
/** ... and by this share of the greatest value: other orders of summing, polynomials, Winograd. */
const SHARE = 2e-4;
/** The last bits. */
const MOVED = 2 ** -22;

/** The random program of a seed: every third one trains. */
export function programOf(seed: number, options: Partial<RandomOptions> = {}): RandomProgram {
  const rng = createRng(seed);
  return randomProgram(rng, { length: 1 + rng.below(9), training: seed % 3 === 0, ...options });
}

/** Lists of as many live positions of a param elsewhere: the columns of each row counted from the other end. */
function elsewhere(store: ParamStore, path: string): Live {
  const { rowPtr, columns, values } = store.live(path);
  const width = store.topologies[path]!.columns;
  const turned = new Int32Array(columns.length);
  for (let r = 0; r + 1 < rowPtr.length; r++)
    for (let from = rowPtr[r]!, to = rowPtr[r + 1]!, e = from; e < to; e++) turned[e] = width - 1 - columns[from + to - 1 - e]!;
  return { rowPtr, columns: turned, values };
}

/** A run with other live positions: of a plan made for them, or of one that was made, and run, before they changed. */
function runElsewhere(engine: Engine, { program, specs, params, inputs }: RandomProgram, frozen: boolean, before: boolean): Values {
  const store = engine.params(specs, params);
  const lists = Object.keys(store.topologies).map((path) => [path, elsewhere(store, path)] as const);
  const change = () => {
    for (const [path, live] of lists) store.setLive(path, live);
    for (const path of Object.keys(specs)) if (!(path in store.topologies)) store.set(path, params[path]!);
  };
  if (!before) change();
  const plan = engine.compile(program, store, { frozen });
  if (before) {
    plan.run(inputs);
    change();
  }
  const outputs = Object.entries(plan.run(inputs)).map(([name, { data }]) => [name, data.slice()] as const);
  plan.close();
  store.close();
  return new Map(outputs);
}

/** What a run leaves: two runs' outputs, and the params after each. */
function runs(engine: Engine, { program, specs, params, inputs }: RandomProgram, options: CompileOptions): [Values, Values] {
  const store = engine.params(specs, params);
  const plan = engine.compile(program, store, options);
  const once = (): Values => {
    const outputs = Object.entries(plan.run(inputs)).map(([name, { data }]) => [name, data.slice()] as const);
    const updates = Object.keys(program.updates).map((path) => [`update ${path}`, store.get(path).data] as const);
    return new Map([...outputs, ...updates]);
  };
  try {
    return [once(), once()];
  } finally {
    plan.close();
    store.close();
  }
}

const sameBits = (a: Values, b: Values): string[] =>
  [...a].flatMap(([name, data]) => (data.length === b.get(name)!.length && sameData(data, b.get(name)!) ? [] : [name]));

function sameData(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i]! + 0, b[i]! + 0)) return false;
  return true;
}

function interpreted({ program, params, inputs, masks }: RandomProgram, double: boolean): Values {
  const { outputs, updates } = interpret(program, { params, inputs, masks, double });
  return new Map([
    ...Object.entries(outputs).map(([name, t]) => [name, t.data] as const),
    ...Object.entries(updates).map(([path, t]) => [`update ${path}`, t.data] as const),
  ]);
}

/** Every element a little larger or smaller. */
function moved(values: Tree<AnyTensor>, by: number): Tree<AnyTensor> {
  const rng = createRng(3);
  return Object.fromEntries(
    Object.entries(values).map(([name, t]) => [
      name,
      t.dtype === "f32" ? { ...t, data: Float32Array.from(t.data, (v) => v * (1 + by * (rng.below(2) ? 1 : -1))) } : t,
    ]),
  );
}

/** Greatest difference of two values' elements; infinite where one is no number and the other is. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let worst = 0;
  for (let i = 0; i < b.length; i++) {
    const d = Math.abs(a[i]! - b[i]!);
    if (d > worst) worst = d;
    else if (Number.isNaN(d) && !Object.is(a[i], b[i])) return Number.POSITIVE_INFINITY;
  }
  return worst;
}

const greatest = (a: ArrayLike<number>): number => {
  let most = 1e-3;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]!));
  return most;
};

/** What each output may differ by from float64. */
function bounds(random: RandomProgram): { exact: Values; most: Map<string, number> } {
  const exact = interpreted(random, true);
  const float32 = interpreted(random, false);
  const near = interpreted({ ...random, params: moved(random.params, MOVED), inputs: moved(random.inputs, MOVED) }, true);
  const most = new Map(
    [...exact].map(([name, data]) => {
      const own = Math.max(distance(float32.get(name)!, data), distance(near.get(name)!, data));
      return [name, TIMES * own + SHARE * greatest(data)] as const;
    }),
  );
  return { exact, most };
}

/**
 * Everything that is wrong with how engines run a program.
 * @param engines of flavor `plain` and 1, 2, 3, ... threads
 */
export function faults(engines: readonly Engine[], random: RandomProgram): string[] {
  const found: string[] = [];
  const { exact, most } = bounds(random);
  const trained = Object.keys(random.program.updates).length > 0;
  const compare = (how: string, got: Values) => {
    for (const [name, data] of exact) {
      const error = distance(got.get(name)!, data);
      if (!(error <= most.get(name)!)) found.push(`${how}: ${name} is off by ${error}, ${most.get(name)} is allowed`);
    }
  };
  for (const frozen of trained ? [false] : [false, true]) {
    const how = frozen ? "frozen" : "not frozen";
    const [first, second] = runs(engines[0]!, random, { frozen });
    compare(how, first);
    const again = trained ? runs(engines[0]!, { ...random, params: after(random, first) }, { frozen })[0] : first;
    for (const name of sameBits(again, second)) found.push(`${how}: ${name} of the second run is another`);
    if (Object.keys(random.masks).length > 0) {
      const [early, late] = [false, true].map((before) => runElsewhere(engines[1]!, random, frozen, before)) as [Values, Values];
      for (const name of sameBits(early, late)) found.push(`${how}: ${name} has other bits after live positions changed`);
    }
    for (const engine of engines.slice(1)) {
      const others = runs(engine, random, { frozen });
      for (const [i, values] of [first, second].entries())
        for (const name of sameBits(values, others[i]!))
          found.push(`${how}: ${name} of run ${i} has other bits on ${engine.threads} threads`);
    }
  }
  compare("without Winograd", runs(engines[0]!, random, { frozen: !trained, winograd: false })[0]);
  if (!trained) for (const [how, other] of rewritten(random)) compare(how, runs(engines[0]!, other, { frozen: true })[0]);
  return found;
}

/** The program as passes rewrite it before inference. */
function rewritten(random: RandomProgram): [string, RandomProgram][] {
  const folded = foldBatchNorm(random.program, random.params as Tree<Tensor>);
  const specs = Object.fromEntries(
    Object.entries(folded.program.params).map(([path, { value, layout }]) => [
      path,
      { shape: folded.program.values[value]!.shape, layout },
    ]),
  );
  return [
    ["batch norm folded", { ...random, ...folded, specs }],
    ["activations fused", { ...random, program: fuseActivations(random.program) }],
  ];
}

/** The params after a run. */
function after({ params }: RandomProgram, values: Values): Tree<AnyTensor> {
  return Object.fromEntries(
    Object.entries(params).map(([path, t]) => [
      path,
      { ...t, data: (values.get(`update ${path}`) ?? t.data) as Float32Array } as AnyTensor,
    ]),
  );
}

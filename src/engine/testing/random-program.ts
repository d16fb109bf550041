/** Random programs: operations chained at random over values of many shapes, sparse weights, gradients and updates. */
import { type AnyTensor, type Rng, sizeOf, type Tree, tensor } from "../../core/index.js";
import {
  adamStep,
  gradients,
  logSoftmax,
  type Mask,
  mean,
  mul,
  type ParamSpec,
  type Program,
  sgdStep,
  square,
  tanh,
  trace,
  type Value,
} from "../../program/index.js";
import { randomLabels, randomTensor } from "./agree.js";
import { images } from "./random-images.js";
import { products } from "./random-products.js";
import { Sources } from "./random-sources.js";
import { type Draw, elementwise, shapes } from "./random-steps.js";
import type { Kind } from "./sparse.js";

/** A program and what a run of it needs. */
export interface RandomProgram {
  readonly program: Program;
  readonly specs: Tree<ParamSpec>;
  readonly params: Tree<AnyTensor>;
  readonly inputs: Tree<AnyTensor>;
  readonly masks: Tree<Mask>;
}

/** What a random program may have. */
export interface RandomOptions {
  /** Operations to chain. */
  readonly length: number;
  /** Gradients and updates of the params; without them the program may be frozen. */
  readonly training: boolean;
  /** Shape of the input; default one that the rng chooses. */
  readonly shape?: readonly number[];
}

/** Before the path of a param, the name of its update among the outputs: params are found while the program is traced, its updates too. */
const NEW = "new ";
/** Larger values end a chain: the interpreter is slow. */
const MOST_ELEMENTS = 60_000;

/** A shape for the input: rows, sequences, images, some so large that threads cut them. */
function inputShape(rng: Rng): number[] {
  const size = (most: number) => 1 + rng.below(most);
  const n = [1, 1, 2, 3, 4, 5, 8, size(20), size(70)][rng.below(9)]!;
  const side = 4 + rng.below(20);
  const shapes = [
    [n, size(40)],
    [n, 16 * size(16)],
    [n, size(300)],
    [n, size(9), size(14), size(14)],
    [n, 4 * size(6), side, side],
    [1, 4 * size(12), side, side + rng.below(3)],
    [4, 4 * size(6), size(18), size(18)],
    [n, size(20), 2 * size(16)],
  ];
  return shapes[rng.below(shapes.length)]!;
}

/** Chains `length` operations. The same rng gives the same program. */
export function randomProgram(
  rng: Rng,
  { length, training, shape = inputShape(rng.split("shape")) }: RandomOptions,
): RandomProgram {
  let sources!: Sources;
  const traced = trace(
    ({ inputs }) => {
      sources = new Sources(inputs["x"]!.graph, rng);
      sources.given["x"] = inputs["x"]!;
      sources.inputs["x"] = randomTensor(shape, rng.split("x"));
      const made = chain(sources, length, training);
      const last = made.at(-1)!;
      const show = rng.split("show");
      const middle = [0, 1].map((i) => [`mid${i}`, made[show.below(made.length)]!]);
      const outputs: Record<string, Value> = { y: last, ...Object.fromEntries(middle.slice(show.below(3))) };
      return { outputs: training ? { ...outputs, ...learn(sources, last) } : outputs };
    },
    { inputs: { x: { shape } } },
  );
  const { specs, params, inputs, masks, held, given } = sources;
  const ends = (kind: "outputs" | "updates"): Record<string, number> =>
    Object.fromEntries(
      Object.entries(traced.outputs).flatMap(([name, value]) => {
        const isUpdate = name.startsWith(NEW);
        return isUpdate === (kind === "updates") ? [[isUpdate ? name.slice(NEW.length) : name, value]] : [];
      }),
    );
  const program: Program = {
    ...traced,
    inputs: Object.fromEntries(Object.entries(given).map(([name, { id }]) => [name, id])),
    params: Object.fromEntries(
      Object.entries(held).map(([path, { id }]) => [path, { value: id, layout: specs[path]!.layout ?? { kind: "dense" } }]),
    ),
    outputs: ends("outputs"),
    updates: ends("updates"),
  };
  return { program, specs, params, inputs, masks };
}

/** The values of the chain, the input first. */
function chain(sources: Sources, length: number, training: boolean): Value[] {
  const rng = sources.rng.split("draw");
  const made = [sources.given["x"]!];
  const weights: Value[] = [];
  const draw: Draw = {
    pick: (of) => of[rng.below(of.length)]!,
    size: (most) => 1 + rng.below(most),
    coin: () => rng.below(2) === 1,
    permutation: (n) => [...rng.permutation(n)],
    made,
    weight(shape, dense = false) {
      const fits: Kind[] = ["dense", "csr"];
      if (shape[0]! % 2 === 0) fits.push("block2");
      if (shape[0]! % 4 === 0) fits.push("block4");
      const known = weights.filter((w) => w.shape.join() === shape.join() && !(dense && w.type.pattern !== undefined));
      if (known.length > 0 && rng.below(4) === 0) return draw.pick(known);
      const made = sources.weight(shape, dense || shape.length < 2 || sizeOf(shape) < 4 ? "dense" : draw.pick(fits));
      weights.push(made);
      // Weights that are computed, several of them on one pattern.
      if (rng.below(6) === 0) weights.push(tanh(made), mul(tanh(made), 0.5));
      return weights.at(-1)!;
    },
    positive(shape) {
      const path = sources.next();
      const value = randomTensor(shape, sources.rng.split(path), 0.5);
      return sources.param(path, { shape }, { ...value, data: value.data.map((v) => 0.5 + Math.abs(v)) } as AnyTensor);
    },
    indices(count, below) {
      const name = `indices${Object.keys(sources.inputs).length}`;
      return sources.input(name, randomLabels(count, below, sources.rng.split(name)));
    },
    training,
  };
  for (let i = 0; i < length; i++) {
    const from = rng.below(4) === 0 ? draw.pick(made) : made.at(-1)!;
    const families = [elementwise, elementwise, shapes, products, images, images].map((family) => family(draw, from));
    const next = draw.pick(draw.pick(families.filter((steps) => steps.length > 0)))();
    const size = sizeOf(next.shape);
    if (size > 0 && size <= MOST_ELEMENTS) made.push(rng.below(3) === 0 ? tanh(next) : next);
  }
  return made;
}

/** A loss on the last value, gradients of everything, and the updates of an optimiser under the names `new <path>`. */
function learn(sources: Sources, last: Value): Record<string, Value> {
  const rng = sources.rng.split("learn");
  const adam = rng.below(2) === 1;
  const classes = last.shape.length === 2 && last.shape[1]! > 1 && rng.below(2) === 0;
  const loss = mean(square(classes ? logSoftmax(last, 1) : tanh(last)));
  const lr = sources.input("lr", tensor([], [0.05]));
  const corrections = sources.input("corrections", tensor([2], [0.1, 0.001]));
  // Gradients of some params only leave others' values free to be overwritten earlier.
  const some = rng.below(3);
  const paths = Object.keys(sources.held).filter(() => rng.below(3) >= some);
  const found = gradients(loss, [...paths.map((path) => sources.held[path]!), sources.given["x"]!]);
  const outputs: Record<string, Value> = { loss, dx: found.at(-1)! };
  paths.forEach((path, i) => {
    const [w, g] = [sources.held[path]!, found[i]!];
    const { shape } = w;
    const slot = (name: string, value: number): Value => {
      const { pattern } = w.type;
      const spec = { shape, ...(pattern === undefined ? {} : { pattern }) };
      return sources.param(`${path}:${name}`, spec, tensor(shape, new Float32Array(sizeOf(shape)).fill(value)), pattern);
    };
    outputs[`d${path}`] = g;
    const m = slot("m", 0);
    const next: Record<string, Value> = adam
      ? { ...adamStep({ w, g, m, v: slot("v", 0.01), lr, corrections }, {}) }
      : { ...sgdStep({ w, g, m, lr }, { momentum: 0.9, nesterov: true, decay: 0.01 }) };
    for (const [name, value] of Object.entries(next)) outputs[`${NEW}${name === "w" ? path : `${path}:${name}`}`] = value;
  });
  // Old values of the params, after they were updated.
  if (rng.below(3) === 0) outputs["late"] = gradients(mean(mul(last, 0.5)), [sources.given["x"]!])[0]!;
  return outputs;
}

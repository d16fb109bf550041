/** Examples of any model from .npz or .npy: arrays by input name, perhaps with labels. */
import { readFileSync } from "node:fs";
import { createRng, InputError, sizeOf, type Tensor, type Tree } from "../../src/core/index.js";
import type { Engine } from "../../src/engine/index.js";
import { type NamedArray, readNpy, readNpz } from "../../src/formats/index.js";
import { atBatch, type BatchProgram, type Program } from "../../src/program/index.js";
import type { Session } from "../../src/runtime/index.js";
import { type Calibration, storeOf } from "../../src/train/index.js";

/** Runs of a program at batch 1: what each input takes, one run after another. */
export interface Examples {
  readonly count: number;
  readonly inputs: Tree<Float32Array>;
  /** Class of each run, where they are known. */
  readonly labels: Int32Array | undefined;
}

/** How near a network comes. */
export interface Score {
  readonly accuracy: number | null;
  /** |y - y0| / |y0| over the outputs y of all examples, y0 those of the network as given (L2 norms). */
  readonly deviation: number | null;
}

/**
 * Reads arrays. One input: `x`, the input's own name, or the only array that is not `y`; several inputs: their names. `y` or `labels`
 * [count] are classes. The first axis counts the examples.
 * @param change how raw bytes become inputs
 * @throws InputError naming the array, the shape that came and the one that was expected
 */
export function readExamples(path: string, name: string, { one }: BatchProgram, change: (x: number) => number): Examples {
  const bytes = new Uint8Array(readFileSync(path));
  let arrays: Tree<NamedArray>;
  try {
    arrays = /\.npy$/i.test(path) ? { x: readNpy(bytes) } : readNpz(bytes);
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${name}: ${error.message}`) : error;
  }
  const fail = (problem: string) => new InputError(`${name}: ${problem}`);
  const wanted = Object.entries(one.inputs);
  const others = Object.keys(arrays).filter((key) => key !== "y" && key !== "labels");
  let count: number | undefined;
  const inputs: Record<string, Float32Array> = {};
  for (const [input, id] of wanted) {
    const key =
      input in arrays
        ? input
        : wanted.length === 1
          ? "x" in arrays
            ? "x"
            : others.length === 1
              ? others[0]
              : undefined
          : undefined;
    if (key === undefined) throw fail(`no array for the input "${input}"; it holds ${Object.keys(arrays).join(", ") || "none"}`);
    const { shape, data, dtype } = arrays[key]!;
    const own = one.values[id]!.shape;
    const runs = data.length / sizeOf(own);
    if (shape.length !== own.length || shape.slice(1).join() !== own.slice(1).join() || !Number.isInteger(runs) || runs < 1)
      throw fail(`${key} is [${shape.join(", ")}], the model takes [${["count", ...own.slice(1)].join(", ")}]`);
    if (count !== undefined && runs !== count) throw fail(`${key} holds ${runs} examples, the arrays before it ${count}`);
    count = runs;
    const raw = dtype === "u8" && one.values[id]!.dtype === "f32";
    inputs[input] = Float32Array.from(data as ArrayLike<number | bigint>, raw ? (v) => change(Number(v)) : Number);
    const bad = inputs[input].findIndex((v) => !Number.isFinite(v));
    if (bad >= 0) throw fail(`${key} holds ${inputs[input][bad]} at position ${bad}; every value must be finite`);
  }
  if (count === undefined) throw fail("the model has no input");
  const classes = arrays["y"] ?? arrays["labels"];
  if (classes && classes.data.length !== count) throw fail(`${classes.data.length} labels for ${count} examples`);
  const labels = classes && Int32Array.from(classes.data as ArrayLike<number | bigint>, Number);
  return { count, inputs, labels };
}

/** Some of the examples. */
export function pick({ inputs, labels, count }: Examples, chosen: readonly number[]): Examples {
  const part = (data: Float32Array) => {
    const size = data.length / count;
    const out = new Float32Array(chosen.length * size);
    for (const [at, i] of chosen.entries()) out.set(data.subarray(i * size, (i + 1) * size), at * size);
    return out;
  };
  return {
    count: chosen.length,
    inputs: Object.fromEntries(Object.entries(inputs).map(([key, data]) => [key, part(data)])),
    labels: labels && Int32Array.from(chosen, (i) => labels[i]!),
  };
}

/** Every second example calibrates, the others measure; in a shuffled order that is always the same. */
export function halves(examples: Examples, limit = examples.count): { readonly train: Examples; readonly test: Examples } {
  if (examples.count < 2) throw new InputError(`expected at least two examples, got ${examples.count}`);
  const order = Array.from(createRng(0).permutation(examples.count));
  const half = (odd: number) => pick(examples, order.filter((_, i) => i % 2 === odd).slice(0, limit));
  return { train: half(0), test: half(1) };
}

/** Whole batches of examples. @throws InputError when there is less than one */
export function calibrationOfExamples(examples: Examples, count: number, batchSize: number): Calibration {
  const whole = Math.floor(Math.min(count, examples.count) / batchSize);
  if (whole < 1)
    throw new InputError(`calibration: ${Math.min(count, examples.count)} examples, expected at least one batch of ${batchSize}`);
  const batches = Array.from({ length: whole }, (_, b) =>
    Object.fromEntries(
      Object.entries(examples.inputs).map(([key, data]) => {
        const size = (data.length / examples.count) * batchSize;
        return [key, data.slice(b * size, (b + 1) * size)];
      }),
    ),
  );
  return { batchSize, batches };
}

/** One output of every example, one after another. */
async function outputsOf(
  examples: Examples,
  run: (inputs: Tree<Float32Array>) => Float32Array | Promise<Float32Array>,
): Promise<Float32Array[]> {
  const found: Float32Array[] = [];
  for (let i = 0; i < examples.count; i++) found.push((await run(pick(examples, [i]).inputs)).slice());
  return found;
}

/** Runs a program over examples with dense kernels. */
export async function runDense(
  engine: Engine,
  program: BatchProgram,
  params: Tree<Tensor>,
  examples: Examples,
): Promise<Float32Array[]> {
  const one: Program = atBatch(program, 1);
  const [output] = Object.keys(one.outputs) as [string];
  const store = storeOf(engine, one, params);
  const plan = engine.compile(one, store, { frozen: true });
  try {
    return await outputsOf(examples, (inputs) => plan.run(inputs)[output]!.data as Float32Array);
  } finally {
    plan.close();
    store.close();
  }
}

/** Runs a session over examples. */
export const runSession = (session: Session, output: string, examples: Examples): Promise<Float32Array[]> =>
  outputsOf(examples, async (inputs) => (await session.run(inputs))[output]!.data as Float32Array);

/** Compares outputs with those of the network as given. */
export function scoreOutputs(
  found: readonly Float32Array[],
  given: readonly Float32Array[],
  labels: Int32Array | undefined,
): Score {
  let [gap, size, right] = [0, 0, 0];
  found.forEach((y, i) => {
    y.forEach((v, k) => {
      gap += (v - given[i]![k]!) ** 2;
      size += given[i]![k]! ** 2;
    });
    if (labels && y.indexOf(Math.max(...y)) === labels[i]) right++;
  });
  return { accuracy: labels ? right / found.length : null, deviation: size === 0 ? null : Math.sqrt(gap / size) };
}

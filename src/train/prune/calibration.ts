/** Calibration data, and what a program computes on it inside. */
import { InputError, type Rng, sizeOf, type Tensor, type Tree } from "../../core/index.js";
import { createLoader, type Dataset, subset } from "../../data/index.js";
import type { Engine, ParamStore, Plan } from "../../engine/index.js";
import { atBatch, type BatchProgram, type Program, tapProgram } from "../../program/index.js";

/** Batches of examples by input name, each of `batchSize` examples. */
export interface Calibration {
  readonly batchSize: number;
  readonly batches: readonly Readonly<Record<string, Float32Array>>[];
}

/** The one input of a program that takes examples of the dataset. @throws InputError when there are more, or shapes differ */
export function inputFor(program: Program, { shape, name }: Pick<Dataset, "shape" | "name">): string {
  const inputs = Object.entries(program.inputs);
  const [input] = inputs;
  if (!input || inputs.length > 1)
    throw new InputError(
      `${name}: the model takes the inputs ${inputs.map(([n]) => n).join(", ") || "none"}; data sets serve models of one input`,
    );
  const own = program.values[input[1]]!.shape.slice(1);
  if (own.join() !== shape.join())
    throw new InputError(`${name}: the model takes examples of [${own.join(", ")}], the data set has [${shape.join(", ")}]`);
  return input[0];
}

/**
 * A random sample of a data set as calibration batches.
 * @param count examples, rounded down to whole batches; at least one batch
 * @throws InputError when the data set does not fit the program, or holds less than one batch
 */
export function calibrationOf(
  program: BatchProgram,
  dataset: Dataset,
  count: number,
  rng: Rng,
  batchSize = Math.min(32, count),
): Calibration {
  const input = inputFor(program.one, dataset);
  const whole = Math.floor(Math.min(count, dataset.count) / batchSize);
  if (whole < 1)
    throw new InputError(`calibration: ${Math.min(count, dataset.count)} examples, expected at least one batch of ${batchSize}`);
  const chosen = rng.permutation(dataset.count).slice(0, whole * batchSize);
  const loader = createLoader(subset(dataset, chosen), { batchSize });
  const batches: Readonly<Record<string, Float32Array>>[] = [];
  // The loader fills one buffer again and again.
  for (const { inputs } of loader.epoch(0)) batches.push({ [input]: inputs.slice() });
  return { batchSize, batches };
}

/** Params of a program in an engine, dense. @throws InputError when one is missing */
export function storeOf(engine: Engine, program: Program, params: Tree<Tensor>): ParamStore {
  const specs = Object.fromEntries(
    Object.entries(program.params).map(([path, p]) => [
      path,
      { shape: program.values[p.value]!.shape, dtype: program.values[p.value]!.dtype },
    ]),
  );
  for (const path of Object.keys(specs)) if (!params[path]) throw new InputError(`prune: no value for the param "${path}"`);
  return engine.params(specs, Object.fromEntries(Object.keys(specs).map((path) => [path, params[path]!])));
}

/** Runs a program over calibration batches and hands out values from inside. Close it. */
export interface Probe {
  /** Compiles a look at some values, by name. Close it after use. */
  tap(values: Tree<number>): Plan;
  /** The program at the calibration's batch size. */
  readonly program: Program;
  readonly store: ParamStore;
  close(): void;
}

/** @throws InputError when a batch does not fit the program */
export function createProbe(
  engine: Engine,
  program: BatchProgram,
  params: Tree<Tensor>,
  { batchSize, batches }: Calibration,
): Probe {
  const sized = atBatch(program, batchSize);
  for (const [name, id] of Object.entries(sized.inputs)) {
    const n = sizeOf(sized.values[id]!.shape);
    for (const batch of batches)
      if (batch[name]?.length !== n)
        throw new InputError(
          `calibration: the input "${name}" takes ${n} numbers per batch of ${batchSize}, got ${batch[name]?.length ?? "none"}`,
        );
  }
  if (batches.length === 0) throw new InputError("calibration: expected at least one batch");
  const store = storeOf(engine, sized, params);
  return {
    program: sized,
    store,
    tap: (values) => engine.compile(tapProgram(sized, values), store),
    close: () => store.close(),
  };
}

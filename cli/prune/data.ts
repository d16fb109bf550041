/** Data for calibration, fine-tuning and scores: a built-in set, a folder of pictures, or arrays; normalised as the model was trained. */
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { InputError, OptionError, type Rng, sizeOf, type Tensor, type Tree } from "../../src/core/index.js";
import { type Dataset, type DatasetSplits, identity, makeDataset, type Normalisation, take } from "../../src/data/index.js";
import { type DatasetName, datasetNames, loadDataset } from "../../src/data/index.node.js";
import type { Engine } from "../../src/engine/index.js";
import type { BatchProgram } from "../../src/program/index.js";
import { createSession, type ModelFile } from "../../src/runtime/index.js";
import { accuracyOf, type Calibration, calibrationOf } from "../../src/train/index.js";
import { dataFolder } from "../data-folder.js";
import type { Source } from "../network/source.js";
import type { Terminal } from "../terminal.js";
import { calibrationOfExamples, halves, readExamples, runDense, runSession, type Score, scoreOutputs } from "./examples.js";
import { accuracyOfFile } from "./file-score.js";
import type { PruneFlags } from "./options.js";
import { readPictures } from "./pictures.js";

/** Data as the steps of a prune use them. */
export interface TaskData {
  /** What is to be told about them before anything starts. */
  readonly notes: readonly string[];
  /** Examples to calibrate on. */
  readonly count: number;
  /** Labelled examples for models of one input: what fine-tuning needs. */
  readonly splits: DatasetSplits | undefined;
  readonly normalisation: Normalisation | undefined;
  calibration(program: BatchProgram, count: number, rng: Rng, batchSize: number): Calibration;
  /** Score of a program with dense kernels. The first call sets what later ones are compared with. */
  score(engine: Engine, program: BatchProgram, params: Tree<Tensor>): Promise<Score>;
  scoreFile(engine: Engine, file: ModelFile): Promise<Score>;
}

const listOf = (option: string, text: string): number[] => {
  const values = text.split(",").map(Number);
  if (values.some((v) => !Number.isFinite(v))) throw new OptionError(option, "numbers separated by commas, one per channel", text);
  return values;
};

/** Mean and deviation from the options, else from the model (`normalise_mean`, `normalise_std`). */
function ownNormalisation(
  flags: PruneFlags,
  metadata: Tree<string>,
): { mean: readonly number[]; std: readonly number[] } | undefined {
  const own = (key: "mean" | "std") =>
    flags[key] ??
    (metadata[`normalise_${key}`] === undefined
      ? undefined
      : listOf(`normalise_${key} of the model`, metadata[`normalise_${key}`]!));
  const [mean, std] = [own("mean"), own("std")];
  if ((mean === undefined) !== (std === undefined)) throw new InputError("--mean and --std belong together: give both or none");
  return mean && std && { mean, std };
}

/**
 * The data of `--data`, or undefined.
 * @throws InputError when they are missing or do not fit the model
 */
export async function readData(terminal: Terminal, flags: PruneFlags, source: Source): Promise<TaskData | undefined> {
  const { data: name } = flags;
  if (name === undefined) return undefined;
  const own = ownNormalisation(flags, source.metadata);
  if ((datasetNames as readonly string[]).includes(name)) {
    const splits = await loadDataset(
      { name: name as DatasetName },
      { env: { ...terminal.env, SPARSELAND_DATA: dataFolder(terminal) } },
    );
    const finish = (set: Dataset): Dataset => {
      const normal = own ? makeDataset({ ...set, normalisation: { scale: set.normalisation.scale, ...own } }) : set;
      return flags.limit === undefined ? normal : take(normal, flags.limit);
    };
    return labelled({ train: finish(splits.train), test: finish(splits.test) }, source, []);
  }
  const place = resolve(terminal.folder, name);
  if (!existsSync(place))
    throw new InputError(
      `--data: expected one of ${datasetNames.join(", ")}, a folder of pictures, or a file .npz or .npy; got ${JSON.stringify(name)}, and there is no such file or folder in ${terminal.folder}`,
    );
  if (statSync(place).isDirectory()) {
    const { splits, notes } = pictures(place, flags, source, own);
    return labelled(splits, source, notes);
  }
  if (!/\.np[yz]$/i.test(name)) throw new OptionError("--data", "a folder of pictures, or a file .npz or .npy", name);
  return arrays(place, name, flags, source, own);
}

/** Pictures of values 0 to 1 before mean and deviation. */
function pictures(
  folder: string,
  flags: PruneFlags,
  { program }: Source,
  own: { mean: readonly number[]; std: readonly number[] } | undefined,
): { readonly splits: DatasetSplits; readonly notes: readonly string[] } {
  const { one } = program;
  const [[, input] = [], ...more] = Object.entries(one.inputs);
  const output = one.values[Object.values(one.outputs)[0]!]!.shape;
  if (input === undefined || more.length > 0)
    throw new InputError(
      `${folder}: pictures serve models of one input; give arrays (.npz) with ${Object.keys(one.inputs).join(", ")}`,
    );
  const shape = one.values[input]!.shape.slice(1);
  const classes = sizeOf(output.slice(1));
  const normalisation = { scale: 1 / 255, ...(own ?? { mean: [0.5], std: [0.5] }) };
  const offset = flags.labelOffset;
  const splits = readPictures(folder, { shape, classes, normalisation, offset, limit: flags.limit });
  const most = [splits.train, splits.test].reduce((top, { labels }) => labels.reduce((a, b) => Math.max(a, b), top), 0);
  const notes = [`${splits.train.count} pictures calibrate, ${splits.test.count} others measure (${folder})`];
  if (!own) notes.push(`pixels are scaled to -1 .. 1; give --mean and --std if the model was trained otherwise`);
  if (offset === 0 && classes === 1001 && most < 1000)
    notes.push("the model has 1,001 outputs: if output 0 is a background class, give --label-offset 1");
  return { splits, notes };
}

/** A batch that the model can run: its own where it is fixed. */
const sizeFor = ({ batch }: Pick<Source, "batch">, wanted: number): number => (batch === "any" ? wanted : batch.fixed);

/** Labelled examples of one input. */
function labelled(splits: DatasetSplits, source: Pick<Source, "batch">, notes: readonly string[]): TaskData {
  return {
    notes,
    count: splits.train.count,
    splits,
    normalisation: splits.test.normalisation,
    calibration: (program, count, rng, size) => calibrationOf(program, splits.train, count, rng, sizeFor(source, size)),
    score: async (engine, program, params) => ({
      accuracy: accuracyOf(engine, program, params, splits.test, sizeFor(source, Math.min(200, splits.test.count))),
      deviation: null,
    }),
    scoreFile: async (engine, file) => ({
      accuracy: await accuracyOfFile(engine, file, splits.test, sizeFor(source, Math.min(100, splits.test.count))),
      deviation: null,
    }),
  };
}

/** Arrays: with labels and one input like any labelled set, else examples whose outputs are compared. */
function arrays(
  place: string,
  name: string,
  flags: PruneFlags,
  source: Source,
  own: { mean: readonly number[]; std: readonly number[] } | undefined,
): TaskData {
  const { one } = source.program;
  const [mean, std] = [own?.mean ?? [0], own?.std ?? [1]];
  if (mean.length > 1 || std.length > 1)
    throw new InputError(`${name}: with arrays --mean and --std are one number each; normalise the arrays yourself`);
  const examples = readExamples(place, name, source.program, (x) => (x / 255 - mean[0]!) / std[0]!);
  const { train, test } = halves(examples, flags.limit);
  const notes = [`${train.count} examples calibrate, ${test.count} others measure (${name})`];
  const shapes = Object.values(one.inputs).map((id) => one.values[id]!);
  const output = one.values[Object.values(one.outputs)[0]!]!.shape;
  if (examples.labels && shapes.length === 1 && shapes[0]!.dtype === "f32" && output.length === 2 && source.batch === "any") {
    const set = (part: typeof train): Dataset =>
      makeDataset({
        name,
        shape: shapes[0]!.shape.slice(1),
        classes: output[1]!,
        inputs: Object.values(part.inputs)[0]!,
        labels: part.labels!,
        normalisation: identity,
        source: name,
      });
    return { ...labelled({ train: set(train), test: set(test) }, source, notes), normalisation: undefined };
  }
  let given: readonly Float32Array[] | undefined;
  const [outputName] = Object.keys(one.outputs) as [string];
  return {
    notes,
    count: train.count,
    splits: undefined,
    normalisation: undefined,
    calibration: (_, count, __, size) => calibrationOfExamples(train, count, source.batch === "any" ? size : 1),
    score: async (engine, program, params) => {
      const found = await runDense(engine, program, params, test);
      given ??= found;
      return scoreOutputs(found, given, test.labels);
    },
    scoreFile: async (engine, file) => {
      const session = await createSession(file, { engine });
      try {
        return scoreOutputs(await runSession(session, outputName, test), given!, test.labels);
      } finally {
        session.close();
      }
    },
  };
}

/** What to store beside the model, so that the next command normalises in the same way. */
export const normalisationNotes = (data: TaskData | undefined): Tree<string> =>
  data?.normalisation === undefined
    ? {}
    : { normalise_mean: data.normalisation.mean.join(","), normalise_std: data.normalisation.std.join(",") };

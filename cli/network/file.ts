/** Model files as the command line meets them: written from a trained model, read with the file's name in every error. */
import { InputError, sizeOf, type Tensor, type Tree } from "../../src/core/index.js";
import { expandSparse } from "../../src/formats/index.js";
import { inferenceProgram, type Model } from "../../src/models/index.js";
import { anyBatch, atBatch } from "../../src/program/index.js";
import { type FileParam, type ModelFile, packModel, readModel } from "../../src/runtime/index.js";
import type { Mask } from "../../src/sparsity/index.js";

/** Metadata key: paths of params that are statistics (running means), which no count of parameters includes. */
const statisticsKey = "sparseland.statistics";

/** A trained model as a file's content: any batch size, masked weights compressed. */
export function packNetwork(model: Model, params: Tree<Tensor>, masks: Tree<Mask>, notes: Tree<string>): ModelFile {
  const statistics = Object.keys(model.module.params).filter((path) => model.module.params[path]!.kind === "statistic");
  const metadata = { ...notes, model: model.name, [statisticsKey]: JSON.stringify(statistics) };
  return packModel({ program: anyBatch((batch) => inferenceProgram(model, batch)), params, masks, metadata });
}

/** Reads a model file. @throws InputError naming the file, and what is wrong with it */
export function unpackNetwork(bytes: Uint8Array, name: string): ModelFile {
  let file: ModelFile;
  try {
    file = readModel(bytes);
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${name}: ${error.message}`) : error;
  }
  for (const [path, { value }] of Object.entries(file.params)) {
    const data = "values" in value ? value.values : value.data;
    const at = data.findIndex((x) => !Number.isFinite(x));
    if (at >= 0) throw new InputError(`${name}: ${path} holds ${data[at]} at position ${at}; every weight must be finite`);
  }
  return file;
}

/** Number of elements of a param, and how many of them are kept. */
export function countsOf({ kind, value }: FileParam): { readonly params: number; readonly nonZeros: number } {
  const params = sizeOf(value.shape);
  return { params, nonZeros: kind === "dense" ? params : value.values.length };
}

/** Masks of the compressed weights: 1 where a value is stored. */
export function masksOfFile({ params }: ModelFile): Tree<Mask> {
  const masks: Record<string, Mask> = {};
  for (const [path, { kind, value }] of Object.entries(params)) {
    if (kind !== "sparse") continue;
    const stored = expandSparse({ ...value, values: new Float32Array(value.values.length).fill(1) });
    masks[path] = { shape: value.shape, data: Uint8Array.from(stored) };
  }
  return masks;
}

/** A weight of a model file. */
export interface FileLayer {
  readonly path: string;
  readonly shape: readonly number[];
  readonly params: number;
  readonly nonZeros: number;
  /** Multiplications per weight and example. */
  readonly uses: number;
  /** Stored compressed: a mask covers it. */
  readonly compressed: boolean;
  /** Stored and run as whole numbers. */
  readonly int8: boolean;
}

/** The weights that convolutions and matrix products multiply by, in the program's order. */
export function layersOfFile({ program: { one }, params }: ModelFile): FileLayer[] {
  const paths = new Map(Object.entries(one.params).map(([path, { value }]) => [value, path]));
  const uses = new Map<string, number>();
  for (const { op, inputs, outputs } of one.operations) {
    const shape = one.values[outputs[0]!]!.shape;
    const count =
      op === "conv2d" || op === "conv2dInt8"
        ? shape[0]! * shape[2]! * shape[3]!
        : op === "matmul" || op === "linearInt8"
          ? sizeOf(shape.slice(0, -1))
          : undefined;
    if (count === undefined) continue;
    // An int8 product's scales and bias are no weights.
    for (const id of op.endsWith("Int8") ? inputs.slice(1, 2) : inputs) {
      const path = paths.get(id);
      if (path !== undefined) uses.set(path, (uses.get(path) ?? 0) + count);
    }
  }
  return [...uses].map(([path, count]) => ({
    path,
    shape: params[path]!.value.shape,
    ...countsOf(params[path]!),
    uses: count,
    compressed: params[path]!.kind === "sparse",
    int8: params[path]!.kind === "int8",
  }));
}

/** All parameters of a model file but its statistics. */
export function totalsOf({ params, metadata }: ModelFile): { readonly params: number; readonly nonZeros: number } {
  let statistics: unknown;
  try {
    statistics = JSON.parse(metadata[statisticsKey] ?? "[]");
  } catch {
    throw new InputError(`the metadata ${statisticsKey} is not JSON`);
  }
  const skip = new Set(Array.isArray(statistics) ? statistics : []);
  let all = 0;
  let kept = 0;
  for (const [path, param] of Object.entries(params)) {
    if (skip.has(path)) continue;
    const counts = countsOf(param);
    all += counts.params;
    kept += counts.nonZeros;
  }
  return { params: all, nonZeros: kept };
}

/** Something to run a model on at a batch size: a half for floats, ones for integers (an index that every table has). */
export function fillersOf({ program }: ModelFile, batch: number): Record<string, Float32Array> {
  const { inputs, values } = atBatch(program, batch);
  return Object.fromEntries(
    Object.entries(inputs).map(([name, id]) => {
      const { shape, dtype } = values[id]!;
      return [name, new Float32Array(sizeOf(shape)).fill(dtype === "f32" ? 0.5 : 1)];
    }),
  );
}

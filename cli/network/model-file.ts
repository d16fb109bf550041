/**
 * A trained network as a file: safetensors, sparse tensors compressed (docs/sparse-safetensors.md), and in the metadata the
 * architecture by name. Reading it needs nothing but the file.
 */
import { FormatError, InputError, type Tensor, type Tree, tensor } from "../../src/core/index.js";
import { compressDense, expandSparse, type NamedArray, readSparseSafetensors, sparseBytes, type SparseTensor, writeSparseSafetensors } from "../../src/formats/index.js";
import { createModel, type Model, type ModelOptions } from "../../src/models/index.js";

/** The metadata key that holds the architecture as JSON. */
export const MODEL_KEY = "sparseland.model";

/** A model with values. */
export interface Network {
  readonly model: Model;
  /** Every param as a dense tensor; pruned weights are exactly 0. */
  readonly params: Tree<Tensor>;
  /** Paths of the params that a mask covers. */
  readonly masked: readonly string[];
  /** Free text: method, sparsity, seed. */
  readonly notes: Tree<string>;
}

/** Non-zeros of a param. */
export const nonZerosOf = (value: Tensor): number => value.data.reduce((count, x) => count + (x === 0 ? 0 : 1), 0);

/** The architecture as `createModel` takes it: residual networks of every depth are one family. */
function describe({ name, options, inputShape, classes }: Model): { name: string; options: Readonly<Record<string, unknown>> } {
  const depth = /^resnet(\d+)$/.exec(name)?.[1];
  const whole = { ...options, inputShape, classes };
  return depth === undefined ? { name, options: whole } : { name: "resnet", options: { ...whole, depth: Number(depth) } };
}

/** The file's bytes. A masked param is stored compressed when that is smaller. The same network gives the same bytes. */
export function encodeNetwork({ model, params, masked, notes }: Network): Uint8Array {
  const tensors: Record<string, NamedArray> = {};
  const sparse: Record<string, SparseTensor> = {};
  for (const [path, value] of Object.entries(params)) {
    if (masked.includes(path)) {
      const compressed = compressDense(value.data, { shape: value.shape, layout: "csr" });
      if (sparseBytes(compressed) < value.data.byteLength) {
        sparse[path] = compressed;
        continue;
      }
    }
    tensors[path] = { dtype: "f32", shape: [...value.shape], data: value.data };
  }
  return writeSparseSafetensors({ tensors, sparse, metadata: { ...notes, [MODEL_KEY]: JSON.stringify(describe(model)), "sparseland.masked": JSON.stringify(masked) } });
}

function jsonOf(text: string | undefined, key: string, file: string): unknown {
  if (text === undefined) throw new FormatError(file, `has no metadata ${key}; it was not written by sparseland run`);
  try {
    return JSON.parse(text);
  } catch {
    throw new FormatError(file, `the metadata ${key} is not JSON`);
  }
}

/**
 * Reads a network.
 *
 * @param file name for messages
 * @throws InputError when the bytes are no such file, or their tensors do not fit the architecture that they name
 */
export function decodeNetwork(bytes: Uint8Array, file: string): Network {
  const { tensors, sparse, metadata } = readSparseSafetensors(bytes);
  const described = jsonOf(metadata[MODEL_KEY], MODEL_KEY, file) as { name?: unknown; options?: unknown } | null;
  if (typeof described?.name !== "string" || typeof described.options !== "object" || described.options === null) {
    throw new FormatError(file, `the metadata ${MODEL_KEY} must be { name, options }`);
  }
  const model = createModel(described.name, described.options as ModelOptions);
  const masked = jsonOf(metadata["sparseland.masked"] ?? "[]", "sparseland.masked", file);
  if (!Array.isArray(masked) || !masked.every((path) => typeof path === "string")) throw new FormatError(file, "the metadata sparseland.masked must be a list of paths");
  const params: Record<string, Tensor> = {};
  for (const [path, { shape }] of Object.entries(model.module.params)) {
    const stored = sparse[path] ? { shape: sparse[path].shape, data: expandSparse(sparse[path]) } : tensors[path];
    if (!stored) throw new InputError(`${file}: has no tensor ${path}, which ${described.name} needs`);
    if (stored.shape.join() !== shape.join()) throw new InputError(`${file}: ${path} is [${stored.shape.join(", ")}], ${described.name} needs [${shape.join(", ")}]`);
    if (!(stored.data instanceof Float32Array)) throw new InputError(`${file}: ${path} is not float32`);
    const bad = stored.data.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0) throw new InputError(`${file}: ${path} holds ${stored.data[bad]} at position ${bad}; every weight must be finite`);
    params[path] = tensor(shape, stored.data);
  }
  const extra = [...Object.keys(tensors), ...Object.keys(sparse)].find((path) => !(path in params));
  if (extra !== undefined) throw new InputError(`${file}: holds a tensor ${extra}, which ${described.name} does not have`);
  const { [MODEL_KEY]: _, "sparseland.masked": __, ...notes } = metadata;
  return { model, params, masked: masked as string[], notes };
}

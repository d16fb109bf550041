/** Weights of a built-in architecture, from a file that holds tensors and no program. */
import { InputError, type Tensor, type Tree, tensor } from "../../src/core/index.js";
import { loadGguf, type NamedArray, readSparseSafetensors } from "../../src/formats/index.js";
import { createModel, inferenceProgram, models } from "../../src/models/index.js";
import { anyBatch, type BatchProgram } from "../../src/program/index.js";

/** Tensors and text metadata of a file. */
function tensorsOf(bytes: Uint8Array, form: "safetensors" | "gguf"): { tensors: Tree<NamedArray>; metadata: Tree<string> } {
  if (form === "gguf") {
    const { tensors, metadata } = loadGguf(bytes);
    const texts = Object.entries(metadata).filter((entry): entry is [string, string] => typeof entry[1] === "string");
    return { tensors, metadata: Object.fromEntries(texts) };
  }
  const { tensors, sparse, metadata } = readSparseSafetensors(bytes);
  if (Object.keys(sparse).length > 0)
    throw new InputError("it holds compressed tensors; leave --arch out, the file knows its program");
  return { tensors, metadata };
}

/**
 * A network of a built-in architecture with these weights; keys may carry the prefix `module.` of PyTorch's DataParallel.
 * @throws InputError naming the tensor that is missing, of another shape, not finite, or unknown to the architecture
 */
export function withArchitecture(
  bytes: Uint8Array,
  form: "safetensors" | "gguf",
  arch: string | undefined,
): { program: BatchProgram; params: Tree<Tensor>; metadata: Tree<string> } {
  if (arch === undefined)
    throw new InputError(`it holds weights and no network; name its architecture: --arch ${Object.keys(models).join(", ")}`);
  const model = createModel(arch);
  const { tensors, metadata } = tensorsOf(bytes, form);
  const plain = new Map(Object.entries(tensors).map(([key, value]) => [key.replace(/^module\./, ""), value]));
  const params: Record<string, Tensor> = {};
  for (const [key, { shape }] of Object.entries(model.module.params)) {
    const found = plain.get(key);
    if (!found)
      throw new InputError(
        `has no tensor "${key}", which ${arch} needs; it holds ${[...plain.keys()].slice(0, 5).join(", ")}, ...`,
      );
    if (found.shape.join() !== shape.join())
      throw new InputError(`${key} is [${found.shape.join(", ")}], ${arch} needs [${shape.join(", ")}]`);
    if (!(found.data instanceof Float32Array)) throw new InputError(`${key} is ${found.dtype}, expected floats`);
    const bad = found.data.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0) throw new InputError(`${key} holds ${found.data[bad]} at position ${bad}; every weight must be finite`);
    params[key] = tensor(shape, found.data);
  }
  const extra = [...plain.keys()].find((key) => !(key in params) && !key.endsWith("num_batches_tracked"));
  if (extra !== undefined)
    throw new InputError(`holds a tensor "${extra}", which ${arch} does not have; is this another architecture?`);
  return { program: anyBatch((batch) => inferenceProgram(model, batch)), params, metadata: { ...metadata, model: arch } };
}

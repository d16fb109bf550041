/** The model to prune, whatever it comes from: our model file, an architecture with safetensors weights, or ONNX. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { InputError, type Tensor, type Tree, tensor } from "../../src/core/index.js";
import { readSparseSafetensors } from "../../src/formats/index.js";
import { createModel, inferenceProgram } from "../../src/models/index.js";
import { anyBatch, type BatchProgram, importOnnx } from "../../src/program/index.js";
import { denseOf } from "../../src/runtime/index.js";
import { unpackNetwork } from "../network/file.js";
import type { Terminal } from "../terminal.js";

/** A trained network of any origin. */
export interface Source {
  readonly name: string;
  readonly program: BatchProgram;
  readonly params: Tree<Tensor>;
  readonly metadata: Tree<string>;
  readonly bytesOnDisk: number;
}

const mostBytes = 2 ** 31;

/**
 * Reads a model.
 * @param arch name of a built-in architecture, for weights without a program
 * @param dims sizes of an ONNX model's open dims, by symbol or place (`x.2`)
 * @throws InputError naming the file, what is wrong with it, and how to fix it
 */
export function readSource(terminal: Terminal, path: string, arch: string | undefined, dims: Tree<number> = {}): Source {
  const place = resolve(terminal.folder, path);
  if (!existsSync(place)) throw new InputError(`${path}: no such file; expected a model (.safetensors or .onnx)`);
  if (!statSync(place).isFile()) throw new InputError(`${path}: is a folder, expected a .safetensors or .onnx file`);
  const { size } = statSync(place);
  if (size > mostBytes) throw new InputError(`${path}: ${size} bytes, expected at most ${mostBytes}`);
  const bytes = readFileSync(place);
  const name = basename(path).replace(/\.(safetensors|onnx)$/, "");
  if (/\.onnx$/i.test(path)) return { name, ...fromOnnx(bytes, place, path, dims), bytesOnDisk: size };
  if (arch !== undefined) return { name, ...withArchitecture(bytes, path, arch), bytesOnDisk: size };
  const file = unpackNetwork(bytes, path);
  const params = Object.fromEntries(Object.entries(file.params).map(([key, value]) => [key, denseOf(value)]));
  return { name, program: file.program, params, metadata: file.metadata, bytesOnDisk: size };
}

function fromOnnx(
  bytes: Uint8Array,
  place: string,
  path: string,
  dims: Tree<number>,
): Pick<Source, "program" | "params" | "metadata"> {
  const folder = dirname(place);
  const external = (name: string): Uint8Array => {
    const file = resolve(folder, name);
    if (!file.startsWith(folder + sep))
      throw new InputError(`${path}: its tensor file ${JSON.stringify(name)} lies outside its folder`);
    if (!existsSync(file)) throw new InputError(`${path}: its tensor file ${join(dirname(path), name)} is missing`);
    return readFileSync(file);
  };
  try {
    const { program, params } = importOnnx(bytes, { external, dims });
    return { program, params, metadata: { source: basename(path) } };
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${path}: ${error.message}`) : error;
  }
}

/** Weights of a built-in architecture; keys may carry the prefix `module.` of PyTorch's DataParallel. */
function withArchitecture(bytes: Uint8Array, path: string, arch: string): Pick<Source, "program" | "params" | "metadata"> {
  const { tensors, sparse, metadata } = readSparseSafetensors(bytes);
  if (Object.keys(sparse).length > 0)
    throw new InputError(`${path}: holds compressed tensors; leave --arch out, the file knows its program`);
  const plain = new Map(Object.entries(tensors).map(([key, value]) => [key.replace(/^module\./, ""), value]));
  const model = createModel(arch);
  const params: Record<string, Tensor> = {};
  for (const [key, { shape }] of Object.entries(model.module.params)) {
    const found = plain.get(key);
    if (!found)
      throw new InputError(
        `${path}: has no tensor "${key}", which ${arch} needs; it holds ${[...plain.keys()].slice(0, 5).join(", ")}, ...`,
      );
    if (found.shape.join() !== shape.join())
      throw new InputError(`${path}: ${key} is [${found.shape.join(", ")}], ${arch} needs [${shape.join(", ")}]`);
    if (!(found.data instanceof Float32Array)) throw new InputError(`${path}: ${key} is ${found.dtype}, expected floats`);
    const bad = found.data.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0) throw new InputError(`${path}: ${key} holds ${found.data[bad]} at position ${bad}; every weight must be finite`);
    params[key] = tensor(shape, found.data);
  }
  const extra = [...plain.keys()].find((key) => !(key in params) && !key.endsWith("num_batches_tracked"));
  if (extra !== undefined)
    throw new InputError(`${path}: holds a tensor "${extra}", which ${arch} does not have; is this another architecture?`);
  return { program: anyBatch((batch) => inferenceProgram(model, batch)), params, metadata: { ...metadata, model: arch } };
}

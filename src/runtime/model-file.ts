/**
 * Model files: one safetensors file that holds the inference program, dense params as they are and sparse params compressed.
 * Any safetensors reader opens it; docs/sparse-safetensors.md tells how the sparse tensors are joined.
 */
import { FormatError, InputError, type Tensor, type Tree, tensor } from "../core/index.js";
import { blockRows } from "../engine/index.js";
import {
  compressDense,
  expandSparse,
  readSparseSafetensors,
  type SparseTensor,
  type ValueType,
  writeSparseSafetensors,
} from "../formats/index.js";
import { atBatch, type BatchProgram, checkProgram } from "../program/index.js";
import { INT8_KEY, type Int8Stored, int8Dense, int8Entries, packInt8, readInt8, readInt8Key, requireScale } from "./int8-file.js";

/** A param of a model file. */
export type FileParam =
  | { readonly kind: "dense"; readonly value: Tensor }
  | { readonly kind: "sparse"; readonly value: SparseTensor }
  | { readonly kind: "int8"; readonly value: Int8Stored };

/** What a model file holds. */
export interface ModelFile {
  readonly program: BatchProgram;
  readonly params: Tree<FileParam>;
  /** Free strings: name, class names, normalisation. */
  readonly metadata: Tree<string>;
}

/** What `packModel` is given. */
export interface PackInput {
  readonly program: BatchProgram;
  /** Values of all params, dense. */
  readonly params: Tree<Tensor>;
  /** Masks of the params to store compressed: 1 = kept. */
  readonly masks?: Tree<{ readonly shape: readonly number[]; readonly data: Uint8Array }>;
  /** Params to store as whole numbers: the path of each one's scale. Masks do not matter to them: zeros are seen. */
  readonly int8?: Tree<string>;
  readonly metadata?: Tree<string>;
}

const KEY = "sparseland.program";
const VERSION = 1;
/** Above this share of kept weights the compressed form is no smaller. */
const DENSE_ABOVE = 0.9;

/** Chooses the storage of each param: compressed where a mask leaves enough zeros, in blocks where the mask has them. */
export function packModel({ program, params, masks = {}, int8 = {}, metadata = {} }: PackInput): ModelFile {
  const out: Record<string, FileParam> = {};
  for (const path of Object.keys(program.one.params)) {
    const value = params[path];
    if (!value) throw new InputError(`packModel: no value for the param "${path}"`);
    const scale = int8[path];
    if (scale !== undefined) {
      out[path] = { kind: "int8", value: packInt8(value, scale, requireScale(path, scale, params[scale])) };
      continue;
    }
    const mask = masks[path];
    let kept = 0;
    if (mask) for (const bit of mask.data) kept += bit;
    if (mask && kept <= DENSE_ABOVE * mask.data.length) {
      const rows = blockRows(mask);
      const layout = rows === 1 ? ({ layout: "csr" } as const) : ({ layout: "block", block: [rows, 1] } as const);
      out[path] = { kind: "sparse", value: compressDense(value.data, { shape: value.shape, ...layout }, mask.data) };
    } else out[path] = { kind: "dense", value };
  }
  return { program, params: out, metadata };
}

/** The file's bytes. @param options.values element type of sparse values, default f32 (exact) */
export function writeModel(file: ModelFile, options: { values?: ValueType } = {}): Uint8Array {
  const tensors: Record<string, { dtype: "f32"; shape: readonly number[]; data: Float32Array }> = {};
  const sparse: Record<string, SparseTensor> = {};
  const whole: Record<string, Int8Stored> = {};
  for (const [path, param] of Object.entries(file.params)) {
    if (param.kind === "int8") whole[path] = param.value;
    else if (param.kind === "sparse") sparse[path] = param.value;
    else tensors[path] = { dtype: "f32", shape: param.value.shape, data: param.value.data };
  }
  const head = JSON.stringify({ version: VERSION, ...file.program });
  const int8 = int8Entries(whole);
  return writeSparseSafetensors(
    {
      tensors: { ...tensors, ...int8.tensors },
      sparse: { ...sparse, ...int8.sparse },
      metadata: { ...file.metadata, ...int8.metadata, [KEY]: head },
    },
    { values: (path) => (whole[path] ? "i8" : (options.values ?? "f32")) },
  );
}

/**
 * Reads a model file.
 * @throws FormatError when it is damaged, holds no program, or is of another version
 */
export function readModel(bytes: Uint8Array): ModelFile {
  const file = readSparseSafetensors(bytes);
  const { [KEY]: text, [INT8_KEY]: whole, ...metadata } = file.metadata;
  if (text === undefined)
    throw new FormatError(
      "model",
      `the file holds tensors but no program (metadata key ${KEY}); load it with an architecture instead (--arch on the command line)`,
    );
  let head: { version: number } & BatchProgram;
  try {
    head = JSON.parse(text) as typeof head;
  } catch {
    throw new FormatError("model", `its program (metadata key ${KEY}) is no JSON`);
  }
  if (head?.version !== VERSION)
    throw new FormatError("model", `version ${head?.version} is not known, this is version ${VERSION}; use a newer Sparseland`);
  const int8 = readInt8Key(whole);
  checkHead(head);
  const params: Record<string, FileParam> = {};
  const shapes = new Map(Object.entries(head.one?.params ?? {}).map(([path, p]) => [path, head.one.values[p.value]?.shape]));
  for (const path of int8.keys()) if (!shapes.has(path)) throw new FormatError("model", `its program has no int8 weight "${path}"`);
  for (const [path, shape] of shapes) {
    const scale = int8.get(path);
    if (scale !== undefined) {
      const held = file.tensors[scale];
      const scales = held?.dtype === "f32" && shapes.has(scale) ? tensor(held.shape, held.data as Float32Array) : undefined;
      const found = { dense: file.tensors[path], sparse: file.sparse[path] };
      params[path] = { kind: "int8", value: readInt8(path, shape ?? [], scale, scales, found) };
      continue;
    }
    const dense = file.tensors[path];
    const compressed = file.sparse[path];
    const found = dense?.shape ?? compressed?.shape;
    if (!found) throw new FormatError("model", `the param "${path}" of its program is missing`);
    if (!shape || found.join() !== shape.join())
      throw new FormatError("model", `the param "${path}" has shape [${found}], its program says [${shape}]`);
    if (compressed) params[path] = { kind: "sparse", value: compressed };
    else if (dense!.dtype === "f32" || dense!.dtype === "f16" || dense!.dtype === "bf16")
      params[path] = { kind: "dense", value: tensor(shape, dense!.data as Float32Array) };
    else throw new FormatError("model", `the param "${path}" is of type ${dense!.dtype}, expected floats`);
  }
  return { program: { one: head.one, grows: head.grows }, params, metadata };
}

/** @throws FormatError unless the program is one, at batch 1 and at batch 2 */
function checkHead({ one, grows }: Partial<BatchProgram>): void {
  const isProgram =
    one &&
    [one.values, one.operations].every(Array.isArray) &&
    [one.inputs, one.params, one.outputs, one.updates].every((part) => part && typeof part === "object");
  if (!isProgram || !Array.isArray(grows))
    throw new FormatError("model", "its program lacks values, operations, inputs, params, outputs or updates");
  try {
    checkProgram(one);
    checkProgram(atBatch({ one, grows }, 2));
  } catch (error) {
    throw new FormatError("model", `its program does not hold together: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A param as a dense tensor. */
export const denseOf = (param: FileParam): Tensor =>
  param.kind === "int8"
    ? int8Dense(param.value)
    : param.kind === "dense"
      ? param.value
      : tensor(param.value.shape, expandSparse(param.value));

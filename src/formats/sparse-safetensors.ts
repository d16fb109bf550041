/**
 * Our convention for sparse tensors inside ordinary safetensors files: see `docs/sparse-safetensors.md`. A sparse tensor `path`
 * is stored as `path.values`, `path.indices` and, where needed, `path.counts`; the header's metadata says how to join them.
 */
import { FormatError, InputError, show, type Tree } from "../core/index.js";
import type { NamedArray } from "./array.js";
import { readSafetensors, writeSafetensors } from "./safetensors.js";
import { decodeIndices, encodeIndices, type IndexCode, smallestCode } from "./sparse-index.js";
import { requireSparse, type SparseTensor, sparseGrid } from "./sparse-tensor.js";

/** The metadata key that holds the JSON entries of the sparse tensors. */
export const SPARSE_KEY = "sparseland.sparse";
const VERSION = 1;
const FORMAT = "sparse safetensors";

/** Element types that the values of a sparse tensor may be stored in. */
export type ValueType = "f32" | "f16" | "bf16" | "i8";

/** A file with dense and sparse tensors. */
export interface SparseFile {
  /** Ordinary tensors. */
  readonly tensors: Tree<NamedArray>;
  /** Sparse tensors by path. */
  readonly sparse: Tree<SparseTensor>;
  /** The header's other strings. */
  readonly metadata: Tree<string>;
}

const codeFits = (tensor: SparseTensor) => smallestCode(tensor, requireSparse(FORMAT, tensor));

function entryOf(tensor: SparseTensor, values: ValueType, index: IndexCode): object {
  return { layout: tensor.layout, shape: [...tensor.shape], block: tensor.block, nm: tensor.nm, values, index };
}

/**
 * Writes dense and sparse tensors. Each sparse tensor takes the index code of fewest bytes; the same content gives the same bytes.
 * @param options.values  element type of sparse values, one for all or by path; default f32 (exact). f16 and bf16 round to nearest even;
 *                        i8 takes whole numbers in [-128, 127] as they are.
 * @throws InputError when a tensor does not keep its own rules, or two tensors would take the same name
 */
export function writeSparseSafetensors(
  file: SparseFile,
  options: { values?: ValueType | ((path: string) => ValueType) } = {},
): Uint8Array {
  const { values: type = "f32" } = options;
  if (SPARSE_KEY in file.metadata) throw new InputError(`${FORMAT}: the metadata key ${SPARSE_KEY} is taken by the format`);
  const tensors = new Map<string, NamedArray>(Object.entries(file.tensors));
  const add = (name: string, array: NamedArray) => {
    if (tensors.has(name)) throw new InputError(`${FORMAT}: two tensors are named ${show(name)}`);
    tensors.set(name, array);
  };
  const entries: [string, object][] = [];
  for (const path of Object.keys(file.sparse).sort()) {
    const tensor = file.sparse[path]!;
    if (tensors.has(path)) throw new InputError(`${FORMAT}: two tensors are named ${show(path)}`);
    const grid = requireSparse(`${FORMAT}: ${path}`, tensor);
    const code = smallestCode(tensor, grid);
    const { indices, counts } = encodeIndices(tensor, grid, code);
    const shape = tensor.layout === "block" ? [tensor.columns.length, grid.high, grid.wide] : [tensor.columns.length];
    const dtype = typeof type === "function" ? type(path) : type;
    add(`${path}.values`, dtype === "i8" ? wholeNumbers(path, shape, tensor.values) : { dtype, shape, data: tensor.values });
    add(`${path}.indices`, { dtype: "u8", shape: [indices.length], data: indices });
    if (counts) {
      const width = counts.BYTES_PER_ELEMENT === 1 ? "u8" : counts.BYTES_PER_ELEMENT === 2 ? "u16" : "u32";
      add(`${path}.counts`, { dtype: width, shape: [counts.length], data: counts } as NamedArray);
    }
    entries.push([path, entryOf(tensor, dtype, code)]);
  }
  const metadata = { ...file.metadata };
  if (entries.length > 0) metadata[SPARSE_KEY] = JSON.stringify({ version: VERSION, tensors: Object.fromEntries(entries) });
  return writeSafetensors({ tensors: Object.fromEntries(tensors), metadata });
}

/** Floats that are whole numbers, as bytes. @throws InputError for any other */
function wholeNumbers(path: string, shape: readonly number[], values: Float32Array): NamedArray<"i8"> {
  const data = Int8Array.from(values);
  const bad = data.findIndex((v, i) => v !== values[i]);
  if (bad >= 0)
    throw new InputError(`${FORMAT}: ${path} holds ${values[bad]} at entry ${bad}; i8 takes whole numbers in [-128, 127]`);
  return { dtype: "i8", shape, data };
}

const valueBytes: Readonly<Record<ValueType, number>> = { f32: 4, f16: 2, bf16: 2, i8: 1 };

/** Bytes that a sparse tensor takes in a file, header excluded. @throws InputError as `writeSparseSafetensors` */
export function sparseBytes(tensor: SparseTensor, values: ValueType = "f32"): number {
  const { indices, counts } = encodeIndices(tensor, requireSparse(FORMAT, tensor), codeFits(tensor));
  return tensor.values.length * valueBytes[values] + indices.length + (counts?.byteLength ?? 0);
}

type Json = Record<string, unknown>;
const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);

function readCode(fail: (problem: string) => FormatError, value: unknown): IndexCode {
  if (isJson(value)) {
    const { code, bits } = value;
    if (code === "bitmap" || code === "positions") return { code };
    if (code === "gaps" && Number.isInteger(bits) && (bits as number) >= 1 && (bits as number) <= 16)
      return { code, bits: bits as number };
  }
  throw fail(`expected index to be a bitmap, positions, or gaps of 1 to 16 bits, got ${show(value)}`);
}

type Header = Pick<SparseTensor, "shape" | "layout" | "block" | "nm">;

/** Checks the JSON entry of one tensor; dimension rules are those of `sparseGrid`. */
function readEntry(path: string, entry: unknown): { header: Header; code: IndexCode; values: ValueType } {
  const fail = (problem: string) => new FormatError(FORMAT, `${path}: ${problem}`);
  if (!isJson(entry)) throw fail(`expected an object, got ${show(entry)}`);
  const { layout, shape, block, nm, values } = entry;
  if (layout !== "csr" && layout !== "nm" && layout !== "block")
    throw fail(`unknown layout ${show(layout)}, expected csr, nm or block`);
  if (!Array.isArray(shape)) throw fail(`expected shape to be a list, got ${show(shape)}`);
  if (values !== "f32" && values !== "f16" && values !== "bf16" && values !== "i8")
    throw fail(`unknown value type ${show(values)}`);
  if (block !== undefined && !(Array.isArray(block) && block.length === 2))
    throw fail(`expected block to be [rows, columns], got ${show(block)}`);
  if (nm !== undefined && !isJson(nm)) throw fail(`expected nm to be { keep, of }, got ${show(nm)}`);
  const header: Header = {
    layout,
    shape: shape as number[],
    ...(block !== undefined && { block: block as [number, number] }),
    ...(nm !== undefined && { nm: { keep: nm["keep"] as number, of: nm["of"] as number } }),
  };
  return { header, code: readCode(fail, entry["index"]), values };
}

function joinTensor(path: string, entry: unknown, take: (name: string) => NamedArray | undefined): SparseTensor {
  const fail = (problem: string) => new FormatError(FORMAT, `${path}: ${problem}`);
  const { header, code, values: type } = readEntry(path, entry);
  const grid = sparseGrid(`${FORMAT}: ${path}`, header);
  const values = take(`${path}.values`);
  const indices = take(`${path}.indices`);
  const counts = code.code === "gaps" ? take(`${path}.counts`) : undefined;
  if (values?.dtype !== type) throw fail(`${path}.values should be ${type}, got ${values?.dtype ?? "no such tensor"}`);
  if (indices?.dtype !== "u8") throw fail(`${path}.indices should be u8, got ${indices?.dtype ?? "no such tensor"}`);
  if (counts && !["u8", "u16", "u32"].includes(counts.dtype))
    throw fail(`${path}.counts should be u8, u16 or u32, got ${counts.dtype}`);
  const area = grid.high * grid.wide;
  const entries = values.data.length / area;
  if (!Number.isInteger(entries)) throw fail(`${values.data.length} values are no whole number of blocks of ${area}`);
  const stored = { indices: indices.data as Uint8Array, ...(counts && { counts: counts.data as ArrayLike<number> }) };
  const structure = decodeIndices(path, stored, code, grid, entries, header.nm);
  return {
    ...header,
    ...structure,
    values: type === "i8" ? Float32Array.from(values.data as Int8Array) : (values.data as Float32Array),
  };
}

/**
 * Reads a safetensors file, joining the sparse tensors of our convention; a file without any reads as all dense.
 * @throws FormatError or InputError when the file is broken, or a sparse entry does not fit its companions
 */
export function readSparseSafetensors(bytes: Uint8Array): SparseFile {
  const file = readSafetensors(bytes);
  const metadata = new Map(Object.entries(file.metadata));
  const tensors = new Map(Object.entries(file.tensors));
  const text = metadata.get(SPARSE_KEY);
  metadata.delete(SPARSE_KEY);
  const sparse: [string, SparseTensor][] = [];
  if (text !== undefined) {
    let entry: unknown;
    try {
      entry = JSON.parse(text);
    } catch (error) {
      throw new FormatError(FORMAT, `the metadata ${SPARSE_KEY} is not valid JSON (${(error as Error).message})`);
    }
    if (!isJson(entry) || entry["version"] !== VERSION || !isJson(entry["tensors"])) {
      throw new FormatError(
        FORMAT,
        `expected the metadata ${SPARSE_KEY} to be { version: ${VERSION}, tensors }, got ${show(entry)}`,
      );
    }
    const take = (name: string) => {
      const array = tensors.get(name);
      tensors.delete(name);
      return array;
    };
    for (const [path, one] of Object.entries(entry["tensors"])) {
      if (tensors.has(path)) throw new FormatError(FORMAT, `${path} is both a dense and a sparse tensor`);
      sparse.push([path, joinTensor(path, one, take)]);
    }
  }
  return { tensors: Object.fromEntries(tensors), sparse: Object.fromEntries(sparse), metadata: Object.fromEntries(metadata) };
}

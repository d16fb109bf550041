/**
 * Int8 weights in model files: whole numbers, dense or compressed, beside the param that holds their scales. The metadata key
 * `sparseland.int8` names them; docs/sparse-safetensors.md has the layout.
 */
import { FormatError, InputError, sizeOf, type Tensor, type Tree, tensor } from "../core/index.js";
import type { Int8Param } from "../engine/index.js";
import { compressDense, expandSparse, type NamedArray, type SparseTensor, sparseBytes } from "../formats/index.js";
import { INT8_TOP, int8Weights } from "../program/index.js";

/** An int8 weight as a file holds it. */
export interface Int8Stored {
  /** The param's shape: [O, C / groups, kh, kw] or [O, K]. */
  readonly shape: readonly number[];
  /** Path of the param that holds a scale for each of the O outputs. */
  readonly scale: string;
  readonly scales: Float32Array;
  /** All values row-major, or those of `sparse`. */
  readonly values: Int8Array;
  /** Where the values are, as a matrix with the input channels innermost: [O, kh, kw, C]. Its own values are `values` as floats. */
  readonly sparse?: SparseTensor;
}

/** The metadata key. */
export const INT8_KEY = "sparseland.int8";
const VERSION = 1;

/** [O, C, kh, kw] row-major to [O, kh, kw, C], or back. */
function reorder<T extends Int8Array | Float32Array>(data: T, [o, c, kh, kw]: readonly number[], back: boolean): T {
  const taps = kh! * kw!;
  const out = data.slice() as T;
  for (let i = 0; i < o!; i++) {
    for (let k = 0; k < c!; k++) {
      for (let t = 0; t < taps; t++) {
        const [first, last] = [(i * c! + k) * taps + t, (i * taps + t) * c! + k];
        if (back) out[first] = data[last]!;
        else out[last] = data[first]!;
      }
    }
  }
  return out;
}

const innermost = (shape: readonly number[]): number[] =>
  shape.length === 4 ? [shape[0]!, shape[2]!, shape[3]!, shape[1]!] : [...shape];

/**
 * A weight on the grid of its scales, in the form of fewest bytes: 4x4 blocks, single entries, or dense.
 * @throws InputError when a weight leaves [-127, 127] steps of its scale
 */
export function packInt8(value: Tensor, scale: string, scales: Float32Array): Int8Stored {
  const { shape } = value;
  const q = int8Weights(value.data, scales);
  const form = innermost(shape);
  const data = shape.length === 4 ? reorder(q, shape, false) : q;
  let best: Int8Stored = { shape, scale, scales, values: q };
  let bytes = q.length;
  const offer = (layout: Pick<SparseTensor, "layout" | "block">) => {
    const sparse = compressDense(data, { shape: form, ...layout });
    const cost = sparseBytes(sparse, "i8");
    if (cost >= bytes) return;
    best = { shape, scale, scales, values: Int8Array.from(sparse.values), sparse };
    bytes = cost;
  };
  if (form.at(-1)! % 4 === 0 && shape[0]! % 4 === 0) offer({ layout: "block", block: [4, 4] });
  offer({ layout: "csr" });
  return best;
}

/** The entry of the metadata key, and where each weight goes. */
export function int8Entries(weights: Tree<Int8Stored>): {
  readonly metadata: Tree<string>;
  readonly tensors: Record<string, NamedArray>;
  readonly sparse: Record<string, SparseTensor>;
} {
  const tensors: Record<string, NamedArray> = {};
  const sparse: Record<string, SparseTensor> = {};
  const entries: Record<string, { scale: string }> = {};
  for (const [path, { shape, scale, values, sparse: live }] of Object.entries(weights)) {
    entries[path] = { scale };
    if (live) sparse[path] = live;
    else tensors[path] = { dtype: "i8", shape, data: values };
  }
  const metadata: Record<string, string> = {};
  if (Object.keys(entries).length) metadata[INT8_KEY] = JSON.stringify({ version: VERSION, tensors: entries });
  return { metadata, tensors, sparse };
}

/** Weight paths and their scales' paths. @throws FormatError when the entry is damaged */
export function readInt8Key(text: string | undefined): Map<string, string> {
  if (text === undefined) return new Map();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new FormatError("model", `its metadata key ${INT8_KEY} is no JSON`);
  }
  const { version, tensors } = (parsed ?? {}) as { version?: unknown; tensors?: unknown };
  if (version !== VERSION || typeof tensors !== "object" || tensors === null || Array.isArray(tensors))
    throw new FormatError(
      "model",
      `its metadata key ${INT8_KEY} is not of version ${VERSION} with tensors; use a newer Sparseland`,
    );
  return new Map(
    Object.entries(tensors).map(([path, entry]) => {
      const scale = (entry as { scale?: unknown } | null)?.scale;
      if (typeof scale !== "string") throw new FormatError("model", `the int8 weight "${path}" names no scale`);
      return [path, scale];
    }),
  );
}

/**
 * A weight from a file.
 * @param scales the param of its scales
 * @throws FormatError when shapes or values do not fit
 */
export function readInt8(
  path: string,
  shape: readonly number[],
  scale: string,
  scales: Tensor | undefined,
  found: { readonly dense: NamedArray | undefined; readonly sparse: SparseTensor | undefined },
): Int8Stored {
  const fail = (problem: string) => new FormatError("model", `the int8 weight "${path}" ${problem}`);
  const { dense, sparse } = found;
  if (!scales || scales.shape.join() !== `${shape[0]}`)
    throw fail(`names the scale "${scale}", which should be a dense param [${shape[0]}]`);
  if (!scales.data.every((s) => s > 0 && s < Number.POSITIVE_INFINITY)) throw fail("has a scale that is not above 0");
  if (shape.length !== 2 && shape.length !== 4) throw fail(`has ${shape.length} dims, expected 2 or 4`);
  const whole = (values: ArrayLike<number>): Int8Array => {
    const out = Int8Array.from(values as ArrayLike<number>);
    for (let i = 0; i < out.length; i++)
      if (out[i] !== values[i] || Math.abs(out[i]!) > INT8_TOP) throw fail(`holds ${values[i]}, expected whole numbers up to 127`);
    return out;
  };
  const base = { shape, scale, scales: scales.data };
  if (sparse) {
    if (sparse.shape.join() !== innermost(shape).join())
      throw fail(`has the shape [${sparse.shape}], its program says [${innermost(shape)}] (input channels innermost)`);
    return { ...base, values: whole(sparse.values), sparse };
  }
  if (dense?.dtype !== "i8") throw fail(`is ${dense ? `of type ${dense.dtype}` : "missing"}, expected i8`);
  if (dense.shape.join() !== shape.join()) throw fail(`has the shape [${dense.shape}], its program says [${shape}]`);
  return { ...base, values: whole(dense.data as Int8Array) };
}

/** All whole numbers, in the param's shape. */
function dense({ shape, values, sparse }: Int8Stored): Int8Array {
  if (!sparse) return values;
  const all = Int8Array.from(expandSparse(sparse));
  return shape.length === 4 ? reorder(all, shape, true) : all;
}

/** The weight as floats: whole numbers times scales. */
export function int8Dense(stored: Int8Stored): Tensor {
  const row = sizeOf(stored.shape) / stored.shape[0]!;
  return tensor(
    stored.shape,
    Float32Array.from(dense(stored), (q, i) => q * stored.scales[Math.floor(i / row)]!),
  );
}

/** The weight as the engine takes it: blocks stay blocks. */
export function int8ParamOf(stored: Int8Stored): Int8Param {
  const { shape, values, sparse } = stored;
  if (sparse?.block?.join() === "4,4" && shape.length === 4 && shape[1]! % 4 === 0)
    return { shape, blocks: { rowPtr: sparse.rowPtr, columns: sparse.columns, values } };
  return { shape, values: dense(stored) };
}

/** @throws InputError for a weight without its scale */
export function requireScale(path: string, scale: string, scales: Tensor | undefined): Float32Array {
  if (!scales) throw new InputError(`packModel: the int8 weight "${path}" has the scale "${scale}", for which there is no value`);
  return scales.data;
}

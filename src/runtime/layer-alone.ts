/** One layer with a compressed weight, alone at its own shapes: its plans with the weight dense and sparse, and how long each takes. */
import { InputError, sizeOf, tensor } from "../core/index.js";
import type { Engine } from "../engine/index.js";
import { type Operation, type ParamLayout, type Program, withLayouts } from "../program/index.js";
import { CLEAR, type Effort, type Ring } from "./duel.js";
import type { FileParam } from "./model-file.js";
import type { LayerTimes } from "./timings.js";

/** A compressed param. */
export type SparseParam = Extract<FileParam, { kind: "sparse" }>;

/** A layer in its program. */
export interface Layer {
  readonly program: Program;
  readonly operation: Operation;
  readonly path: string;
  readonly param: SparseParam;
}

/** Share of zeros. */
export const sparsityOf = ({ value }: SparseParam): number => 1 - value.values.length / sizeOf(value.shape);

/** Layout of a compressed param in the engine. */
export function layoutOf(param: FileParam): ParamLayout {
  if (param.kind !== "sparse") return { kind: param.kind };
  const { layout, block, values } = param.value;
  if (layout === "block" && block && block[1] === 1 && (block[0] === 2 || block[0] === 4))
    return { kind: "block", rows: block[0], capacity: values.length };
  if (layout === "block") throw new InputError(`engine: blocks of ${block?.join("x")} have no kernels; 2x1 and 4x1 have`);
  return { kind: "csr", capacity: Math.max(1, values.length) };
}

/** From this share of zeros on a layer is foreseen to be clearly faster sparse. */
const FORESEEN = 2 / 3;

/** Multiplications, dense, that a quick choice looks at first: about a millisecond. */
const PART = 1 << 24;
/** Fewest output rows of a part, and what their number is a multiple of: all kernels' blocks divide it. */
const [LEAST_ROWS, STEP] = [32, 16];

/** Output rows whose times tell those of all, or undefined where all are few or the weight's rows are no outputs. */
function rowsOfPart({ program, operation: { op, attrs, outputs }, param }: Layer): number | undefined {
  if (op === "matmul" && attrs["transposeB"] !== true) return undefined;
  const { shape } = param.value;
  const multiplications = (sizeOf(program.values[outputs[0]!]!.shape) * sizeOf(shape)) / shape[0]!;
  const rows = Math.max(LEAST_ROWS, Math.ceil((shape[0]! * PART) / multiplications / STEP) * STEP);
  return rows * 2 <= shape[0]! ? rows : undefined;
}

/** The layer's first output rows. */
function partOf({ program, operation, path, param: { value } }: Layer, rows: number): Layer {
  const { rowPtr, columns, values, shape, block } = value;
  const high = block?.[0] ?? 1;
  const ptr = rowPtr.slice(0, rows / high + 1);
  const entries = ptr[rows / high]!;
  const [w, y] = [operation.inputs[1]!, operation.outputs[0]!];
  const cut = program.values.map((type, i) => {
    if (i === w) return { ...type, shape: [rows, ...type.shape.slice(1)] };
    if (i !== y) return type;
    // Channels of a convolution, columns of a product.
    const axis = operation.op === "conv2d" ? 1 : type.shape.length - 1;
    return { ...type, shape: type.shape.map((d, k) => (k === axis ? rows : d)) };
  });
  return {
    program: { ...program, values: cut },
    operation,
    path,
    param: {
      kind: "sparse",
      value: {
        ...value,
        shape: [rows, ...shape.slice(1)],
        rowPtr: ptr,
        columns: columns.slice(0, entries),
        values: values.slice(0, (values.length / columns.length) * entries),
      },
    },
  };
}

/** The program of the layer's operation alone: its left operand an input, its weight a param. */
function alone({ program, operation, path }: Layer): Program {
  const [x, w] = operation.inputs as [number, number];
  const [y] = operation.outputs as [number];
  const { pattern: _, ...type } = program.values[x]!;
  return {
    values: [type, { shape: program.values[w]!.shape, dtype: "f32" }, program.values[y]!],
    operations: [{ ...operation, inputs: [0, 1], outputs: [2] }],
    inputs: { x: 0 },
    params: { [path]: { value: 1, layout: { kind: "dense" } } },
    outputs: { y: 2 },
    updates: {},
  };
}

/** A number that no kernel treats in another way than others. */
const filler = (shape: readonly number[]): Float32Array<ArrayBuffer> => new Float32Array(sizeOf(shape)).fill(1 / 64);

/** The layer's plan with its weight dense or sparse. The values are of no consequence to its time. */
function planOf(engine: Engine, layer: Layer, layout: ParamLayout) {
  const { path, param } = layer;
  const laid = withLayouts(alone(layer), { [path]: layout });
  const { rowPtr, columns, values, shape } = param.value;
  const dense = layout.kind === "dense";
  // Not left zero: memory that was never written is one page of zeros, read faster than a weight is.
  const weight = dense ? tensor(shape, filler(shape)) : { rowPtr, columns, values };
  const store = engine.params({ [path]: { shape, layout } }, { [path]: weight });
  try {
    const plan = engine.compile(laid, store, { frozen: true });
    plan.set({ x: filler(laid.values[0]!.shape) });
    return {
      plan,
      close() {
        plan.close();
        store.close();
      },
    };
  } catch (error) {
    store.close();
    throw error;
  }
}

function duel(engine: Engine, ring: Ring, layer: Layer, effort: Effort): LayerTimes {
  const sparse = planOf(engine, layer, layoutOf(layer.param));
  try {
    const dense = planOf(engine, layer, { kind: "dense" });
    try {
      return ring.duel(dense.plan, sparse.plan, sparsityOf(layer.param) >= FORESEEN, effort);
    } finally {
      dense.close();
    }
  } finally {
    sparse.close();
  }
}

/** Times a layer. A quick choice takes the first rows of a large one, and all of it only if these leave the choice open. */
export function timeLayer(engine: Engine, ring: Ring, layer: Layer, effort: Effort): LayerTimes {
  const rows = effort === "quick" ? rowsOfPart(layer) : undefined;
  if (rows !== undefined) {
    const { value } = layer.param;
    const small = partOf(layer, rows);
    const weights = small.param.value.values.length;
    const times = duel(engine, ring, small, effort);
    const denseMs = (times.denseMs * value.shape[0]!) / rows;
    const sparseMs = (times.sparseMs * value.values.length) / weights;
    if (weights > 0 && Math.max(denseMs / sparseMs, sparseMs / denseMs) >= CLEAR)
      return { ...times, denseMs, sparseMs, part: rows / value.shape[0]! };
  }
  return duel(engine, ring, layer, effort);
}

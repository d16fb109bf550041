/** Programs as ONNX models of standard operators, for any runtime. */
import { InputError, ShapeError, sameShape, sizeOf, type Tensor, type Tree } from "../../core/index.js";
import { type OnnxNode, type OnnxSparseTensor, type OnnxTensor, type OnnxValueInfo, writeOnnx } from "../../formats/index.js";
import type { Mask } from "../interpret.js";
import { atBatch, type BatchProgram } from "../passes/batch.js";
import type { Program } from "../types.js";
import { fuseBias } from "./fuse.js";
import { exportRules } from "./rules.js";
import { floatTensor, GraphWriter, longTensor } from "./writer.js";

/** What `exportOnnx` is given. */
export interface ExportInput {
  /** Of any batch: the file's batch is open. Of one batch: fixed. */
  readonly program: Program | BatchProgram;
  /** Values of all params, dense. */
  readonly params: Tree<Tensor>;
  /** Masks of sparse params: dead positions are written as zero, or not at all with `sparse`. */
  readonly masks?: Tree<Mask>;
}

/** Options of `exportOnnx`. */
export interface ExportOptions {
  /** Write masked params as sparse initialisers where that takes fewer bytes. Default false: fewer runtimes read them. */
  readonly sparse?: boolean;
  readonly name?: string;
  /** Strings stored in the file. */
  readonly metadata?: Tree<string>;
}

/** LayerNormalization came with 17; every maintained runtime reads it. */
export const EXPORT_OPSET = 17;
const IR_VERSION = 8;
const codes = { f32: 1, i32: 6, u8: 2 } as const;

/**
 * The bytes of an ONNX file that computes what the program computes.
 * @throws InputError for an operation without ONNX counterpart (training, random numbers), naming it; for a program with updates;
 *         when a param is missing
 * @throws ShapeError when a param or mask does not fit
 */
export function exportOnnx({ program, params, masks = {} }: ExportInput, options: ExportOptions = {}): Uint8Array {
  const open = "one" in program && program.grows.length > 0;
  const whole = "one" in program ? program : { one: program, grows: [] };
  const [small, large] = open ? [3, 5] : [1, 1];
  const at = atBatch(whole, small);
  if (Object.keys(at.updates).length > 0)
    throw new InputError("exportOnnx: the program updates its params (a training step); export the inference program");
  const w = new GraphWriter(at, atBatch(whole, large), [small, large]);
  const initializers: OnnxTensor[] = [];
  const sparseInitializers: OnnxSparseTensor[] = [];
  for (const [name, id] of Object.entries(at.inputs)) w.bind(id, w.claim(name));
  // Inputs and outputs keep their names before params do.
  const outputNames = Object.keys(at.outputs).map((name) => w.claim(name));
  for (const [path, { value }] of Object.entries(at.params)) {
    const { tensor, mask } = paramOf(path, at.values[value]!.shape, params, masks);
    const name = w.claim(path);
    w.bind(value, name);
    const compressed = options.sparse && mask ? sparseTensor(name, tensor) : undefined;
    if (compressed) sparseInitializers.push(compressed);
    else initializers.push(floatTensor(name, tensor.shape, tensor.data));
  }
  const sources = new Set([...Object.values(at.inputs), ...Object.values(at.params).map((p) => p.value)]);
  const ends: OnnxValueInfo[] = [];
  const copies: { from: number; name: string }[] = [];
  const bound = new Set<number>();
  for (const [i, id] of Object.values(at.outputs).entries()) {
    const name = outputNames[i]!;
    ends.push(info(w, name, id));
    // A value that is an input, a param or another output already has its name.
    if (sources.has(id) || bound.has(id)) copies.push({ from: id, name });
    else w.bind(id, name);
    bound.add(id);
  }
  at.operations.forEach((operation, index) => {
    const rule = exportRules[operation.op];
    if (!rule)
      throw new InputError(
        `exportOnnx: the operation "${operation.op}" (number ${index}) has no ONNX counterpart; export the inference program`,
      );
    rule({ w, operation, index, x: operation.inputs.map((id) => w.name(id)), y: operation.outputs.map((id) => w.name(id)) });
  });
  for (const { from, name } of copies) w.node("Identity", [w.name(from)], {}, name);
  const shapes = new Map([
    ...initializers.map((t) => [t.name!, t.dims!] as const),
    ...sparseInitializers.map((t) => [t.values!.name!, t.dims!] as const),
  ]);
  const nodes = fuseBias(w.nodes, shapes, w.lists, new Set(ends.map((e) => e.name)));
  return writeOnnx({
    irVersion: IR_VERSION,
    producerName: "sparseland",
    opsets: { "": EXPORT_OPSET },
    graph: {
      name: options.name ?? "sparseland",
      nodes,
      initializers: used([...initializers, ...w.initializers], nodes, ends),
      sparseInitializers,
      inputs: Object.entries(at.inputs).map(([, id]) => info(w, w.name(id), id)),
      outputs: ends,
    },
    metadata: options.metadata ?? {},
  });
}

/** Initialisers that some node still reads. */
function used(initializers: readonly OnnxTensor[], nodes: readonly OnnxNode[], ends: readonly OnnxValueInfo[]): OnnxTensor[] {
  const read = new Set([...nodes.flatMap((n) => n.inputs), ...ends.map((e) => e.name)]);
  return initializers.filter((t) => read.has(t.name!));
}

const info = (w: GraphWriter, name: string, id: number): OnnxValueInfo => ({
  name,
  elemType: codes[w.type(id).dtype],
  shape: w.shape(id).map(({ at, by }) => (by === 0 ? at : by === 1 && at === 0 ? "batch" : null)),
});

function paramOf(
  path: string,
  shape: readonly number[],
  params: Tree<Tensor>,
  masks: Tree<Mask>,
): { tensor: Tensor; mask: Mask | undefined } {
  const tensor = params[path];
  if (!tensor) throw new InputError(`exportOnnx: no value is given for the param "${path}"`);
  if (!sameShape(tensor.shape, shape))
    throw new ShapeError(`exportOnnx, param "${path}"`, { given: tensor.shape }, `[${shape.join(", ")}]`);
  const mask = masks[path];
  if (!mask) return { tensor, mask };
  if (!sameShape(mask.shape, shape))
    throw new ShapeError(`exportOnnx, mask of "${path}"`, { given: mask.shape }, `[${shape.join(", ")}]`);
  return { tensor: { ...tensor, data: tensor.data.map((v, i) => (mask.data[i] ? v : 0)) }, mask };
}

/** A stored value costs 12 bytes (value and index), a dense one 4. */
function sparseTensor(name: string, tensor: Tensor): OnnxSparseTensor | undefined {
  const places: number[] = [];
  tensor.data.forEach((v, i) => {
    if (v !== 0) places.push(i);
  });
  if (places.length === 0 || 12 * places.length >= 4 * sizeOf(tensor.shape)) return undefined;
  const values = places.map((i) => tensor.data[i]!);
  return {
    values: floatTensor(name, [places.length], values),
    indices: longTensor("", [places.length], places),
    dims: tensor.shape,
  };
}

/** ONNX models: bytes to plain objects and back. What the nodes mean is src/program/import's business. */
import { FormatError, InputError, type Tree } from "../core/index.js";
import { type Message, readMessage, writeMessage } from "./onnx-message.js";
import { modelSchema } from "./onnx-schema.js";
import type { OnnxSparseTensor, OnnxTensor } from "./onnx-tensor.js";

/** A constant of a node. Which field holds it depends on `type`. */
export interface OnnxAttribute {
  readonly name: string;
  /** 1 float, 2 int, 3 string, 4 tensor, 5 graph, 6 floats, 7 ints, 8 strings, 9 tensors, 10 graphs, 11 sparse tensor. */
  readonly type?: number;
  readonly f?: number;
  readonly i?: number;
  readonly s?: Uint8Array;
  readonly t?: OnnxTensor;
  readonly g?: OnnxGraph;
  readonly floats?: ArrayLike<number>;
  readonly ints?: readonly number[];
  readonly strings?: readonly Uint8Array[];
  readonly sparseTensor?: OnnxSparseTensor;
  /** Set in function bodies: the value comes from the caller. */
  readonly refAttrName?: string;
}

/** One operation. An empty name among the inputs is an operand left out. */
export interface OnnxNode {
  readonly name?: string;
  readonly opType: string;
  readonly domain?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly OnnxAttribute[];
}

/** The declared type of a value: element type code, and dims that are numbers, symbols, or unknown (null). */
export interface OnnxValueInfo {
  readonly name: string;
  readonly elemType?: number;
  /** Missing: the rank is unknown. */
  readonly shape?: readonly (number | string | null)[];
}

/** Nodes in topological order over named values. */
export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly sparseInitializers: readonly OnnxSparseTensor[];
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
}

/** A file. */
export interface OnnxModel {
  readonly irVersion: number;
  readonly producerName: string;
  /** Operator set versions by domain; the standard domain is "". */
  readonly opsets: Tree<number>;
  readonly graph: OnnxGraph;
  readonly metadata: Tree<string>;
}

interface RawInfo {
  name?: string;
  type?: { tensorType?: { elemType?: number; shape?: { dims?: readonly { value?: number; param?: string }[] } } };
}
interface RawNode extends Omit<Partial<OnnxNode>, "attributes"> {
  attributes?: readonly (Omit<OnnxAttribute, "g"> & { g?: RawGraph })[];
}
interface RawGraph {
  name?: string;
  nodes?: readonly RawNode[];
  initializers?: readonly OnnxTensor[];
  sparseInitializers?: readonly OnnxSparseTensor[];
  inputs?: readonly RawInfo[];
  outputs?: readonly RawInfo[];
}
interface RawModel {
  irVersion?: number;
  producerName?: string;
  graph?: RawGraph;
  opsets?: readonly { domain?: string; version?: number }[];
  metadata?: readonly { key?: string; value?: string }[];
}

/**
 * Reads an ONNX file. Tensor data are views into `bytes`.
 * @throws FormatError when it is damaged or is no ONNX model
 */
export function readOnnx(bytes: Uint8Array): OnnxModel {
  const raw = readMessage(bytes, modelSchema) as RawModel;
  if (!raw.graph) throw new FormatError("onnx", "the file holds no graph; is it an ONNX model?");
  if (!raw.opsets?.length) throw new FormatError("onnx", "the file names no operator set (opset_import); is it an ONNX model?");
  return {
    irVersion: raw.irVersion ?? 0,
    producerName: raw.producerName ?? "",
    opsets: Object.fromEntries(raw.opsets.map(({ domain = "", version = 0 }) => [domain === "ai.onnx" ? "" : domain, version])),
    graph: graphOf(raw.graph),
    metadata: Object.fromEntries((raw.metadata ?? []).map(({ key = "", value = "" }) => [key, value])),
  };
}

function graphOf(raw: RawGraph): OnnxGraph {
  return {
    name: raw.name ?? "",
    nodes: (raw.nodes ?? []).map(({ opType = "", inputs = [], outputs = [], attributes = [], ...rest }) => ({
      ...rest,
      opType,
      inputs,
      outputs,
      attributes: attributes.map(({ g, ...attribute }) =>
        g ? { ...attribute, name: attribute.name ?? "", g: graphOf(g) } : { ...attribute, name: attribute.name ?? "" },
      ),
    })),
    initializers: raw.initializers ?? [],
    sparseInitializers: raw.sparseInitializers ?? [],
    inputs: (raw.inputs ?? []).map(infoOf),
    outputs: (raw.outputs ?? []).map(infoOf),
  };
}

function infoOf({ name = "", type }: RawInfo): OnnxValueInfo {
  const { elemType, shape } = type?.tensorType ?? {};
  return {
    name,
    ...(elemType === undefined ? {} : { elemType }),
    ...(shape ? { shape: (shape.dims ?? []).map((d) => d.value ?? (d.param || null)) } : {}),
  };
}

/**
 * The bytes of an ONNX file.
 * @throws InputError when a dim is neither a number, a symbol nor null
 */
export function writeOnnx(model: OnnxModel): Uint8Array {
  const { graph } = model;
  return writeMessage(
    {
      irVersion: model.irVersion,
      producerName: model.producerName,
      opsets: Object.entries(model.opsets).map(([domain, version]) => ({ domain, version })),
      graph: {
        ...graph,
        inputs: graph.inputs.map(rawInfo),
        outputs: graph.outputs.map(rawInfo),
      },
      metadata: Object.entries(model.metadata).map(([key, value]) => ({ key, value })),
    } satisfies Message,
    modelSchema,
  );
}

function rawInfo({ name, elemType, shape }: OnnxValueInfo): Message {
  const dims = shape?.map((d) => {
    if (typeof d === "number" && Number.isSafeInteger(d) && d >= 0) return { value: d };
    if (typeof d === "string") return { param: d };
    if (d === null) return {};
    throw new InputError(`writeOnnx: "${name}" has the dim ${d}, expected a number of at least 0, a symbol or null`);
  });
  if (elemType === undefined && !dims) return { name };
  return { name, type: { tensorType: { elemType, ...(dims ? { shape: { dims } } : {}) } } };
}

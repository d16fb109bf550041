/**
 * The messages of ONNX files as tables, one row per field: number, kind, whether it repeats. Reading and writing both walk them.
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
 */

/** How a field is stored. A function names another message (later in the file, or the same one). */
export type FieldKind = "int32" | "int64" | "uint64" | "float" | "double" | "string" | "bytes" | (() => MessageSchema);

/** One field: its number, its kind, and whether it is a list. */
export interface FieldSchema {
  readonly no: number;
  readonly kind: FieldKind;
  readonly list: boolean;
}

/** A message: fields by name. */
export type MessageSchema = Readonly<Record<string, FieldSchema>>;

const one = (no: number, kind: FieldKind): FieldSchema => ({ no, kind, list: false });
const list = (no: number, kind: FieldKind): FieldSchema => ({ no, kind, list: true });

const entry: MessageSchema = { key: one(1, "string"), value: one(2, "string") };

const tensor: MessageSchema = {
  dims: list(1, "int64"),
  dataType: one(2, "int32"),
  floatData: list(4, "float"),
  int32Data: list(5, "int32"),
  stringData: list(6, "bytes"),
  int64Data: list(7, "int64"),
  name: one(8, "string"),
  rawData: one(9, "bytes"),
  doubleData: list(10, "double"),
  uint64Data: list(11, "uint64"),
  externalData: list(13, () => entry),
  dataLocation: one(14, "int32"),
};

const sparseTensor: MessageSchema = {
  values: one(1, () => tensor),
  indices: one(2, () => tensor),
  dims: list(3, "int64"),
};

const attribute: MessageSchema = {
  name: one(1, "string"),
  f: one(2, "float"),
  i: one(3, "int64"),
  s: one(4, "bytes"),
  t: one(5, () => tensor),
  g: one(6, () => graph),
  floats: list(7, "float"),
  ints: list(8, "int64"),
  strings: list(9, "bytes"),
  tensors: list(10, () => tensor),
  graphs: list(11, () => graph),
  type: one(20, "int32"),
  refAttrName: one(21, "string"),
  sparseTensor: one(22, () => sparseTensor),
};

const node: MessageSchema = {
  inputs: list(1, "string"),
  outputs: list(2, "string"),
  name: one(3, "string"),
  opType: one(4, "string"),
  attributes: list(5, () => attribute),
  domain: one(7, "string"),
};

const dimension: MessageSchema = { value: one(1, "int64"), param: one(2, "string") };
const shape: MessageSchema = { dims: list(1, () => dimension) };
const tensorType: MessageSchema = { elemType: one(1, "int32"), shape: one(2, () => shape) };
const type: MessageSchema = { tensorType: one(1, () => tensorType) };
const valueInfo: MessageSchema = { name: one(1, "string"), type: one(2, () => type) };

const graph: MessageSchema = {
  nodes: list(1, () => node),
  name: one(2, "string"),
  initializers: list(5, () => tensor),
  inputs: list(11, () => valueInfo),
  outputs: list(12, () => valueInfo),
  valueInfo: list(13, () => valueInfo),
  sparseInitializers: list(15, () => sparseTensor),
};

const opset: MessageSchema = { domain: one(1, "string"), version: one(2, "int64") };

/** The message that a file holds. */
export const modelSchema: MessageSchema = {
  irVersion: one(1, "int64"),
  producerName: one(2, "string"),
  producerVersion: one(3, "string"),
  graph: one(7, () => graph),
  opsets: list(8, () => opset),
  metadata: list(14, () => entry),
};

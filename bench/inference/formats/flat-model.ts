/**
 * Writes TFLite models: the schema's tables that these benchmarks need, by field number.
 * https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
 */
import { Builder, type Offset } from "flatbuffers";

/** A tensor; with `sparse`, data holds the live values in row order. */
export interface FlatTensor {
  readonly shape: readonly number[];
  readonly data?: Float32Array | Int32Array | undefined;
  readonly type: "f32" | "i32";
  /** Compressed rows of a [rows, 1, 1, columns] weight. */
  readonly sparse?: { readonly rowPtr: Int32Array; readonly columns: Int32Array } | undefined;
}

/** A scalar or bool field of an options table: field number and value. */
export type OptionField = readonly [field: number, kind: "i8" | "i32" | "f32", value: number];

/** An operator: code, tensors, and its options table (type number in the union BuiltinOptions). */
export interface FlatOperator {
  readonly code: number;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options: { readonly type: number; readonly fields: readonly OptionField[] };
  readonly version?: number;
}

/** A model of one subgraph. */
export interface FlatModel {
  readonly tensors: readonly FlatTensor[];
  readonly operators: readonly FlatOperator[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

const SPARSE_CSR = 1;
const INT32_VECTOR = 1;

/** The bytes of a model. */
export function writeFlatModel(model: FlatModel): Uint8Array {
  const b = new Builder(1 << 20);
  const ints = (values: ArrayLike<number>): Offset => {
    b.startVector(4, values.length, 4);
    for (let i = values.length - 1; i >= 0; i--) b.addInt32(values[i]!);
    return b.endVector();
  };
  const offsets = (values: readonly Offset[]): Offset => {
    b.startVector(4, values.length, 4);
    for (let i = values.length - 1; i >= 0; i--) b.addOffset(values[i]!);
    return b.endVector();
  };
  const table = (fields: number, fill: () => void): Offset => {
    b.startObject(fields);
    fill();
    return b.endObject();
  };

  const bufferOf: number[] = [];
  const buffers: Offset[] = [table(3, () => {})];
  for (const { data } of model.tensors) {
    if (!data) {
      bufferOf.push(0);
      continue;
    }
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    b.prep(16, bytes.length);
    const vector = b.createByteVector(bytes);
    bufferOf.push(buffers.length);
    buffers.push(table(3, () => b.addFieldOffset(0, vector, 0)));
  }

  const indices = (values: Int32Array): Offset => {
    const vector = ints(values);
    return table(1, () => b.addFieldOffset(0, vector, 0));
  };
  const denseAxis = (size: number): Offset =>
    table(6, () => {
      b.addFieldInt8(0, 0, 0);
      b.addFieldInt32(1, size, 0);
    });
  const sparsity = (shape: readonly number[], { rowPtr, columns }: NonNullable<FlatTensor["sparse"]>): Offset => {
    const segments = indices(rowPtr);
    const places = indices(columns);
    const last = table(6, () => {
      b.addFieldInt8(0, SPARSE_CSR, 0);
      b.addFieldInt32(1, 0, 0);
      b.addFieldInt8(2, INT32_VECTOR, 0);
      b.addFieldOffset(3, segments, 0);
      b.addFieldInt8(4, INT32_VECTOR, 0);
      b.addFieldOffset(5, places, 0);
    });
    const axes = offsets([...shape.slice(0, -1).map(denseAxis), last]);
    const order = ints(shape.map((_, i) => i));
    return table(3, () => {
      b.addFieldOffset(0, order, 0);
      b.addFieldOffset(2, axes, 0);
    });
  };

  const tensors = model.tensors.map(({ shape, type, sparse }, i) => {
    const name = b.createString(`t${i}`);
    const dims = ints(shape);
    const zeros = sparse ? sparsity(shape, sparse) : 0;
    return table(9, () => {
      b.addFieldOffset(0, dims, 0);
      b.addFieldInt8(1, type === "f32" ? 0 : 2, 0);
      b.addFieldInt32(2, bufferOf[i]!, 0);
      b.addFieldOffset(3, name, 0);
      if (zeros) b.addFieldOffset(6, zeros, 0);
    });
  });

  const codes: string[] = [];
  const operators = model.operators.map(({ code, inputs, outputs, options, version = 1 }) => {
    const key = `${code} ${version}`;
    if (!codes.includes(key)) codes.push(key);
    const ins = ints(inputs);
    const outs = ints(outputs);
    const size = 1 + Math.max(-1, ...options.fields.map(([field]) => field));
    const built = table(size, () => {
      for (const [field, kind, value] of options.fields) {
        if (kind === "i8") b.addFieldInt8(field, value, 0);
        else if (kind === "i32") b.addFieldInt32(field, value, 0);
        else b.addFieldFloat32(field, value, 0);
      }
    });
    return table(9, () => {
      b.addFieldInt32(0, codes.indexOf(key), -1);
      b.addFieldOffset(1, ins, 0);
      b.addFieldOffset(2, outs, 0);
      b.addFieldInt8(3, options.type, 0);
      b.addFieldOffset(4, built, 0);
    });
  });

  const [tensorList, inputs, outputs, operatorList, name] = [
    offsets(tensors),
    ints(model.inputs),
    ints(model.outputs),
    offsets(operators),
    b.createString("main"),
  ];
  const subgraph = table(5, () => {
    b.addFieldOffset(0, tensorList, 0);
    b.addFieldOffset(1, inputs, 0);
    b.addFieldOffset(2, outputs, 0);
    b.addFieldOffset(3, operatorList, 0);
    b.addFieldOffset(4, name, 0);
  });
  const subgraphs = offsets([subgraph]);
  const codeList = offsets(
    codes.map((key) => {
      const [code, version] = key.split(" ").map(Number) as [number, number];
      return table(4, () => {
        b.addFieldInt8(0, Math.min(code, 127), 0);
        b.addFieldInt32(2, version, 1);
        b.addFieldInt32(3, code, 0);
      });
    }),
  );
  const bufferList = offsets(buffers);
  const description = b.createString("sparseland bench");
  b.finish(
    table(8, () => {
      b.addFieldInt32(0, 3, 0);
      b.addFieldOffset(1, codeList, 0);
      b.addFieldOffset(2, subgraphs, 0);
      b.addFieldOffset(3, description, 0);
      b.addFieldOffset(4, bufferList, 0);
    }),
    "TFL3",
  );
  return b.asUint8Array();
}

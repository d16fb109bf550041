/** Writes small TFLite files with the official FlatBuffers writer, for tests. */
import * as flatbuffers from "flatbuffers";

/** A level of a sparse index. */
export type SparseLevel =
  | { readonly dense: number }
  | { readonly segments: readonly number[]; readonly indices: readonly number[] };

/** A tensor to write. */
export interface WrittenTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Number in the schema; 0 float32, 2 int32, 3 uint8, 9 int8. */
  readonly type?: number;
  readonly data?: Uint8Array;
  readonly scale?: readonly number[];
  readonly zeroPoint?: readonly number[];
  readonly axis?: number;
  readonly sparsity?: {
    readonly order: readonly number[];
    readonly blockMap: readonly number[];
    readonly levels: readonly SparseLevel[];
  };
}

/** An operator to write: its options as fields by number. */
export interface WrittenOperator {
  readonly code: number;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options?: readonly (readonly [field: number, kind: "int8" | "int32" | "float32", value: number])[];
}

/** The bytes of a model of one subgraph. */
export function writeTflite(model: {
  readonly tensors: readonly WrittenTensor[];
  readonly operators: readonly WrittenOperator[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}): Uint8Array {
  const b = new flatbuffers.Builder(1024);
  const offsets = (list: readonly number[]): number => {
    b.startVector(4, list.length, 4);
    for (const o of [...list].reverse()) b.addOffset(o);
    return b.endVector();
  };
  const ints = (list: readonly number[]): number => {
    b.startVector(4, list.length, 4);
    for (const v of [...list].reverse()) b.addInt32(v);
    return b.endVector();
  };
  const floats = (list: readonly number[]): number => {
    b.startVector(4, list.length, 4);
    for (const v of [...list].reverse()) b.addFloat32(v);
    return b.endVector();
  };
  const longs = (list: readonly number[]): number => {
    b.startVector(8, list.length, 8);
    for (const v of [...list].reverse()) b.addInt64(BigInt(v));
    return b.endVector();
  };
  const bytes = (data: Uint8Array): number => {
    b.startVector(1, data.length, 16);
    for (let i = data.length - 1; i >= 0; i--) b.addInt8(data[i]!);
    return b.endVector();
  };
  const table = (fields: number, add: () => void): number => {
    b.startObject(fields);
    add();
    return b.endObject();
  };
  const buffers = [table(1, () => {})];
  const levelOf = (level: SparseLevel): number => {
    if ("dense" in level) {
      return table(6, () => {
        b.addFieldInt8(0, 0, 1);
        b.addFieldInt32(1, level.dense, 0);
      });
    }
    const list = (values: readonly number[]): number => {
      const vector = ints(values);
      return table(1, () => b.addFieldOffset(0, vector, 0));
    };
    const [segments, indices] = [list(level.segments), list(level.indices)];
    return table(6, () => {
      b.addFieldInt8(0, 1, 0);
      b.addFieldInt8(2, 1, 0);
      b.addFieldOffset(3, segments, 0);
      b.addFieldInt8(4, 1, 0);
      b.addFieldOffset(5, indices, 0);
    });
  };
  const tensors = model.tensors.map(({ name, shape, type = 0, data, scale, zeroPoint, axis = 0, sparsity }) => {
    let buffer = 0;
    if (data) {
      const vector = bytes(data);
      buffer = buffers.push(table(1, () => b.addFieldOffset(0, vector, 0))) - 1;
    }
    const label = b.createString(name);
    const dims = ints(shape);
    let quantization = 0;
    if (scale) {
      const [s, z] = [floats(scale), longs(zeroPoint ?? scale.map(() => 0))];
      quantization = table(7, () => {
        b.addFieldOffset(2, s, 0);
        b.addFieldOffset(3, z, 0);
        b.addFieldInt32(6, axis, 0);
      });
    }
    let index = 0;
    if (sparsity) {
      const [order, map, levels] = [ints(sparsity.order), ints(sparsity.blockMap), offsets(sparsity.levels.map(levelOf))];
      index = table(3, () => {
        b.addFieldOffset(0, order, 0);
        b.addFieldOffset(1, map, 0);
        b.addFieldOffset(2, levels, 0);
      });
    }
    return table(8, () => {
      b.addFieldOffset(0, dims, 0);
      b.addFieldInt8(1, type, 0);
      b.addFieldInt32(2, buffer, 0);
      b.addFieldOffset(3, label, 0);
      if (quantization) b.addFieldOffset(4, quantization, 0);
      if (index) b.addFieldOffset(6, index, 0);
    });
  });
  const codes = [...new Set(model.operators.map((o) => o.code))];
  const operators = model.operators.map(({ code, inputs, outputs, options = [] }) => {
    const [i, o] = [ints(inputs), ints(outputs)];
    const held = table(8, () => {
      for (const [field, kind, value] of options) {
        if (kind === "int8") b.addFieldInt8(field, value, -128);
        else if (kind === "int32") b.addFieldInt32(field, value, -1);
        else b.addFieldFloat32(field, value, Number.NaN);
      }
    });
    return table(5, () => {
      b.addFieldInt32(0, codes.indexOf(code), -1);
      b.addFieldOffset(1, i, 0);
      b.addFieldOffset(2, o, 0);
      b.addFieldInt8(3, 1, 0);
      b.addFieldOffset(4, held, 0);
    });
  });
  const parts = [offsets(tensors), ints(model.inputs), ints(model.outputs), offsets(operators)];
  const graph = table(5, () => {
    for (const [field, p] of parts.entries()) b.addFieldOffset(field, p, 0);
  });
  const graphs = offsets([graph]);
  const codeTables = offsets(
    codes.map((code) =>
      table(4, () => {
        b.addFieldInt8(0, Math.min(code, 127), 0);
        b.addFieldInt32(3, code, 0);
      }),
    ),
  );
  const held = offsets(buffers);
  const root = table(8, () => {
    b.addFieldInt32(0, 3, 0);
    b.addFieldOffset(1, codeTables, 0);
    b.addFieldOffset(2, graphs, 0);
    b.addFieldOffset(4, held, 0);
  });
  b.finish(root, "TFL3");
  return b.asUint8Array().slice();
}

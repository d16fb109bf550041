/** A TFLite model that was taken apart: its operator list as JSON and its weights as safetensors, joined as the reader would give it. */
import { readFileSync } from "node:fs";
import { type ElementType, readSafetensors, type TfliteModel } from "../index.js";

interface Graph {
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly tensors: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly number[];
    readonly weight?: string;
    readonly scale?: readonly number[];
    readonly zero_point?: readonly number[];
    readonly quant_dim?: number;
  }[];
  readonly ops: readonly {
    readonly op: string;
    readonly inputs: readonly number[];
    readonly outputs: readonly number[];
    readonly attrs?: Readonly<Record<string, number | string>>;
  }[];
}

const types: Record<string, ElementType> = { FLOAT32: "f32", UINT8: "u8", INT32: "i32", INT8: "i8" };

/** @param stem path of the operator list `<stem>.graph.json` and of the safetensors file `<stem>.safetensors` that it names tensors of */
export function joinTflite(stem: string): TfliteModel {
  const graph = JSON.parse(readFileSync(`${stem}.graph.json`, "utf8")) as Graph;
  const { tensors } = readSafetensors(readFileSync(`${stem}.safetensors`));
  const joined = {
    description: "",
    inputs: graph.inputs,
    outputs: graph.outputs,
    tensors: graph.tensors.map((t) => ({
      name: t.name,
      dtype: types[t.dtype]!,
      shape: t.shape,
      ...(t.weight ? { data: tensors[t.weight]! } : {}),
      ...(t.scale ? { quantization: { scale: t.scale, zeroPoint: t.zero_point!, axis: t.quant_dim ?? 0 } } : {}),
    })),
    operators: graph.ops.map(({ op, inputs, outputs, attrs = {} }) => ({
      op,
      inputs,
      outputs,
      options: {
        ...attrs,
        activation: attrs["fusedActivationFunction"] ?? "NONE",
        dilationW: attrs["dilationWFactor"] ?? 1,
        dilationH: attrs["dilationHFactor"] ?? 1,
        filterW: attrs["filterWidth"] ?? 1,
        filterH: attrs["filterHeight"] ?? 1,
      },
    })),
  };
  return joined as unknown as TfliteModel;
}

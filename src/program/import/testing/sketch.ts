/** Small ONNX files for tests. */
import type { OnnxNode, OnnxTensor } from "../../../formats/index.js";
import { attributes, onnxFile } from "./models.js";

/** A node of an ONNX graph. */
export const node = (
  opType: string,
  inputs: string[],
  outputs: string[],
  given: Parameters<typeof attributes>[0] = {},
  name = "",
): OnnxNode => ({ name, opType, inputs, outputs, attributes: attributes(given) });

/** A graph in few words: inputs with their dims, names of outputs; `types` are ONNX element types, default float. */
export interface Sketch {
  readonly nodes: readonly OnnxNode[];
  readonly inputs: Record<string, (number | string | null)[]>;
  readonly outputs: string[];
  readonly initializers?: readonly OnnxTensor[];
  readonly types?: Record<string, number>;
}

/** The bytes of a sketch, as a file of opset 17. */
export const write = ({ nodes, inputs, outputs, initializers = [], types = {} }: Sketch): Uint8Array =>
  onnxFile(
    {
      nodes,
      initializers,
      inputs: Object.entries(inputs).map(([name, shape]) => ({ name, elemType: types[name] ?? 1, shape })),
      outputs: outputs.map((name) => ({ name })),
    },
    17,
  );

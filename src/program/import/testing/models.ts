/** Small ONNX models for tests. */
import { createRng, type Rng, sizeOf } from "../../../core/index.js";
import { type OnnxAttribute, type OnnxNode, type OnnxTensor, writeOnnx } from "../../../formats/index.js";
import { attribute, floatTensor, longTensor } from "../../export/writer.js";
import type { Fed } from "./onnxruntime.js";

export { attribute, floatTensor, longTensor };

type Attributes = Readonly<
  Record<
    string,
    | number
    | string
    | readonly number[]
    | { readonly f: number }
    | { readonly t: OnnxTensor }
    | { readonly texts: readonly string[] }
  >
>;

const codes = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9 } as const;

/** An operand: an input, a stored tensor, or one left out. */
export type Operand = { readonly input: Fed } | { readonly stored: OnnxTensor } | undefined;

/** Numbers without order, the same for the same seed. */
export function numbers(shape: readonly number[], seed = 1, scale = 1): Fed {
  const rng: Rng = createRng(seed);
  return { type: "float32", shape, data: Float32Array.from({ length: sizeOf(shape) }, () => rng.normal() * scale) };
}

export const input = (fed: Fed): Operand => ({ input: fed });
export const stored = (shape: readonly number[], values: ArrayLike<number>): Operand => ({
  stored: floatTensor("", shape, values),
});
export const weights = (shape: readonly number[], seed = 2, scale = 0.5): Operand =>
  stored(shape, numbers(shape, seed, scale).data);
export const longs = (...values: number[]): Operand => ({ stored: longTensor("", [values.length], values) });
export const long = (value: number): Operand => ({ stored: longTensor("", [], [value]) });

export function attributes(given: Attributes): OnnxAttribute[] {
  return Object.entries(given).map(([name, value]) => {
    if (typeof value === "object" && "t" in value) return { name, type: 4, t: value.t };
    if (typeof value === "object" && "texts" in value)
      return { name, type: 8, strings: value.texts.map((s) => new TextEncoder().encode(s)) };
    return attribute(name, value);
  });
}

/** A model of one node: operands x0, x1, ..., results y0, y1, ... */
export function oneNode(
  opType: string,
  operands: readonly Operand[],
  given: Attributes = {},
  { opset = 17, outputs = 1 } = {},
): { bytes: Uint8Array; feeds: Record<string, Fed> } {
  const node: OnnxNode = {
    name: "node",
    opType,
    inputs: operands.map((o, i) => (o ? `x${i}` : "")),
    outputs: Array.from({ length: outputs }, (_, i) => `y${i}`),
    attributes: attributes(given),
  };
  const feeds: Record<string, Fed> = {};
  const initializers: OnnxTensor[] = [];
  operands.forEach((o, i) => {
    if (o && "input" in o) feeds[`x${i}`] = o.input;
    if (o && "stored" in o) initializers.push({ ...o.stored, name: `x${i}` });
  });
  return { bytes: model([node], feeds, initializers, node.outputs, opset), feeds };
}

/** A model of nodes over fed inputs. */
export function model(
  nodes: readonly OnnxNode[],
  feeds: Readonly<Record<string, Fed>>,
  initializers: readonly OnnxTensor[],
  outputs: readonly string[],
  opset = 17,
  types: Readonly<Record<string, number>> = {},
): Uint8Array {
  return onnxFile(
    {
      nodes,
      initializers,
      inputs: Object.entries(feeds).map(([name, { type, shape }]) => ({ name, elemType: codes[type], shape })),
      // A type that ONNX infers: leaving it out would be refused by the checker, so outputs state none beyond what is needed.
      outputs: outputs.map((name) => ({ name, ...(types[name] === undefined ? {} : { elemType: types[name]! }) })),
    },
    opset,
  );
}

/** The bytes of a file with one graph. */
export const onnxFile = (
  graph: Omit<Parameters<typeof writeOnnx>[0]["graph"], "name" | "sparseInitializers">,
  opset: number,
): Uint8Array =>
  writeOnnx({
    irVersion: 8,
    producerName: "test",
    opsets: { "": opset },
    metadata: {},
    graph: { name: "g", sparseInitializers: [], ...graph },
  });

/** The LSTM network with ONNX's own LSTM operator, which runtimes have a kernel for. */
import type { Tensor, Tree } from "../../../src/core/index.js";
import { type OnnxNode, type OnnxTensor, writeOnnx } from "../../../src/formats/index.js";
import { LSTM } from "../networks/lstm.js";

const floats = (name: string, dims: readonly number[], data: Float32Array): OnnxTensor => ({
  name,
  dims,
  dataType: 1,
  rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
});
const longs = (name: string, values: readonly number[]): OnnxTensor => ({
  name,
  dims: [values.length],
  dataType: 7,
  rawData: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});

/** Gates i, f, g, o (PyTorch) to i, o, f, c (ONNX). */
function gates(data: Float32Array): Float32Array {
  const quarter = data.length / 4;
  const out = new Float32Array(data.length);
  [0, 3, 1, 2].forEach((from, to) => {
    out.set(data.subarray(from * quarter, (from + 1) * quarter), to * quarter);
  });
  return out;
}

/** @param params of networks/lstm.ts. Input x [1, steps, inputs], output y [1, hidden]. */
export function lstmOnnx(params: Tree<Tensor>): Uint8Array {
  const { steps, inputs, hidden, layers } = LSTM;
  const initializers: OnnxTensor[] = [longs("direction", [1]), longs("last", [1, hidden])];
  const node = (
    opType: string,
    ins: readonly string[],
    outs: readonly string[],
    attributes: OnnxNode["attributes"] = [],
  ): OnnxNode => ({
    opType,
    inputs: ins,
    outputs: outs,
    attributes,
  });
  const nodes: OnnxNode[] = [node("Transpose", ["x"], ["s0"], [{ name: "perm", type: 7, ints: [1, 0, 2] }])];
  for (let i = 0; i < layers; i++) {
    const of = (name: string): Float32Array => gates(params[`layer${i}.${name}`]!.data as Float32Array);
    const bias = new Float32Array(8 * hidden);
    bias.set(of("bias_ih"));
    bias.set(of("bias_hh"), 4 * hidden);
    const width = i === 0 ? inputs : hidden;
    initializers.push(
      floats(`w${i}`, [1, 4 * hidden, width], of("weight_ih")),
      floats(`r${i}`, [1, 4 * hidden, hidden], of("weight_hh")),
      floats(`b${i}`, [1, 8 * hidden], bias),
    );
    nodes.push(
      node("LSTM", [`s${i}`, `w${i}`, `r${i}`, `b${i}`], [`a${i}`, `h${i}`], [{ name: "hidden_size", type: 2, i: hidden }]),
      node("Squeeze", [`a${i}`, "direction"], [`s${i + 1}`]),
    );
  }
  nodes.push(node("Reshape", [`h${layers - 1}`, "last"], ["y"]));
  return writeOnnx({
    irVersion: 8,
    producerName: "sparseland",
    opsets: { "": 17 },
    metadata: {},
    graph: {
      name: "lstm",
      nodes,
      initializers,
      sparseInitializers: [],
      inputs: [{ name: "x", elemType: 1, shape: [1, steps, inputs] }],
      outputs: [{ name: "y", elemType: 1, shape: [1, hidden] }],
    },
  });
}

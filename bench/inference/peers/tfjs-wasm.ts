/** TensorFlow.js on its WebAssembly backend (XNNPACK, dense), with fused operations. Convnets and MLPs. */
import { InputError } from "../../../src/core/index.js";
import { type PeerNode, peerGraph } from "../graph.js";
import type { Network } from "../network.js";
import { lastShape, type Peer } from "./peer.js";
import type { TfCore, TfTensor } from "./tfjs.js";

const ACTIVATIONS = { none: "linear", relu: "relu", relu6: "relu6" } as const;

/** OIHW to HWIO; depthwise [C, 1, H, W] to HWC1. */
function kernelOf(
  tf: TfCore,
  data: Float32Array,
  [o, i, h, w]: readonly [number, number, number, number],
  depthwise: boolean,
): TfTensor {
  const out = new Float32Array(data.length);
  for (let a = 0; a < o; a++)
    for (let b = 0; b < i; b++)
      for (let k = 0; k < h * w; k++) out[depthwise ? k * o + a : (k * i + b) * o + a] = data[(a * i + b) * h * w + k]!;
  return tf.tensor(out, depthwise ? [h, w, o, 1] : [h, w, i, o]);
}

/** One node as a function of the values so far. */
function build(tf: TfCore, node: PeerNode, { params, program }: Network): (values: ReadonlyMap<number, TfTensor>) => TfTensor {
  const { attrs } = node;
  const numbers = (key: string): number[] => attrs[key] as number[];
  const [first, second] = node.inputs as [number, number];
  const last = ([n, c, h, w]: readonly number[]): number[] => [n!, h!, w!, c!];
  const bias =
    node.bias === undefined ? undefined : tf.tensor(params[node.bias]!.data as Float32Array, [params[node.bias]!.data.length]);
  const weight = node.weight === undefined ? undefined : params[node.weight]!;
  const common = { activation: ACTIVATIONS[node.activation], ...(bias ? { bias } : {}) };
  const padded = (x: TfTensor): TfTensor => {
    const [top, left, bottom, right] = numbers("padding") as [number, number, number, number];
    return top + left + bottom + right === 0
      ? x
      : tf.pad(x, [
          [0, 0],
          [top, bottom],
          [left, right],
          [0, 0],
        ]);
  };
  if (node.op === "conv2d") {
    const shape = weight!.shape as unknown as [number, number, number, number];
    const depthwise = (attrs["groups"] as number) > 1;
    const filter = kernelOf(tf, weight!.data as Float32Array, shape, depthwise);
    const [stride, height] = [numbers("stride"), program.values[first]!.shape[2]!];
    // Only where "same" pads evenly; else the padding is a step of its own, as in the program.
    const same = numbers("padding").every((p) => p * 2 === shape[2] - 1) && (stride[0] === 1 || height % stride[0]! !== 0);
    const apply = depthwise ? tf.fused.depthwiseConv2d : tf.fused.conv2d;
    return (values) =>
      apply({
        x: same ? values.get(first)! : padded(values.get(first)!),
        filter,
        strides: stride,
        pad: same ? "same" : "valid",
        ...common,
      });
  }
  if (node.op === "linear") {
    // Its fused product computes something else when told to transpose a weight (4.22), so the weight is turned here.
    const b = tf.transpose(tf.tensor(weight!.data as Float32Array, weight!.shape), [1, 0]);
    return (values) => tf.fused.matMul({ a: values.get(first)!, b, ...common });
  }
  if (node.op === "add") {
    return (values) => {
      const sum = tf.add(values.get(first)!, values.get(second)!);
      return node.activation === "none" ? sum : tf[node.activation](sum);
    };
  }
  if (node.op === "mean") return (values) => tf.mean(values.get(first)!, [1, 2]);
  if (node.op === "maxPool2d")
    return (values) => tf.maxPool(padded(values.get(first)!), numbers("kernel"), numbers("stride"), "valid");
  if (node.op === "slice") {
    const [starts, stops, steps] = ["starts", "stops", "steps"].map((key) => last(numbers(key))) as [number[], number[], number[]];
    return (values) => tf.stridedSlice(values.get(first)!, starts, stops, steps);
  }
  if (node.op === "pad") {
    const [before, after] = [last(numbers("before")), last(numbers("after"))];
    return (values) =>
      tf.pad(
        values.get(first)!,
        before.map((b, i) => [b, after[i]!] as const),
      );
  }
  throw new InputError(`tfjs-wasm: no rule for ${node.op}`);
}

export const tfjsWasm = (library: () => Promise<TfCore>): Peer => ({
  layout: "channels last",
  async load(network, threads) {
    if (threads > 1) throw new InputError("tfjs-wasm: one thread in Node");
    const start = performance.now();
    const tf = await library();
    await tf.setBackend("wasm");
    await tf.ready();
    const graph = peerGraph(network.program);
    const steps = graph.nodes.map((node) => ({ output: node.output, apply: build(tf, node, network) }));
    const loadMs = performance.now() - start;
    const shape = lastShape(network.inputShape);
    return {
      loadMs,
      run: (x) =>
        tf.tidy(() => {
          const values = new Map([[graph.input, tf.tensor(x, shape)]]);
          for (const { output, apply } of steps) values.set(output, apply(values));
          return values.get(graph.output)!.dataSync();
        }),
      close: () => {},
    };
  },
});

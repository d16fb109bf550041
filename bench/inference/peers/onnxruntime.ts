/** ONNX Runtime: WebAssembly (onnxruntime-web) and native with AVX-512 (onnxruntime-node). It has no sparse kernels. */
import { exportOnnx } from "../../../src/program/index.js";
import { lstmOnnx } from "../formats/lstm-onnx.js";
import type { Network } from "../network.js";
import type { Peer } from "./peer.js";

/** What is used of onnxruntime-common. */
export interface Ort {
  readonly env: { wasm: { numThreads?: number; wasmPaths?: string }; logLevel?: string };
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: Record<string, unknown>,
    ): Promise<{
      run(feeds: Record<string, unknown>): Promise<Record<string, { data: Float32Array }>>;
      release(): Promise<void>;
    }>;
  };
  readonly Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => unknown;
}

/** The network's file. The LSTM gets ONNX's own operator, which is its fastest form there. */
export const onnxOf = ({ subject, program, params }: Network): Uint8Array =>
  subject.network === "lstm" ? lstmOnnx(params) : exportOnnx({ program, params });

export const onnxruntime = (kind: "wasm" | "cpu", library: () => Promise<Ort>): Peer => ({
  layout: "channels first",
  async load(network, threads) {
    const bytes = onnxOf(network);
    const start = performance.now();
    const ort = await library();
    if (kind === "wasm") ort.env.wasm.numThreads = threads;
    const session = await ort.InferenceSession.create(bytes, {
      executionProviders: [kind],
      graphOptimizationLevel: "all",
      ...(kind === "cpu" ? { intraOpNumThreads: threads, interOpNumThreads: 1 } : {}),
    });
    const loadMs = performance.now() - start;
    const dims = [1, ...network.inputShape];
    return {
      loadMs,
      async run(x) {
        const { y } = await session.run({ x: new ort.Tensor("float32", x, dims) });
        return y!.data;
      },
      close: () => session.release(),
    };
  },
});

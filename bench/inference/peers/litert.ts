/** LiteRT.js: XNNPACK in WebAssembly, its sparse inference included. */
import { toTflite } from "../formats/tflite.js";
import { peerGraph } from "../graph.js";
import { lastShape, type Peer } from "./peer.js";

interface LiteTensor {
  toTypedArray(): Float32Array;
  delete(): void;
}
interface LiteModel {
  run(input: LiteTensor): Promise<LiteTensor[]>;
  delete(): void;
}

/** What is used of @litertjs/core. */
export interface LiteRt {
  loadLiteRt(path: string, options?: { threads?: boolean }): Promise<unknown>;
  loadAndCompile(model: Uint8Array, options: { accelerator: "wasm"; cpuOptions?: { numThreads: number } }): Promise<LiteModel>;
  readonly Tensor: new (data: Float32Array, shape: readonly number[]) => LiteTensor;
}

/** @param load the library with its WebAssembly loaded; one number of threads a process */
export function litert(load: (threads: number) => Promise<LiteRt>): Peer {
  let loaded: Promise<LiteRt> | undefined;
  return {
    layout: "channels last",
    async load({ program, params, masks, inputShape }, threads) {
      const bytes = toTflite({ graph: peerGraph(program), params, masks });
      const start = performance.now();
      loaded ??= load(threads);
      const lite = await loaded;
      const model = await lite.loadAndCompile(bytes, {
        accelerator: "wasm",
        ...(threads > 1 ? { cpuOptions: { numThreads: threads } } : {}),
      });
      const loadMs = performance.now() - start;
      const shape = lastShape(inputShape);
      return {
        loadMs,
        async run(x) {
          const input = new lite.Tensor(x, shape);
          const outputs = await model.run(input);
          const data = outputs[0]!.toTypedArray();
          input.delete();
          for (const output of outputs) output.delete();
          return data;
        },
        close: () => model.delete(),
      };
    },
  };
}

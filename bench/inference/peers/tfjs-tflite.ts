/** tfjs-tflite: an older TFLite with XNNPACK, its sparse inference included. */
import { toTflite } from "../formats/tflite.js";
import { peerGraph } from "../graph.js";
import { lastShape, type Peer } from "./peer.js";
import type { TfCore, TfTensor } from "./tfjs.js";

/** Loads a model. */
export interface TfliteLoader {
  readonly tf: TfCore;
  load(model: ArrayBuffer, threads: number): Promise<{ predict(x: TfTensor): TfTensor }>;
}

export const tfjsTflite = (loader: () => Promise<TfliteLoader>): Peer => ({
  layout: "channels last",
  async load({ program, params, masks, inputShape }, threads) {
    const bytes = toTflite({ graph: peerGraph(program), params, masks }).slice().buffer;
    const start = performance.now();
    const { tf, load } = await loader();
    const model = await load(bytes, threads);
    const loadMs = performance.now() - start;
    const shape = lastShape(inputShape);
    return {
      loadMs,
      run(x) {
        const input = tf.tensor(x, shape);
        const output = model.predict(input);
        const data = output.dataSync();
        input.dispose();
        output.dispose();
        return data;
      },
      close: () => {},
    };
  },
});

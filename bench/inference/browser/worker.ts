/** Runs one job in a classic worker of the page. Other engines are loaded with importScripts from their packages. */
import { writeModel } from "../../../src/runtime/index.js";
import { type LiteRt, litert } from "../peers/litert.js";
import { type Ort, onnxruntime } from "../peers/onnxruntime.js";
import { type EngineName, OWN, type OwnName, type Peer } from "../peers/peer.js";
import { sparseland } from "../peers/sparseland.js";
import type { TfCore } from "../peers/tfjs.js";
import { type TfliteLoader, tfjsTflite } from "../peers/tfjs-tflite.js";
import { tfjsWasm } from "../peers/tfjs-wasm.js";
import { type Job, race } from "../race.js";

declare function importScripts(...urls: string[]): void;

const from = (path: string): string => `${globalThis.location.origin}/node_modules/${path}`;
const scope = globalThis as unknown as {
  litert: LiteRt;
  ort: Ort;
  tf: TfCore & { wasm: { setWasmPaths(path: string): void } };
  tflite: {
    setWasmPath(path: string): void;
    loadTFLiteModel(model: ArrayBuffer, options: { numThreads: number }): ReturnType<TfliteLoader["load"]>;
  };
};

function engine(name: EngineName): Peer {
  if ((OWN as readonly string[]).includes(name)) return sparseland(name as OwnName);
  switch (name) {
    case "LiteRT.js":
      return litert(async (threads) => {
        // Its threads start only while the thread that made them does not wait: in the page, where ours may not wait.
        if (threads > 1) throw new Error("LiteRT.js: one thread in a worker");
        importScripts("/litert.js");
        await scope.litert.loadLiteRt(from("@litertjs/core/wasm/"));
        return scope.litert;
      });
    case "tfjs-tflite":
      return tfjsTflite(async () => {
        importScripts(
          ...["tfjs-core/dist/tf-core", "tfjs-backend-cpu/dist/tf-backend-cpu", "tfjs-tflite/dist/tf-tflite"].map((file) =>
            from(`@tensorflow/${file}.min.js`),
          ),
        );
        scope.tflite.setWasmPath(from("@tensorflow/tfjs-tflite/wasm/"));
        return { tf: scope.tf, load: (model, numThreads) => scope.tflite.loadTFLiteModel(model, { numThreads }) };
      });
    case "onnxruntime-web":
      return onnxruntime("wasm", async () => {
        importScripts(from("onnxruntime-web/dist/ort.wasm.min.js"));
        scope.ort.env.wasm.wasmPaths = from("onnxruntime-web/dist/");
        return scope.ort;
      });
    case "tfjs-wasm":
      return tfjsWasm(async () => {
        importScripts(
          ...["tfjs-core/dist/tf-core", "tfjs-backend-wasm/dist/tf-backend-wasm"].map((file) => from(`@tensorflow/${file}.min.js`)),
        );
        scope.tf.wasm.setWasmPaths(from("@tensorflow/tfjs-backend-wasm/dist/"));
        return scope.tf;
      });
    default:
      throw new Error(`${name} does not run in a browser`);
  }
}

let pinned: (note: string | undefined) => void = () => {};

async function work(job: Job): Promise<void> {
  const outcome = await race(job, {
    name: "chromium",
    engine,
    loaded: () =>
      new Promise((done) => {
        pinned = done;
        postMessage({ loaded: true });
      }),
    fileBytes: ({ file }) => writeModel(file).length,
  });
  postMessage({ outcome });
}

globalThis.onmessage = ({ data }: MessageEvent<{ job?: Job; pinned?: string | null }>) => {
  if (!data.job) pinned(data.pinned ?? undefined);
  else work(data.job).catch((error: unknown) => postMessage({ error: error instanceof Error ? error.stack : String(error) }));
};

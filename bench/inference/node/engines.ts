/** Engines as they load in Node. */
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type LiteRt, litert } from "../peers/litert.js";
import { type Ort, onnxruntime } from "../peers/onnxruntime.js";
import { type EngineName, OWN, type OwnName, type Peer } from "../peers/peer.js";
import { sparseland } from "../peers/sparseland.js";
import type { TfCore } from "../peers/tfjs.js";
import { type TfliteLoader, tfjsTflite } from "../peers/tfjs-tflite.js";
import { tfjsWasm } from "../peers/tfjs-wasm.js";
import { fileResponse, importScript, withWorkerGlobals } from "./shims.js";

const require = createRequire(import.meta.url);
const MODULES = fileURLToPath(new URL("../../node_modules/", import.meta.url));

/** LiteRT's scripts are CommonJS in a package of ES modules: its workers start only from a folder that says so. */
function litertFolder(): string {
  const from = path.join(MODULES, "@litertjs/core/wasm");
  const to = path.join(MODULES, ".cache/litert");
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) copyFileSync(path.join(from, name), path.join(to, name));
  writeFileSync(path.join(to, "package.json"), '{ "type": "commonjs" }\n');
  return to;
}

async function loadLitert(threads: number): Promise<LiteRt> {
  const folder = litertFolder();
  const load = async (): Promise<LiteRt> => {
    const name = "@litertjs/core";
    const lite = (await import(name)) as LiteRt;
    await lite.loadLiteRt(`${folder}/`, { threads: threads > 1 });
    return lite;
  };
  return withWorkerGlobals(folder, {}, load, threads > 1);
}

const FACTORY = "tflite_web_api_ModuleFactory";

async function tflite(): Promise<TfliteLoader> {
  const tf = require("@tensorflow/tfjs-core") as TfCore;
  require("@tensorflow/tfjs-backend-cpu");
  const entry = path.join(MODULES, "@tensorflow/tfjs-tflite/dist/tf-tflite.node.js");
  const folder = `${path.join(MODULES, "@tensorflow/tfjs-tflite/wasm")}/`;
  const globals = {
    location: { origin: "", href: "http://x/" },
    fetch: fileResponse,
    // Without it the build for one thread is taken; the other starts browser workers.
    SharedArrayBuffer: undefined,
    importScripts: (url: unknown) => importScript(url, `globalThis.${FACTORY}=${FACTORY}`),
  };
  return {
    tf,
    load(model, threads) {
      if (threads > 1) throw new Error("tfjs-tflite: one thread in Node");
      return withWorkerGlobals(folder, globals, async () => {
        const library = require(entry) as {
          setWasmPath(path: string): void;
          loadTFLiteModel(model: ArrayBuffer, options: { numThreads: number }): ReturnType<TfliteLoader["load"]>;
        };
        library.setWasmPath(folder);
        return library.loadTFLiteModel(model, { numThreads: threads });
      });
    },
  };
}

async function ort(name: "onnxruntime-web" | "onnxruntime-node"): Promise<Ort> {
  const found = (await import(name)) as { default?: Ort } & Ort;
  return found.default ?? found;
}

/** An engine of this process. */
export function engine(name: EngineName): Peer {
  if ((OWN as readonly string[]).includes(name)) return sparseland(name as OwnName);
  switch (name) {
    case "LiteRT.js":
      return litert(loadLitert);
    case "tfjs-tflite":
      return tfjsTflite(tflite);
    case "onnxruntime-web":
      return onnxruntime("wasm", () => ort(name));
    case "onnxruntime-node":
      return onnxruntime("cpu", () => ort(name));
    default:
      return tfjsWasm(async () => {
        const tf = require("@tensorflow/tfjs-core") as TfCore;
        require("@tensorflow/tfjs-backend-wasm");
        return tf;
      });
  }
}

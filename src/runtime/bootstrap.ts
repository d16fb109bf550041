/** First lines of the engine's worker: unpacks the engine and its kernels, which the bundle holds compressed, and starts them. */
import { unpack } from "./unpack.js";

/** Base64 of the packed payload: 4 bytes length of the script, the script, the kernels' module. */
declare const PAYLOAD: string;
declare function importScripts(url: string): void;

const binary = atob(PAYLOAD);
const packed = new Uint8Array(binary.length);
for (let i = 0; i < packed.length; i++) packed[i] = binary.charCodeAt(i);
const bytes = unpack(packed);
const end = 4 + new DataView(bytes.buffer).getUint32(0);
(globalThis as { sparselandKernels?: Uint8Array }).sparselandKernels = bytes.slice(end);
const script = bytes.subarray(4, end);
const vm = globalThis.process?.getBuiltinModule?.("node:vm");
if (vm) vm.runInThisContext(new TextDecoder().decode(script));
else {
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  importScripts(url);
  URL.revokeObjectURL(url);
}

/** The WebAssembly kernels that compare one code with very many. */
import { wasmBase64 } from "../kernels/generated/sdr.js";

/** The exports of `src/kernels/modules/sdr.as.ts`; arguments are byte addresses and counts. */
export interface OverlapKernel {
  overlapRows(codes: number, count: number, vectors: number, query: number, out: number): void;
  overlapColumns(columns: number, stride: number, list: number, cells: number, blocks: number, planes: number, out: number): void;
  atLeast(digits: number, blocks: number, planes: number, threshold: number, out: number): void;
  spread(digits: number, blocks: number, planes: number, out: number): void;
}

let compiled: WebAssembly.Module | undefined;

/** Addresses below this one are left to the module. */
export const FIRST_ADDRESS = 4096;

/** A kernel over its own memory of at least `bytes` bytes, all zero. */
export function createOverlapKernel(bytes: number): { readonly kernel: OverlapKernel; readonly memory: WebAssembly.Memory } {
  compiled ??= new WebAssembly.Module(Uint8Array.from(atob(wasmBase64), (c) => c.charCodeAt(0)));
  const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / 65536) + 1, maximum: 65536 });
  const instance = new WebAssembly.Instance(compiled, { env: { memory } });
  return { kernel: instance.exports as unknown as OverlapKernel, memory };
}

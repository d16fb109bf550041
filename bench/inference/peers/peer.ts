/** An engine under measurement. */
import type { Network } from "../network.js";

/** A loaded network: takes one example, gives its outputs. */
export interface Runner {
  /** From the caller's array to an output array, in the layout that the engine takes. */
  run(x: Float32Array): Float32Array | Promise<Float32Array>;
  close(): void | Promise<void>;
  /** Milliseconds from the model's bytes in memory to this runner, the engine's own start included where it is its first. */
  readonly loadMs: number;
  /** Where it computes with weights of its own: what these give in f32, the greatest difference that is right, words on it. */
  readonly own?: { readonly expected: Float32Array; readonly tolerance: number; readonly note: string };
}

/** An engine. */
export interface Peer {
  /** Layout of pictures that it takes. */
  readonly layout: "channels first" | "channels last";
  /** @param threads that it computes with  @throws where it cannot take the network or has no threads */
  load(network: Network, threads: number): Promise<Runner>;
}

/** Engines of others. */
export const PEERS = ["LiteRT.js", "tfjs-tflite", "onnxruntime-web", "onnxruntime-node", "tfjs-wasm"] as const;
export type PeerName = (typeof PEERS)[number];

/** Our own ways to run: as the session chooses, all dense, either with fused multiply and add, in int8, and on one thread in any case. */
export const OWN = [
  "sparseland",
  "sparseland dense",
  "sparseland relaxed",
  "sparseland dense relaxed",
  "sparseland one thread",
  "sparseland int8",
  "sparseland int8 one thread",
] as const;
export type OwnName = (typeof OWN)[number];

export type EngineName = PeerName | OwnName;

/** Shape of the input at batch 1, pictures with channels last. */
export const lastShape = ([c, h, w, ...rest]: readonly number[]): number[] =>
  h !== undefined && w !== undefined && rest.length === 0 ? [1, h, w, c!] : [1, c!, ...(h === undefined ? [] : [h])];

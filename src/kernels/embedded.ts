/** The compiled modules that this package carries. The browser bundle puts another file in this one's place, see scripts/build-worker.ts. */
import { wasmBase64 as plainBase64 } from "./generated/plain.js";
import { wasmBase64 as relaxedBase64 } from "./generated/relaxed.js";
import type { Flavor } from "./templates/emit.js";
import type { Int8Flavor } from "./templates/int8/arithmetic.js";

/** Flavours to choose from. */
export const flavors: readonly Flavor[] = ["plain", "relaxed"];

/** A fresh copy of the engine's module. */
export const moduleBytes = (flavor: Flavor): Uint8Array<ArrayBuffer> => decode(flavor === "plain" ? plainBase64 : relaxedBase64);

const INT8 = {
  plain: () => import("./generated/int8-plain.js"),
  relaxed: () => import("./generated/int8-relaxed.js"),
  madd: () => import("./generated/int8-madd.js"),
} as const;

/** The int8 kernels' module. */
export async function int8Bytes(flavor: Int8Flavor): Promise<Uint8Array<ArrayBuffer>> {
  const { wasmBase64 } = await INT8[flavor]();
  return decode(wasmBase64);
}

function decode(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

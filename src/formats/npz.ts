/** NumPy's npz files: a zip of npy files. */
import { FormatError, InputError, type Tree } from "../core/index.js";
import type { NamedArray } from "./array.js";
import { readNpy, writeNpy } from "./npy.js";
import { readZip, writeZip } from "./zip.js";

/**
 * Reads an npz file: the arrays by name, without the `.npy`.
 * @param limit  largest total of decompressed bytes; default 2^31 - 1
 * @throws FormatError when the archive or one of its arrays is broken; the message names the array
 */
export function readNpz(bytes: Uint8Array, limit?: number): Tree<NamedArray> {
  const arrays: [string, NamedArray][] = [];
  for (const [name, data] of readZip(bytes, limit)) {
    if (!name.endsWith(".npy")) throw new FormatError("npz", `${name} is no .npy file`);
    try {
      arrays.push([name.slice(0, -4), readNpy(data)]);
    } catch (error) {
      if (error instanceof InputError) throw new FormatError(`npz: ${name}`, error.message);
      throw error;
    }
  }
  return Object.fromEntries(arrays);
}

/** Writes an npz file. @param compress deflate (default) or store @throws InputError as `writeNpy` */
export function writeNpz(arrays: Tree<NamedArray>, compress = true): Uint8Array {
  return writeZip(new Map(Object.entries(arrays).map(([name, array]) => [`${name}.npy`, writeNpy(array)])), compress);
}

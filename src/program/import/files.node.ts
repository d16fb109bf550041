/** Models from files: an ONNX file with the tensors beside it. */
import { readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { InputError } from "../../core/index.js";
import { type ExternalData, readOnnx } from "../../formats/index.js";
import type { Imported, ImportOptions } from "./imported.js";
import { importOnnx } from "./onnx.js";

const MOST_BYTES = 2 ** 31;

/**
 * Gives the files of one folder, and none outside it: a symbolic link that leads out counts as outside.
 * @throws InputError for a file outside the folder
 */
export function externalFolder(folder: string): ExternalData {
  const root = realpathSync(folder);
  const read = new Map<string, Uint8Array>();
  return (location) => {
    const before = read.get(location);
    if (before) return before;
    let path: string;
    try {
      path = realpathSync(join(root, location));
    } catch {
      return undefined;
    }
    if (!path.startsWith(root.endsWith(sep) ? root : root + sep))
      throw new InputError(`onnx: external data at "${location}" lead outside the folder ${root}`);
    const { size } = statSync(path);
    if (!statSync(path).isFile() || size > MOST_BYTES)
      throw new InputError(`onnx: external data at "${location}": expected a file of at most ${MOST_BYTES} bytes`);
    const bytes = readFileSync(path);
    read.set(location, bytes);
    return bytes;
  };
}

/**
 * Imports an ONNX file, with tensors in files beside it.
 * @throws InputError when the file is missing; and as `importOnnx`
 */
export function importOnnxFile(path: string, options: ImportOptions = {}): Imported {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new InputError(`onnx: cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return importOnnx(readOnnx(bytes), { external: externalFolder(dirname(path)), ...options });
}

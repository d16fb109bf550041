/** What `inspect` and `bench` share: the model file and the batch size. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { InvalidArgumentError } from "commander";
import { InputError } from "../../src/core/index.js";
import type { ModelFile } from "../../src/runtime/index.js";
import { unpackNetwork } from "../network/file.js";
import type { Terminal } from "../terminal.js";

const mostBytes = 2 ** 31;

/** Parses an integer from 1 to 65536. */
export function positive(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 65_536) throw new InvalidArgumentError("Expected an integer from 1 to 65536.");
  return value;
}

/** Reads a model file. @throws InputError when it is missing, or no model that `sparseland run` wrote */
export function readModelFile(terminal: Terminal, path: string): { readonly file: ModelFile; readonly bytesOnDisk: number } {
  const place = resolve(terminal.folder, path);
  if (!existsSync(place)) throw new InputError(`${path}: no such model file; sparseland run writes them to <run folder>/models/`);
  const { size } = statSync(place);
  if (!statSync(place).isFile()) throw new InputError(`${path}: is a folder, expected a .safetensors file`);
  if (size > mostBytes) throw new InputError(`${path}: ${size} bytes, expected at most ${mostBytes}`);
  return { file: unpackNetwork(readFileSync(place), path), bytesOnDisk: size };
}

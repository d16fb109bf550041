/** The trained network that a command works on, whatever file it comes from. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { type Command, Option } from "commander";
import { InputError, OptionError, type Tensor, type Tree } from "../../src/core/index.js";
import { readTflite } from "../../src/formats/index.js";
import { externalFolder } from "../../src/program/import/files.node.js";
import {
  type BatchProgram,
  type Imported,
  importOnnx,
  importTflite,
  productsOf,
  unsupportedOperators,
  unsupportedTfliteOperators,
} from "../../src/program/index.js";
import { denseOf, type ModelFile, packModel } from "../../src/runtime/index.js";
import type { Mask } from "../../src/sparsity/index.js";
import type { Terminal } from "../terminal.js";
import { withArchitecture } from "./architecture.js";
import { unpackNetwork } from "./file.js";

/** Options of every command that takes a model. */
export interface SourceFlags {
  /** Built-in architecture of a file that holds weights only. */
  readonly arch?: string;
  /** `symbol=size` or `input.axis=size`. */
  readonly dim: readonly string[];
}

/** A trained network of any origin. */
export interface Source {
  /** The file's name without its ending. */
  readonly name: string;
  readonly program: BatchProgram;
  /** Dense values of all params. */
  readonly params: Tree<Tensor>;
  /** As a model file: weights that hold enough zeros compressed. */
  readonly file: ModelFile;
  readonly metadata: Tree<string>;
  readonly bytesOnDisk: number;
  /** `any`, or the one batch that the network runs at and why. */
  readonly batch: Imported["batch"];
}

/** What model arguments may be, for help texts. */
export const modelForms = "a model file of Sparseland, .onnx, .tflite, or weights (.safetensors, .gguf) with --arch";

/** Adds `--arch` and `--dim`. */
export const addSourceOptions = (command: Command): Command =>
  command
    .addOption(new Option("--arch <name>", "built-in architecture of the weights, such as resnet20"))
    .addOption(
      new Option("--dim <name=size>", "size of an open dim of an ONNX model, such as x.2=48; may be repeated")
        .argParser((text: string, before: readonly string[]): readonly string[] => [...before, text])
        .default([], "none"),
    );

const mostBytes = 2 ** 31;
const endings = /\.(safetensors|onnx|tflite|gguf)$/i;

/**
 * Reads a model.
 * @throws InputError naming the file, what is wrong with it (every unsupported operator at once), and how to fix it
 */
export function readSource(terminal: Terminal, path: string, { arch, dim }: SourceFlags): Source {
  const place = resolve(terminal.folder, path);
  if (!existsSync(place)) throw new InputError(`${path}: no such file; expected ${modelForms}`);
  if (!statSync(place).isFile()) throw new InputError(`${path}: is no file, expected ${modelForms}`);
  const { size } = statSync(place);
  if (size > mostBytes) throw new InputError(`${path}: ${size} bytes, expected at most ${mostBytes}`);
  const bytes = new Uint8Array(readFileSync(place));
  const ending = endings.exec(path)?.[1]?.toLowerCase();
  const own = { name: basename(path).replace(endings, ""), bytesOnDisk: size };
  const dims = readDims(dim);
  if (dim.length > 0 && ending !== "onnx") throw new InputError(`--dim: only ONNX models have open dims, ${path} is none`);
  if (ending === "onnx" || ending === "tflite") {
    if (arch !== undefined) throw new InputError(`--arch: ${path} knows its own architecture; leave --arch out`);
    return named(path, () => {
      refuseUnsupported(ending === "onnx" ? unsupportedOperators(bytes) : unsupportedTfliteOperators(bytes));
      const { program, params, batch, masks } =
        ending === "onnx" ? importOnnx(bytes, { external: externalFolder(dirname(place)), dims }) : importTflite(bytes);
      const metadata = { source: basename(path), ...(ending === "tflite" ? pixelsOf(bytes) : {}) };
      return { ...own, program, params, metadata, batch, file: compressed(program, params, metadata, masks) };
    });
  }
  if (arch !== undefined || ending === "gguf") {
    const found = named(path, () => withArchitecture(bytes, ending === "gguf" ? "gguf" : "safetensors", arch));
    return { ...own, ...found, batch: "any", file: compressed(found.program, found.params, found.metadata) };
  }
  if (ending === undefined && !mayBeSafetensors(bytes))
    throw new InputError(`${path}: is no model by its name and its first bytes; expected ${modelForms}`);
  const file = unpackNetwork(bytes, path);
  const params = Object.fromEntries(Object.entries(file.params).map(([key, value]) => [key, denseOf(value)]));
  const { one, grows } = file.program;
  const [first] = Object.values(one.inputs);
  const fixed = first === undefined ? 1 : (one.values[first]!.shape[0] ?? 1);
  const batch = grows.length > 0 ? "any" : { fixed, reason: "the file holds its program for one batch size" };
  return { ...own, program: file.program, params, metadata: file.metadata, file, batch };
}

/** Whether the bytes begin as a safetensors file does: the length of a header that fits, and the header's brace. */
function mayBeSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 10) return false;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  return length <= BigInt(bytes.length - 8) && bytes[8] === 0x7b;
}

/** Sizes of open dims: `symbol=size` or `input.axis=size`. @throws OptionError */
function readDims(texts: readonly string[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    texts.map((text): [string, number] => {
      const found = /^(.+)=([1-9]\d{0,6})$/.exec(text);
      if (!found) throw new OptionError("--dim", "an open dim's symbol or place and its size, such as height=224 or x.2=224", text);
      return [found[1]!, Number(found[2])];
    }),
  );
}

/** How a TFLite model of byte inputs reads pixels: real = scale (q - zeroPoint), as mean and deviation on the scale 0 to 1. */
function pixelsOf(bytes: Uint8Array): Tree<string> {
  const { tensors, inputs } = readTflite(bytes);
  const { dtype, quantization } = tensors[inputs[0] ?? -1] ?? {};
  if (inputs.length !== 1 || dtype !== "u8" || quantization?.scale.length !== 1) return {};
  const [scale, zero] = [quantization.scale[0]!, quantization.zeroPoint[0] ?? 0];
  return { normalise_mean: String(zero / 255), normalise_std: String(1 / (255 * scale)) };
}

/** Runs `make` and puts the file's name before its errors. */
function named<T>(path: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${path}: ${error.message}`) : error;
  }
}

/** @throws InputError that lists every operator, where it stands and what is near it */
function refuseUnsupported(list: ReturnType<typeof unsupportedOperators>): void {
  if (list.length === 0) return;
  const lines = list.slice(0, 100).map(({ operator, count, nodes, nearby }) => {
    const places = `${nodes.map((node) => JSON.stringify(node)).join(", ")}${count > nodes.length ? ", ..." : ""}`;
    return `  ${operator}: ${count} node${count === 1 ? "" : "s"} (${places})${nearby.length > 0 ? `; supported and near: ${nearby.join(", ")}` : ""}`;
  });
  const more = list.length > lines.length ? `\n  and ${list.length - lines.length} more` : "";
  throw new InputError(
    `${list.length} operator${list.length === 1 ? " is" : "s are"} not supported:\n${lines.join("\n")}${more}\nExport the model without ${list.length === 1 ? "it" : "them"}; docs/onnx.md lists what is supported.`,
  );
}

/** Least share of zeros for a weight to count as pruned. */
const LEAST_ZEROS = 0.1;

/** A model file in which weights that hold zeros, as someone else's pruning left them, are compressed. */
function compressed(program: BatchProgram, params: Tree<Tensor>, metadata: Tree<string>, stored: Tree<Mask> = {}): ModelFile {
  const masks: Record<string, Mask> = {};
  for (const [path, { data }] of Object.entries(params)) {
    const bad = data.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0) throw new InputError(`${path} holds ${data[bad]} at position ${bad}; every weight must be finite`);
  }
  for (const { path, groups } of productsOf(program.one)) {
    const { shape, data } = params[path]!;
    if (groups > 1) continue;
    const mask = stored[path] ?? { shape, data: Uint8Array.from(data, (w) => (w === 0 ? 0 : 1)) };
    const zeros = mask.data.reduce((n, bit) => n + 1 - bit, 0);
    if (zeros >= LEAST_ZEROS * data.length && zeros < data.length) masks[path] = mask;
  }
  return packModel({ program, params, masks, metadata });
}

/** Checkpoints: everything that a resumed run needs to end with the numbers of an unbroken one, as one safetensors file. */
import { FormatError, show, type Tensor, tensor } from "../core/index.js";
import {
  compressDense,
  crc32,
  expandSparse,
  readSparseSafetensors,
  type SparseTensor,
  writeSparseSafetensors,
} from "../formats/index.js";
import { type Mask, maskOf } from "../sparsity/index.js";
import type { Snapshot } from "./holder.js";

/** One point of a training curve. */
export interface CurvePoint {
  readonly epoch: number;
  readonly trainLoss: number;
  readonly trainAccuracy: number;
  readonly testAccuracy: number;
  readonly testLoss: number;
  /** Zeros among prunable weights. */
  readonly sparsity: number;
  readonly learningRate: number;
  /** Seconds of training (not evaluation) in this epoch. */
  readonly seconds: number;
}

/** A run between two epochs. */
export interface Checkpoint {
  /** Epochs done. */
  readonly epoch: number;
  readonly snapshot: Snapshot;
  /** The method's own state, plain JSON. */
  readonly methodState: unknown;
  readonly curve: readonly CurvePoint[];
  /** Names what the run is: a checkpoint of another run is refused. */
  readonly identity: string;
}

const KEY = "sparseland.checkpoint";
const MASK = "mask/";
const VALUE = "value/";

const SUM = "sparseland.crc32";
const NO_SUM = "00000000";

/** Where the eight hexadecimal digits of the checksum stand; -1 when there are none. */
function placeOfSum(bytes: Uint8Array): number {
  const mark = JSON.stringify({ [SUM]: NO_SUM }).slice(1, -NO_SUM.length - 2);
  const length = bytes.length < 8 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const head = new TextDecoder("latin1").decode(bytes.subarray(8, 8 + length));
  const at = head.indexOf(mark);
  const place = 8 + at + mark.length;
  return at < 0 || place + NO_SUM.length > bytes.length ? -1 : place;
}

/** The checksum of a file whose own checksum is not written yet. */
const sumOf = (bytes: Uint8Array): Uint8Array => new TextEncoder().encode(crc32(bytes).toString(16).padStart(8, "0"));

/** Writes a checkpoint: a safetensors file whose metadata hold a checksum of all of it. */
export function writeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const { snapshot, epoch, methodState, curve, identity } = checkpoint;
  const tensors: Record<string, { dtype: "f32"; shape: readonly number[]; data: Float32Array }> = {};
  for (const [path, value] of Object.entries(snapshot.values))
    tensors[VALUE + path] = { dtype: "f32", shape: value.shape, data: value.data };
  const sparse: Record<string, SparseTensor> = {};
  // A mask is a sparse tensor of ones: its positions take a bitmap or less.
  for (const [path, mask] of Object.entries(snapshot.masks))
    sparse[MASK + path] = compressDense(mask.data, { shape: mask.shape, layout: "csr" });
  const bytes = writeSparseSafetensors({
    tensors,
    sparse,
    metadata: { [KEY]: JSON.stringify({ version: 1, epoch, methodState, curve, identity }), [SUM]: NO_SUM },
  });
  bytes.set(sumOf(bytes), placeOfSum(bytes));
  return bytes;
}

/** @throws FormatError unless the file is, byte for byte, as it was written */
function checkSum(bytes: Uint8Array): void {
  const at = placeOfSum(bytes);
  if (at < 0) throw new FormatError("checkpoint", "the file is no training checkpoint");
  const blank = bytes.slice();
  blank.set(new TextEncoder().encode(NO_SUM), at);
  if (sumOf(blank).some((digit, i) => digit !== bytes[at + i]))
    throw new FormatError("checkpoint", "its checksum does not fit its bytes: the file is damaged; delete it to train anew");
}

type Head = Omit<Checkpoint, "snapshot"> & { readonly version: number };

const POINT: readonly (keyof CurvePoint)[] = [
  "epoch",
  "trainLoss",
  "trainAccuracy",
  "testAccuracy",
  "testLoss",
  "sparsity",
  "learningRate",
  "seconds",
];
/** JSON writes a number that is not finite as null. */
const isPoint = (point: unknown): boolean =>
  typeof point === "object" &&
  point !== null &&
  POINT.map((key) => (point as CurvePoint)[key] as unknown).every((value) => value === null || typeof value === "number");

/** What the metadata hold. @throws FormatError when that is no head of a checkpoint of this version */
function headOf(text: string): Head {
  let head: Head;
  try {
    head = JSON.parse(text) as Head;
  } catch (error) {
    throw new FormatError("checkpoint", `its head is not JSON: ${(error as Error).message}`);
  }
  const fail = (what: string, got: unknown): never => {
    throw new FormatError("checkpoint", `${what}, got ${show(got)}`);
  };
  if (typeof head !== "object" || head === null) fail("expected a head", head);
  if (head.version !== 1) fail("this is version 1", head.version);
  if (!Number.isSafeInteger(head.epoch) || head.epoch < 0) fail("expected a number of epochs done", head.epoch);
  if (!Array.isArray(head.curve) || !head.curve.every(isPoint)) fail("expected a curve of points", head.curve);
  return head;
}

/**
 * Reads a checkpoint.
 * @param identity what the run is
 * @throws FormatError when the file is damaged, of another version, or of another run
 */
export function readCheckpoint(bytes: Uint8Array, identity: string): Checkpoint {
  checkSum(bytes);
  const file = readSparseSafetensors(bytes);
  const text = file.metadata[KEY];
  if (text === undefined) throw new FormatError("checkpoint", "the file is no training checkpoint");
  const head = headOf(text);
  if (head.identity !== identity)
    throw new FormatError("checkpoint", "it belongs to a run with other settings; start anew in another folder");
  const values: Record<string, Tensor> = {};
  const masks: Record<string, Mask> = {};
  for (const [name, array] of Object.entries(file.tensors))
    if (name.startsWith(VALUE)) {
      if (array.dtype !== "f32") throw new FormatError("checkpoint", `"${name}" is ${array.dtype}, expected f32`);
      values[name.slice(VALUE.length)] = tensor(array.shape, array.data as Float32Array);
    }
  for (const [name, held] of Object.entries(file.sparse)) {
    if (!name.startsWith(MASK)) continue;
    const bits = expandSparse(held);
    if (bits.some((bit) => bit !== 0 && bit !== 1))
      throw new FormatError("checkpoint", `"${name}" has entries that are not 0 or 1`);
    masks[name.slice(MASK.length)] = maskOf(held.shape, Uint8Array.from(bits));
  }
  return { epoch: head.epoch, snapshot: { values, masks }, methodState: head.methodState, curve: head.curve, identity };
}

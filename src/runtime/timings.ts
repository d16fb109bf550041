/**
 * Times of layers, kept by device, so that a model that was loaded before is not timed again. A time is found by a key of all that
 * it depends on: the kernels' build and flavour, the operation with its attributes and shapes, the weight's layout and its positions.
 */

import type { SparseTensor } from "../formats/index.js";
import { kernelBuild } from "../kernels/index.js";
import type { Operation } from "../program/index.js";

/** Milliseconds of one layer, dense and sparse. */
export interface LayerTimes {
  readonly denseMs: number;
  readonly sparseMs: number;
  /** The one that was not run to its end: its time is at least this. */
  readonly atLeast?: "dense" | "sparse" | undefined;
  /** Share of the output rows that ran; the times are scaled from it. Default all. */
  readonly part?: number | undefined;
}

/** Times by layer key; whoever measures adds to it. */
export type MeasuredTimings = Map<string, LayerTimes>;

/** Where the text of the table is kept: a file, localStorage, a database. Errors of a store fail the load. */
export interface TimingStore {
  /** The text that was last written; undefined when there is none. */
  read(): string | undefined | Promise<string | undefined>;
  write(text: string): void | Promise<void>;
}

/** Two multiplicative hashes of 32 bits side by side (FNV-1a with different bases): collisions are out of reach for thousands of layers. */
class Digest {
  #a = 0x811c9dc5;
  #b = 0x9747b28c;

  add(words: Int32Array): this {
    let [a, b] = [this.#a, this.#b];
    for (let i = 0; i < words.length; i++) {
      a = Math.imul(a ^ words[i]!, 0x01000193);
      b = Math.imul(b ^ (words[i]! + 0x9e3779b9), 0x85ebca6b) ^ (b >>> 13);
    }
    this.#a = a;
    this.#b = b;
    return this;
  }

  text(text: string): this {
    return this.add(Int32Array.from(text, (c) => c.charCodeAt(0)));
  }

  hex(): string {
    return [this.#a, this.#b].map((x) => (x >>> 0).toString(16).padStart(8, "0")).join("");
  }
}

/** The key of a layer's times: 16 hex digits. */
export function layerKey(flavor: string, { op, attrs }: Operation, input: readonly number[], weight: SparseTensor): string {
  const { shape, layout, block, nm, rowPtr, columns } = weight;
  return new Digest()
    .text(JSON.stringify([kernelBuild, flavor, op, attrs, input, shape, layout, block, nm]))
    .add(rowPtr)
    .add(columns)
    .hex();
}

/** Devices and layers that a table keeps, the newest: a table stays below 300 KB. */
const MOST_DEVICES = 4;
const MOST_LAYERS = 1000;

type Row = readonly [denseMs: number, sparseMs: number, atLeast?: LayerTimes["atLeast"] | null, part?: number];
type Table = Record<string, Record<string, Row>>;

/** A table that cannot be read is as good as none: it is written anew. */
function parse(text: string | undefined): Table {
  try {
    const table: unknown = JSON.parse(text ?? "{}");
    return typeof table === "object" && table !== null && !Array.isArray(table) ? (table as Table) : {};
  } catch {
    return {};
  }
}

const isTime = (ms: unknown): ms is number => typeof ms === "number" && ms >= 0 && Number.isFinite(ms);

const timesOf = ([denseMs, sparseMs, atLeast, part]: Row): LayerTimes => ({
  denseMs,
  sparseMs,
  ...((atLeast === "dense" || atLeast === "sparse") && { atLeast }),
  ...(typeof part === "number" && { part }),
});

const rowOf = ({ denseMs, sparseMs, atLeast, part }: LayerTimes): Row =>
  part === undefined ? (atLeast ? [denseMs, sparseMs, atLeast] : [denseMs, sparseMs]) : [denseMs, sparseMs, atLeast ?? null, part];

/** The times of one device in a table. Entries that are no times are left out. */
export function readTimings(text: string | undefined, device: string): MeasuredTimings {
  const out: MeasuredTimings = new Map();
  const rows = parse(text)[device];
  for (const [key, times] of Object.entries(typeof rows === "object" && rows !== null ? rows : {}))
    if (Array.isArray(times) && isTime(times[0]) && isTime(times[1])) out.set(key, timesOf(times));
  return out;
}

/** The table with the times of one device brought up to date. */
export function writeTimings(text: string | undefined, device: string, timings: MeasuredTimings): string {
  const { [device]: _, ...others } = parse(text);
  const all = new Map([...readTimings(text, device), ...timings]);
  const rows = [...all].slice(-MOST_LAYERS).map(([key, times]) => [key, rowOf(times)]);
  return JSON.stringify(
    Object.fromEntries([...Object.entries(others).slice(1 - MOST_DEVICES), [device, Object.fromEntries(rows)]]),
  );
}

/**
 * The state in which a program becomes steps: where each value lies, which steps write it, and what can still be fused.
 *
 * Rules (one per family, in lower/) are called in program order. A rule may leave its result `pending`: a step that is not yet
 * emitted because the bias, residual or activation that follows may still join it.
 */
import { InputError, sizeOf, type Tree } from "../core/index.js";
import type { Operation, Program, ValueType } from "../program/index.js";
import { bareGeometry, type ConvShape, geometries } from "./geometry.js";
import type { Int8Param } from "./int8-param.js";
import { lanesOf } from "./lanes.js";
import {
  type Columns,
  columnsOf,
  type Geometry,
  type Layout,
  layoutBytes,
  type Planes,
  planesOf,
  ROWS,
  sameLayout,
} from "./layout.js";
import { convert, zeroBorders } from "./lower/convert.js";
import type { LoweringOptions } from "./options.js";
import { periodsOf } from "./period.js";
import { type Placed, STRIP, whole } from "./placed.js";
import { type Buffer, type Domain, ONE, type Step } from "./step.js";
import type { Topology } from "./topology.js";

/** What may still join a pending step. */
export interface Epilogue {
  /** One value per output channel, added. */
  bias?: Placed;
  /** A value of the result's shape and layout, added after the bias. */
  residual?: Placed;
  lo: number;
  hi: number;
}

/** A result whose step is not emitted yet. */
export interface Pending {
  readonly layout: Layout;
  readonly takes: { readonly bias: boolean; readonly residual: boolean; readonly upper: boolean };
  readonly epilogue: Epilogue;
  /** Operations (by position) that the step stands for. */
  readonly operations: number[];
  readonly finish: (value: number, epilogue: Epilogue) => Placed;
  /** A depthwise convolution, which a 1x1 convolution that follows may run band by band in its own step. */
  readonly depthwise?: { readonly conv: ConvShape; readonly input: number; readonly weight: number };
}

/** A kernel choice that the user can read: which step, which kernel, why. */
export interface Decision {
  readonly operation: number;
  readonly op: string;
  readonly param?: string;
  readonly kernel: string;
  readonly reason: string;
}

/** Elementwise work on more than this is cut into pieces that stay in the first cache while a chain of operations passes over them. */
const FLAT_BYTES = 1 << 15;
/** Pieces whose sums are kept apart, so that bits do not depend on the number of threads. */
export const MOST_PARTS = 8;

/** A program on its way to becoming a plan. */
export class Lowering {
  readonly steps: Step[] = [];
  readonly decisions: Decision[] = [];
  readonly consumers: number[][];
  readonly done: Uint8Array;
  readonly pending = new Map<number, Pending>();
  readonly keep = new Set<Buffer>();
  /** Run again whenever the topology of this pattern changes. */
  readonly refreshers: { readonly pattern: string; readonly refresh: () => void }[] = [];
  readonly notes = new Map<string, Placed>();
  /** Where channels or features were cut into ranges, by the buffer that they lie in (see cut.ts). */
  readonly bounds = new Map<Buffer, readonly number[]>();
  /** Of every value, the period along which it is cut (see period.ts), or 0. */
  readonly periods: Int32Array;
  /** The memory of each param. */
  readonly homes = new Map<string, Placed>();
  /** Images to a pixel of the planes. */
  readonly lanes: 1 | 4;
  /** Operation being lowered. */
  at = 0;
  readonly #copies: Placed[][];
  readonly #holders = new Map<Buffer, Set<number>>();
  readonly #geometry: Map<string, Geometry>;
  readonly #ends: Set<number>;
  readonly #made = new Map<string, unknown>();
  #buffers = 0;

  constructor(
    readonly program: Program,
    readonly options: LoweringOptions,
    /** Allocates memory that lives as long as the plan. */
    readonly reserve: (bytes: number, label: string) => number,
    readonly topologies: Tree<Topology>,
    /** A view of all memory; ask again after anything was reserved. */
    readonly memory: () => { f32: Float32Array; i32: Int32Array },
    /** Weights of whole numbers, by path. */
    readonly int8: Tree<Int8Param> = {},
  ) {
    this.consumers = program.values.map(() => []);
    program.operations.forEach((operation, i) => {
      for (const id of new Set(operation.inputs)) this.consumers[id]!.push(i);
    });
    this.done = new Uint8Array(program.operations.length);
    this.#copies = program.values.map(() => []);
    this.lanes = lanesOf(program, options, topologies);
    this.#geometry = geometries(program, this.lanes);
    this.periods = periodsOf(program);
    this.#ends = new Set([...Object.values(program.outputs), ...Object.values(program.updates)]);
  }

  /** The type of a value. */
  type(value: number): ValueType {
    return this.program.values[value]!;
  }

  /** A buffer that the plan places. */
  temporary(bytes: number, name: string): Buffer {
    return { id: this.#buffers++, name, bytes: Math.max(bytes, 16), address: 0, fixed: false };
  }

  /** A buffer for planes, which the plan places. */
  planesBuffer({ group, groups }: Planes, name: string): Buffer {
    return { ...this.temporary(group * groups, name), slice: { perPart: false, bytes: group } };
  }

  /** Memory for each part of a step, in which every unit writes what it reads. */
  scratch(parts: number, bytes: number, name: string): Buffer {
    return { ...this.temporary(parts * bytes, name), slice: { perPart: true, bytes } };
  }

  /** A buffer with an address of its own. */
  fixed(bytes: number, name: string, address?: number): Buffer {
    return { id: this.#buffers++, name, bytes, address: address ?? this.reserve(bytes + 64, name), fixed: true };
  }

  /** A fixed buffer that holds these words. */
  constantBuffer(data: Float32Array | Int32Array, name: string): Buffer {
    const buffer = this.fixed(data.byteLength, name);
    const { f32, i32 } = this.memory();
    if (data instanceof Float32Array) f32.set(data, buffer.address / 4);
    else i32.set(data, buffer.address / 4);
    return buffer;
  }

  /** Borders for planes of this height and width. */
  geometry(h: number, w: number): Geometry {
    return this.#geometry.get(`${h}x${w}`) ?? bareGeometry(h, w);
  }

  /** The planes layout of a [n, c, h, w] value. */
  planes(shape: readonly number[]): Planes {
    const [n, c, h, w] = shape as [number, number, number, number];
    return planesOf(n, c, n % 4 === 0 ? this.lanes : 1, this.geometry(h, w));
  }

  /** Live positions' bytes of a pattern. */
  liveBytes(pattern: string): number {
    return this.topologies[pattern]!.capacity * 4;
  }

  /** Bytes of a value in a layout. */
  bytes(value: number, layout: Layout): number {
    const { shape, dtype } = this.type(value);
    return layout.kind === "live" ? this.liveBytes(layout.pattern) : layoutBytes(layout, shape, dtype);
  }

  /** How elementwise work on a value in this layout is cut. */
  domain(value: number, layout: Layout): Domain {
    if (layout.kind === "planes") return this.groupDomain(layout);
    if (layout.kind === "columns") return this.stripDomain(layout);
    const bytes = this.bytes(value, layout);
    const units = Math.max(1, Math.ceil(bytes / FLAT_BYTES));
    return { key: `flat:${bytes}`, units, parts: Math.min(MOST_PARTS, units) };
  }

  /** One unit per group of images. */
  groupDomain(layout: Planes): Domain {
    return { key: `groups:${layout.groups}`, units: layout.groups, parts: Math.min(MOST_PARTS, layout.groups) };
  }

  /** One unit per strip of samples. */
  stripDomain(layout: Columns): Domain {
    const units = Math.ceil(layout.n / STRIP);
    return { key: `strips:${layout.n}`, units, parts: Math.min(MOST_PARTS, units) };
  }

  /** The range of elements of unit `unit` when n elements are cut into `units`, in multiples of 16. */
  range(n: number, units: number, unit: number): { from: number; count: number } {
    const size = Math.ceil(Math.ceil(n / units) / 16) * 16;
    const from = Math.min(n, size * unit);
    return { from, count: Math.min(n, from + size) - from };
  }

  /** Says where a value lies. A value may lie in several layouts. */
  place(value: number, placed: Placed): Placed {
    this.#copies[value]!.push(placed);
    const holders = this.#holders.get(placed.buffer);
    if (holders) holders.add(value);
    else this.#holders.set(placed.buffer, new Set([value]));
    if (this.#ends.has(value)) this.keep.add(placed.buffer);
    return placed;
  }

  /** A new home for a value; one that may take over the memory of `from`, when that value dies at this operation. */
  allocate(value: number, layout: Layout, from?: { value: number; placed: Placed }): Placed {
    if (from && !from.placed.buffer.fixed && sameLayout(from.placed.layout, layout) && this.dies(from.value, from.placed)) {
      return this.takeOver(value, from.placed);
    }
    const name = `v${value}`;
    const buffer = layout.kind === "planes" ? this.planesBuffer(layout, name) : this.temporary(this.bytes(value, layout), name);
    return this.place(value, { buffer, offset: 0, layout, clean: false });
  }

  /** Puts a value where others died: what they left in other layouts is not of this value. */
  takeOver(value: number, { buffer, offset, layout }: Placed): Placed {
    this.#holders.delete(buffer);
    return this.place(value, { buffer, offset, layout, clean: false });
  }

  /** Whether nobody needs this value's memory after the operation being lowered. */
  dies(_value: number, placed: Placed, after = this.at): boolean {
    if (placed.buffer.fixed || this.keep.has(placed.buffer)) return false;
    for (const holder of this.#holders.get(placed.buffer) ?? []) {
      if (this.#ends.has(holder)) return false;
      for (const consumer of this.consumers[holder]!)
        if (!this.done[consumer] && consumer !== after && consumer !== this.at) return false;
    }
    return true;
  }

  /** Whether anything needs this value: an operation, an output, an update. */
  needed(value: number): boolean {
    return this.consumers[value]!.length > 0 || this.#ends.has(value);
  }

  /** Whether a value is an output or an update of the program. */
  isEnd(value: number): boolean {
    return this.#ends.has(value);
  }

  /**
   * To be called before a param's memory is overwritten: emits what is pending, and gives the old value a copy where an operation
   * further on, an output or another param's update still needs it.
   */
  preserve(home: Placed): void {
    for (const value of [...this.pending.keys()]) this.settle(value);
    const needed = [...(this.#holders.get(home.buffer) ?? [])].filter(
      (value) => this.#ends.has(value) || this.consumers[value]!.some((i) => !this.done[i] && i !== this.at),
    );
    this.#holders.delete(home.buffer);
    if (needed.length === 0) return;
    const buffer = this.temporary(home.buffer.bytes, "old value");
    this.step({
      name: "keep old value",
      domain: ONE,
      reads: [whole(home)],
      writes: [{ buffer, local: false }],
      emit: (call) => call("copy", { bytes: buffer.bytes, x: home.buffer.address, y: buffer.address }),
    });
    for (const value of needed) {
      const copies = this.#copies[value]!;
      this.#copies[value] = copies.filter((p) => p.buffer !== home.buffer);
      for (const p of copies) if (p.buffer === home.buffer) this.place(value, { ...p, buffer });
    }
  }

  /** The layouts in which a value lies already. */
  copies(value: number): readonly Placed[] {
    this.settle(value);
    return this.#copies[value]!;
  }

  /** Emits a pending step. */
  settle(value: number): void {
    const pending = this.pending.get(value);
    if (!pending) return;
    this.pending.delete(value);
    const at = this.at;
    this.at = pending.operations.at(-1)!;
    for (const i of pending.operations) this.done[i] = 1;
    pending.finish(value, pending.epilogue);
    this.at = at;
  }

  /** A value in whatever layout it lies. */
  any(value: number): Placed {
    this.settle(value);
    const placed = this.#copies[value]![0];
    if (!placed) throw new InputError(`engine: value ${value} is used before it is made; the program is not in order`);
    return placed;
  }

  /** A value in this layout; converted (once) when it lies otherwise. */
  as(value: number, layout: Layout): Placed {
    this.settle(value);
    const found = this.#copies[value]!.find((p) => sameLayout(p.layout, layout));
    if (found) return found;
    const from = this.any(value);
    const twin = this.#twin(value, from, layout);
    return twin ? this.place(value, { ...twin }) : convert(this, value, from, layout);
  }

  /** This value as it lies converted already, under the number of another value that shares its memory: a reshape's operand or result. */
  #twin(value: number, from: Placed, layout: Layout): Placed | undefined {
    for (const other of this.#holders.get(from.buffer) ?? []) {
      const copies = this.#copies[other]!;
      const same = copies.some((p) => p.buffer === from.buffer && p.offset === from.offset && sameLayout(p.layout, from.layout));
      if (!same || this.size(other) !== this.size(value)) continue;
      // A copy that died before the memory it was made of may be another value's by now.
      const twin = copies.find((p) => sameLayout(p.layout, layout) && this.#holders.get(p.buffer)?.has(other));
      if (twin) return twin;
    }
    return undefined;
  }

  /** A value row-major. */
  rows(value: number): Placed {
    return this.as(value, ROWS);
  }

  /** A [n, f] value in columns. */
  columns(value: number): Placed & { layout: Columns } {
    const [n, f] = this.type(value).shape as [number, number];
    return this.as(value, columnsOf(n, f)) as Placed & { layout: Columns };
  }

  /** A [n, c, h, w] value in planes whose borders are zero. */
  bordered(value: number): Placed & { layout: Planes } {
    const placed = this.as(value, this.planes(this.type(value).shape)) as Placed & { layout: Planes };
    if (!placed.clean) zeroBorders(this, placed);
    return placed;
  }

  /** Appends a step for the operation being lowered. */
  step(step: Step): void {
    this.steps.push({ ...step, operation: this.at });
  }

  /** Leaves a result pending until something needs it. */
  defer(value: number, pending: Omit<Pending, "operations" | "epilogue">): void {
    this.pending.set(value, {
      ...pending,
      operations: [this.at],
      epilogue: { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY },
    });
  }

  /** The pending step behind a value that only the operation being lowered uses. */
  fusable(value: number): Pending | undefined {
    const pending = this.pending.get(value);
    return pending && this.consumers[value]!.length === 1 && !this.#ends.has(value) ? pending : undefined;
  }

  /** What `make` gives, made once for a key: index lists that several operations walk. */
  once<T>(key: string, make: () => T): T {
    if (!this.#made.has(key)) this.#made.set(key, make());
    return this.#made.get(key) as T;
  }

  /** Takes a pending step out, for a step that does its work too: those operations count as done. */
  absorb(value: number): Pending {
    const pending = this.pending.get(value)!;
    this.pending.delete(value);
    for (const i of pending.operations) this.done[i] = 1;
    return pending;
  }

  /** Moves a pending step on: it now makes `to`, with this operation in it. */
  advance(from: number, to: number): void {
    const pending = this.pending.get(from)!;
    this.pending.delete(from);
    pending.operations.push(this.at);
    this.pending.set(to, pending);
  }

  /** The layout that the users of a value work in, when one of them has another operand that lies already. */
  wanted(value: number): Layout | undefined {
    for (const i of this.consumers[value]!) {
      const operation = this.program.operations[i]!;
      for (const other of operation.inputs) {
        if (other === value || this.type(other).shape.join() !== this.type(value).shape.join()) continue;
        const placed = this.#copies[other]![0];
        if (placed && placed.layout.kind !== "rows") return placed.layout;
      }
    }
    return undefined;
  }

  /** Records a choice for `inspect`. */
  decide(operation: Operation, kernel: string, reason: string, param?: string): void {
    this.decisions.push({ operation: this.at, op: operation.op, kernel, reason, ...(param === undefined ? {} : { param }) });
  }

  /** The path of the param that a value is, or is the masked form of. */
  paramOf(value: number): string | undefined {
    for (const [path, param] of Object.entries(this.program.params)) if (param.value === value) return path;
    return undefined;
  }

  /** Whether a value is a param that the program does not update. */
  isFrozen(value: number): boolean {
    const path = this.paramOf(value);
    return path !== undefined && !(path in this.program.updates);
  }

  /** Number of elements of a value. */
  size(value: number): number {
    return sizeOf(this.type(value).shape);
  }
}

export type { LoweringOptions } from "./options.js";
export { at, local, type Placed, STRIP, whole } from "./placed.js";
export { ONE } from "./step.js";

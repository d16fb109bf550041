/**
 * Params in the engine's memory, shared by every plan that was compiled with them. A sparse param holds its live values only;
 * its gradients and optimiser slots follow its topology, which may change inside a fixed capacity.
 */
import {
  type AnyTensor,
  InputError,
  mapTree,
  OptionError,
  ShapeError,
  sizeOf,
  type Tensor,
  type Tree,
  tensor,
} from "../core/index.js";
import type { Arena } from "../kernels/index.js";
import { isSparse, type ParamLayout, type ParamSpec } from "../program/index.js";
import { checkInt8Param, type Int8Param } from "./int8-param.js";
import { type Live, liveOf } from "./live.js";
import { liveCount, type Topology } from "./topology.js";

interface Held {
  readonly spec: ParamSpec;
  readonly address: number;
  readonly elements: number;
}

/** The params of one model and of its optimiser. */
export class ParamStore {
  readonly topologies: Tree<Topology>;
  readonly specs: Tree<ParamSpec>;
  /** Weights of whole numbers, by path. Plans pack them when they are compiled. */
  readonly int8: Tree<Int8Param>;
  readonly #held = new Map<string, Held>();
  readonly #arena: Arena;
  #closed = false;

  /**
   * @param specs   every param and slot; a slot of a sparse param names it in `pattern`
   * @param initial values to start from: a dense tensor, the live positions of a sparse param, or the whole numbers of a param of layout
   *                int8, which needs them. Missing otherwise: zeros
   * @throws ShapeError, InputError when a value does not fit its spec
   */
  constructor(arena: Arena, specs: Tree<ParamSpec>, initial: Tree<AnyTensor | Live | Int8Param> = {}) {
    this.#arena = arena;
    this.specs = specs;
    const topologies: Record<string, Topology> = {};
    for (const [path, spec] of Object.entries(specs)) {
      const layout: ParamLayout = spec.layout ?? { kind: "dense" };
      if (!isSparse(layout)) continue;
      const rows = spec.shape[0]!;
      const block = layout.kind === "block" ? layout.rows : 1;
      if (spec.shape.length < 2 || rows % block !== 0)
        throw new ShapeError(`param "${path}"`, { shape: spec.shape }, `rank 2 or more and a first dim that ${block} divides`);
      const columns = sizeOf(spec.shape.slice(1));
      if (!(layout.capacity >= 1 && layout.capacity <= rows * columns))
        throw new OptionError(`param "${path}" capacity`, `1 to ${rows * columns} live values`, layout.capacity);
      topologies[path] = {
        rows,
        columns,
        block,
        capacity: layout.capacity,
        rowPtr: new Int32Array(rows / block + 1),
        columnOf: new Int32Array(0),
        version: 0,
      };
    }
    this.topologies = topologies;
    const int8: Record<string, Int8Param> = {};
    for (const [path, { layout, shape }] of Object.entries(specs)) {
      const value = layout?.kind === "int8" ? initial[path] : undefined;
      if (layout?.kind !== "int8") continue;
      if (!value || "dtype" in value || !("shape" in value) || value.shape.join() !== shape.join())
        throw new InputError(`param "${path}": the layout int8 needs whole numbers of shape [${shape}] to start from`);
      checkInt8Param(path, value);
      int8[path] = value;
    }
    this.int8 = int8;
    try {
      this.#reserve(initial);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #reserve(initial: Tree<AnyTensor | Live | Int8Param>): void {
    const { specs, topologies } = this;
    const arena = this.#arena;
    for (const [path, spec] of Object.entries(specs)) {
      if (this.int8[path]) continue;
      const pattern = this.patternOf(path);
      if (pattern !== undefined && !topologies[pattern])
        throw new InputError(`param "${path}": its pattern "${pattern}" is not a sparse param of this store`);
      const elements = pattern === undefined ? sizeOf(spec.shape) : topologies[pattern]!.capacity;
      // Kernels may read a few floats past the end of a list.
      this.#held.set(path, { spec, elements, address: arena.allocateZeroed(elements * 4 + 64, `param ${path}`) });
    }
    for (const [path, value] of Object.entries(initial)) {
      if (this.int8[path]) continue;
      if ("rowPtr" in value) this.setLive(path, value);
      else this.set(path, value as AnyTensor);
    }
  }

  /** The sparse param whose live positions a param follows, or undefined for a dense one. */
  patternOf(path: string): string | undefined {
    const spec = this.specs[path];
    if (!spec) throw new InputError(`params: there is no param "${path}"; params are ${Object.keys(this.specs).join(", ")}`);
    return spec.pattern ?? (isSparse(spec.layout) ? path : undefined);
  }

  #get(path: string): Held {
    if (this.#closed) throw new InputError("params: this store is closed");
    this.patternOf(path);
    const held = this.#held.get(path);
    if (!held) throw new InputError(`params: "${path}" is int8 and lies in the plans that use it; make a new store to change it`);
    return held;
  }

  /** Address of a param's memory, for the compiler. */
  address(path: string): number {
    return this.#get(path).address;
  }

  /** Bytes of memory that the values take (index lists not counted). */
  get bytes(): number {
    let sum = 0;
    for (const { elements } of this.#held.values()) sum += elements * 4;
    return sum;
  }

  /**
   * The memory of a param: all elements of a dense one, the live values of a sparse one. Valid until memory grows (at the next
   * compile or new store): take it anew each time.
   */
  view(path: string): Float32Array {
    const { address, elements } = this.#get(path);
    const pattern = this.patternOf(path);
    const n = pattern === undefined ? elements : liveCount(this.topologies[pattern]!);
    const { f32 } = this.#arena.kernels.views();
    return f32.subarray(address / 4, address / 4 + n);
  }

  /** The memory of an i32 param. */
  intView(path: string): Int32Array {
    const { address, elements } = this.#get(path);
    return this.#arena.kernels.views().i32.subarray(address / 4, address / 4 + elements);
  }

  /** A copy of a param as a dense tensor; dead positions are zero. */
  get(path: string): Tensor<"f32"> {
    const { spec } = this.#get(path);
    const pattern = this.patternOf(path);
    const view = this.view(path);
    if (pattern === undefined) return tensor(spec.shape, view.slice());
    const t = this.topologies[pattern]!;
    const out = tensor(spec.shape);
    eachLive(t, (position, k) => {
      out.data[position] = view[k]!;
    });
    return out;
  }

  /** All f32 params as dense tensors. */
  snapshot(): Tree<Tensor<"f32">> {
    return mapTree(this.specs, (_, path) => this.get(path));
  }

  /** Live positions and values of a sparse param (or of a slot that follows one). */
  live(path: string): Live {
    const pattern = this.patternOf(path);
    if (pattern === undefined) throw new InputError(`params: "${path}" is dense; its values are in get("${path}")`);
    const t = this.topologies[pattern]!;
    return {
      rowPtr: t.rowPtr.slice(),
      columns: t.columnOf.slice(0, t.rowPtr[t.rowPtr.length - 1]),
      values: this.view(path).slice(),
    };
  }

  /**
   * Overwrites a param. A sparse param without a topology takes the non-zero positions of `value` as its live positions; one that
   * has a topology keeps it.
   * @throws ShapeError when the shape differs; InputError when more non-zeros come than its capacity holds
   */
  set(path: string, value: AnyTensor): void {
    const { spec, address, elements } = this.#get(path);
    if (value.shape.join() !== spec.shape.join())
      throw new ShapeError(`params.set("${path}")`, { param: spec.shape, value: value.shape }, "the param's shape");
    const pattern = this.patternOf(path);
    if (pattern === undefined) {
      const { f32, i32 } = this.#arena.kernels.views();
      if (spec.dtype === "i32") i32.set(value.data as Int32Array, address / 4);
      else f32.set(value.data as Float32Array, address / 4);
      return;
    }
    const t = this.topologies[pattern]!;
    if (pattern === path && liveCount(t) === 0) {
      this.setLive(path, liveOf(value as Tensor<"f32">, t.block));
      return;
    }
    const view = this.#arena.kernels.views().f32.subarray(address / 4, address / 4 + elements);
    eachLive(t, (position, k) => {
      view[k] = value.data[position]!;
    });
  }

  /**
   * Replaces the live positions and values of a sparse param. Slots that follow it keep the values of positions that stay live;
   * positions that are born start at zero there. Plans see the change in their next run.
   * @throws InputError when the lists are not CSR over the param's shape, or exceed its capacity
   */
  setLive(path: string, live: Live): void {
    const t = this.topologies[path];
    if (!t) throw new InputError(`params.setLive: "${path}" is not a sparse param`);
    checkLive(path, t, live);
    const before = { rowPtr: t.rowPtr, columns: t.columnOf };
    const slots = Object.keys(this.specs).filter((other) => other !== path && this.patternOf(other) === path);
    const kept = slots.length && before.columns.length ? carryOver(before, live) : undefined;
    const { f32 } = this.#arena.kernels.views();
    for (const slot of slots) {
      const { address, elements } = this.#get(slot);
      const view = f32.subarray(address / 4, address / 4 + elements);
      const old = view.slice();
      view.fill(0);
      if (!kept) continue;
      for (let e = 0; e < kept.length; e++) {
        if (kept[e]! < 0) continue;
        for (let b = 0; b < t.block; b++) view[e * t.block + b] = old[kept[e]! * t.block + b]!;
      }
    }
    const { address, elements } = this.#get(path);
    const view = f32.subarray(address / 4, address / 4 + elements);
    view.fill(0);
    view.set(live.values);
    t.rowPtr = live.rowPtr.slice();
    t.columnOf = live.columns.slice();
    t.version++;
  }

  /** Whether its memory is given back. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether its memory is of this arena. */
  isIn(arena: Arena): boolean {
    return this.#arena === arena;
  }

  /** Frees the memory. Plans compiled with these params refuse to run from then on. */
  close(): void {
    if (this.#closed) return;
    for (const { address } of this.#held.values()) this.#arena.free(address);
    this.#closed = true;
  }
}

/** Calls `each(flat position in the dense tensor, index of the live value)`. */
function eachLive(t: Topology, each: (position: number, k: number) => void): void {
  for (let r = 0; r + 1 < t.rowPtr.length; r++) {
    for (let e = t.rowPtr[r]!; e < t.rowPtr[r + 1]!; e++) {
      for (let b = 0; b < t.block; b++) each((r * t.block + b) * t.columns + t.columnOf[e]!, e * t.block + b);
    }
  }
}

function checkLive(path: string, t: Topology, live: Live): void {
  const fail = (problem: string): never => {
    throw new InputError(`params.setLive("${path}"): ${problem}`);
  };
  const { rowPtr, columns, values } = live;
  if (rowPtr.length !== t.rowPtr.length) fail(`expected ${t.rowPtr.length} row pointers, got ${rowPtr.length}`);
  if (rowPtr[0] !== 0 || rowPtr[rowPtr.length - 1] !== columns.length)
    fail("row pointers must run from 0 to the number of columns");
  if (values.length !== columns.length * t.block) fail(`expected ${columns.length * t.block} values, got ${values.length}`);
  if (values.length > t.capacity)
    fail(`${values.length} live values exceed the capacity of ${t.capacity}; trace the program with a larger one`);
  for (let r = 0; r + 1 < rowPtr.length; r++) {
    if (rowPtr[r]! > rowPtr[r + 1]!) fail(`row pointers fall at row ${r}`);
    for (let e = rowPtr[r]!; e < rowPtr[r + 1]!; e++) {
      const c = columns[e]!;
      if (c < 0 || c >= t.columns || (e > rowPtr[r]! && c <= columns[e - 1]!))
        fail(`columns of row ${r} must rise within [0, ${t.columns})`);
    }
  }
}

/** For each entry of the new lists the entry of the old ones at the same place, or -1. */
function carryOver(before: { rowPtr: Int32Array; columns: Int32Array }, after: Live): Int32Array {
  const kept = new Int32Array(after.columns.length).fill(-1);
  for (let r = 0; r + 1 < after.rowPtr.length; r++) {
    let o = before.rowPtr[r]!;
    const end = before.rowPtr[r + 1]!;
    for (let e = after.rowPtr[r]!; e < after.rowPtr[r + 1]!; e++) {
      while (o < end && before.columns[o]! < after.columns[e]!) o++;
      if (o < end && before.columns[o] === after.columns[e]) kept[e] = o;
    }
  }
  return kept;
}

/** A compiled program: fixed code over fixed memory. A run allocates nothing. */
import {
  type AnyTensor,
  InputError,
  intTensor,
  ShapeError,
  sameShape,
  sizeOf,
  type Tensor,
  type Tree,
  tensor,
} from "../core/index.js";
import { freePlan, type KernelName, type Kernels, type ProfileRow, profile } from "../kernels/index.js";
import type { Compiled } from "./compile.js";
import type { Columns } from "./layout.js";
import type { Decision } from "./lowering.js";
import type { ParamStore } from "./params.js";

/** Data for an input: a tensor, or its elements in row-major order. */
export type InputData = AnyTensor | ArrayLike<number>;

/** A plan that can be run. Several plans may share params; only one runs at a time. */
export interface Plan {
  /**
   * Runs the program on these inputs; inputs that are left out keep their last data.
   * @returns the outputs; the same tensors at every run, overwritten by the next
   * @throws ShapeError when an input has another shape or number of elements; InputError for an unknown input, another dtype, an index
   *   out of range or no integer, or a closed plan. A refused call changes no input
   */
  run(inputs?: Readonly<Record<string, InputData>>): Tree<Tensor<"f32"> & AnyTensor>;
  /** Writes inputs without running. */
  set(inputs: Readonly<Record<string, InputData>>): void;
  /** Runs without reading outputs back: for training steps whose outputs are wanted now and then. */
  step(): void;
  /** Reads the outputs of the last run. */
  read(): Tree<Tensor<"f32"> & AnyTensor>;
  /** After params were changed from outside: prepares frozen plans anew. */
  refresh(): void;
  /** Whether it runs on the calling thread only, as small plans may do fastest; default false. The bits are the same. */
  alone: boolean;
  /** What was chosen for each operation, and why. */
  readonly decisions: readonly Decision[];
  /** Bytes of activations and scratch (params not counted). */
  readonly bytes: number;
  /** What runs between two meetings of threads. */
  readonly intervals: Compiled["intervals"];
  /**
   * Times every kernel call of one run on this thread: a row for each kernel of each operation, the costliest first.
   * @param stop told of each call; true ends the run there
   */
  profile(now: () => number, stop?: (kernel: KernelName, ms: number) => boolean): ProfileRow[];
  close(): void;
}

/** What a plan needs of the engine. */
export interface PlanHost {
  readonly kernels: Kernels;
  readonly run: (plan: number, alone: boolean) => void;
  readonly scratch: () => number;
  readonly write: (
    phases: Compiled["phases"],
    placed: (instruction: Compiled["patches"][number]["instruction"], address: number) => void,
  ) => number;
  readonly release: () => void;
  readonly arena: Parameters<typeof freePlan>[0];
}

/** Puts compiled code into memory. */
export function createPlan(compiled: Compiled, params: ParamStore, host: PlanHost): Plan {
  const { kernels } = host;
  const places = new Map<unknown, number>();
  const remember = (instruction: unknown, address: number) => {
    places.set(instruction, address);
  };
  const main = host.write(compiled.phases, remember);
  const preparation = compiled.preparation.length ? host.write(compiled.preparation, remember) : undefined;
  const patches = compiled.patches.map((patch) => ({
    address: places.get(patch.instruction)! + patch.word * 4,
    value: patch.value,
  }));
  places.clear();
  const versions = new Map<string, number>();
  for (const [path, topology] of Object.entries(params.topologies)) versions.set(path, topology.version);
  const outputs: Record<string, Tensor<"f32"> & AnyTensor> = {};
  for (const [name, { shape, dtype }] of Object.entries(compiled.outputs)) {
    outputs[name] = (dtype === "i32" ? intTensor(shape) : tensor(shape)) as Tensor<"f32">;
  }
  const sources: Record<string, Float32Array | Int32Array> = {};
  let memory: Float32Array | undefined;
  let closed = false;
  let prepared = false;

  function follow(): void {
    let changed = false;
    for (const [path, topology] of Object.entries(params.topologies)) {
      if (versions.get(path) === topology.version) continue;
      versions.set(path, topology.version);
      for (const { pattern, refresh } of compiled.refreshers) if (pattern === path) refresh();
      changed = true;
    }
    if (!changed) return;
    prepared = false;
    const { u32 } = kernels.views();
    for (const { address, value } of patches) u32[address / 4] = value();
  }

  function open(use: string): void {
    if (closed) throw new InputError(`plan: ${use} after close`);
    if (params.closed) throw new InputError(`plan: ${use} after its params were closed; close plans before their params`);
  }

  /** @throws before anything is written, so that a refused call leaves the last inputs as they were */
  function check(name: string, given: InputData): void {
    const input = Object.hasOwn(compiled.inputs, name) ? compiled.inputs[name] : undefined;
    if (!input) throw new InputError(`plan: there is no input "${name}"; inputs are ${Object.keys(compiled.inputs).join(", ")}`);
    const data = elements(given);
    const n = sizeOf(input.shape);
    if ("shape" in given) {
      if (!sameShape(given.shape, input.shape))
        throw new ShapeError(`plan input "${name}"`, { expected: input.shape, data: given.shape }, "the declared shape");
      if (given.dtype !== input.dtype)
        throw new InputError(`plan input "${name}": expected a tensor of ${input.dtype}, got ${given.dtype}`);
    }
    if (data.length !== n)
      throw new ShapeError(`plan input "${name}"`, { expected: input.shape, data: [data.length] }, `${n} elements`);
    if (input.dtype === "f32" || (data instanceof Int32Array && input.below === undefined)) return;
    const [low, high] = input.below !== undefined ? [0, input.below] : input.dtype === "u8" ? [0, 256] : [-2147483648, 2147483648];
    for (let i = 0; i < n; i++) {
      const v = data[i]!;
      if (!(v >= low && v < high && Number.isInteger(v)))
        throw new InputError(`plan input "${name}": expected integers in [${low}, ${high}), got ${v} at position ${i}`);
    }
  }

  function set(inputs: Readonly<Record<string, InputData>>): void {
    open("set");
    for (const name in inputs) check(name, inputs[name]!);
    const views = kernels.views();
    for (const name in inputs) {
      const { dtype, address } = compiled.inputs[name]!;
      const data = elements(inputs[name]!);
      if (dtype === "f32") views.f32.set(data, address / 4);
      else if (dtype === "i32") views.i32.set(data, address / 4);
      else views.u8.set(data, address);
    }
  }

  function prepare(): void {
    open("run");
    follow();
    if (!prepared && preparation !== undefined) host.run(preparation, false);
    prepared = true;
  }

  function step(): void {
    prepare();
    host.run(main, made.alone);
  }

  function read(): Tree<Tensor<"f32"> & AnyTensor> {
    open("read");
    const { f32, i32 } = kernels.views();
    if (memory !== f32) {
      // The memory has grown: the views of the outputs in it are made anew, and only then.
      memory = f32;
      for (const name in compiled.outputs) {
        const { placed, dtype } = compiled.outputs[name]!;
        const from = (placed.buffer.address + placed.offset) / 4;
        const to = from + outputs[name]!.data.length;
        sources[name] = dtype === "i32" ? i32.subarray(from, to) : f32.subarray(from, to);
      }
    }
    for (const name in compiled.outputs) {
      const { placed, pattern } = compiled.outputs[name]!;
      const out = outputs[name]!.data;
      if (pattern !== undefined) scatter(out, f32, (placed.buffer.address + placed.offset) / 4, params, pattern);
      else out.set(sources[name]!);
    }
    return outputs;
  }

  const made: Plan = {
    alone: false,
    run(inputs = {}) {
      open("run");
      set(inputs);
      step();
      return read();
    },
    set,
    step,
    read,
    refresh() {
      prepared = false;
    },
    decisions: compiled.decisions,
    bytes: compiled.temporaryBytes,
    intervals: compiled.intervals,
    profile(now, stop) {
      prepare();
      return profile(kernels, main, host.scratch(), now, compiled.origins, stop);
    },
    close() {
      if (closed) return;
      closed = true;
      freePlan(host.arena, main);
      if (preparation !== undefined) freePlan(host.arena, preparation);
      host.release();
    },
  };
  return made;
}

const elements = (given: InputData): ArrayLike<number> => ("data" in given ? (given.data as ArrayLike<number>) : given);

/** Live values as a dense tensor. */
function scatter(out: Float32Array, f32: Float32Array, from: number, params: ParamStore, pattern: string): void {
  const t = params.topologies[pattern]!;
  out.fill(0);
  for (let r = 0; r + 1 < t.rowPtr.length; r++) {
    for (let e = t.rowPtr[r]!; e < t.rowPtr[r + 1]!; e++) {
      for (let b = 0; b < t.block; b++) out[(r * t.block + b) * t.columns + t.columnOf[e]!] = f32[from + e * t.block + b]!;
    }
  }
}

export type { Columns };

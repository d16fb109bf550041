/** A compiled program: fixed code over fixed memory. A run allocates nothing. */
import { type AnyTensor, InputError, intTensor, ShapeError, sizeOf, type Tensor, tensor, type Tree } from "../core/index.js";
import { freePlan, type Kernels, profile, type ProfileRow } from "../kernels/index.js";
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
   * @throws ShapeError when an input has the wrong number of elements; InputError for an unknown input, an index out of range, or a closed plan
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
  /** What was chosen for each operation, and why. */
  readonly decisions: readonly Decision[];
  /** Bytes of activations and scratch (params not counted). */
  readonly bytes: number;
  /** What runs between two meetings of threads. */
  readonly intervals: Compiled["intervals"];
  /** Times every kernel call of one run on this thread. */
  profile(now: () => number): ProfileRow[];
  close(): void;
}

/** What a plan needs of the engine. */
export interface PlanHost {
  readonly kernels: Kernels;
  readonly run: (plan: number) => void;
  readonly scratch: () => number;
  readonly write: (phases: Compiled["phases"], placed: (instruction: Compiled["patches"][number]["instruction"], address: number) => void) => number;
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
  const patches = compiled.patches.map((patch) => ({ address: places.get(patch.instruction)! + patch.word * 4, value: patch.value }));
  places.clear();
  const versions = new Map<string, number>();
  for (const [path, topology] of Object.entries(params.topologies)) versions.set(path, topology.version);
  const outputs: Record<string, Tensor<"f32"> & AnyTensor> = {};
  for (const [name, { shape, dtype }] of Object.entries(compiled.outputs)) {
    outputs[name] = (dtype === "i32" ? intTensor(shape) : tensor(shape)) as Tensor<"f32">;
  }
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

  function set(inputs: Readonly<Record<string, InputData>>): void {
    const views = kernels.views();
    for (const name in inputs) {
      const input = compiled.inputs[name];
      if (!input) throw new InputError(`plan: there is no input "${name}"; inputs are ${Object.keys(compiled.inputs).join(", ")}`);
      const given = inputs[name]!;
      const data = "data" in given ? (given.data as ArrayLike<number>) : given;
      const n = sizeOf(input.shape);
      if (data.length !== n) throw new ShapeError(`plan input "${name}"`, { expected: input.shape, data: "shape" in given ? given.shape : [data.length] }, `${n} elements`);
      if (input.below !== undefined) {
        for (let i = 0; i < n; i++) {
          const v = data[i]!;
          if (!(v >= 0 && v < input.below)) throw new InputError(`plan input "${name}": expected integers in [0, ${input.below}), got ${v} at position ${i}`);
        }
      }
      if (input.dtype === "f32") views.f32.set(data, input.address / 4);
      else if (input.dtype === "i32") views.i32.set(data, input.address / 4);
      else views.u8.set(data, input.address);
    }
  }

  function step(): void {
    if (closed) throw new InputError("plan: run after close");
    follow();
    if (!prepared && preparation !== undefined) host.run(preparation);
    prepared = true;
    host.run(main);
  }

  function read(): Tree<Tensor<"f32"> & AnyTensor> {
    const { f32, i32 } = kernels.views();
    for (const name in compiled.outputs) {
      const { placed, dtype, pattern } = compiled.outputs[name]!;
      const from = (placed.buffer.address + placed.offset) / 4;
      const out = outputs[name]!.data;
      if (pattern !== undefined) scatter(out as Float32Array, f32, from, params, pattern);
      else if (dtype === "i32") (out as unknown as Int32Array).set(i32.subarray(from, from + out.length));
      else out.set(f32.subarray(from, from + out.length));
    }
    return outputs;
  }

  return {
    run(inputs = {}) {
      if (closed) throw new InputError("plan: run after close");
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
    profile(now) {
      step();
      return profile(kernels, main, host.scratch(), now);
    },
    close() {
      if (closed) return;
      closed = true;
      freePlan(host.arena, main);
      if (preparation !== undefined) freePlan(host.arena, preparation);
      host.release();
    },
  };
}

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

/** Writes plans for the dispatcher: instructions from kernel names and named arguments, and phases of parts for the threads. */
import { OptionError } from "../core/index.js";
import { signatures } from "./generated/signatures.js";
import type { KernelName, Kernels } from "./loader.js";
import type { Arena } from "./memory.js";

/** One encoded instruction: kernel number, bytes of arguments + 8, arguments. */
export interface Instruction {
  readonly kernel: KernelName;
  readonly words: Uint32Array;
}

/** Parts of a phase may run at the same time, on different threads, in any order; all of a phase ends before the next begins. */
export interface Phase {
  readonly parts: readonly (readonly Instruction[])[];
  /** Whether threads meet after it, default true. False: the next phase does not depend on this one, and starts at once. */
  readonly meets?: boolean;
}

interface Field {
  readonly name: string;
  readonly type: "i32" | "usize" | "f32";
}

const fieldsOf = new Map<string, readonly Field[]>();
for (const [kernel, { params }] of Object.entries(signatures)) {
  fieldsOf.set(
    kernel,
    params.map((param: string) => {
      const [name, type] = param.split(": ");
      return { name: name!, type: type as Field["type"] };
    }),
  );
}

/** Set in a phase's number of parts when threads do not meet after it (see templates/dispatch.ts). */
const NO_MEETING = 0x40000000;

const kernelNames = new Map(Object.entries(signatures).map(([name, { id }]) => [id as number, name as KernelName]));
const bits = new DataView(new ArrayBuffer(4));

function word(kernel: string, { name, type }: Field, value: number): number {
  if (type === "f32") {
    if (typeof value !== "number") throw new OptionError(`kernel ${kernel}.${name}`, "a number", value);
    bits.setFloat32(0, value);
    return bits.getUint32(0);
  }
  const [least, most] = type === "i32" ? [-2147483648, 2147483647] : [0, 4294967295];
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new OptionError(`kernel ${kernel}.${name}`, `an integer in [${least}, ${most}]`, value);
  }
  return value >>> 0;
}

/**
 * Encodes one call of a kernel.
 *
 * @param kernel the kernel's name
 * @param args   every parameter by name, except `scratch`: pointers and strides in bytes, counts in elements
 * @throws OptionError for an unknown kernel, a missing, unknown or out-of-range argument
 */
export function encode(kernel: KernelName, args: Readonly<Record<string, number>>): Instruction {
  const fields = fieldsOf.get(kernel);
  if (!fields) throw new OptionError("encode.kernel", "the name of a kernel (see signatures)", kernel);
  const words = new Uint32Array(fields.length + 2);
  words[0] = signatures[kernel].id;
  words[1] = words.byteLength;
  fields.forEach((field, i) => {
    const value = args[field.name];
    if (value === undefined) throw new OptionError(`kernel ${kernel}.${field.name}`, `a value of type ${field.type}`, value);
    words[i + 2] = word(kernel, field, value);
  });
  const names = Object.keys(args);
  if (names.length > fields.length) {
    const unknown = names.find((name) => !fields.some((field) => field.name === name));
    throw new OptionError(`kernel ${kernel}`, `only the parameters ${fields.map((f) => f.name).join(", ")}`, unknown);
  }
  return { kernel, words };
}

/**
 * Writes a plan into memory.
 *
 * @param arena  where it is allocated
 * @param phases in the order in which they run
 * @param placed told where each instruction lies, for callers that patch arguments later
 * @returns the plan's address, for `pool.run`, `profile` and `freePlan`
 * @throws InputError when memory is exhausted
 */
export function writePlan(
  arena: Arena,
  phases: readonly Phase[],
  placed?: (instruction: Instruction, address: number) => void,
): number {
  const header = 1 + phases.length * 2;
  const tables = phases.reduce((sum, phase) => sum + phase.parts.length + 1, 0);
  let code = 0;
  for (const phase of phases) for (const part of phase.parts) for (const { words } of part) code += words.length;
  const plan = arena.allocate((header + tables + code) * 4, "a plan");
  const memory = arena.kernels.views().u32;
  const base = plan / 4;
  let table = base + header;
  let pc = table + tables;
  memory[base] = phases.length;
  phases.forEach((phase, i) => {
    memory[base + 1 + i * 2] = phase.parts.length + (phase.meets === false ? NO_MEETING : 0);
    memory[base + 2 + i * 2] = table * 4;
    for (const part of phase.parts) {
      memory[table++] = pc * 4;
      for (const instruction of part) {
        memory.set(instruction.words, pc);
        placed?.(instruction, pc * 4);
        pc += instruction.words.length;
      }
    }
    memory[table++] = pc * 4;
  });
  return plan;
}

/** Frees a plan that `writePlan` made. */
export function freePlan(arena: Arena, plan: number): void {
  arena.free(plan);
}

/** Where `callKernel` writes its instruction: below the arena, above the dispatcher's control block. */
const SINGLE = 512;

/**
 * Runs one kernel now, on this thread.
 * @param scratch address of scratch memory, for the kernels that use it
 */
export function callKernel(kernels: Kernels, kernel: KernelName, args: Readonly<Record<string, number>>, scratch = 0): void {
  const { words } = encode(kernel, args);
  kernels.views().u32.set(words, SINGLE / 4);
  kernels.exports.exec(SINGLE, SINGLE + words.byteLength, scratch);
}

/** Time spent in one kernel over a plan. */
export interface ProfileRow {
  readonly kernel: KernelName;
  /** What `origins` says of these calls. */
  readonly operation?: number;
  readonly calls: number;
  readonly ms: number;
}

/**
 * Runs a plan on this thread, one instruction at a time, and says where the time goes.
 *
 * @param plan    address from `writePlan`
 * @param scratch address of one thread's scratch memory
 * @param now     a clock in milliseconds
 * @param origins a number for each instruction, in order; calls of different numbers get rows of their own
 * @param stop    told of each call; true ends the run there
 * @returns one row a kernel (and origin), the costliest first
 */
export function profile(
  kernels: Kernels,
  plan: number,
  scratch: number,
  now: () => number,
  origins?: ArrayLike<number>,
  stop?: (kernel: KernelName, ms: number) => boolean,
): ProfileRow[] {
  const rows = new Map<string, { kernel: KernelName; operation?: number; calls: number; ms: number }>();
  let count = 0;
  const words = kernels.views().u32;
  const phases = words[plan / 4]!;
  for (let i = 0; i < phases; i++) {
    const parts = words[plan / 4 + 1 + i * 2]! & (NO_MEETING - 1);
    const table = words[plan / 4 + 2 + i * 2]! / 4;
    for (let pc = words[table]!, end = words[table + parts]!; pc < end; ) {
      const next = pc + words[pc / 4 + 1]!;
      const kernel = kernelNames.get(words[pc / 4]!)!;
      const operation = origins?.[count++];
      const start = now();
      kernels.exports.exec(pc, next, scratch);
      const ms = now() - start;
      const key = `${kernel} ${operation}`;
      const row = rows.get(key) ?? { kernel, ...(operation === undefined ? {} : { operation }), calls: 0, ms: 0 };
      row.calls++;
      row.ms += ms;
      rows.set(key, row);
      if (stop?.(kernel, ms)) return byTime(rows);
      pc = next;
    }
  }
  return byTime(rows);
}

const byTime = (rows: ReadonlyMap<string, ProfileRow>): ProfileRow[] => [...rows.values()].sort((a, b) => b.ms - a.ms);

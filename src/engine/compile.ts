/**
 * Program -> plan: lower every operation to steps, put the steps into intervals, give buffers their addresses, write the code.
 */
import { type AnyTensor, InputError, sizeOf, type Tree } from "../core/index.js";
import { encode, type Instruction, type Phase, signatures } from "../kernels/index.js";
import { checkProgram, type Program } from "../program/index.js";
import { attentions, lowerAttention } from "./lower/attention.js";
import { lower } from "./lower/index.js";
import { type Decision, Lowering, type LoweringOptions, type Placed } from "./lowering.js";
import type { ParamStore } from "./params.js";
import { type Fold, placeBuffers, threadOf } from "./place.js";
import { type Interval, schedule } from "./schedule.js";
import type { Argument, Buffer, Patch, Step } from "./step.js";

/** What the compiler needs of the engine. */
export interface CompileHost {
  readonly options: LoweringOptions;
  readonly reserve: (bytes: number, label: string) => number;
  readonly memory: () => { f32: Float32Array; i32: Int32Array };
}

/** A written program, before it gets a home in memory. */
export interface Compiled {
  readonly phases: readonly (Phase & { readonly meets: boolean })[];
  /** Phases that depend on params alone: empty unless params are frozen. */
  readonly preparation: readonly (Phase & { readonly meets: boolean })[];
  /** Of every instruction of `phases`, in order, the operation that it works for. */
  readonly origins: Int32Array;
  readonly patches: readonly Patch[];
  readonly refreshers: Lowering["refreshers"];
  readonly inputs: Tree<{
    readonly address: number;
    readonly shape: readonly number[];
    readonly dtype: "f32" | "i32" | "u8";
    readonly below?: number;
  }>;
  readonly outputs: Tree<{
    readonly placed: Placed;
    readonly shape: readonly number[];
    readonly dtype: "f32" | "i32" | "u8";
    readonly pattern?: string;
  }>;
  readonly decisions: readonly Decision[];
  /** Bytes of activations and scratch. */
  readonly temporaryBytes: number;
  readonly intervals: readonly { readonly lanes: readonly { readonly domain: string; readonly steps: readonly string[] }[] }[];
}

/**
 * @param frozen params do not change between runs (unless the plan is told): what depends on them alone runs once
 * @throws InputError when the engine lacks a rule for an operation, or memory
 */
export function compileProgram(program: Program, params: ParamStore, host: CompileHost, frozen: boolean): Compiled {
  checkProgram(program);
  const l = new Lowering(program, host.options, host.reserve, params.topologies, host.memory, params.int8);
  for (const [path, param] of Object.entries(program.params)) {
    const spec = params.specs[path];
    if (!spec)
      throw new InputError(
        `compile: the program's param "${path}" is not in the store; the store has ${Object.keys(params.specs).join(", ")}`,
      );
    const type = l.type(param.value);
    if (type.shape.join() !== spec.shape.join())
      throw new InputError(`compile: param "${path}" is [${type.shape}] in the program and [${spec.shape}] in the store`);
    const pattern = params.patternOf(path);
    if (type.pattern !== pattern) {
      throw new InputError(
        `compile: param "${path}" is ${type.pattern ? "sparse" : "dense"} in the program and ${pattern ? "sparse" : "dense"} in the store; trace the program with the store's layouts`,
      );
    }
    if (params.int8[path]) continue;
    const layout = pattern === undefined ? ({ kind: "rows" } as const) : ({ kind: "live", pattern } as const);
    const buffer = l.fixed(l.bytes(param.value, layout), path, params.address(path));
    l.homes.set(path, l.place(param.value, { buffer, offset: 0, layout, clean: false }));
  }
  const inputs: Record<string, Compiled["inputs"][string]> = {};
  for (const [name, value] of Object.entries(program.inputs)) {
    const { shape, dtype } = l.type(value);
    const buffer = l.fixed(l.bytes(value, { kind: "rows" }), `input ${name}`);
    l.place(value, { buffer, offset: 0, layout: { kind: "rows" }, clean: false });
    const below = indexLimit(program, value);
    inputs[name] = { address: buffer.address, shape, dtype, ...(below === undefined ? {} : { below }) };
  }
  const together = new Map(attentions(l).flatMap((found) => found.operations.map((i) => [i, found] as const)));
  program.operations.forEach((operation, i) => {
    if (l.done[i]) return;
    l.at = i;
    const attention = together.get(i);
    if (attention) {
      if (i !== attention.operations.at(-1)) return;
      lowerAttention(l, attention);
      for (const each of attention.operations) l.done[each] = 1;
      return;
    }
    lower(l, operation);
    if (!operation.outputs.some((value) => l.pending.has(value))) l.done[i] = 1;
  });
  l.at = program.operations.length;
  for (const [path, value] of Object.entries(program.updates)) writeBack(l, path, value);
  const outputs: Record<string, Compiled["outputs"][string]> = {};
  for (const [name, value] of Object.entries(program.outputs)) {
    const { shape, dtype, pattern } = l.type(value);
    const placed = pattern === undefined ? l.rows(value) : l.any(value);
    l.keep.add(placed.buffer);
    outputs[name] = { placed, shape, dtype, ...(pattern === undefined ? {} : { pattern }) };
  }
  return write(l, program, frozen, { inputs, outputs });
}

/** Integers that number rows or classes must stay below this, or kernels would read past a table. */
function indexLimit(program: Program, value: number): number | undefined {
  let limit: number | undefined;
  const need = (n: number) => {
    limit = Math.min(limit ?? n, n);
  };
  const same = new Set([value]);
  for (const operation of program.operations) {
    const [a, b] = operation.inputs;
    if (operation.op === "reshape" && same.has(a!)) same.add(operation.outputs[0]!);
    if (same.has(b!) && operation.op === "pick") need(program.values[a!]!.shape[1]!);
    if (same.has(b!) && operation.op === "gather") need(program.values[a!]!.shape[0]!);
    if (same.has(b!) && operation.op === "pickGrad") need(operation.attrs["depth"] as number);
    if (same.has(b!) && operation.op === "scatterAddRows") need(operation.attrs["rows"] as number);
    if (same.has(b!) && operation.op === "segmentSum") need(operation.attrs["count"] as number);
    if (same.has(a!) && operation.op === "oneHot") need(operation.attrs["depth"] as number);
  }
  return limit;
}

/** Leaves a computed value in its param's memory. */
function writeBack(l: Lowering, path: string, value: number): void {
  const target = l.homes.get(path)!;
  const from = target.layout.kind === "live" ? l.any(value) : l.rows(value);
  if (from.buffer === target.buffer) return;
  if (from.layout.kind !== target.layout.kind)
    throw new InputError(`compile: the update of "${path}" does not have the param's layout`);
  l.preserve(target);
  l.step({
    name: "update",
    domain: { key: `update:${path}`, units: 1, parts: 1 },
    reads: [{ buffer: from.buffer, local: false }],
    writes: [{ buffer: target.buffer, local: false }],
    emit: (call) => call("copy", { bytes: target.buffer.bytes, x: from.buffer.address + from.offset, y: target.buffer.address }),
  });
}

/**
 * Steps whose result depends on params alone (weights packed, masked, folded): with frozen params they run once. A step qualifies
 * when it reads only params and what such steps wrote, and nobody else writes where it writes.
 */
function splitPrepared(l: Lowering, program: Program): { prepared: Step[]; repeated: Step[] } {
  const constant = new Set<Buffer>();
  for (const [path, { buffer }] of l.homes) if (!(path in program.updates)) constant.add(buffer);
  const writers = new Map<Buffer, number>();
  for (const step of l.steps) for (const { buffer } of step.writes) writers.set(buffer, (writers.get(buffer) ?? 0) + 1);
  const prepared: Step[] = [];
  const repeated: Step[] = [];
  for (const step of l.steps) {
    const fixed =
      step.reads.length > 0 &&
      step.reads.every(({ buffer }) => constant.has(buffer)) &&
      step.writes.every(({ buffer }) => writers.get(buffer) === 1 && !constant.has(buffer));
    (fixed ? prepared : repeated).push(step);
    if (fixed) for (const { buffer } of step.writes) constant.add(buffer);
  }
  return { prepared, repeated };
}

function write(l: Lowering, program: Program, frozen: boolean, ends: Pick<Compiled, "inputs" | "outputs">): Compiled {
  const patches: Patch[] = [];
  const origins: number[] = [];
  const { prepared, repeated } = frozen ? splitPrepared(l, program) : { prepared: [], repeated: l.steps };
  const keep = new Set(l.keep);
  for (const step of prepared) for (const { buffer } of step.writes) keep.add(buffer);
  const first = schedule(prepared);
  const intervals = schedule(repeated);
  const { threads } = l.options;
  const { bytes, offsets, folds } = placeBuffers([...first, ...intervals], keep, threads);
  const base = bytes ? l.reserve(bytes, "activations") : 0;
  for (const [buffer, offset] of offsets) buffer.address = base + offset;
  const encoder = { patches, folds, base, threads };
  return {
    ...ends,
    preparation: encodeIntervals(first, encoder, []),
    phases: encodeIntervals(intervals, encoder, origins),
    origins: Int32Array.from(origins),
    patches,
    refreshers: l.refreshers,
    decisions: l.decisions,
    temporaryBytes: bytes,
    intervals: intervals.map(({ lanes }) => ({
      lanes: lanes.map((steps) => ({ domain: steps[0]!.domain.key, steps: steps.map((s) => s.name) })),
    })),
  };
}

/** What all lanes are encoded with. */
interface Encoder {
  readonly patches: Patch[];
  readonly folds: ReadonlyMap<readonly Step[], Fold>;
  /** Address of the block in which temporary buffers lie. */
  readonly base: number;
  readonly threads: number;
}

function encodeIntervals(intervals: readonly Interval[], encoder: Encoder, origins: number[]): (Phase & { meets: boolean })[] {
  return intervals.flatMap(({ lanes }) =>
    lanes.map((steps, i) => ({ parts: encodeLane(steps, encoder, origins), meets: i === lanes.length - 1 })),
  );
}

/** The code of steps of one domain: unit by unit, each unit through all steps. */
function encodeLane(steps: readonly Step[], { patches, folds, base, threads }: Encoder, origins: number[]): Instruction[][] {
  const { units, parts } = steps[0]!.domain;
  const fold = folds.get(steps);
  const code: Instruction[][] = [];
  for (let part = 0; part < parts; part++) {
    const list: Instruction[] = [];
    const from = Math.floor((units * part) / parts);
    const to = Math.floor((units * (part + 1)) / parts);
    const home = fold ? base + fold.start + fold.bytes * (threads < parts ? threadOf(part, parts, threads) : part) : 0;
    for (let unit = from; unit < to; unit++) {
      // Steps add their unit's or part's offset; what is folded lies there already.
      for (const [buffer, offset] of fold?.offsets ?? [])
        buffer.address = home + offset - (buffer.slice!.perPart ? part : unit) * buffer.slice!.bytes;
      for (const step of steps) {
        const call = (kernel: Parameters<typeof encode>[0], args: Readonly<Record<string, Argument>>) => {
          list.push(instruction(kernel, args, patches));
          origins.push(step.operation ?? -1);
        };
        step.emit(call, { unit, part, first: unit === from, last: unit === to - 1 });
      }
    }
    code.push(list);
  }
  return code;
}

function instruction(
  kernel: Parameters<typeof encode>[0],
  args: Readonly<Record<string, Argument>>,
  patches: Patch[],
): Instruction {
  const moving: [string, () => number][] = [];
  for (const name in args) {
    const arg = args[name]!;
    if (typeof arg === "function") moving.push([name, arg]);
  }
  if (moving.length === 0) return encode(kernel, args as Readonly<Record<string, number>>);
  const made = encode(kernel, {
    ...(args as Readonly<Record<string, number>>),
    ...Object.fromEntries(moving.map(([name, value]) => [name, value()])),
  });
  for (const [name, value] of moving) {
    const at = (signatures[kernel].params as readonly string[]).findIndex((p) => p.startsWith(`${name}: `));
    patches.push({ instruction: made, word: at + 2, value });
  }
  return made;
}

/** Elements of a declared input, for checks of what users pass. */
export const inputSize = (shape: readonly number[]): number => sizeOf(shape);
export type { AnyTensor, Buffer };

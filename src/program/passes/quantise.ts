/**
 * Quantisation, Program -> Program: products whose operands have ranges become int8 operations, with their bias, addition and
 * activation inside; bytes flow between them, and f32 where an operation has no int8 form.
 */
import { InputError, sizeOf, type Tensor, type Tree, tensor } from "../../core/index.js";
import { Graph, type Value } from "../graph.js";
import {
  conv2dInt8Op,
  dequantiseOp,
  INT8_TOP,
  type Int8Range,
  linearInt8Op,
  maxPoolInt8Op,
  meanInt8Op,
  operationNamed,
  quantiseOp,
} from "../ops/index.js";
import type { Program } from "../types.js";
import { type Int8Unit, int8Units } from "./quantise-units.js";

/** What became of an operation, or of a product with what joined it. */
export interface Int8Note {
  readonly op: string;
  /** Path of its weight. */
  readonly param?: string;
  readonly int8: boolean;
  readonly reason: string;
}

/** A quantised program and what it needs. */
export interface QuantisedProgram {
  readonly program: Program;
  /** Values of all its params. Weights are f32, on the grid of their scale. */
  readonly params: Tree<Tensor>;
  /** Weight by path: the path of its scale. */
  readonly scales: Tree<string>;
  readonly notes: readonly Int8Note[];
}

/** The bytes that a span of numbers takes: zero is always one of them, and exact. */
export function int8Range(least: number, most: number): Int8Range {
  const low = Math.min(0, least);
  const high = Math.max(0, most);
  if (!(Number.isFinite(low) && Number.isFinite(high)))
    throw new InputError(`int8Range: expected finite bounds, got ${least} and ${most}`);
  const scale = (high - low) / INT8_TOP || 1;
  return { scale, zero: Math.round(-low / scale) || 0 };
}

/** Numbers of the values whose spans `quantiseProgram` needs: operands and results of what may become int8. */
export function int8Values(program: Program): number[] {
  const found = new Set<number>();
  for (const unit of int8Units(program)) {
    if (unit.stays !== undefined || unit.kind === "linear") continue;
    for (const id of [unit.input, unit.output, unit.residual])
      if (id !== undefined && program.values[id]!.shape.length === 4) found.add(id);
    found.add(unit.output);
  }
  return [...found];
}

/**
 * Scale of each output channel: its largest weight is 127 steps. Channels of small weights and a large bias take a coarser one, so that
 * the bias fits the sum; channels of zeros alone take one that holds the bias finely.
 */
function channelScales({ shape, data }: Tensor, bias: Float32Array, xScale: number): Float32Array {
  const rows = shape[0]!;
  const row = sizeOf(shape) / rows;
  return Float32Array.from({ length: rows }, (_, o) => {
    let most = 0;
    for (let i = o * row; i < (o + 1) * row; i++) most = Math.max(most, Math.abs(data[i]!));
    if (!Number.isFinite(most)) throw new InputError(`quantise: a weight of output channel ${o} is ${most}`);
    return Math.max(most / INT8_TOP, Math.abs(bias[o]!) / (xScale * 2 ** 27), 1e-12);
  });
}

function onGrid({ shape, data }: Tensor, scale: Float32Array): Tensor {
  const row = sizeOf(shape) / shape[0]!;
  return tensor(
    shape,
    data.map((w, i) => Math.round(w / scale[Math.floor(i / row)]!) * scale[Math.floor(i / row)]!),
  );
}

/** Units that become int8; the others with the reason why not. */
function choose(
  program: Program,
  units: readonly Int8Unit[],
  ranges: ReadonlyMap<number, Int8Range>,
): Map<Int8Unit, string | undefined> {
  const chosen = new Map<Int8Unit, string | undefined>();
  const bytes = new Set<number>();
  const flat = new Map<number, number>();
  for (const { op, inputs, outputs } of program.operations) if (op === "reshape") flat.set(outputs[0]!, inputs[0]!);
  const users = (id: number) => program.operations.filter(({ inputs }) => inputs.includes(id));
  const classifiers = new Set(
    units
      .filter(({ kind, stays }) => kind === "linear" && stays === undefined)
      .map(({ operations }) => program.operations[operations[0]!]!),
  );
  const onlyClassifiers = (id: number): boolean =>
    !Object.values(program.outputs).includes(id) &&
    users(id).every((user) => classifiers.has(user) || (user.op === "reshape" && onlyClassifiers(user.outputs[0]!)));
  for (const unit of units) {
    const { kind, stays, input, output } = unit;
    let reason = stays;
    const source = kind === "linear" ? (flat.get(input) ?? input) : input;
    if (reason !== undefined) chosen.set(unit, reason);
    else if (kind === "linear" && !bytes.has(source)) reason = "its input is no mean of bytes";
    else if (kind === "mean" && !bytes.has(input)) reason = "its input is f32";
    else if (kind === "mean" && !onlyClassifiers(output)) reason = "something other than an int8 product uses its result";
    else if (kind === "maxPool" && !bytes.has(input)) reason = "its input is f32";
    else if (kind === "depthwise" && ranges.get(input)?.zero !== 0)
      reason = "its input goes below zero; the depthwise kernel takes zero point 0";
    chosen.set(unit, reason);
    if (reason === undefined && kind !== "linear") bytes.add(output);
  }
  return chosen;
}

/**
 * @param program an inference program of one batch size, batch norm folded
 * @param params  values of all params, dense
 * @param ranges  for each of `int8Values(program)`: how bytes stand for its numbers
 * @throws InputError when a range or a param is missing, or a weight is not finite
 */
export function quantiseProgram(program: Program, params: Tree<Tensor>, ranges: ReadonlyMap<number, Int8Range>): QuantisedProgram {
  const units = int8Units(program);
  const chosen = choose(program, units, ranges);
  const graph = new Graph();
  const floats = new Map<number, Value>();
  const bytes = new Map<number, { value: Value; range: Int8Range }>();
  const specs: Record<string, Program["params"][string]> = {};
  const next: Record<string, Tensor> = {};
  const scales: Record<string, string> = {};
  const sources = new Map<string, Value>();
  const notes: Int8Note[] = [];
  const rangeOf = (id: number): Int8Range => {
    const found = ranges.get(id);
    if (!found) throw new InputError(`quantise: no range is given for value ${id}`);
    return found;
  };
  const param = (path: string, value: Tensor | undefined): Value => {
    if (!value) throw new InputError(`quantise: no value for the param "${path}"`);
    const known = sources.get(path);
    if (known) return known;
    const source = graph.source({ shape: value.shape, dtype: value.dtype });
    sources.set(path, source);
    specs[path] = { value: source.id, layout: { kind: "dense" } };
    next[path] = value;
    return source;
  };
  const paths = new Map(Object.entries(program.params).map(([path, p]) => [p.value, path]));
  const asFloat = (id: number): Value => {
    const known = floats.get(id);
    if (known) return known;
    const path = paths.get(id);
    const packed = bytes.get(id);
    if (path === undefined && !packed) throw new InputError(`quantise: value ${id} is used before it is made`);
    const made =
      path !== undefined ? param(path, params[path]) : graph.emit(dequantiseOp, [packed!.value], { ...packed!.range })[0]!;
    floats.set(id, made);
    return made;
  };
  const asBytes = (id: number): { value: Value; range: Int8Range } => {
    const known = bytes.get(id);
    if (known) return known;
    const range = rangeOf(id);
    const made = { value: graph.emit(quantiseOp, [asFloat(id)], { ...range })[0]!, range };
    bytes.set(id, made);
    return made;
  };

  const inputs = Object.fromEntries(
    Object.entries(program.inputs).map(([name, id]) => {
      const source = graph.source(program.values[id]!);
      floats.set(id, source);
      return [name, source.id];
    }),
  );

  /** Weight, scale and bias as operands. */
  const weights = (unit: Int8Unit, xScale: number): Value[] => {
    const path = unit.weight!;
    const weight = params[path];
    if (!weight) throw new InputError(`quantise: no value for the param "${path}"`);
    const given = unit.bias === undefined ? undefined : params[unit.bias];
    const channels = weight.shape[0]!;
    const bias = tensor([channels], given ? given.data : new Float32Array(channels));
    const scale = channelScales(weight, bias.data, xScale);
    scales[path] = `${path}:scale`;
    const home = unit.bias !== undefined && given!.shape.join() === `${channels}` ? unit.bias : `${path}:bias`;
    return [param(path, onGrid(weight, scale)), param(scales[path], tensor([channels], scale)), param(home, bias)];
  };

  const emit = (unit: Int8Unit): void => {
    const operation = program.operations[unit.operations[0]!]!;
    const x = unit.kind === "linear" ? bytes.get(unit.input)! : asBytes(unit.input);
    const from = { xScale: x.range.scale, xZero: x.range.zero };
    if (unit.kind === "linear") {
      floats.set(unit.output, graph.emit(linearInt8Op, [x.value, ...weights(unit, from.xScale)], from)[0]!);
      return;
    }
    if (unit.kind === "maxPool") {
      const { kernel, stride, padding } = operation.attrs as Record<string, readonly number[]>;
      const attrs = { kernel: kernel!, stride: stride!, padding: padding! };
      bytes.set(unit.output, { value: graph.emit(maxPoolInt8Op, [x.value], attrs)[0]!, range: x.range });
      return;
    }
    const range = rangeOf(unit.output);
    const byte = (v: number, otherwise: number) =>
      Number.isFinite(v) ? Math.min(INT8_TOP, Math.max(0, Math.round(v / range.scale) + range.zero)) : otherwise;
    const rounding = { ...from, yScale: range.scale, yZero: range.zero, lo: byte(unit.lo, 0), hi: byte(unit.hi, INT8_TOP) };
    if (unit.kind === "mean") {
      const keepDims = program.values[unit.output]!.shape.length === 4;
      bytes.set(unit.output, { value: graph.emit(meanInt8Op, [x.value], { ...rounding, keepDims })[0]!, range });
      return;
    }
    const { stride, padding, dilation, groups } = operation.attrs as unknown as Record<
      "stride" | "padding" | "dilation",
      readonly number[]
    > & {
      groups: number;
    };
    const residual = unit.residual === undefined ? undefined : asBytes(unit.residual);
    const operands = [x.value, ...weights(unit, from.xScale), ...(residual ? [residual.value] : [])];
    const more = residual ? { rScale: residual.range.scale, rZero: residual.range.zero } : {};
    const [value] = graph.emit(conv2dInt8Op, operands, { stride, padding, dilation, groups, ...rounding, ...more });
    bytes.set(unit.output, { value: value!, range });
  };

  const within = new Map<number, Int8Unit>();
  for (const unit of units) if (chosen.get(unit) === undefined) for (const i of unit.operations) within.set(i, unit);
  const first = new Map(units.map((unit) => [unit.operations[0]!, unit]));
  program.operations.forEach(({ op, inputs: from, outputs, attrs }, i) => {
    const unit = within.get(i);
    if (unit) {
      if (i !== Math.max(...unit.operations)) return;
      emit(unit);
      const names = unit.operations.map((k) => program.operations[k]!.op).join(" + ");
      notes.push({
        op: names,
        int8: true,
        reason: "has ranges and an int8 kernel",
        ...(unit.weight === undefined ? {} : { param: unit.weight }),
      });
      return;
    }
    const passed = op === "reshape" ? bytes.get(from[0]!) : undefined;
    if (passed && !floats.has(from[0]!) && program.values[from[0]!]!.shape.slice(2).every((d) => d === 1)) {
      bytes.set(outputs[0]!, passed);
      return;
    }
    const stays = first.get(i);
    const results = graph.emit(operationNamed(op), from.map(asFloat), attrs);
    outputs.forEach((id, k) => {
      floats.set(id, results[k]!);
    });
    if (stays || from.some((id) => !paths.has(id))) {
      const reason = (stays && chosen.get(stays)) ?? "has no int8 form";
      notes.push({ op, int8: false, reason, ...(stays?.weight === undefined ? {} : { param: stays.weight }) });
    }
  });
  const outputs = Object.fromEntries(Object.entries(program.outputs).map(([name, id]) => [name, asFloat(id).id]));
  return {
    program: { values: graph.values, operations: graph.operations, inputs, params: specs, outputs, updates: {} },
    params: next,
    scales,
    notes,
  };
}

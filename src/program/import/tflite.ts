/** TFLite models as programs: channels-last activations become [N, C, H, W], quantised numbers become the reals they stand for. */
import { InputError, mapTree, requireOneOf } from "../../core/index.js";
import { type Quantization, readTflite, type TfliteModel, type TfliteOperator, tfliteConstants } from "../../formats/index.js";
import type { Value } from "../graph.js";
import type { Mask } from "../interpret.js";
import * as op from "../ops/index.js";
import { fuseActivations } from "../passes/fuse-activations.js";
import type { Program } from "../types.js";
import { fitBatch, pruneUnused } from "./batch.js";
import { Builder, LIMITS, type WeightCache } from "./builder.js";
import { type Constant, constantOf } from "./held.js";
import type { Imported, Port, Unsupported } from "./imported.js";
import { nearby } from "./nearby.js";
import { checkedShape } from "./node.js";
import { type TfliteHeld, TfliteView } from "./tflite-node.js";
import { tfliteRules } from "./tflite-rules.js";

/** Options of `importTflite`. */
export interface TfliteOptions {
  /**
   * What becomes of activations that the file declares as 8-bit: `float` (default) keeps them exact, `rounded` rounds and clamps
   * each to the 256 numbers that it may take, as the integer model does. No gradient passes a rounding.
   */
  readonly activations?: "float" | "rounded";
}

/** Names of all operators that `importTflite` translates. */
export const supportedTfliteOperators = (): string[] => Object.keys(tfliteRules).sort();

/** All operators of a TFLite model that cannot be imported, at once. @throws FormatError when the file is damaged */
export function unsupportedTfliteOperators(model: Uint8Array | TfliteModel): Unsupported[] {
  const { operators } = model instanceof Uint8Array ? readTflite(model) : model;
  const found = new Map<string, { count: number; nodes: string[] }>();
  operators.forEach(({ op }, i) => {
    if (Object.hasOwn(tfliteRules, op)) return;
    const entry = found.get(op) ?? { count: 0, nodes: [] };
    entry.count++;
    if (entry.nodes.length < 5) entry.nodes.push(`number ${i}`);
    found.set(op, entry);
  });
  return [...found].map(([operator, entry]) => ({ operator, ...entry, nearby: nearby(operator, Object.keys(tfliteRules)) }));
}

/** The nearest of the 256 reals that 8 bits stand for. */
function rounded(x: Value, { scale, zeroPoint }: Quantization, dtype: string): Value {
  const [s, zero, low] = [scale[0]!, zeroPoint[0] ?? 0, dtype === "i8" ? -128 : 0];
  const q = op.clamp(op.floor(op.affine(x, 1 / s, zero + 0.5)), low, low + 255);
  return op.affine(q, s, -s * zero);
}

/** Weights stored sparse or in 16 bits pass through an operator that makes them dense float32: here they are already. */
function passesOn(
  { op: name, inputs, outputs }: TfliteOperator,
  constants: readonly (Constant | undefined)[],
): Constant | undefined {
  const [from = -1] = inputs;
  return (name === "DENSIFY" || name === "DEQUANTIZE") && (outputs[0] ?? -1) >= 0 ? constants[from] : undefined;
}

/**
 * A TFLite model as a program with its params.
 *
 * Weights become [O, C/g, kh, kw] and [out, in]; inputs and outputs of rank 4 become [N, C, H, W]; integers that are quantised
 * reals become float32, so a quantised model computes in float what it approximates. The first dim is the batch and is open.
 *
 * @throws FormatError when the file is damaged; InputError naming the operator when one cannot be translated
 */
export function importTflite(model: Uint8Array | TfliteModel, { activations = "float" }: TfliteOptions = {}): Imported {
  requireOneOf("importTflite.activations", activations, ["float", "rounded"]);
  const parsed = model instanceof Uint8Array ? readTflite(model) : model;
  const [unknown, ...more] = unsupportedTfliteOperators(parsed);
  if (unknown) {
    throw new InputError(
      `tflite: operator ${unknown.nodes[0]}: ${unknown.operator} is not supported (nearby: ${unknown.nearby.join(", ")})${more.length > 0 ? `; also unsupported: ${more.map((u) => u.operator).join(", ")}` : ""}`,
    );
  }
  const constants = tfliteConstants(parsed).map((c) => c && constantOf(c.array, c.name, c.mask));
  const cache: WeightCache = new Map();
  for (const operator of parsed.operators) {
    const from = passesOn(operator, constants);
    if (from && !constants[operator.outputs[0]!]) constants[operator.outputs[0]!] = from;
  }
  let last: Builder | undefined;
  const at = (batch: number): Program => {
    last = new Builder(false, cache);
    return trace(parsed, constants, last, batch, activations === "rounded");
  };
  let program: Imported["program"];
  let batch: Imported["batch"] = "any";
  try {
    program = fitBatch(at);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    program = { one: at(1), grows: [] };
    batch = { fixed: 1, reason: error.message };
  }
  const { one } = program;
  const params = last!.params;
  const masks: Record<string, Mask> = {};
  for (const path of Object.keys(one.params)) {
    const { mask } = params.get(path)!;
    if (mask) masks[path] = mask;
  }
  const port = (id: number): Port => ({ shape: one.values[id]!.shape, dtype: one.values[id]!.dtype });
  return {
    program,
    batch,
    params: mapTree(one.params, (_, path) => params.get(path)!.tensor),
    masks,
    inputs: mapTree(one.inputs, port),
    outputs: mapTree(one.outputs, port),
  };
}

function trace(
  model: TfliteModel,
  constants: readonly (Constant | undefined)[],
  builder: Builder,
  batch: number,
  round: boolean,
): Program {
  const env = new Map<number, TfliteHeld>();
  const inputs: Record<string, number> = {};
  const name = (id: number): string => model.tensors[id]!.name || `tensor${id}`;
  for (const id of model.inputs) {
    const { shape, dtype, quantization } = model.tensors[id] ?? { shape: [], dtype: "other" };
    const real = dtype === "f32" || dtype === "f16" || (quantization !== undefined && /^[iu]/.test(dtype));
    if (!real) throw new InputError(`tflite: the input "${name(id)}" is of ${dtype}, expected floats or quantised integers`);
    if (shape.length === 0) throw new InputError(`tflite: the input "${name(id)}" is a scalar, expected a batch`);
    const [, ...rest] = shape;
    const planar = shape.length === 4;
    const size = planar ? [batch, rest[2]!, rest[0]!, rest[1]!] : [batch, ...rest];
    const value = builder.graph.source({
      shape: checkedShape(`tflite: the input "${name(id)}"`, size, LIMITS.elements),
      dtype: "f32",
    });
    env.set(id, { value, planar });
    inputs[name(id)] = value.id;
  }
  model.operators.forEach((operator, i) => {
    if (passesOn(operator, constants)) return;
    const view = new TfliteView(operator, model.tensors, constants, env, builder);
    try {
      const first = builder.graph.values.length;
      const results = tfliteRules[operator.op]!(view);
      for (const { shape } of builder.graph.values.slice(first)) checkedShape("a value", shape, LIMITS.elements);
      const list = Array.isArray(results) ? results : [results as TfliteHeld];
      operator.outputs.forEach((id, k) => {
        const held = list[k];
        if (!held || id < 0) return;
        if (env.has(id) || constants[id]) throw new InputError(`tensor ${id} is made twice`);
        const { quantization, dtype } = model.tensors[id]!;
        const coarse = round && quantization?.scale.length === 1 && (dtype === "u8" || dtype === "i8");
        env.set(id, coarse ? { ...held, value: rounded(held.value, quantization, dtype) } : held);
      });
    } catch (error) {
      if (error instanceof InputError) throw new InputError(`tflite: operator ${i} (${operator.op}): ${error.message}`);
      throw error;
    }
  });
  const outputs: Record<string, number> = {};
  for (const id of model.outputs) {
    const held = env.get(id);
    if (!held) throw new InputError(`tflite: no operator makes the output "${id < 0 ? id : name(id)}"`);
    outputs[name(id)] = held.value.id;
  }
  const program: Program = {
    values: builder.graph.values,
    operations: builder.graph.operations,
    inputs,
    params: Object.fromEntries(
      [...builder.params].map(([path, p]) => [path, { value: p.value.id, layout: { kind: "dense" } as const }]),
    ),
    outputs,
    updates: {},
  };
  return pruneUnused(fuseActivations(program));
}

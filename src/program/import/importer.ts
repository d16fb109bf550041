/** Walks the nodes of an ONNX graph and fills a program, once per batch size. */
import { type DType, FormatError, InputError, mapTree, sizeOf } from "../../core/index.js";
import {
  decodeOnnxSparse,
  decodeOnnxTensor,
  type ExternalData,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  onnxTypeName,
  onnxTypes,
} from "../../formats/index.js";
import type { Value } from "../graph.js";
import type { Mask } from "../interpret.js";
import { cast } from "../ops/index.js";
import type { BatchProgram } from "../passes/batch.js";
import { fuseActivations } from "../passes/fuse-activations.js";
import type { Program } from "../types.js";
import { fitBatch, pruneUnused } from "./batch.js";
import { Builder, LIMITS, type Limits, type WeightCache } from "./builder.js";
import { evaluate, MOST_WORK, workOf } from "./fold.js";
import { type Constant, constantOf, type Held, type Kind, kindOf, shapeOf } from "./held.js";
import type { Imported, ImportOptions, Port } from "./imported.js";
import { checkedShape, NodeView, type Result } from "./node.js";
import { rules } from "./rules/index.js";

const STANDARD = new Set(["", "ai.onnx"]);
/** The operator of a node, with its domain where that is not the standard one. */
export const operatorOf = (node: OnnxNode): string =>
  STANDARD.has(node.domain ?? "") ? node.opType : `${node.domain}.${node.opType}`;
/** A node by its name, its first output, or its number. */
export const nodeName = (node: OnnxNode, i: number): string => node.name || node.outputs.find((o) => o !== "") || `number ${i}`;

/** How often tensors may share external bytes (16-bit ones double in memory), beside a small allowance. */
const SHARED = 8;
const SMALL = 2 ** 20;

/** Names become keys of records. */
function requireName(name: string): void {
  if (name === "__proto__") throw new FormatError("onnx", `a value is named "${name}", which no record can hold`);
}

/** One import: state shared by the traces of several batch sizes. */
export class Importer {
  private readonly graph: OnnxGraph;
  private readonly opset: number;
  private readonly initial = new Map<string, Constant>();
  private readonly uses = new Set<string>();
  private readonly cache: WeightCache = new Map();
  /** Results of nodes that depend on the file alone, by node: the same in every trace. */
  private readonly known = new Map<number, { results: Held[]; work: number }>();
  private readonly limits: Limits = LIMITS;
  private readonly open: boolean;

  constructor(
    model: OnnxModel,
    private readonly options: ImportOptions,
  ) {
    this.graph = model.graph;
    this.opset = model.opsets[""] ?? 0;
    if (!(this.opset >= 7 && this.opset <= 25))
      throw new InputError(`onnx: the operator set is ${this.opset || "missing"}, expected 7 to 25 (13 to 21 are tested)`);
    const files = new Map<string, number>();
    const external: ExternalData | undefined =
      options.external &&
      ((location) => {
        const bytes = options.external!(location);
        if (bytes) files.set(location, bytes.length);
        return bytes;
      });
    const decode = { external, ...(options.tensorLimit === undefined ? {} : { limit: options.tensorLimit }) };
    let outside = 0;
    for (const tensor of this.graph.initializers) {
      const array = decodeOnnxTensor(tensor, decode);
      if (tensor.dataLocation === 1) outside += array.data.byteLength;
      if (outside > SHARED * [...files.values()].reduce((a, b) => a + b, SMALL))
        throw new FormatError("onnx", `its tensors read the same external bytes more than ${SHARED} times over`);
      this.remember(tensor.name ?? "", constantOf(array, tensor.name ?? ""));
    }
    let expanded = 0;
    for (const sparse of this.graph.sparseInitializers) {
      expanded += sizeOf(sparse.dims ?? []);
      if (expanded > this.limits.sparse)
        throw new FormatError("onnx", `its sparse tensors have more than ${this.limits.sparse} elements together`);
      const { name, dense, mask } = decodeOnnxSparse(sparse, decode);
      this.remember(name, constantOf(dense, name, mask));
    }
    for (const node of this.graph.nodes) for (const name of node.inputs) this.uses.add(name);
    for (const { name } of this.graph.outputs) this.uses.add(name);
    this.open = this.inputs().some(
      ({ name, shape }) => shape !== undefined && shape.length > 0 && this.bound(name, shape[0]!, 0) === undefined,
    );
  }

  private remember(name: string, constant: Constant): void {
    requireName(name);
    if (this.initial.has(name)) throw new FormatError("onnx", `two initialisers are named "${name}"`);
    this.initial.set(name, constant);
  }

  /** Inputs that are not initialisers (older files list those too). */
  private inputs() {
    return this.graph.inputs.filter(({ name }) => !this.initial.has(name));
  }

  private bound(input: string, dim: number | string | null, axis: number): number | undefined {
    const given = this.options.dims ?? {};
    const at = given[`${input}.${axis}`] ?? (typeof dim === "string" ? given[dim] : undefined);
    if (at !== undefined) return at;
    return typeof dim === "number" && dim >= 0 ? dim : undefined;
  }

  run(): Imported {
    let built: ReturnType<Importer["trace"]> | undefined;
    const at = (batch: number): Program => {
      built = this.trace(batch);
      return built.program;
    };
    let program: BatchProgram;
    let batch: Imported["batch"];
    if (this.open) {
      try {
        program = fitBatch(at);
        batch = "any";
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        // A model may declare an open batch and yet fix it inside. What fails at batch 1 too is a fault of the model.
        program = { one: at(1), grows: [] };
        batch = { fixed: 1, reason: error.message };
      }
    } else {
      program = { one: at(0), grows: [] };
      const [first] = Object.values(program.one.inputs);
      const fixed = first === undefined ? 1 : (program.one.values[first]!.shape[0] ?? 1);
      batch = { fixed, reason: "the file or the options fix the first dim of the inputs" };
    }
    const { params } = built!;
    const { one } = program;
    const masks: Record<string, Mask> = {};
    for (const path of Object.keys(one.params)) {
      const mask = params.get(path)!.mask;
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

  /** The program of one batch size. */
  private trace(batch: number): { program: Program; params: Builder["params"] } {
    const builder = new Builder(false, this.cache);
    const env = new Map<string, Held>();
    const inputs: Record<string, Value> = {};
    for (const { name, elemType, shape } of this.inputs()) {
      requireName(name);
      const dtype = onnxTypes[elemType ?? 0];
      if (!dtype || dtype === "f64")
        throw new InputError(
          `onnx: the input "${name}" is of ${onnxTypeName(elemType)}, expected f32, f16, an integer type or bool`,
        );
      if (!shape) throw new InputError(`onnx: the input "${name}" declares no shape`);
      const kind: Kind = /^(f|bf)/.test(dtype) ? "float" : dtype === "bool" ? "bool" : "int";
      const size = shape.map((dim, axis) => this.bound(name, dim, axis) ?? (axis === 0 ? batch : this.unbound(name, dim, axis)));
      checkedShape(`onnx: the input "${name}"`, size, this.limits.elements);
      const physical: DType = kind === "float" || kind === "bool" ? "f32" : dtype === "u8" ? "u8" : "i32";
      const value = builder.graph.source({ shape: size, dtype: physical });
      inputs[name] = value;
      env.set(name, { value, kind });
    }
    const budget = { folded: 0 };
    for (const [i, node] of this.graph.nodes.entries()) this.node(node, i, env, builder, budget);
    const outputs: Record<string, number> = {};
    for (const { name } of this.graph.outputs) {
      requireName(name);
      const held = env.get(name) ?? (this.initial.has(name) ? { constant: this.initial.get(name)! } : undefined);
      if (!held) throw new FormatError("onnx", `no node makes the output "${name}"`);
      const value = builder.value(held);
      outputs[name] = (kindOf(held) === "int" ? cast(value, "i32") : value).id;
    }
    const program: Program = {
      values: builder.graph.values,
      operations: builder.graph.operations,
      inputs: mapTree(inputs, (v) => v.id),
      params: Object.fromEntries(
        [...builder.params].map(([path, p]) => [path, { value: p.value.id, layout: { kind: "dense" } as const }]),
      ),
      outputs,
      updates: {},
    };
    return { program: pruneUnused(fuseActivations(program)), params: builder.params };
  }

  private unbound(input: string, dim: number | string | null, axis: number): number {
    const symbol = typeof dim === "string" ? dim : `${input}.${axis}`;
    throw new InputError(
      `onnx: dim ${axis} of the input "${input}" is open (${typeof dim === "string" ? `symbol "${dim}"` : "no symbol"}); give its size: dims: { ${JSON.stringify(symbol)}: 128 }, or --dim ${input}.${axis}=128 on the command line`,
    );
  }

  private node(node: OnnxNode, i: number, env: Map<string, Held>, builder: Builder, budget: { folded: number }): void {
    const where = `onnx: node "${nodeName(node, i)}" (${operatorOf(node)})`;
    const operands = node.inputs.map((name) => {
      if (name === "") return undefined;
      const known = this.initial.get(name);
      const held = env.get(name) ?? (known && { constant: known });
      if (!held)
        throw new FormatError(
          "onnx",
          `node "${nodeName(node, i)}" (${operatorOf(node)}) reads "${name}", which no earlier node makes: a cycle, or nodes out of order`,
        );
      return held;
    });
    try {
      const results = this.apply(node, i, operands, builder, budget);
      node.outputs.forEach((name, k) => {
        const held = results[k];
        if (name === "" || !held) return;
        if (env.has(name) || this.initial.has(name)) throw new FormatError("onnx", `"${name}" is made twice`);
        checkedShape(`"${name}"`, shapeOf(held), this.limits.elements);
        env.set(name, held);
      });
      if (builder.graph.operations.length > this.limits.operations)
        throw new InputError(`the program has more than ${this.limits.operations} operations`);
    } catch (error) {
      if (error instanceof FormatError) throw error;
      if (error instanceof InputError) throw new InputError(`${where}: ${error.message}`);
      throw error;
    }
  }

  private apply(node: OnnxNode, i: number, operands: (Held | undefined)[], builder: Builder, budget: { folded: number }): Held[] {
    const rule = rules.get(operatorOf(node))!;
    const isUsed = (k: number): boolean => this.uses.has(node.outputs[k] ?? "");
    const run = (into: Builder): Held[] => {
      const first = into.graph.values.length;
      const made = rule(new NodeView(node, this.opset, operands, into, isUsed));
      for (const { shape } of into.graph.values.slice(first)) checkedShape("a value", shape, this.limits.elements);
      const list = (Array.isArray(made) ? made : [made]) as readonly Result[];
      const kind: Kind = operands[0] ? kindOf(operands[0]) : "float";
      return list.map((r) => ("constant" in r || "kind" in r ? r : { value: r, kind }));
    };
    const constant = operands.every((o) => o === undefined || "constant" in o);
    if (!constant) return run(builder);
    const before = this.known.get(i);
    if (before) {
      budget.folded += before.work;
      return before.results;
    }
    const full = budget.folded > this.limits.folded;
    const folder = full ? builder : new Builder(true, this.cache);
    let results = run(folder);
    // What is made whole (ranges, fills) counts like what is computed; constants of the file and what is passed on do not.
    const given = new Set(operands.flatMap((o) => (o && "constant" in o ? [o.constant] : [])));
    const made =
      node.opType === "Constant"
        ? 0
        : results.reduce((total, r) => total + ("constant" in r && !given.has(r.constant) ? r.constant.data.length : 0), 0);
    if (budget.folded + made > 2 * this.limits.folded)
      throw new InputError(`the constants made at import have more than ${2 * this.limits.folded} elements together`);
    if (full) {
      budget.folded += made;
      return results;
    }
    const computed = workOf(folder);
    if (computed > MOST_WORK) return run(builder);
    const work = computed + made;
    budget.folded += work;
    if (results.some((r) => !("constant" in r))) results = evaluate(folder, results, node.outputs);
    if (results.every((r) => "constant" in r && r.constant.fixed)) this.known.set(i, { results, work });
    return results;
  }
}

/** An inference program as a model that can be trained: what was imported or pruned goes through the ordinary training loop. */
import { InputError, type Tree, tensor } from "../../core/index.js";
import type { Model } from "../../models/index.js";
import type { Context, ParamDef } from "../../nn/index.js";
import {
  add,
  atBatch,
  type BatchProgram,
  batchNorm,
  mul,
  operationNamed,
  type Program,
  productsOf,
  type Value,
} from "../../program/index.js";
import { normsOf } from "./batch-norm.js";

/**
 * A model over a program of one input [N, ...] and one output [N, classes].
 *
 * In training, normalisations use batch statistics and update the running ones; a softmax at the end is left out, so that the
 * loss sees logits. The model has no first values of its own: give `train` the program's params as `initial`.
 *
 * @param momentum weight of a batch in the running statistics, in [0, 1]; default 0.1
 * @throws InputError when the program has other inputs or outputs
 */
export function modelOfProgram(program: BatchProgram, name = "program", momentum = 0.1): Model {
  const { one } = program;
  const [[, input] = [], ...moreInputs] = Object.entries(one.inputs);
  const [[, output] = [], ...moreOutputs] = Object.entries(one.outputs);
  if (input === undefined || output === undefined || moreInputs.length > 0 || moreOutputs.length > 0) {
    throw new InputError(
      `${name}: expected one input and one output, got ${Object.keys(one.inputs).join(", ") || "none"} and ${Object.keys(one.outputs).join(", ") || "none"}`,
    );
  }
  const shape = one.values[output]!.shape;
  if (shape.length !== 2) throw new InputError(`${name}: expected an output [N, classes], got [${shape.join(", ")}]`);
  const norms = new Map(normsOf(one).map((norm) => [norm.operation, norm]));
  const logits = logitsOf(one, output);

  const apply = (p: Tree<Value>, x: Value, context: Context): Value => {
    const sized = atBatch(program, x.shape[0]!);
    const at: Value[] = [];
    at[input] = x;
    for (const [path, { value }] of Object.entries(sized.params)) at[value] = p[path]!;
    sized.operations.forEach(({ op, inputs, outputs, attrs }, i) => {
      const norm = context.training ? norms.get(i) : undefined;
      const operands = inputs.map((id) => at[id]!);
      if (norm) {
        const { y, mean, variance } = batchNorm(operands[0]!, operands[1]!, operands[2]!, attrs["eps"] as number);
        const each = x.shape[0]! * operands[0]!.shape.slice(2).reduce((a, b) => a * b, 1);
        const blend = (path: string, now: Value, scale: number) =>
          context.update(path, add(mul(p[path]!, 1 - momentum), mul(now, scale)));
        blend(norm.mean, mean, momentum);
        blend(norm.variance, variance, (momentum * each) / Math.max(1, each - 1));
        at[outputs[0]!] = y;
        return;
      }
      const results = x.graph.emit(operationNamed(op), operands, attrs);
      outputs.forEach((id, k) => {
        at[id] = results[k]!;
      });
    });
    return at[logits]!;
  };
  return {
    name,
    inputShape: one.values[input]!.shape.slice(1),
    classes: shape[1]!,
    module: { params: defsOf(one), apply },
    options: {},
  };
}

/** The value before a softmax at the end. */
function logitsOf({ operations }: Program, output: number): number {
  const last = operations.find(({ outputs }) => outputs.includes(output));
  return last?.op === "softmax" || last?.op === "logSoftmax" ? last.inputs[0]! : output;
}

function defsOf(program: Program): Tree<ParamDef> {
  const products = new Map(productsOf(program).map((product) => [product.path, product]));
  const statistics = new Set(normsOf(program).flatMap(({ mean, variance }) => [mean, variance]));
  const scales = new Set(
    program.operations.filter(({ op }) => op === "batchNormInference").flatMap(({ inputs }) => inputs.slice(1, 3)),
  );
  return Object.fromEntries(
    Object.entries(program.params).map(([path, { value }]): [string, ParamDef] => {
      const { shape } = program.values[value]!;
      const product = products.get(path);
      const base = { shape, prunable: false, init: () => tensor(shape).data };
      if (statistics.has(path)) return [path, { ...base, kind: "statistic", role: "norm" }];
      if (scales.has(value)) return [path, { ...base, kind: "norm", role: "norm" }];
      if (!product) return [path, { ...base, kind: "bias", role: "linear" }];
      const role = product.kind === "linear" ? "linear" : product.kind === "depthwise" ? "depthwise" : "conv";
      return [path, { ...base, prunable: role !== "depthwise", kind: "weight", role }];
    }),
  );
}

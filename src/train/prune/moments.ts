/** Second moments of layers on calibration data, computed by the engine: what a convolution reads is laid out as columns. */
import { sizeOf } from "../../core/index.js";
import type { Engine, Plan } from "../../engine/index.js";
import {
  type ConvAttrs,
  concat,
  matmul,
  type Operation,
  type Program,
  pad,
  reshape,
  slice,
  sliceAxis,
  sumSquares,
  trace,
  transpose,
  type Value,
} from "../../program/index.js";
import type { LayerMoments } from "../../sparsity/index.js";
import type { Calibration, Probe } from "./calibration.js";
import type { PruneLayer } from "./layers.js";

/** Largest number of inputs of a layer for which moments are gathered: the matrix of 4,608 inputs takes 170 MB. */
export const MOST_COLUMNS = 4608;

/** What a convolution multiplies: [C/groups kh kw, N P] for one group, P output pixels. */
function patches(x: Value, weight: readonly number[], { stride, padding, dilation }: ConvAttrs, out: readonly number[]): Value {
  const [n, c] = x.shape as [number, number];
  const [top, left, bottom, right] = padding as [number, number, number, number];
  const whole = padding.some((p) => p > 0) ? pad(x, [0, 0, top, left], [0, 0, bottom, right]) : x;
  const [oh, ow] = out.slice(2) as [number, number];
  const taps: Value[] = [];
  for (let u = 0; u < weight[2]!; u++) {
    for (let v = 0; v < weight[3]!; v++) {
      const from = [0, 0, u * dilation[0]!, v * dilation[1]!];
      const to = [n, c, from[2]! + (oh - 1) * stride[0]! + 1, from[3]! + (ow - 1) * stride[1]! + 1];
      taps.push(reshape(slice(whole, from, to, [1, 1, stride[0]!, stride[1]!]), [n, c, 1, oh * ow]));
    }
  }
  const columns = c * taps.length;
  return reshape(transpose(reshape(concat(taps, 2), [n, columns, oh * ow]), [1, 0, 2]), [columns, n * oh * ow]);
}

/** Operands of a layer as matrices [features, positions], one per group. */
function matrices(x: Value, layer: PruneLayer, operation: Operation, program: Program): Value[] {
  if (layer.kind === "linear") return [transpose(x, [1, 0])];
  const attrs = operation.attrs as unknown as ConvAttrs;
  const weight = program.values[operation.inputs[1]!]!.shape;
  const out = program.values[operation.outputs[0]!]!.shape;
  const each = weight[1]!;
  return Array.from({ length: attrs.groups }, (_, g) =>
    patches(attrs.groups === 1 ? x : sliceAxis(x, 1, g * each, (g + 1) * each), weight, attrs, out),
  );
}

/** Results of a layer as [outputs, positions]. */
function results(y: Value, layer: PruneLayer): Value {
  if (layer.kind === "linear") return transpose(y, [1, 0]);
  const [n, o] = y.shape as [number, number];
  return reshape(transpose(reshape(y, [n, o, -1]), [1, 0, 2]), [o, -1]);
}

/** A program of its own for one product: inputs x (and y), outputs as `f` makes them. */
function beside(
  layer: PruneLayer,
  operation: Operation,
  program: Program,
  withTarget: boolean,
  f: (x: readonly Value[], y?: Value) => Readonly<Record<string, Value>>,
): Program {
  const shape = (id: number) => ({ shape: program.values[id]!.shape });
  const inputs = { x: shape(operation.inputs[0]!), ...(withTarget ? { y: shape(operation.outputs[0]!) } : {}) };
  return trace(
    ({ inputs: v }) => ({ outputs: f(matrices(v["x"]!, layer, operation, program), v["y"] && results(v["y"], layer)) }),
    { inputs },
  );
}

/** Runs a tap over all batches and hands each result to a second plan. */
function over(
  calibration: Calibration,
  names: readonly string[],
  taps: readonly { plan: Plan; as: string }[],
  then: (values: Readonly<Record<string, Float32Array>>) => void,
): void {
  for (const batch of calibration.batches) {
    const feed = Object.fromEntries(names.map((name) => [name, batch[name]!]));
    const values: Record<string, Float32Array> = {};
    for (const { plan, as } of taps) values[as] = plan.run(feed)[as]!.data;
    then(values);
  }
}

/** Inputs that a product's activations depend on. */
const inputsOf = (probe: Probe, value: number): string[] => {
  const needed = new Set([value]);
  for (const { inputs, outputs } of [...probe.program.operations].reverse())
    if (outputs.some((id) => needed.has(id))) for (const id of inputs) needed.add(id);
  return Object.keys(probe.program.inputs).filter((name) => needed.has(probe.program.inputs[name]!));
};

/**
 * Moments of a layer: inputs as `pruned` feeds them, results as `dense` makes them (default: of the layer's own weight alone).
 * A weight of several groups has one per group; a shared weight sums over its uses.
 */
export function momentsOf(
  engine: Engine,
  layer: PruneLayer,
  calibration: Calibration,
  pruned: Probe,
  dense?: Probe,
): LayerMoments[] {
  const groups = layer.products[0]!.groups;
  const { columns } = layer;
  const rows = layer.rows / groups;
  const sums = Array.from({ length: groups }, () => ({
    gram: new Float64Array(columns * columns),
    cross: new Float64Array(rows * columns),
  }));
  let samples = 0;
  for (const product of layer.products) {
    const operation = pruned.program.operations[product.operation]!;
    const program = beside(layer, operation, pruned.program, dense !== undefined, (x, y) => {
      const out: Record<string, Value> = {};
      x.forEach((columnsOf, g) => {
        out[`gram${g}`] = matmul(columnsOf, columnsOf, { transposeB: true });
        if (y)
          out[`cross${g}`] = matmul(groups === 1 ? y : sliceAxis(y, 0, g * rows, (g + 1) * rows), columnsOf, { transposeB: true });
      });
      return out;
    });
    const store = engine.params({});
    const plans = [
      pruned.tap({ x: product.input }),
      ...(dense ? [dense.tap({ y: product.output })] : []),
      engine.compile(program, store),
    ];
    const taps = [{ plan: plans[0]!, as: "x" }, ...(dense ? [{ plan: plans[1]!, as: "y" }] : [])];
    try {
      over(calibration, inputsOf(pruned, product.input), taps, (values) => {
        const found = plans.at(-1)!.run(values);
        sums.forEach(({ gram, cross }, g) => {
          add(gram, found[`gram${g}`]!.data);
          if (dense) add(cross, found[`cross${g}`]!.data);
        });
        samples += sizeOf(pruned.program.values[product.output]!.shape) / layer.rows;
      });
    } finally {
      for (const plan of plans) plan.close();
      store.close();
    }
  }
  return sums.map(({ gram, cross }) => ({ columns, gram, samples, ...(dense ? { cross } : {}) }));
}

/** L2 norm of every input of a layer over all positions, per group [columns]. */
export function inputNorms(engine: Engine, layer: PruneLayer, calibration: Calibration, probe: Probe): Float64Array[] {
  const sums = Array.from({ length: layer.products[0]!.groups }, () => new Float64Array(layer.columns));
  for (const product of layer.products) {
    const operation = probe.program.operations[product.operation]!;
    const program = beside(layer, operation, probe.program, false, (x) =>
      Object.fromEntries(x.map((v, g) => [`norm${g}`, sumSquares(v, 1)])),
    );
    const store = engine.params({});
    const plans = [probe.tap({ x: product.input }), engine.compile(program, store)];
    try {
      over(calibration, inputsOf(probe, product.input), [{ plan: plans[0]!, as: "x" }], (values) => {
        const found = plans[1]!.run(values);
        sums.forEach((sum, g) => {
          add(sum, found[`norm${g}`]!.data);
        });
      });
    } finally {
      for (const plan of plans) plan.close();
      store.close();
    }
  }
  return sums.map((sum) => sum.map(Math.sqrt));
}

function add(sum: Float64Array, data: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += data[i]!;
}

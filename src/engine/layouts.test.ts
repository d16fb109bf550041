/**
 * Operations between convolutions (values in planes) and between sparse linear layers (values in columns): the physical layout that the
 * plan chose must not show. Every operation stands after one such layer and before another, values and gradients against the interpreter.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng, sizeOf, type Tree } from "../core/index.js";
import {
  abs,
  add,
  avgPool2d,
  batchNorm,
  broadcastTo,
  concat,
  conv2d,
  div,
  exp,
  gradients,
  greater,
  layerNorm,
  linear,
  matmul,
  max,
  maxPool2d,
  mean,
  mul,
  neg,
  type ParamSpec,
  pad,
  reduceMax,
  relu,
  reshape,
  scatterSlice,
  sigmoid,
  slice,
  softmax,
  sqrt,
  square,
  stopGradient,
  sub,
  sum,
  sumSquares,
  trace,
  transpose,
  type Value,
  where,
} from "../program/index.js";
import { createEngine, type Engine } from "./engine.js";
import { differences, randomTensor } from "./testing/agree.js";
import { masksOf, testWeight } from "./testing/sparse.js";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

type Extra = (shape: readonly number[]) => Value;
type Op = (x: Value, extra: Extra) => Value;

/** What stands between two convolutions: x [n, 4, 6, 7] -> a picture. `extra` declares one more input. */
const PICTURES: Readonly<Record<string, Op>> = {
  nothing: (x) => x,
  exp: (x) => exp(x),
  "abs, then sqrt": (x) => sqrt(add(abs(x), 0.1)),
  "neg and relu": (x) => relu(neg(x)),
  "x * sigmoid(x)": (x) => mul(x, sigmoid(x)),
  "x + x": (x) => add(x, x),
  "twice used": (x) => sub(square(x), mul(x, 0.5)),
  "scalar first": (x) => sub(1.5, x),
  residual: (x, extra) => relu(add(x, extra(x.shape))),
  "picture first": (x, extra) => sub(extra(x.shape), x),
  "bias [1,C,1,1]": (x, extra) => add(x, extra([1, 4, 1, 1])),
  "bias [C,1,1]": (x, extra) => mul(x, extra([4, 1, 1])),
  "per image [N,1,1,1]": (x, extra) => mul(x, extra([x.shape[0]!, 1, 1, 1])),
  "per image and channel [N,C,1,1]": (x, extra) => mul(x, sigmoid(extra([x.shape[0]!, 4, 1, 1]))),
  "per pixel [H,W]": (x, extra) => add(x, extra([6, 7])),
  "per column [W]": (x, extra) => mul(x, extra([7])),
  "squeeze and excite": (x) => mul(x, sigmoid(mean(x, [2, 3], true))),
  "divided by its sum": (x) => div(x, add(sum(abs(x), [1, 2, 3], true), 1)),
  "minus its channel mean": (x) => sub(x, mean(x, [0, 2, 3], true)),
  "minus its greatest": (x) => sub(x, reduceMax(x, [2, 3], true)),
  "max with another": (x, extra) => max(x, extra(x.shape)),
  where: (x, extra) => where(greater(x, 0), x, extra(x.shape)),
  batchNorm: (x, extra) => batchNorm(x, extra([4]), extra([4])).y,
  "batchNorm, residual, relu": (x, extra) => relu(add(batchNorm(x, extra([4]), extra([4])).y, extra(x.shape))),
  "batchNorm of a sum": (x, extra) => batchNorm(add(x, extra(x.shape)), extra([4]), extra([4])).y,
  "maxPool 2": (x) => maxPool2d(x, { kernel: 2 }),
  "maxPool 3 stride 2 padding 1": (x) => maxPool2d(x, { kernel: 3, stride: 2, padding: 1 }),
  "avgPool 3 stride 1 padding 1": (x) => avgPool2d(x, { kernel: 3, stride: 1, padding: 1 }),
  "avgPool over all": (x) => avgPool2d(x, { kernel: [6, 7] }),
  "every second pixel": (x) => slice(x, [0, 0, 0, 0], [...x.shape], [1, 1, 2, 2]),
  "an inner window": (x) => slice(x, [0, 0, 1, 2], [x.shape[0]!, 4, 5, 6], [1, 1, 1, 1]),
  "channels 1 and 3": (x) =>
    concat([slice(x, [0, 1, 0, 0], [...x.shape], [1, 2, 1, 1]), slice(x, [0, 0, 0, 0], [x.shape[0]!, 2, 6, 7], [1, 1, 1, 1])], 1),
  "padded channels": (x) => slice(pad(x, [0, 2, 0, 0], [0, 1, 0, 0]), [0, 1, 0, 0], [x.shape[0]!, 5, 6, 7], [1, 1, 1, 1]),
  "padded pixels": (x) => pad(x, [0, 0, 1, 0], [0, 0, 2, 3]),
  "padded with ones": (x) => pad(x, [0, 0, 1, 1], [0, 0, 1, 1], 1),
  "spread pixels": (x) => scatterSlice(x, [x.shape[0]!, 4, 12, 14], [0, 0, 1, 0], [1, 1, 2, 2]),
  "concat of channels": (x, extra) => slice(concat([x, extra(x.shape)], 1), [0, 2, 0, 0], [x.shape[0]!, 6, 6, 7], [1, 1, 1, 1]),
  "concat of images": (x, extra) => concat([x, extra(x.shape)], 0),
  "concat of rows": (x, extra) => concat([extra(x.shape), x], 2),
  "half of the images": (x) => slice(x, [0, 0, 0, 0], [Math.ceil(x.shape[0]! / 2), 4, 6, 7], [1, 1, 1, 1]),
  "transposed pictures": (x) => transpose(x, [0, 1, 3, 2]),
  "channels last and back": (x) => transpose(softmax(transpose(x, [0, 2, 3, 1]), -1), [0, 3, 1, 2]),
  "layerNorm of the last axis": (x, extra) => layerNorm(x, extra([7]), extra([7])),
  "channel shuffle": (x) => reshape(transpose(reshape(x, [x.shape[0]!, 2, 2, 6, 7]), [0, 2, 1, 3, 4]), [...x.shape]),
  "broadcast of one pixel": (x) => broadcastTo(mean(x, [2, 3], true), [...x.shape]),
  "stopGradient beside itself": (x) => add(mul(stopGradient(x), 0.5), x),
  "softmax over channels": (x) => softmax(x, 1),
};

/** What stands between two sparse linear layers: x [n, 12] -> [n, 12]. */
const ROWS: Readonly<Record<string, Op>> = {
  nothing: (x) => x,
  exp: (x) => exp(x),
  "x + x": (x) => add(x, x),
  "twice used": (x) => sub(square(x), mul(x, 0.5)),
  "scalar first": (x) => sub(1.5, x),
  residual: (x, extra) => relu(add(x, extra(x.shape))),
  "bias [F]": (x, extra) => add(x, extra([12])),
  "scale [1,F]": (x, extra) => mul(x, extra([1, 12])),
  "per sample [N,1]": (x, extra) => mul(x, extra([x.shape[0]!, 1])),
  "minus its mean": (x) => sub(x, mean(x, [1], true)),
  "minus the batch's mean": (x) => sub(x, mean(x, [0], true)),
  "over its greatest": (x) => div(x, add(abs(reduceMax(x, [1], true)), 1)),
  "batch's sum of squares": (x) => mul(x, sumSquares(x, [0])),
  batchNorm: (x, extra) => relu(batchNorm(x, extra([12]), extra([12])).y),
  layerNorm: (x, extra) => layerNorm(x, extra([12]), extra([12])),
  softmax: (x) => softmax(x, -1),
  "dense layer": (x, extra) => matmul(x, extra([12, 12])),
  "gram of the batch": (x) => matmul(matmul(x, x, { transposeB: true }), x),
  where: (x, extra) => where(greater(x, 0), x, extra(x.shape)),
  "halves exchanged": (x) => concat([slice(x, [0, 6], [x.shape[0]!, 12], [1, 1]), slice(x, [0, 0], [x.shape[0]!, 6], [1, 1])], 1),
  "greatest of halves": (x) => {
    const halves = reshape(x, [x.shape[0]!, 2, 6]);
    return reshape(sub(halves, reduceMax(halves, [1], true)), [x.shape[0]!, 12]);
  },
  "as pictures": (x) => reshape(maxPool2d(reshape(x, [x.shape[0]!, 3, 2, 2]), { kernel: 1 }), [x.shape[0]!, 12]),
};

/** What stands between two sparse linear layers along the last axis of x [2, 12, 3, 12]: features lie as channels do elsewhere. */
const LAST: Readonly<Record<string, Op>> = {
  "bias [F]": (x, extra) => add(x, extra([12])),
  "bias [1,C,1,1]": (x, extra) => add(x, extra([1, 12, 1, 1])),
  "scale [C,1,1]": (x, extra) => mul(relu(x), extra([12, 1, 1])),
  "batchNorm of channels": (x, extra) => batchNorm(x, extra([12]), extra([12])).y,
};

/** Traces twice: once to learn which extra inputs an operation declares, once with them. */
function build(
  op: Op,
  before: (p: Tree<Value>, x: Value) => Value,
  after: (p: Tree<Value>, x: Value) => Value,
  params: Tree<ParamSpec>,
  x: readonly number[],
) {
  const extras: (readonly number[])[] = [];
  const body = (p: Tree<Value>, inputs: Tree<Value>, extra: Extra) => {
    const y = after(p, op(before(p, inputs["x"]!), extra));
    const wrt: Record<string, Value> = { x: inputs["x"]!, ...p };
    const loss = mean(mul(y, sigmoid(y)));
    const found = gradients(loss, Object.values(wrt));
    return { outputs: { y, ...Object.fromEntries(Object.keys(wrt).map((name, i) => [`d${name}`, found[i]!])) } };
  };
  const spec = { params, inputs: { x: { shape: x } } };
  trace(({ params: p, inputs }) => {
    const extra: Extra = (shape) => {
      extras.push([...shape]);
      return broadcastTo(
        reshape(
          sum(inputs["x"]!),
          shape.map(() => 1),
        ),
        [...shape],
      );
    };
    return body(p, inputs, extra);
  }, spec);
  const declared = Object.fromEntries(extras.map((shape, i) => [`extra${i}`, { shape }]));
  let used = 0;
  const program = trace(({ params: p, inputs }) => body(p, inputs, () => inputs[`extra${used++}`]!), {
    params,
    inputs: { ...spec.inputs, ...declared },
  });
  return { program, shapes: { x, ...Object.fromEntries(Object.entries(declared).map(([name, { shape }]) => [name, shape])) } };
}

/** Float32 through a dozen operations, some of which divide. */
const BOUND = 3e-5;

describe.each([4, 3, 8])("between convolutions, batch %i", (n) => {
  it.each(Object.keys(PICTURES))("%s", (name) => {
    const rng = createRng(n).split(name);
    const x = [n, 3, 6, 7];
    const params = { a: { shape: [4, 3, 3, 3] } };
    // The layer behind takes however many channels come.
    let channels = 4;
    const after = (p: Tree<Value>, y: Value) => {
      channels = y.shape[1]!;
      return p["b"] ? conv2d(y, p["b"], { padding: 1, stride: y.shape[2]! > 6 ? 2 : 1 }) : y;
    };
    const before = (p: Tree<Value>, v: Value) => conv2d(v, p["a"]!, { padding: 1 });
    build(PICTURES[name]!, before, after, params, x);
    const whole = { ...params, b: { shape: [5, channels, 3, 3] } };
    const { program, shapes } = build(PICTURES[name]!, before, after, whole, x);
    const inputs = Object.fromEntries(Object.entries(shapes).map(([input, shape]) => [input, randomTensor(shape, rng)]));
    const values = Object.fromEntries(
      Object.entries(whole).map(([path, { shape }]) => [path, randomTensor(shape, rng, 1.5 / Math.sqrt(sizeOf(shape.slice(1))))]),
    );
    for (const { name: what, error } of differences(engine, program, { params: values, inputs }, { winograd: false }))
      expect(error, what).toBeLessThan(BOUND);
  });
});

describe.each([
  ["batch 4", [4, 10], ROWS],
  ["batch 7", [7, 10], ROWS],
  ["batch 33", [33, 10], ROWS],
  ["four dims", [2, 12, 3, 10], LAST],
] as const)("between sparse linear layers, %s", (_, shape, operations) => {
  it.each(Object.keys(operations))("%s", (name) => {
    const rng = createRng(shape[0]).split(name);
    const weights = {
      a: testWeight([12, 10], "csr", rng, { density: 0.5 }),
      b: testWeight([8, 12], "block2", rng, { density: 0.5 }),
    };
    const params = { a: weights.a.spec, b: weights.b.spec };
    const { program, shapes } = build(
      operations[name]!,
      (p, x) => linear(x, p["a"]!),
      (p, x) => linear(x, p["b"]!),
      params,
      [...shape],
    );
    const inputs = Object.fromEntries(Object.entries(shapes).map(([input, shape]) => [input, randomTensor(shape, rng)]));
    const given = { params: { a: weights.a.value, b: weights.b.value }, inputs, masks: masksOf(weights) };
    for (const { name: what, error } of differences(engine, program, given)) expect(error, what).toBeLessThan(BOUND);
  });
});

/** Exported models run in onnxruntime and give the program's numbers. */
import { describe, expect, it } from "vitest";
import { createRng, InputError, mapTree, type Tensor, type Tree, tensor } from "../../core/index.js";
import { readOnnx } from "../../formats/index.js";
import type { Value } from "../graph.js";
import { importOnnx } from "../import/onnx.js";
import { numbers } from "../import/testing/models.js";
import { type Fed, runOnnx, runtime, worst } from "../import/testing/onnxruntime.js";
import { interpret } from "../interpret.js";
import * as op from "../ops/index.js";
import { anyBatch, atBatch } from "../passes/batch.js";
import { type Traced, trace } from "../trace.js";
import type { Program } from "../types.js";
import { exportOnnx } from "./onnx.js";

type Body = (x: Value, p: Tree<Value>) => Value | Record<string, Value>;

const program = (body: Body, shape: readonly number[], params: Tree<readonly number[]> = {}): Program =>
  trace(
    ({ inputs, params: p }): Traced => {
      const y = body(inputs["x"]!, p);
      return { outputs: "graph" in y ? { y: y as Value } : (y as Record<string, Value>) };
    },
    { inputs: { x: { shape } }, params: mapTree(params, (s) => ({ shape: s })) },
  );

function valuesOf(params: Tree<readonly number[]>): Tree<Tensor> {
  const rng = createRng(4);
  return mapTree(params, (shape, path) => {
    const t = tensor(shape);
    for (let i = 0; i < t.data.length; i++) t.data[i] = path.startsWith("variance") ? 0.5 + rng.uniform() : rng.normal() * 0.5;
    return t;
  });
}

async function agree(p: Program, params: Tree<Tensor>, bytes: Uint8Array, fed: Fed): Promise<void> {
  const { outputs } = interpret(p, { params, inputs: { x: tensor(fed.shape, fed.data) } });
  const got = await runOnnx(bytes, { x: fed });
  for (const [name, expected] of Object.entries(outputs)) {
    expect([...got[name]!.dims]).toEqual([...expected.shape]);
    expect(worst(got[name]!.data, expected.data), name).toBeLessThan(1e-4);
  }
}

const s = [2, 4, 6, 6];
const conv = { stride: [2, 1], padding: [1, 0, 1, 2], dilation: [1, 1], groups: 2 };
const bodies: [string, Body, readonly number[], Tree<readonly number[]>?][] = [
  ...(
    [
      "neg",
      "abs",
      "exp",
      "tanh",
      "sigmoid",
      "relu",
      "square",
      "sign",
      "step",
      "gelu",
      "silu",
      "sin",
      "cos",
      "floor",
      "softplus",
      "erf",
      "stopGradient",
    ] as const
  ).map((name): [string, Body, number[]] => [name, (x) => op[name](x), s]),
  ...(["sqrt", "rsqrt", "recip", "log", "log1p"] as const).map((name): [string, Body, number[]] => [
    name,
    (x) => op[name](op.affine(op.abs(x), 1, 0.3)),
    s,
  ]),
  ["affine", (x) => op.affine(op.affine(op.affine(x, 2, 0), 1, 3), -0.5, 0.25), s],
  ["hardSigmoid", (x) => op.hardSigmoid(x, 0.3, 0.4), s],
  ["hardSwish", (x) => op.hardSwish(x), s],
  ["affine of nothing", (x) => op.affine(x, 1, 0), s],
  ["clamp", (x) => op.clamp(x, -0.3, 0.8), s],
  ["leaky", (x) => op.leaky(x, 0.2), s],
  ["powScalar", (x) => op.powScalar(op.abs(x), 1.5), s],
  ...(["add", "sub", "mul", "div", "max", "min", "greater", "greaterEqual", "equal"] as const).map(
    (name): [string, Body, number[], Tree<number[]>] => [name, (x, p) => op[name](x, p["w"]!), s, { w: [4, 1, 6] }],
  ),
  ["pow", (x, p) => op.pow(op.affine(op.abs(x), 1, 0.5), p["w"]!), s, { w: [6] }],
  ["where", (x, p) => op.where(op.greater(x, 0), x, p["w"]!), s, { w: [6] }],
  ["reluGrad", (x) => op.reluGrad(op.square(x), op.relu(x)), s],
  ["constant", (x) => op.add(x, op.constant(x.graph, [6], [1, 2, 3, 4, 5, 6])), s],
  ...(["sum", "mean", "reduceMax", "reduceMin", "sumSquares"] as const).map((name): [string, Body, number[]] => [
    name,
    (x) => ({ a: op[name](x, [1, 3]), b: op[name](x, 2, true), c: op[name](x) }),
    s,
  ]),
  ["broadcastTo", (x) => op.broadcastTo(op.reshape(x, [2, 1, 144]), [2, 3, 144]), s],
  [
    "layouts",
    (x) =>
      op.concat(
        [
          op.transpose(op.slice(x, [0, 1, 0, 1], [2, 4, 6, 6], [1, 1, 2, 1]), [0, 1, 3, 2]),
          op.pad(op.slice(x, [0, 0, 0, 0], [2, 3, 5, 1]), [0, 0, 0, 1], [0, 0, 0, 1], 0.5),
        ],
        1,
      ),
    s,
  ],
  ["scatterSlice", (x) => op.scatterSlice(x, [2, 5, 8, 7], [0, 1, 1, 0], [1, 1, 1, 1]), s],
  ["linear", (x, p) => op.linear(op.reshape(x, [2, 144]), p["w"]!, p["b"]!), s, { w: [5, 144], b: [5] }],
  [
    "matmul",
    (x) => ({ a: op.matmul(x, x, { transposeB: true }), b: op.matmul(x, x, { transposeA: true }), c: op.matmul(x, x) }),
    s,
  ],
  ["conv2d with a bias", (x, p) => op.relu(op.conv2d(x, p["w"]!, { ...conv, bias: p["b"] })), s, { w: [6, 2, 3, 3], b: [6] }],
  [
    "conv2d with an add that is no bias",
    (x, p) => op.add(op.conv2d(x, p["w"]!, { padding: 1 }), op.reshape(p["b"]!, [1, 1, 1, 6])),
    s,
    { w: [6, 4, 3, 3], b: [6] },
  ],
  [
    "conv2dInputGrad",
    (x, p) =>
      op.conv2dInputGrad(x, p["w"]!, [2, 3, 12, 13], { stride: [2, 2], padding: [1, 1, 0, 0], dilation: [1, 1], groups: 1 }),
    s,
    { w: [4, 3, 3, 4] },
  ],
  [
    "pools",
    (x) => ({
      a: op.maxPool2d(x, { kernel: 3, stride: 2, padding: 1 }),
      b: op.avgPool2d(x, { kernel: 3, stride: 2, padding: 1 }),
      c: op.avgPool2d(x, { kernel: 2, padding: [1, 0, 0, 1], countPad: false }),
    }),
    s,
  ],
  [
    "batchNormInference",
    (x, p) => op.batchNormInference(x, p["g"]!, p["b"]!, p["m"]!, p["variance"]!),
    s,
    { g: [4], b: [4], m: [4], variance: [4] },
  ],
  [
    "norms",
    (x, p) => ({ a: op.layerNorm(x, p["g"]!, p["b"]!), b: op.rmsNorm(x, p["g"]!), c: op.softmax(x, 1), d: op.logSoftmax(x) }),
    s,
    { g: [6], b: [6] },
  ],
  [
    "indices",
    (x) => {
      const flat = op.reshape(x, [8, 36]);
      const best = op.argmax(flat);
      const top = op.topK(flat, 3);
      return {
        best,
        values: top.values,
        places: top.indices,
        picked: op.pick(flat, best),
        hot: op.oneHot(best, 36),
        rows: op.gather(op.transpose(flat), best),
      };
    },
    s,
  ],
  [
    "an output that is an input, and one value twice",
    (x) => {
      const y = op.relu(x);
      return { same: x, a: y, b: y };
    },
    s,
  ],
];

describe.skipIf(!runtime)("exportOnnx: onnxruntime computes the same within 1e-4 (skipped without its binary)", () => {
  it.each(bodies)("%s", async (_, body, shape, shapes = {}) => {
    const p = program(body, shape, shapes);
    const params = valuesOf(shapes);
    await agree(p, params, exportOnnx({ program: p, params }), numbers(shape, 11));
  });

  it("writes an open batch: reshapes, expands, slices and constants grow with it", async () => {
    const shapes = { w: [7, 12], b: [7], k: [5, 3, 3, 3], kb: [5] };
    const body: Body = (x, q) => {
      const n = x.shape[0]!;
      const planes = op.conv2d(x, q["k"]!, { padding: 1, bias: q["kb"] });
      const rows = op.reshape(op.slice(planes, [0, 0, 0, 0], [n, 3, 4, 1]), [n * 2, 6]);
      const wide = op.broadcastTo(op.reshape(rows, [n, 1, 12]), [n, 2, 12]);
      const state = op.constant(x.graph, [n, 7], 0.5);
      return op.add(op.linear(op.sum(wide, 1), q["w"]!, q["b"]!), state);
    };
    const any = anyBatch((n) => JSON.parse(JSON.stringify(program(body, [n, 3, 4, 4], shapes))) as Program);
    const params = valuesOf(shapes);
    const bytes = exportOnnx({ program: any, params });
    expect(readOnnx(bytes).graph.inputs[0]!.shape).toEqual(["batch", 3, 4, 4]);
    for (const n of [1, 2, 7]) await agree(atBatch(any, n), params, bytes, numbers([n, 3, 4, 4], n));
  });

  it("puts the bias into Conv and Gemm, and only a bias", () => {
    const ops = (body: Body, shapes: Tree<readonly number[]>) =>
      readOnnx(exportOnnx({ program: program(body, s, shapes), params: valuesOf(shapes) })).graph.nodes.map((n) => n.opType);
    expect(ops((x, p) => op.conv2d(x, p["w"]!, { padding: 1, bias: p["b"] }), { w: [6, 4, 3, 3], b: [6] })).toEqual(["Conv"]);
    expect(ops((x, p) => op.linear(op.reshape(x, [2, 144]), p["w"]!, p["b"]!), { w: [5, 144], b: [5] })).toEqual([
      "Reshape",
      "Gemm",
    ]);
    expect(
      ops((x, p) => op.add(op.conv2d(x, p["w"]!, { padding: 1 }), op.reshape(p["b"]!, [1, 1, 1, 6])), { w: [6, 4, 3, 3], b: [6] }),
    ).toEqual(["Conv", "Reshape", "Add"]);
  });

  it("writes masked params dense or sparse, and reads the masks back", async () => {
    const shapes = { w: [5, 144], b: [5] };
    const p = program((x, q) => op.linear(op.reshape(x, [2, 144]), q["w"]!, q["b"]!), s, shapes);
    const params = valuesOf(shapes);
    const mask = { shape: [5, 144], data: Uint8Array.from({ length: 720 }, (_, i) => (i % 10 === 3 ? 1 : 0)) };
    const cut = {
      ...params,
      w: tensor(
        [5, 144],
        params["w"]!.data.map((v, i) => (mask.data[i] ? v : 0)),
      ),
    };
    const dense = exportOnnx({ program: p, params, masks: { w: mask } });
    const sparse = exportOnnx({ program: p, params, masks: { w: mask } }, { sparse: true });
    await agree(p, cut, dense, numbers(s, 3));
    await agree(p, cut, sparse, numbers(s, 3));
    // 72 values of 4 bytes and 72 indices of 8 in place of 720 values of 4.
    expect(dense.length - sparse.length).toBeGreaterThan(720 * 4 - 72 * 12 - 100);
    const back = importOnnx(sparse);
    expect(back.masks["w"]!.data).toEqual(mask.data);
    expect(back.params["w"]!.data).toEqual(cut.w.data);
  });
});

describe("exportOnnx refuses what ONNX cannot say", () => {
  const one = { program: program((x) => x, [1, 2]), params: {} };
  it("a training step", () => {
    const p = trace(({ params, inputs }) => ({ outputs: {}, updates: { w: op.sub(params["w"]!, inputs["x"]!) } }), {
      inputs: { x: { shape: [2] } },
      params: { w: { shape: [2] } },
    });
    expect(() => exportOnnx({ program: p, params: { w: tensor([2]) } })).toThrow(/updates its params/);
  });
  it("random numbers, naming the operation", () => {
    const p = trace(({ inputs }) => ({ outputs: { y: op.randomUniform(inputs["key"]!, [2], 0) } }), {
      inputs: { key: { shape: [2], dtype: "i32" } },
    });
    expect(() => exportOnnx({ program: p, params: {} })).toThrow(/"randomUniform".*no ONNX counterpart/);
  });
  it("a missing param or one of another shape", () => {
    const p = program((x, q) => op.mul(x, q["w"]!), [1, 2], { w: [2] });
    expect(() => exportOnnx({ program: p, params: {} })).toThrow(/"w"/);
    expect(() => exportOnnx({ program: p, params: { w: tensor([3]) } })).toThrow(InputError);
    expect(exportOnnx(one).length).toBeGreaterThan(20);
  });
});

import { describe, expect, it } from "vitest";
import { createRng, type Tensor, tensor } from "../../core/index.js";
import { interpret } from "../interpret.js";
import { add, batchNormInference, conv2d, linear, mean, relu } from "../ops/index.js";
import { trace } from "../trace.js";
import type { Program } from "../types.js";
import { anyBatch, atBatch } from "./batch.js";
import { checkProgram } from "./check.js";
import { foldBatchNorm } from "./fold-batch-norm.js";
import { int8Units } from "./quantise-units.js";

const rng = createRng(5);
const random = (shape: number[], shift = 0): Tensor => {
  const t = tensor(shape);
  for (let i = 0; i < t.data.length; i++) t.data[i] = rng.normal() * 0.5 + shift;
  return t;
};

const params = {
  w: random([6, 3, 3, 3]),
  b: random([6]),
  gamma: random([6], 1),
  beta: random([6]),
  mean: random([6]),
  variance: tensor([6], [0.5, 1, 2, 0.1, 3, 1]),
  fc: random([4, 6]),
};

const network = (batch: number): Program =>
  trace(
    ({ params: p, inputs }) => {
      const y = conv2d(inputs["x"]!, p["w"]!, { padding: 1, bias: p["b"]! });
      const z = relu(batchNormInference(y, p["gamma"]!, p["beta"]!, p["mean"]!, p["variance"]!, 1e-3));
      return { outputs: { logits: linear(mean(z, [2, 3]), p["fc"]!) } };
    },
    {
      inputs: { x: { shape: [batch, 3, 5, 4] } },
      params: Object.fromEntries(Object.entries(params).map(([path, { shape }]) => [path, { shape }])),
    },
  );

describe("programs of any batch", () => {
  it("are what a trace at that batch gives, even where types share a shape", () => {
    const any = anyBatch(network);
    for (const batch of [1, 2, 3, 64]) expect(atBatch(any, batch)).toEqual(network(batch));
  });

  it("survive JSON", () => {
    const any = JSON.parse(JSON.stringify(anyBatch(network)));
    expect(JSON.parse(JSON.stringify(atBatch(any, 7)))).toEqual(JSON.parse(JSON.stringify(network(7))));
  });

  it("refuse a program whose operations depend on the batch", () => {
    const odd = (batch: number) =>
      trace(({ inputs }) => ({ outputs: { y: batch === 1 ? relu(inputs["x"]!) : relu(relu(inputs["x"]!)) } }), {
        inputs: { x: { shape: [batch, 2] } },
      });
    expect(() => anyBatch(odd)).toThrow("must not depend on the batch");
  });
});

describe("folding batch normalisation", () => {
  it("keeps the numbers and drops the operation and its params", () => {
    const folded = foldBatchNorm(network(2), params);
    expect(folded.program.operations.map((o) => o.op)).not.toContain("batchNormInference");
    expect(Object.keys(folded.params).sort()).toEqual(["fc", "w", "w:bias"]);
    checkProgram(folded.program);
    const x = random([2, 3, 5, 4]);
    const before = interpret(network(2), { params, inputs: { x } }).outputs["logits"]!;
    const after = interpret(folded.program, { params: folded.params, inputs: { x } }).outputs["logits"]!;
    for (let i = 0; i < before.data.length; i++) expect(after.data[i]).toBeCloseTo(before.data[i]!, 5);
  });

  it.each([
    ["[6, 1, 1]", [6, 1, 1], true],
    ["[6], one for each column", [6], false],
    ["[1]", [1], false],
    ["[5, 6]", [5, 6], false],
  ])("takes an addend for a bias where it has one value for each channel: %s", (_, shape, folds) => {
    const { w, gamma, beta, mean, variance } = params;
    const given = { w, gamma, beta, mean, variance, b: random([...shape]) };
    const program = trace(
      ({ params: p, inputs }) => {
        const y = add(conv2d(inputs["x"]!, p["w"]!, { padding: 1 }), p["b"]!);
        return { outputs: { y: batchNormInference(y, p["gamma"]!, p["beta"]!, p["mean"]!, p["variance"]!) } };
      },
      {
        inputs: { x: { shape: [2, 3, 5, 6] } },
        params: Object.fromEntries(Object.entries(given).map(([k, t]) => [k, { shape: t.shape }])),
      },
    );
    const folded = foldBatchNorm(program, given);
    expect(folded.program.operations.some(({ op }) => op === "batchNormInference")).toBe(!folds);
    const x = random([2, 3, 5, 6]);
    const before = interpret(program, { params: given, inputs: { x } }).outputs["y"]!;
    const after = interpret(folded.program, { params: folded.params, inputs: { x } }).outputs["y"]!;
    for (let i = 0; i < before.data.length; i++) expect(after.data[i]).toBeCloseTo(before.data[i]!, 5);
  });
});

describe("int8Units", () => {
  it.each([
    ["[1, 6, 1, 1]", [1, 6, 1, 1], "b"],
    ["[6], one for each column", [6], undefined],
  ])("takes an addend for a bias where it has one value for each channel: %s", (_, shape, bias) => {
    const program = trace(
      ({ params: p, inputs }) => ({ outputs: { y: relu(add(conv2d(inputs["x"]!, p["w"]!, { padding: 1 }), p["b"]!)) } }),
      { inputs: { x: { shape: [1, 3, 5, 6] } }, params: { w: { shape: [6, 3, 3, 3] }, b: { shape: [...shape] } } },
    );
    expect(int8Units(program).map((unit) => unit.bias)).toEqual([bias]);
  });
});

describe("checkProgram", () => {
  const good = network(2);
  const broken = (change: (copy: { -readonly [K in keyof Program]: unknown }) => void): Program => {
    const copy = JSON.parse(JSON.stringify(good));
    change(copy);
    return copy;
  };
  it("passes what tracing made", () => checkProgram(good));
  it("names what is wrong", () => {
    const cases: [string, (p: never) => void][] = [
      [
        "the program says f32 [9, 9]",
        (p: { values: { shape: number[] }[]; operations: { outputs: number[] }[] }) =>
          void (p.values[p.operations[0]!.outputs[0]!]!.shape = [9, 9]),
      ],
      ["unknown", (p: { operations: { op: string }[] }) => void (p.operations[1]!.op = "frobnicate")],
      ["before it is made", (p: { operations: unknown[] }) => void p.operations.reverse()],
      ["is value 999", (p: { outputs: Record<string, number> }) => void (p.outputs["logits"] = 999)],
      ["has the shape", (p: { values: { shape: unknown }[] }) => void (p.values[0]!.shape = [-1, 1e30])],
    ];
    for (const [message, change] of cases) expect(() => checkProgram(broken(change as never)), message).toThrow(message);
  });
});

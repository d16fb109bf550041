/** Passes over imported models: constants folded, dead code gone, batch norm folded, bias and activation inside the product, sparse 3x3 as offset lists. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { sizeOf, tensor } from "../../core/index.js";
import { createEngine, type Engine } from "../../engine/index.js";
import type { OnnxNode } from "../../formats/index.js";
import { createSession, packModel } from "../../runtime/index.js";
import { interpret } from "../interpret.js";
import { anyBatch, atBatch } from "../passes/batch.js";
import { foldBatchNorm } from "../passes/fold-batch-norm.js";
import { importOnnx } from "./onnx.js";
import { attribute, floatTensor, model, numbers } from "./testing/models.js";

let engine: Engine;
beforeAll(async () => void (engine = await createEngine()));
afterAll(() => engine.close());

const node = (opType: string, inputs: string[], outputs: string[], attrs: Record<string, number | number[]> = {}): OnnxNode => ({
  name: outputs[0]!,
  opType,
  inputs,
  outputs,
  attributes: Object.entries(attrs).map(([name, value]) => attribute(name, value)),
});
const stored = (name: string, shape: number[], seed: number, shift = 0) =>
  floatTensor(
    name,
    shape,
    Float32Array.from(numbers(shape, seed).data, (v) => Math.abs(shift) + (shift ? Math.abs(v) : v)),
  );
const pads = { pads: [1, 1, 1, 1] };
const x = numbers([1, 8, 10, 10]);
const bytes = model(
  [
    // 2 w1 - 1: known at import.
    node("Mul", ["w1", "two"], ["w2x"]),
    node("Sub", ["w2x", "one"], ["w"]),
    node("Conv", ["x", "w"], ["a"], pads),
    node("BatchNormalization", ["a", "gamma", "beta", "mean", "var"], ["b"]),
    node("Relu", ["b"], ["c"]),
    node("Conv", ["c", "v", "bias"], ["d"], pads),
    node("Relu", ["d"], ["e"]),
    node("Add", ["c", "e"], ["y"]),
    // Nobody reads this.
    node("Conv", ["x", "unused"], ["dead"]),
    node("Exp", ["dead"], ["deader"]),
  ],
  { x },
  [
    stored("w1", [8, 8, 3, 3], 1),
    floatTensor("two", [], [2]),
    floatTensor("one", [], [1]),
    stored("gamma", [8], 2, 0.5),
    stored("beta", [8], 3),
    stored("mean", [8], 4),
    stored("var", [8], 5, 0.5),
    stored("v", [8, 8, 3, 3], 6),
    stored("bias", [8], 7),
    stored("unused", [8, 8, 1, 1], 8),
  ],
  ["y"],
);

it("an imported model runs as few kernels as its layers need", async () => {
  const { program, params } = importOnnx(bytes);
  expect(program.one.operations.map(({ op }) => op)).not.toContain("exp");
  expect(Object.keys(params).sort()).toEqual(["beta", "bias", "gamma", "mean", "v", "var", "w"]);
  expect(params["w"]!.data[5]).toBeCloseTo(2 * (numbers([8, 8, 3, 3], 1).data[5] as number) - 1, 6);

  const folded = anyBatch((n) => foldBatchNorm(atBatch(program, n), params).program);
  const values = foldBatchNorm(program.one, params).params;
  expect(folded.one.operations.map(({ op }) => op)).not.toContain("batchNormInference");
  const data = Float32Array.from(x.data);
  const expected = interpret(program.one, { params, inputs: { x: tensor(x.shape, data) } }).outputs["y"]!;

  const half = Uint8Array.from({ length: sizeOf([8, 8, 3, 3]) }, (_, i) => ((i * 7919) % 1009 < 400 ? 1 : 0));
  const masks = { v: { shape: [8, 8, 3, 3], data: half } };
  for (const file of [packModel({ program: folded, params: values }), packModel({ program: folded, params: values, masks })]) {
    const session = await createSession(file, { engine, kernels: "sparse" });
    const got = (await session.run({ x: data }))["y"]!.data as Float32Array;
    if (file.params["v"]!.kind === "dense")
      got.forEach((v, i) => {
        if (Math.abs(v - expected.data[i]!) > 1e-4 * (1 + Math.abs(v))) expect(v).toBe(expected.data[i]);
      });
    const decisions = session.decisions(1);
    expect(decisions.map(({ op, param }) => [op, param])).toEqual([
      ["conv2d", "w"],
      ["conv2d", "v"],
    ]);
    // Direct products on bordered planes (taps or offset lists): no im2col, no separate ReLU or bias.
    const kernels = session
      .plan(1)
      .profile(() => 0)
      .map(({ kernel }) => kernel);
    expect(kernels.filter((kernel) => /unary|im2col|batch/.test(kernel))).toEqual([]);
    if (file.params["v"]!.kind === "sparse") expect(decisions[1]!.kernel).toMatch(/^sp1/);
    session.close();
  }
});

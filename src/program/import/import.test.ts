/** What importing promises beyond single operators: names, folding, open batches. */

import { describe, expect, it } from "vitest";
import { intTensor, tensor } from "../../core/index.js";
import { createEngine } from "../../engine/index.js";
import { specsOf } from "../../engine/testing/agree.js";
import { readOnnx, writeOnnx } from "../../formats/index.js";
import { exportOnnx } from "../export/onnx.js";
import { valueAndGrad } from "../grad.js";
import { interpret } from "../interpret.js";
import { mean, operationNamed, square } from "../ops/index.js";
import { atBatch } from "../passes/batch.js";
import { inline, trace } from "../trace.js";
import { importOnnx } from "./onnx.js";
import { floatTensor, longTensor, model, numbers } from "./testing/models.js";
import { runOnnx, runtime, worst } from "./testing/onnxruntime.js";

import { node, write } from "./testing/sketch.js";

/** One attention head over token ids, written as exporters do: shapes computed, a causal mask by Where, heads by Reshape. */
function transformer(): Uint8Array {
  const w = (name: string, shape: number[], seed: number) => floatTensor(name, shape, numbers(shape, seed, 0.4).data);
  const l = (name: string, ...values: number[]) => longTensor(name, [values.length], values);
  return write({
    inputs: { ids: ["batch", "sequence"] },
    types: { ids: 7 },
    outputs: ["y"],
    initializers: [
      w("embed", [11, 8], 1),
      w("qkv", [8, 24], 2),
      w("proj", [8, 8], 3),
      w("g", [8], 4),
      w("b", [8], 5),
      l("zero", 0),
      l("one", 1),
      l("two", 2),
      l("heads", 2),
      l("width", 4),
      l("minus", -1),
      floatTensor("low", [], [-1e9]),
      longTensor("at0", [], [0]),
      longTensor("at1", [], [1]),
      floatTensor("scale", [], [2]),
    ],
    nodes: [
      node("Gather", ["embed", "ids"], ["x"]),
      node("LayerNormalization", ["x", "g", "b"], ["n"], { axis: -1 }),
      node("MatMul", ["n", "qkv"], ["m"]),
      node("Split", ["m"], ["q", "k", "v"], { axis: 2 }),
      node("Shape", ["ids"], ["shape"]),
      node("Gather", ["shape", "at0"], ["rows"]),
      node("Gather", ["shape", "at1"], ["length"]),
      node("Unsqueeze", ["rows", "zero"], ["rows1"]),
      node("Unsqueeze", ["length", "zero"], ["length1"]),
      node("Concat", ["rows1", "length1", "heads", "width"], ["split"], { axis: 0 }),
      node("Concat", ["rows1", "length1", "minus"], ["joined"], { axis: 0 }),
      ...["q", "k", "v"].flatMap((n) => [
        node("Reshape", [n, "split"], [`${n}r`]),
        node("Transpose", [`${n}r`], [`${n}t`], { perm: n === "k" ? [0, 2, 3, 1] : [0, 2, 1, 3] }),
      ]),
      node("MatMul", ["qt", "kt"], ["s0"]),
      node("Div", ["s0", "scale"], ["s1"]),
      node("Concat", ["length1", "length1"], ["square"], { axis: 0 }),
      node("ConstantOfShape", ["square"], ["ones"], { value: { t: floatTensor("", [1], [1]) } }),
      node("Trilu", ["ones"], ["lower"], { upper: 0 }),
      node("Cast", ["lower"], ["causal"], { to: 9 }),
      node("Where", ["causal", "s1", "low"], ["s2"]),
      node("Softmax", ["s2"], ["p"], { axis: -1 }),
      node("MatMul", ["p", "vt"], ["o"]),
      node("Transpose", ["o"], ["ot"], { perm: [0, 2, 1, 3] }),
      node("Reshape", ["ot", "joined"], ["or"]),
      node("MatMul", ["or", "proj"], ["op"]),
      node("Add", ["x", "op"], ["y"]),
    ],
  });
}

describe("a transformer block with computed shapes", () => {
  const bytes = transformer();
  const ids = { type: "int64", shape: [3, 5], data: [1, 4, 9, 2, 0, 5, 6, 10, 3, 1, 2, 2, 8, 7, 4] } as const;

  it.skipIf(!runtime)("gives onnxruntime's numbers at another batch than it was traced at", async () => {
    const { program, params, batch } = importOnnx(bytes, { dims: { sequence: 5 } });
    expect(batch).toBe("any");
    const got = interpret(atBatch(program, 3), { params, inputs: { ids: intTensor([3, 5], ids.data) } }).outputs["y"]!;
    const expected = (await runOnnx(bytes, { ids }))["y"]!;
    expect(got.shape).toEqual([...expected.dims]);
    expect(worst(got.data, expected.data)).toBeLessThan(1e-5);
    const engine = await createEngine();
    const store = engine.params(specsOf(program.one), params);
    const plan = engine.compile(atBatch(program, 3), store);
    expect(worst(plan.run({ ids: intTensor([3, 5], ids.data) })["y"]!.data, expected.data)).toBeLessThan(1e-4);
    engine.close();
    // And out again, with an open batch.
    const again = (await runOnnx(exportOnnx({ program, params }), { ids: { ...ids, type: "int32" } }))["y"]!;
    expect(worst(again.data, expected.data)).toBeLessThan(1e-5);
  });

  it("folds shapes away and keeps weights under their names, [out, in]", () => {
    const { program, params } = importOnnx(bytes, { dims: { sequence: 5 } });
    expect(Object.keys(params).sort()).toEqual(["b", "embed", "g", "proj", "qkv"]);
    expect(params["qkv"]!.shape).toEqual([24, 8]);
    const original = numbers([8, 24], 2, 0.4).data;
    expect(params["qkv"]!.data[3 * 8 + 5]).toBe(original[5 * 24 + 3]);
    expect(program.one.operations.map((o) => o.op)).not.toContain("greater");
  });

  it("names the symbol that is not bound", () => {
    expect(() => importOnnx(bytes)).toThrow(/dim 1 of the input "ids" is open \(symbol "sequence"\).*dims: \{ "sequence": 128 \}/);
  });

  it("fixes the batch when it is bound", () => {
    const { batch, inputs } = importOnnx(bytes, { dims: { sequence: 5, batch: 2 } });
    expect(batch).toMatchObject({ fixed: 2 });
    expect(inputs["ids"]).toEqual({ shape: [2, 5], dtype: "i32" });
  });

  it("is differentiable: the gradient of an imported model equals finite differences", () => {
    const { program, params } = importOnnx(bytes, { dims: { sequence: 5, batch: 1 } });
    const specs = Object.fromEntries(Object.entries(params).map(([path, { shape }]) => [path, { shape }]));
    const loss = trace(
      ({ params: p, inputs }) => {
        const { outputs } = inline(program.one, operationNamed, { inputs, params: p });
        const value = mean(square(outputs["y"]!));
        return { outputs: { loss: value, slope: valueAndGrad(value, { qkv: p["qkv"]! }).grads["qkv"]! } };
      },
      { inputs: { ids: { shape: [1, 5], dtype: "i32" } }, params: specs },
    );
    const inputs = { ids: intTensor([1, 5], [1, 4, 9, 2, 0]) };
    const at = (shift: number): { loss: number; slope: ArrayLike<number> } => {
      const data = params["qkv"]!.data.slice();
      data[30]! += shift;
      const { outputs } = interpret(loss, { params: { ...params, qkv: tensor([24, 8], data) }, inputs, double: true });
      return { loss: outputs["loss"]!.data[0]!, slope: outputs["slope"]!.data };
    };
    const step = 1 / 256;
    expect(at(0).slope[30]!).toBeCloseTo((at(step).loss - at(-step).loss) / (2 * step), 5);
  });
});

describe("open batches", () => {
  it("a model that fixes its batch inside is imported at batch 1, with the reason", () => {
    const bytes = write({
      inputs: { x: ["n", 4] },
      outputs: ["y"],
      initializers: [longTensor("s", [2], [1, 4])],
      nodes: [node("Reshape", ["x", "s"], ["y"])],
    });
    const { batch, inputs } = importOnnx(bytes);
    expect(inputs["x"]!.shape).toEqual([1, 4]);
    expect(batch).toMatchObject({ fixed: 1, reason: expect.stringContaining("Reshape") });
  });

  it("growth that is not even (a product of batches) is not called any batch", () => {
    const bytes = write({
      inputs: { x: ["n", 4] },
      outputs: ["y"],
      initializers: [longTensor("a", [1], [-1])],
      nodes: [node("Transpose", ["x"], ["t"]), node("MatMul", ["x", "t"], ["m"]), node("Reshape", ["m", "a"], ["y"])],
    });
    expect(importOnnx(bytes).batch).toMatchObject({ fixed: 1 });
  });
});

describe("files", () => {
  it("writes what it reads", () => {
    const bytes = transformer();
    expect(writeOnnx(readOnnx(bytes))).toEqual(bytes);
    expect(model([], {}, [], []).length).toBeGreaterThan(5);
  });
});

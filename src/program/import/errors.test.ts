/** Models that are refused: unsupported operators, damaged graphs, and constants that would fill the memory. */

import { describe, expect, it } from "vitest";
import { InputError } from "../../core/index.js";
import { importOnnx, unsupportedOperators } from "./onnx.js";
import { floatTensor, longTensor, numbers } from "./testing/models.js";

import { node, type Sketch, write } from "./testing/sketch.js";

describe("errors", () => {
  it("an unsupported operator names the node, the operator, its neighbours and the rest; the list has all", () => {
    const bytes = write({
      inputs: { x: [1, 4] },
      outputs: ["y"],
      nodes: [
        node("ReduceMedian", ["x"], ["a"], {}, "pick"),
        { ...node("FusedMatMul", ["a", "a"], ["b"]), domain: "com.microsoft" },
        node("ReduceMedian", ["b"], ["y"]),
      ],
    });
    expect(() => importOnnx(bytes)).toThrow(
      /node "pick": the operator ReduceMedian is not supported \(nearby: Reduce\w+, Reduce\w+, Reduce\w+\); also unsupported: com\.microsoft\.FusedMatMul/,
    );
    expect(unsupportedOperators(bytes)).toEqual([
      { operator: "ReduceMedian", count: 2, nodes: ["pick", "y"], nearby: expect.arrayContaining(["ReduceMean"]) },
      { operator: "com.microsoft.FusedMatMul", count: 1, nodes: ["b"], nearby: expect.arrayContaining(["MatMul"]) },
    ]);
  });

  const cases: [string, Sketch, RegExp][] = [
    [
      "a cycle",
      { inputs: { x: [1] }, outputs: ["a"], nodes: [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"])] },
      /reads "b", which no earlier node makes: a cycle/,
    ],
    [
      "a name made twice",
      { inputs: { x: [1] }, outputs: ["a"], nodes: [node("Relu", ["x"], ["a"]), node("Abs", ["x"], ["a"])] },
      /"a" is made twice/,
    ],
    ["an output that nobody makes", { inputs: { x: [1] }, outputs: ["z"], nodes: [] }, /no node makes the output "z"/],
    [
      "shapes that do not fit",
      {
        inputs: { x: [2, 3] },
        outputs: ["y"],
        initializers: [floatTensor("w", [4, 5], new Float32Array(20))],
        nodes: [node("MatMul", ["x", "w"], ["y"], {}, "fc")],
      },
      /node "fc" \(MatMul\): .*\[2, 3\]/,
    ],
    [
      "a shape that depends on data",
      { inputs: { x: [4], s: [2] }, types: { s: 7 }, outputs: ["y"], nodes: [node("Reshape", ["x", "s"], ["y"])] },
      /the shape \(operand 1\) is computed from input data/,
    ],
    [
      "a value of too many elements",
      {
        inputs: { x: [1] },
        outputs: ["y"],
        initializers: [longTensor("s", [2], [2 ** 20, 2 ** 20])],
        nodes: [node("Expand", ["x", "s"], ["y"])],
      },
      /more than the limit/,
    ],
    [
      "a constant of too many elements",
      {
        inputs: { x: [1] },
        outputs: ["y"],
        initializers: [longTensor("s", [1], [2 ** 30])],
        nodes: [node("ConstantOfShape", ["s"], ["y"])],
      },
      /more than the limit/,
    ],
    [
      "a negative dim",
      {
        inputs: { x: [4] },
        outputs: ["y"],
        initializers: [longTensor("s", [1], [-5])],
        nodes: [node("ConstantOfShape", ["s"], ["y"])],
      },
      /non-negative integers/,
    ],
    [
      "tensor data of the wrong length",
      {
        inputs: { x: [1] },
        outputs: ["y"],
        initializers: [{ name: "w", dims: [3], dataType: 1, rawData: new Uint8Array(8) }],
        nodes: [node("Add", ["x", "w"], ["y"])],
      },
      /needs 12 bytes, has 8/,
    ],
    [
      "an element type that is not read",
      {
        inputs: { x: [1] },
        outputs: ["y"],
        initializers: [{ name: "w", dims: [3], dataType: 17, rawData: new Uint8Array(3) }],
        nodes: [node("Add", ["x", "w"], ["y"])],
      },
      /float8e4m3fn/,
    ],
    [
      "division of a constant shape by zero",
      {
        inputs: { x: [1] },
        outputs: ["y"],
        initializers: [longTensor("a", [1], [4]), longTensor("b", [1], [0])],
        nodes: [node("Div", ["a", "b"], ["c"]), node("Expand", ["x", "c"], ["y"])],
      },
      /not finite/,
    ],
  ];
  it.each(cases)("%s", (_, sketch, message) => {
    expect(() => importOnnx(write(sketch))).toThrow(message);
    expect(() => importOnnx(write(sketch))).toThrow(InputError);
  });

  it("repeated doubling of a constant stays bounded in memory and time", () => {
    const nodes = Array.from({ length: 60 }, (_, i) => node("Concat", [`c${i}`, `c${i}`], [`c${i + 1}`], { axis: 0 }));
    const bytes = write({
      inputs: { x: [1] },
      outputs: ["y"],
      initializers: [floatTensor("c0", [2], [1, 2])],
      nodes: [...nodes, node("ReduceSum", ["c60"], ["s"]), node("Add", ["x", "s"], ["y"])],
    });
    const start = performance.now();
    expect(() => importOnnx(bytes)).toThrow(/more than the limit/);
    expect(performance.now() - start).toBeLessThan(20_000);
  });

  it("many large fills stay bounded together", () => {
    const nodes = Array.from({ length: 40 }, (_, i) => node("ConstantOfShape", ["s"], [`c${i}`]));
    const bytes = write({
      inputs: { x: [1] },
      outputs: ["y"],
      initializers: [longTensor("s", [1], [2 ** 24])],
      nodes: [...nodes, node("Add", ["x", "c0"], ["y"])],
    });
    expect(() => importOnnx(bytes)).toThrow(/constants made at import have more than/);
  });

  it("external bytes that many tensors share are not multiplied without end", () => {
    const initializers = Array.from({ length: 100 }, (_, i) => ({
      name: `w${i}`,
      dims: [2 ** 18],
      dataType: 1,
      dataLocation: 1,
      externalData: [{ key: "location", value: "w" }],
    }));
    const bytes = write({ inputs: { x: [1] }, outputs: ["y"], initializers, nodes: [node("Add", ["x", "w0"], ["y"])] });
    expect(() => importOnnx(bytes, { external: () => new Uint8Array(2 ** 20) })).toThrow(/same external bytes/);
  });

  it("a sequence too long to unroll", () => {
    const w = (name: string, shape: number[]) => floatTensor(name, shape, numbers(shape).data);
    const bytes = write({
      inputs: { x: [100000, 1, 2] },
      outputs: ["y"],
      initializers: [w("w", [1, 12, 2]), w("r", [1, 12, 3])],
      nodes: [node("LSTM", ["x", "w", "r"], ["y"], { hidden_size: 3 })],
    });
    expect(() => importOnnx(bytes)).toThrow(/100000 steps/);
  });
});

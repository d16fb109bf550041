/** What importing promises beyond single operators: names, folding, open batches, sparse and external tensors, clear errors. */
import { describe, expect, it } from "vitest";
import { FormatError, InputError, intTensor, tensor } from "../../core/index.js";
import { createEngine } from "../../engine/index.js";
import { specsOf } from "../../engine/testing/agree.js";
import { type OnnxNode, type OnnxTensor, readOnnx, writeOnnx } from "../../formats/index.js";
import { exportOnnx } from "../export/onnx.js";
import { valueAndGrad } from "../grad.js";
import { interpret } from "../interpret.js";
import { mean, operationNamed, square } from "../ops/index.js";
import { atBatch } from "../passes/batch.js";
import { inline, trace } from "../trace.js";
import { importOnnx, onnxExternalFiles, unsupportedOperators } from "./onnx.js";
import { attributes, floatTensor, longTensor, model, numbers } from "./testing/models.js";
import { runOnnx, runtime, worst } from "./testing/onnxruntime.js";

const node = (
  opType: string,
  inputs: string[],
  outputs: string[],
  given: Parameters<typeof attributes>[0] = {},
  name = "",
): OnnxNode => ({ name, opType, inputs, outputs, attributes: attributes(given) });

interface Sketch {
  readonly nodes: readonly OnnxNode[];
  readonly inputs: Record<string, (number | string | null)[]>;
  readonly outputs: string[];
  readonly initializers?: readonly OnnxTensor[];
  readonly types?: Record<string, number>;
}

const write = ({ nodes, inputs, outputs, initializers = [], types = {} }: Sketch): Uint8Array =>
  writeOnnx({
    irVersion: 8,
    producerName: "test",
    opsets: { "": 17 },
    metadata: {},
    graph: {
      name: "g",
      nodes,
      initializers,
      sparseInitializers: [],
      inputs: Object.entries(inputs).map(([name, shape]) => ({ name, elemType: types[name] ?? 1, shape })),
      outputs: outputs.map((name) => ({ name })),
    },
  });

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

describe("sparse and external tensors", () => {
  const nodes = [node("Gemm", ["x", "w"], ["y"], { transB: 1 })];
  const withSparse = (indices: OnnxTensor, dims = [2, 3]): Uint8Array => {
    const plain = readOnnx(write({ inputs: { x: ["n", 3] }, outputs: ["y"], nodes }));
    return writeOnnx({
      ...plain,
      graph: { ...plain.graph, sparseInitializers: [{ values: floatTensor("w", [2], [5, 7]), indices, dims }] },
    });
  };

  it("a sparse initialiser becomes a param and a mask", () => {
    for (const indices of [longTensor("", [2], [1, 5]), longTensor("", [2, 2], [0, 1, 1, 2])]) {
      const { params, masks } = importOnnx(withSparse(indices));
      expect(Array.from(params["w"]!.data)).toEqual([0, 5, 0, 0, 0, 7]);
      expect(masks["w"]).toEqual({ shape: [2, 3], data: Uint8Array.of(0, 1, 0, 0, 0, 1) });
    }
  });

  it("a mask follows its weight when the product wants it transposed", () => {
    const plain = readOnnx(write({ inputs: { x: ["n", 2] }, outputs: ["y"], nodes: [node("MatMul", ["x", "w"], ["y"])] }));
    const sparse = { values: floatTensor("w", [2], [5, 7]), indices: longTensor("", [2], [1, 5]), dims: [2, 3] };
    const { params, masks } = importOnnx(writeOnnx({ ...plain, graph: { ...plain.graph, sparseInitializers: [sparse] } }));
    expect(params["w"]).toMatchObject({ shape: [3, 2], data: Float32Array.of(0, 0, 5, 0, 0, 7) });
    expect(masks["w"]).toEqual({ shape: [3, 2], data: Uint8Array.of(0, 0, 1, 0, 0, 1) });
  });

  it.each([
    ["descending", longTensor("", [2], [5, 1]), /ascending/],
    ["outside", longTensor("", [2], [1, 6]), /index 6/],
    ["outside by coordinate", longTensor("", [2, 2], [0, 1, 2, 0]), /coordinate 2/],
    ["too few", longTensor("", [1], [1]), /expected \[2\] or \[2, 2\]/],
  ] as const)("indices that are %s are refused", (_, indices, message) => {
    expect(() => importOnnx(withSparse(indices))).toThrow(message);
    expect(() => importOnnx(withSparse(indices))).toThrow(FormatError);
  });

  it("dims that would fill the memory are refused before anything is allocated", () => {
    expect(() => importOnnx(withSparse(longTensor("", [2], [1, 5]), [2 ** 20, 2 ** 20]))).toThrow(/more than/);
    expect(() => importOnnx(withSparse(longTensor("", [2], [1, 5]), [2 ** 13, 2 ** 13]))).toThrow(/only 2 stored values/);
  });

  const external = (entries: Record<string, string>): Uint8Array =>
    write({
      inputs: { x: ["n", 3] },
      outputs: ["y"],
      nodes,
      initializers: [
        {
          name: "w",
          dims: [2, 3],
          dataType: 1,
          dataLocation: 1,
          externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
        },
      ],
    });
  const file = new Uint8Array(Float32Array.of(9, 1, 2, 3, 4, 5, 6).buffer);

  it("external data are read at their place", () => {
    const bytes = external({ location: "./weights/w.bin", offset: "4", length: "24" });
    expect(onnxExternalFiles(readOnnx(bytes))).toEqual(["weights/w.bin"]);
    const { params } = importOnnx(bytes, { external: (path) => (path === "weights/w.bin" ? file : undefined) });
    expect(Array.from(params["w"]!.data)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it.each(["../secret", "/etc/passwd", "a/../../b", "C:\\x", "http://x/y", "a\\b", "", "a\u0000b"])(
    "the location %j is refused, and the file not asked for",
    (location) => {
      const asked: string[] = [];
      expect(() => importOnnx(external({ location }), { external: (path) => void asked.push(path) })).toThrow(
        /expected a relative path inside the model's folder/,
      );
      expect(asked).toEqual([]);
    },
  );

  it.each([
    [{ location: "w", offset: "8" }, /at bytes 8 to 32 of "w", which has 28/],
    [{ location: "w", length: "20" }, /needs 24 bytes, its external data claim 20/],
    [{ location: "w", offset: "-4" }, /expected a number of bytes/],
    [{ location: "v" }, /which is missing/],
  ])("ranges outside the file are refused: %j", (entries, message) => {
    expect(() =>
      importOnnx(external(entries as Record<string, string>), { external: (path) => (path === "w" ? file : undefined) }),
    ).toThrow(message);
  });
});

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

  it("writes what it reads", () => {
    const bytes = transformer();
    expect(writeOnnx(readOnnx(bytes))).toEqual(bytes);
    expect(model([], {}, [], []).length).toBeGreaterThan(5);
  });
});

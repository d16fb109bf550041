/** Sparse initialisers, and tensors whose data lie in other files. */

import { describe, expect, it } from "vitest";
import { FormatError } from "../../core/index.js";
import { type OnnxTensor, readOnnx, writeOnnx } from "../../formats/index.js";
import { importOnnx, onnxExternalFiles } from "./onnx.js";
import { floatTensor, longTensor } from "./testing/models.js";

import { node, write } from "./testing/sketch.js";

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

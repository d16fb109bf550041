import { ByteBuffer } from "flatbuffers";
import { describe, expect, it } from "vitest";
import { createRng, tensor } from "../../src/core/index.js";
import { add, conv2d, relu, reshape, trace } from "../../src/program/index.js";
import { maskOf } from "../../src/sparsity/index.js";
import { writeFlatModel } from "./formats/flat-model.js";
import { toTflite } from "./formats/tflite.js";
import { peerGraph } from "./graph.js";
import { plannedJobs, rowsOf } from "./index.js";
import { buildNetwork, patternMask, toChannelsLast } from "./network.js";
import type { Result } from "./race.js";

const kept = (data: ArrayLike<number>): number => Array.from(data).reduce((a, b) => a + b, 0);

describe("masks", () => {
  it("keep the promised count in every pattern", () => {
    const rng = createRng(1);
    expect(kept(patternMask([8, 10, 1, 1], 0.9, "unstructured", rng).data)).toBe(8);
    for (const [pattern, high] of [
      ["2x1", 2],
      ["4x1", 4],
    ] as const) {
      const { data } = patternMask([8, 10], 0.8, pattern, rng);
      expect(kept(data)).toBe(16);
      for (let r = 0; r < 8; r += high)
        for (let c = 0; c < 10; c++) for (let y = 1; y < high; y++) expect(data[(r + y) * 10 + c]).toBe(data[r * 10 + c]);
    }
    const { data } = patternMask([4, 8], 0.5, "2:4", rng);
    for (let at = 0; at < 32; at += 4) expect(kept(data.subarray(at, at + 4))).toBe(2);
  });
});

it("pictures turn to channels last", () => {
  expect([...toChannelsLast(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 1, 3])]).toEqual([1, 4, 2, 5, 3, 6]);
});

const program = trace(
  ({ params, inputs }) => {
    const y = conv2d(inputs["x"]!, params["w"]!, {});
    return { outputs: { y: relu(add(y, reshape(params["b"]!, [1, 2, 1, 1]))) } };
  },
  { inputs: { x: { shape: [1, 3, 4, 4] } }, params: { w: { shape: [2, 3, 1, 1] }, b: { shape: [2] } } },
);

describe("other engines' graphs", () => {
  it("join product, bias and activation", () => {
    const { nodes } = peerGraph(program);
    expect(nodes).toHaveLength(1);
    expect(nodes[0]).toMatchObject({ op: "conv2d", weight: "w", bias: "b", activation: "relu" });
  });

  it("MobileNetV1 is 27 convolutions, a mean and a product", () => {
    const { nodes } = peerGraph(buildNetwork({ network: "mobilenetV1", sparsity: 0, pattern: "unstructured" }).program);
    expect(nodes.map(({ op }) => op)).toEqual([...new Array<string>(27).fill("conv2d"), "mean", "linear"]);
  });
});

/** Field `number` of the table at `at`: its place, or 0. */
function field(b: ByteBuffer, at: number, number: number): number {
  const offset = b.__offset(at, 4 + 2 * number);
  return offset ? at + offset : 0;
}

describe("TFLite files", () => {
  it("store a masked weight as compressed rows behind DENSIFY", () => {
    const w = tensor([2, 3, 1, 1], Float32Array.of(0, 5, 0, 7, 0, 9));
    const bytes = toTflite({
      graph: peerGraph(program),
      params: { w, b: tensor([2], Float32Array.of(1, 2)) },
      masks: { w: maskOf([2, 3, 1, 1], Uint8Array.of(0, 1, 0, 1, 0, 1)) },
    });
    expect(new TextDecoder().decode(bytes.subarray(4, 8))).toBe("TFL3");
    const b = new ByteBuffer(bytes);
    const root = b.readInt32(0);
    const graph = b.__indirect(b.__vector(field(b, root, 2)));
    const operators = field(b, graph, 3);
    expect(b.__vector_len(operators)).toBe(2);
    const tensors = field(b, graph, 0);
    const sparse = Array.from({ length: b.__vector_len(tensors) }, (_, i) => b.__indirect(b.__vector(tensors) + 4 * i)).filter(
      (at) => field(b, at, 6) !== 0,
    );
    expect(sparse).toHaveLength(1);
    const buffer = b.__indirect(b.__vector(field(b, root, 4)) + 4 * b.readInt32(field(b, sparse[0]!, 2)));
    const data = field(b, buffer, 0);
    expect(b.__vector(data) % 16).toBe(0);
    const values = Array.from({ length: b.__vector_len(data) / 4 }, (_, i) => b.readFloat32(b.__vector(data) + 4 * i));
    expect(values).toEqual([5, 7, 9]);
    const axes = field(b, b.__indirect(field(b, sparse[0]!, 6)), 2);
    const last = b.__indirect(b.__vector(axes) + 12);
    const list = (number: number): number[] => {
      const vector = field(b, b.__indirect(field(b, last, number)), 0);
      return Array.from({ length: b.__vector_len(vector) }, (_, i) => b.readInt32(b.__vector(vector) + 4 * i));
    };
    expect([list(3), list(5)]).toEqual([
      [0, 1, 3],
      [1, 0, 2],
    ]);
  });

  it("are refused for an operation without a rule", () => {
    const odd = { ...program, operations: program.operations.map((o) => (o.op === "relu" ? { ...o, op: "floor" } : o)) };
    const params = { w: tensor([2, 3, 1, 1]), b: tensor([2]) };
    expect(() => toTflite({ graph: peerGraph(odd), params })).toThrow("no rule for floor");
    expect(writeFlatModel({ tensors: [], operators: [], inputs: [], outputs: [] }).length).toBeGreaterThan(8);
  });
});

describe("rows", () => {
  const planned = plannedJobs().find(({ name, job }) => name === "mlp 90% unstructured node24" && job.threads === 1)!;
  const result = (engine: Result["engine"], ms: number): Result => ({
    engine,
    samples: [ms, 3 * ms],
    cpu: [],
    loadMs: 10 * ms,
    difference: 1e-7,
  });

  it("compare the least times, relaxed and load beside", () => {
    const results = [
      result("sparseland", 1),
      result("sparseland relaxed", 0.5),
      result("sparseland dense", 4),
      result("onnxruntime-web", 2),
    ];
    const rows = [...rowsOf(planned, { host: "node24", results, bytes: { file: 1, dense: 8 } })];
    expect(rows.map(({ name, peer, ratio }) => [name, peer, ratio])).toEqual([
      ["mlp 90% unstructured node24", "sparseland dense", 0.25],
      ["mlp 90% unstructured node24", "onnxruntime-web", 0.5],
      ["mlp 90% unstructured node24 relaxed", "onnxruntime-web", 0.25],
      ["mlp 90% unstructured node24 load", "onnxruntime-web", 0.5],
    ]);
    expect(rows[3]!.note).toContain("0.125");
  });

  it("name a peer that failed, and why", () => {
    const failed = { ...result("LiteRT.js", 1), samples: [], failed: "no threads" };
    const [row] = [
      ...rowsOf(planned, { host: "node24", results: [result("sparseland", 1), failed], bytes: { file: 1, dense: 8 } }),
    ];
    expect(row).toMatchObject({ peer: "LiteRT.js", peerMs: null, ratio: null });
    expect(row!.note).toContain("no threads");
  });
});

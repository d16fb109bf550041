/** Models of every form through the command line, and files that mean harm: exit code 2, a clear line, bounded time and memory. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng } from "../../src/core/index.js";
import { type OnnxNode, type OnnxTensor, readOnnx, writeOnnx, writeSafetensors } from "../../src/formats/index.js";
import { writeTflite } from "../../src/formats/testing/tflite-writer.js";
import { createModel } from "../../src/models/index.js";
import { initParams } from "../../src/nn/index.js";
import { model, numbers, oneNode } from "../../src/program/import/testing/models.js";
import { runOnnx, runtime, worst } from "../../src/program/import/testing/onnxruntime.js";
import { readModel } from "../../src/runtime/index.js";
import { runCommandLine } from "../program.js";
import { testTerminal } from "../testing/terminal.js";

let folder: string;
const put = (name: string, bytes: Uint8Array | string) => writeFileSync(join(folder, name), bytes);
const run = async (...args: string[]) => {
  const terminal = testTerminal(folder, process.env);
  const code = await runCommandLine(args, terminal);
  return { code, out: terminal.stdout(), err: terminal.stderr() };
};
const bytesOf = (data: Float32Array) => new Uint8Array(data.buffer.slice(0));

/** A GGUF file of float32 tensors (version 3): dims innermost first. */
function gguf(tensors: Record<string, { shape: readonly number[]; data: Float32Array }>): Uint8Array {
  const u32 = (v: number) => Buffer.from(Uint32Array.of(v).buffer);
  const u64 = (v: number) => Buffer.from(BigUint64Array.of(BigInt(v)).buffer);
  const text = (t: string) => Buffer.concat([u64(t.length), Buffer.from(t)]);
  const head: Buffer[] = [u32(0x46554747), u32(3), u64(Object.keys(tensors).length), u64(0)];
  const body: Buffer[] = [];
  let at = 0;
  const padded = (b: Buffer) => Buffer.concat([b, Buffer.alloc((32 - (b.length % 32)) % 32)]);
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    head.push(text(name), u32(shape.length), ...[...shape].reverse().map(u64), u32(0), u64(at));
    body.push(padded(Buffer.from(bytesOf(data))));
    at += body.at(-1)!.length;
  }
  return Buffer.concat([padded(Buffer.concat(head)), ...body]);
}

const pruned = (n: number, every: number) => Float32Array.from({ length: n }, (_, i) => (i % every === 0 ? Math.sin(i) + 2 : 0));
const x = numbers([1, 6, 5, 5]);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sparseland-source-"));
  const params = initParams(createModel("convnet").module, createRng(1));
  const tensors = Object.fromEntries(
    Object.entries(params).map(([path, { shape, data }]) => [path, { dtype: "f32" as const, shape: [...shape], data }]),
  );
  put("w.safetensors", writeSafetensors({ tensors, metadata: {} }));
  put("w.gguf", gguf(tensors));
  const conv: OnnxNode = { name: "c", opType: "Conv", inputs: ["x", "w"], outputs: ["y"], attributes: [] };
  const stored = (name: string, dims: number[], data: Float32Array): OnnxTensor => ({
    name,
    dims,
    dataType: 1,
    rawData: bytesOf(data),
  });
  put("pruned.onnx", model([conv], { x }, [stored("w", [8, 6, 1, 1], pruned(48, 5))], ["y"]));
  put("w.bin", bytesOf(pruned(48, 4)));
  const outside = (location: string): OnnxTensor => ({
    name: "w",
    dims: [8, 6, 1, 1],
    dataType: 1,
    dataLocation: 1,
    externalData: [{ key: "location", value: location }],
  });
  put("external.onnx", model([conv], { x }, [outside("w.bin")], ["y"]));
  put(
    "m.tflite",
    writeTflite({
      tensors: [
        { name: "x", shape: [1, 5, 5, 6] },
        { name: "w", shape: [8, 1, 1, 6], data: bytesOf(pruned(48, 3)) },
        { name: "y", shape: [1, 5, 5, 8] },
      ],
      operators: [
        {
          code: 3,
          inputs: [0, 1, -1],
          outputs: [2],
          options: [
            [0, "int8", 0],
            [1, "int32", 1],
            [2, "int32", 1],
          ],
        },
      ],
      inputs: [0],
      outputs: [2],
    }),
  );
  const two = numbers([1, 4]);
  put(
    "two.onnx",
    model(
      [
        { name: "g", opType: "Gather", inputs: ["table", "ids"], outputs: ["e"], attributes: [] },
        { name: "a", opType: "Add", inputs: ["e", "x"], outputs: ["s"], attributes: [] },
        { name: "m", opType: "MatMul", inputs: ["s", "w"], outputs: ["h"], attributes: [] },
        { name: "m2", opType: "MatMul", inputs: ["h", "v"], outputs: ["y"], attributes: [] },
      ],
      { ids: { type: "int64", shape: [1], data: [1] }, x: two },
      [
        stored("table", [9, 4], numbers([9, 4]).data as Float32Array),
        stored("w", [4, 16], numbers([4, 16]).data as Float32Array),
        stored("v", [16, 3], numbers([16, 3]).data as Float32Array),
      ],
      ["y"],
    ),
  );

  // Files that mean harm.
  const nested = (k: number): OnnxNode => ({
    name: `c${k}`,
    opType: "Relu",
    inputs: [`v${k}`],
    outputs: [`v${(k + 1) % 3}`],
    attributes: [],
  });
  put("cycle.onnx", model([nested(0), nested(1), nested(2)], { x }, [], ["v0"]));
  put("huge-dims.onnx", model([conv], { x }, [{ ...stored("w", [1], new Float32Array(1)), dims: [2 ** 40, 2 ** 20] }], ["y"]));
  put(
    "huge-input.onnx",
    model([conv], { x: { ...x, shape: [1, 6, 2 ** 20, 2 ** 20] } }, [stored("w", [8, 6, 1, 1], pruned(48, 1))], ["y"]),
  );
  put(
    "wrong-type.onnx",
    model([conv], { x }, [{ name: "w", dims: [8, 6, 1, 1], dataType: 8, stringData: [new Uint8Array(3)] }], ["y"]),
  );
  put("wrong-size.onnx", model([conv], { x }, [stored("w", [8, 6, 1, 1], pruned(47, 1))], ["y"]));
  put("nan.onnx", model([conv], { x }, [stored("w", [8, 6, 1, 1], new Float32Array(48).fill(Number.NaN))], ["y"]));
  put("traversal.onnx", model([conv], { x }, [outside("../w.bin")], ["y"]));
  put("absolute.onnx", model([conv], { x }, [outside("/etc/passwd")], ["y"]));
  put("missing-data.onnx", model([conv], { x }, [outside("none.bin")], ["y"]));
  mkdirSync(join(folder, "inside"));
  symlinkSync(join(folder, "w.bin"), join(folder, "inside", "w.bin"));
  writeFileSync(join(folder, "inside", "link.onnx"), model([conv], { x }, [outside("w.bin")], ["y"]));
  const double = Array.from(
    { length: 60 },
    (_, i): OnnxNode => ({
      name: `d${i}`,
      opType: "Concat",
      inputs: [`k${i}`, `k${i}`],
      outputs: [`k${i + 1}`],
      attributes: [{ name: "axis", type: 2, i: 0 }],
    }),
  );
  put("bomb.onnx", model(double, { x }, [stored("k0", [64], pruned(64, 1))], ["k60"]));
  put(
    "unsupported.onnx",
    model(
      [
        { name: "f", opType: "NonMaxSuppression", inputs: ["x"], outputs: ["a"], attributes: [] },
        { name: "g", opType: "QLinearConv", inputs: ["a"], outputs: ["b"], attributes: [] },
        { name: "h", opType: "QLinearConv", inputs: ["b"], outputs: ["y"], attributes: [] },
      ],
      { x },
      [],
      ["y"],
    ),
  );
  put("cut.onnx", readFileSync(join(folder, "pruned.onnx")).subarray(0, 150));
  put("cut.tflite", readFileSync(join(folder, "m.tflite")).subarray(0, 200));
  put("cut.gguf", readFileSync(join(folder, "w.gguf")).subarray(0, 3000));
  put("cut.safetensors", readFileSync(join(folder, "w.safetensors")).subarray(0, 3000));
  put("rubbish.tflite", "TFL3 and nothing else at all, really nothing");
  const header = (json: string, length = json.length) =>
    Buffer.concat([Buffer.from(BigUint64Array.of(BigInt(length)).buffer), Buffer.from(json)]);
  put("header.safetensors", header("{}", 2 ** 52));
  put("shape.safetensors", header('{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}'));
  put("empty.onnx", "");
  writeFileSync(
    join(folder, "symbolic.onnx"),
    writeOnnx(withSymbol(readOnnx(oneNode("Relu", [{ input: numbers([1, 3, 4]) }]).bytes))),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function withSymbol(m: ReturnType<typeof readOnnx>) {
  return { ...m, graph: { ...m.graph, inputs: [{ ...m.graph.inputs[0]!, shape: ["n", "steps", 4] }] } };
}

describe("models of every form", () => {
  it.each([
    [["w.safetensors", "--arch", "convnet"], ["conv1.weight", "conv2.weight", "conv3.weight", "fc.weight"], 0],
    [["w.gguf", "--arch", "convnet"], ["conv1.weight", "conv2.weight", "conv3.weight", "fc.weight"], 0],
    [["pruned.onnx"], ["w"], 38 / 48],
    [["external.onnx"], ["w"], 0.75],
    [["m.tflite"], ["w"], 32 / 48],
    [["two.onnx"], ["w", "v"], 0],
    [["symbolic.onnx", "--dim", "x0.1=7"], [], 0],
  ] as [string[], string[], number][])("inspect %j", async (args, layers, sparsity) => {
    const { code, out, err } = await run("inspect", ...args, "--json");
    expect([code, err]).toEqual([0, ""]);
    const told = JSON.parse(out) as { layers: { name: string; sparsity: number }[] };
    expect(told.layers.map(({ name }) => name)).toEqual(layers);
    for (const layer of told.layers) expect(layer.sparsity).toBeCloseTo(sparsity, 9);
  });

  it.each([["two.onnx"], ["pruned.onnx"], ["m.tflite"]])("bench %s, whatever its inputs", async (name) => {
    const { code, out, err } = await run("bench", name, "--runs", "1", "--threads", "1", "--json");
    expect(code).toBe(0);
    const { rows } = JSON.parse(out) as { rows: { batch: number; ms: number; denseMs: number }[] };
    // The ONNX files fix their batch, TFLite files never do.
    expect(rows.map(({ batch }) => batch)).toEqual(name.endsWith("onnx") ? [1] : [1, 64]);
    expect(err.includes("batch 1 only: ")).toBe(name.endsWith("onnx"));
    for (const { ms, denseMs } of rows) expect(Math.min(ms, denseMs)).toBeGreaterThan(0);
  });

  it("prune takes a model of several inputs", async () => {
    const { code, err } = await run("prune", "two.onnx", "--sparsity", "0.5", "--also-prune", "last", "--out", "two");
    expect([code, err.includes("broke")]).toEqual([0, false]);
    const { params } = readModel(readFileSync(join(folder, "two", "model.safetensors")));
    expect(Object.entries(params).map(([path, { kind }]) => [path, kind])).toEqual(
      expect.arrayContaining([
        ["table", "dense"],
        ["w", "sparse"],
        ["v", "sparse"],
      ]),
    );
  });

  it.skipIf(!runtime)("convert writes what onnxruntime runs, dense and with sparse initialisers", async () => {
    const expected = await runOnnx(readFileSync(join(folder, "pruned.onnx")), { x });
    expect((await run("convert", "pruned.onnx", "--out", "p.safetensors")).out).toContain("1 pruned weights (79.2 % zeros)");
    for (const options of [[], ["--sparse"]]) {
      expect((await run("convert", "p.safetensors", "--out", "again.onnx", ...options)).code).toBe(0);
      const bytes = readFileSync(join(folder, "again.onnx"));
      expect(readOnnx(bytes).graph.sparseInitializers).toHaveLength(options.length);
      expect(worst((await runOnnx(bytes, { x }))["y"]!.data, expected["y"]!.data)).toBeLessThan(1e-6);
    }
  });

  it.each([
    [["pruned.onnx"], "--out: expected the file to write"],
    [
      ["pruned.onnx", "--out", "m.h5"],
      "--out: expected the file to write, such as --out model.onnx or --out model.safetensors, got m.h5",
    ],
    [["pruned.onnx", "--out", "./pruned.onnx"], "is the model itself"],
    [["pruned.onnx", "--out", "m.safetensors", "--sparse"], "--sparse: only ONNX has a choice"],
    [["w.gguf", "--out", "m.onnx"], "w.gguf: it holds weights and no network; name its architecture: --arch mlp"],
    [["w.safetensors", "--out", "m.onnx"], "load it with an architecture instead (--arch"],
    [["pruned.onnx", "--arch", "mlp", "--out", "m.onnx"], "knows its own architecture"],
    [["m.tflite", "--dim", "x=3", "--out", "m.onnx"], "--dim: only ONNX models have open dims"],
    [["symbolic.onnx", "--out", "m.onnx"], "or --dim x0.1=128 on the command line"],
    [["pruned.onnx", "--dim", "x", "--out", "m.onnx"], "--dim: expected an open dim's symbol or place and its size"],
  ])("convert %j is refused with exit code 2", async (args, message) => {
    const { code, out, err } = await run("convert", ...args);
    expect(err).toContain(message);
    expect([code, out]).toEqual([2, ""]);
  });
});

describe("damaged and hostile files end with exit code 2 and say why", () => {
  it.each([
    ["cycle.onnx", "which no earlier node makes: a cycle, or nodes out of order"],
    ["huge-dims.onnx", "huge-dims.onnx: "],
    ["huge-input.onnx", "huge-input.onnx: onnx: "],
    ["wrong-type.onnx", "wrong-type.onnx: "],
    ["wrong-size.onnx", "wrong-size.onnx: onnx: "],
    ["nan.onnx", "w holds NaN at position 0; every weight must be finite"],
    ["traversal.onnx", '"../w.bin"'],
    ["absolute.onnx", '"/etc/passwd"'],
    ["missing-data.onnx", "none.bin"],
    ["inside/link.onnx", "lead outside the folder"],
    ["bomb.onnx", "elements"],
    ["cut.onnx", "cut.onnx: "],
    ["cut.tflite", "cut.tflite: tflite: "],
    ["rubbish.tflite", "rubbish.tflite: tflite: "],
    ["cut.gguf", "cut.gguf: gguf: "],
    ["cut.safetensors", "cut.safetensors: safetensors: "],
    ["header.safetensors", "header.safetensors: safetensors: "],
    ["shape.safetensors", "shape.safetensors: safetensors: "],
    ["empty.onnx", "empty.onnx: "],
    ["none.onnx", "none.onnx: no such file"],
    ["inside", "inside: is no file"],
    ["/dev/zero", "/dev/zero: is no file"],
  ])("%s", async (name, message) => {
    const before = process.memoryUsage().rss;
    const cpu = process.cpuUsage();
    const { code, out, err } = await run(
      "inspect",
      name,
      ...(/w\.gguf|cut\.gguf|w\.safetensors/.test(name) ? ["--arch", "convnet"] : []),
    );
    expect(err).toContain(message);
    expect([code, out]).toEqual([2, ""]);
    expect(process.cpuUsage(cpu).user).toBeLessThan(10e6);
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 30);
  });

  it("all unsupported operators at once, each with its nodes and what is near", async () => {
    for (const command of ["inspect", "prune"]) {
      const { code, err } = await run(
        command,
        "unsupported.onnx",
        ...(command === "prune" ? ["--sparsity", "0.5"] : []),
        "--out",
        "o",
      );
      expect(code).toBe(2);
      expect(err).toContain("unsupported.onnx: 2 operators are not supported:");
      expect(err).toMatch(/NonMaxSuppression: 1 node \("f"\); supported and near: \w+/);
      expect(err).toMatch(/QLinearConv: 2 nodes \("g", "h"\); supported and near: Conv/);
    }
  });
});

/** ONNX files with tensors in files beside them: read inside the model's folder, never outside it. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { InputError } from "../../core/index.js";
import { writeOnnx } from "../../formats/index.js";
import { importOnnxFile } from "./files.node.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sparseland-onnx-"));
  mkdirSync(join(folder, "model", "weights"), { recursive: true });
  const bytes = new Uint8Array(Float32Array.of(1, 2, 3).buffer);
  writeFileSync(join(folder, "model", "weights", "w.bin"), bytes);
  writeFileSync(join(folder, "secret.bin"), bytes);
  symlinkSync(join(folder, "secret.bin"), join(folder, "model", "link.bin"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function model(location: string): string {
  const path = join(folder, "model", "m.onnx");
  const bytes = writeOnnx({
    irVersion: 8,
    producerName: "",
    opsets: { "": 17 },
    metadata: {},
    graph: {
      name: "g",
      nodes: [{ opType: "Add", inputs: ["x", "w"], outputs: ["y"], attributes: [] }],
      initializers: [{ name: "w", dims: [3], dataType: 1, dataLocation: 1, externalData: [{ key: "location", value: location }] }],
      sparseInitializers: [],
      inputs: [{ name: "x", elemType: 1, shape: ["n", 3] }],
      outputs: [{ name: "y" }],
    },
  });
  writeFileSync(path, bytes);
  return path;
}

it("reads a file beside the model", () => {
  expect(Array.from(importOnnxFile(model("weights/w.bin")).params["w"]!.data)).toEqual([1, 2, 3]);
});

it("follows no link out of the folder", () => {
  expect(() => importOnnxFile(model("link.bin"))).toThrow(/lead outside the folder/);
});

it("says what is missing", () => {
  expect(() => importOnnxFile(model("weights/v.bin"))).toThrow(/"weights\/v.bin" beside the model, which is missing/);
  expect(() => importOnnxFile(join(folder, "none.onnx"))).toThrow(/cannot read .*none\.onnx/);
  expect(() => importOnnxFile(model("../secret.bin"))).toThrow(InputError);
});

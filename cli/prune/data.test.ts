/** Data of a user's own: pictures in folders or by a table, arrays for any model; what does not fit is refused. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PNG } from "pngjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRng } from "../../src/core/index.js";
import { writeNpy, writeNpz, writeSafetensors } from "../../src/formats/index.js";
import { createModel } from "../../src/models/index.js";
import { initParams } from "../../src/nn/index.js";
import { model, numbers } from "../../src/program/import/testing/models.js";
import { runCommandLine } from "../program.js";
import { testTerminal } from "../testing/terminal.js";
import { halves, scoreOutputs } from "./examples.js";
import { readPictures } from "./pictures.js";
import type { PruneReport } from "./report.js";

let folder: string;
const at = (...names: string[]) => join(folder, ...names);
const picture = (place: string, value: number, side = 28) => {
  const png = new PNG({ width: side, height: side });
  png.data.fill(value);
  writeFileSync(place, PNG.sync.write(png));
};
const run = async (...args: string[]) => {
  const terminal = testTerminal(folder, process.env);
  const code = await runCommandLine(["prune", ...args, "--out", "out", "--json"], terminal);
  return { code, out: terminal.stdout(), err: terminal.stderr() };
};
const weights = ["w.safetensors", "--arch", "convnet", "--sparsity", "0.5"];
const f32 = (shape: number[]) => ({ dtype: "f32" as const, shape, data: numbers(shape).data as Float32Array });
const ints = (values: number[], shape = [values.length]) => ({ dtype: "i32" as const, shape, data: Int32Array.from(values) });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sparseland-data-"));
  const tensors = Object.fromEntries(
    Object.entries(initParams(createModel("convnet").module, createRng(1))).map(([path, { shape, data }]) => [
      path,
      { dtype: "f32" as const, shape: [...shape], data },
    ]),
  );
  writeFileSync(at("w.safetensors"), writeSafetensors({ tensors, metadata: {} }));
  for (const part of ["train", "val"]) {
    for (const [c, name] of ["cats", "dogs"].entries()) {
      mkdirSync(at("split", part, name), { recursive: true });
      for (let i = 0; i < 3; i++) picture(at("split", part, name, `${i}.png`), 20 + 100 * c + i, part === "val" ? 28 : 40);
    }
  }
  mkdirSync(at("table", "images"), { recursive: true });
  for (let i = 0; i < 6; i++) picture(at("table", "images", `${i}.png`), 30 * i);
  writeFileSync(at("table", "labels.csv"), `file,class,name\n${[0, 1, 2, 3, 4, 5].map((i) => `${i}.png,${i % 3},x`).join("\n")}\n`);
  for (const [name, line] of [
    ["outside", "../w.safetensors,0"],
    ["nolabel", "0.png,cat"],
  ] as const) {
    mkdirSync(at(name));
    picture(at(name, "0.png"), 1);
    writeFileSync(at(name, "labels.csv"), `file,class\n${line}\n`);
  }
  mkdirSync(at("broken", "a"), { recursive: true });
  for (const name of ["0.png", "1.png"])
    writeFileSync(at("broken", "a", name), readFileSync(at("nolabel", "0.png")).subarray(0, 60));
  mkdirSync(at("empty"));

  writeFileSync(at("x.npy"), writeNpy(f32([10, 1, 28, 28])));
  writeFileSync(at("xy.npz"), writeNpz({ x: f32([10, 1, 28, 28]), y: ints([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) }));
  writeFileSync(at("wrong.npz"), writeNpz({ x: f32([10, 28, 28]) }));
  writeFileSync(at("few.npz"), writeNpz({ x: f32([10, 1, 28, 28]), y: ints([1, 2]) }));
  const bomb = writeNpz({ x: { dtype: "u8", shape: [2 ** 26], data: new Uint8Array(2 ** 26) } });
  writeFileSync(at("bomb.npz"), bomb);
  // The archive says that it unpacks to 4 GB.
  const lying = Uint8Array.from(bomb);
  const end = lying.length - 22;
  const directory = new DataView(lying.buffer).getUint32(end + 16, true);
  new DataView(lying.buffer).setUint32(directory + 24, 0xfffffff0, true);
  writeFileSync(at("lying.npz"), lying);
  writeFileSync(at("cut.npz"), bomb.subarray(0, 500));

  const stored = (name: string, shape: number[]) => ({
    name,
    dims: shape,
    dataType: 1,
    rawData: new Uint8Array((numbers(shape).data as Float32Array).buffer),
  });
  writeFileSync(
    at("two.onnx"),
    model(
      [
        { name: "g", opType: "Gather", inputs: ["table", "ids"], outputs: ["e"], attributes: [] },
        { name: "a", opType: "Add", inputs: ["e", "v"], outputs: ["s"], attributes: [] },
        { name: "m", opType: "MatMul", inputs: ["s", "w"], outputs: ["h"], attributes: [] },
        { name: "o", opType: "MatMul", inputs: ["h", "u"], outputs: ["y"], attributes: [] },
      ],
      { ids: { type: "int64", shape: [1], data: [1] }, v: numbers([1, 4]) },
      [stored("table", [9, 4]), stored("w", [4, 16]), stored("u", [16, 3])],
      ["y"],
    ),
  );
  writeFileSync(at("two.npz"), writeNpz({ ids: ints([0, 1, 2, 3, 4, 5, 6, 7]), v: f32([8, 4]) }));
  writeFileSync(at("uneven.npz"), writeNpz({ ids: ints([0, 1, 2]), v: f32([8, 4]) }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("pictures", () => {
  const task = {
    shape: [1, 28, 28],
    classes: 10,
    normalisation: { scale: 1 / 255, mean: [0.5], std: [0.5] },
    offset: 0,
    limit: undefined,
  };
  it("train/ and val/ with a folder per class", () => {
    const { train, test } = readPictures(at("split"), task);
    expect([train.count, test.count]).toEqual([6, 6]);
    for (const set of [train, test])
      for (const [i, label] of set.labels.entries()) expect(Math.floor(set.inputs[i * 784]! / 100)).toBe(label);
  });
  it("a table, split into halves that do not meet, labels shifted", () => {
    const { train, test } = readPictures(at("table"), { ...task, offset: 1 });
    const seen = [train, test].flatMap(({ labels, inputs }) => Array.from(labels, (label, i) => [inputs[i * 784]!, label]));
    expect(seen.sort((a, b) => a[0]! - b[0]!)).toEqual([0, 1, 2, 3, 4, 5].map((i) => [30 * i, (i % 3) + 1]));
    expect(readPictures(at("table"), { ...task, limit: 1 }).test.count).toBe(1);
  });
  it.each([
    ["outside", 'no picture "../w.safetensors"'],
    ["nolabel", 'line 2: expected a class number as the second value, got "cat"'],
    ["broken", ".png: png: the file is broken"],
    ["empty", "expected a folder of pictures"],
    ["table", "class 2, but the model tells 2 classes apart"],
  ])("%s is refused", (name, message) => {
    expect(() => readPictures(at(name), { ...task, classes: name === "table" ? 2 : 10 })).toThrow(message);
  });
  it("prune takes them for accuracy and repair", async () => {
    const { code, out, err } = await run(...weights, "--data", "table", "--repair", "least-squares", "--calibrate", "3");
    expect([code, err.includes("3 pictures calibrate, 3 others measure")]).toEqual([0, true]);
    expect((JSON.parse(out) as PruneReport).stages.every(({ accuracy }) => accuracy !== null)).toBe(true);
  }, 60_000);
});

describe("arrays", () => {
  it("with labels they are a labelled set; without, outputs are compared with those as given", async () => {
    const told = JSON.parse((await run(...weights, "--data", "xy.npz")).out) as PruneReport;
    expect(told.stages.map(({ accuracy, deviation }) => [accuracy !== null, deviation])).toEqual(
      told.stages.map(() => [true, null]),
    );
    const plain = JSON.parse((await run(...weights, "--data", "x.npy", "--method", "wanda")).out) as PruneReport;
    expect(plain.stages[0]).toMatchObject({ accuracy: null, deviation: 0 });
    expect(plain.stages[1]!.deviation).toBeGreaterThan(0.01);
    expect(plain.deviationOfFile).toBeCloseTo(plain.stages.at(-1)!.deviation!, 4);
  }, 60_000);
  it("a model of several inputs takes arrays by their names", async () => {
    const args = ["two.onnx", "--sparsity", "0.5", "--also-prune", "last", "--data", "two.npz", "--repair", "obs"];
    const told = JSON.parse((await run(...args)).out) as PruneReport;
    expect(told.stages.map(({ deviation }) => deviation)[0]).toBe(0);
    expect(told.deviationOfFile).toBeGreaterThan(0);
  }, 60_000);
  it("score: relative deviation and accuracy", () => {
    const y = [Float32Array.of(3, 0), Float32Array.of(0, 4)];
    expect(scoreOutputs([Float32Array.of(3, 0), Float32Array.of(3, 0)], y, Int32Array.of(0, 1))).toEqual({
      accuracy: 0.5,
      deviation: 1,
    });
    expect(halves({ count: 5, inputs: { x: Float32Array.of(0, 1, 2, 3, 4) }, labels: undefined }).test.count).toBe(2);
  });
  it.each([
    [[...weights, "--data", "wrong.npz"], "wrong.npz: x is [10, 28, 28], the model takes [count, 1, 28, 28]"],
    [[...weights, "--data", "few.npz"], "few.npz: 2 labels for 10 examples"],
    [[...weights, "--data", "cut.npz"], "cut.npz: zip: "],
    [[...weights, "--data", "bomb.npz"], "bomb.npz: x is [67108864]"],
    [[...weights, "--data", "lying.npz"], "lying.npz: "],
    [[...weights, "--data", "w.safetensors"], "--data: expected a folder of pictures, or a file .npz or .npy"],
    [[...weights, "--data", "nowhere"], "--data: expected one of fashion-mnist"],
    [["two.onnx", "--sparsity", "0.5", "--data", "uneven.npz"], "v holds 8 examples, the arrays before it 3"],
    [["two.onnx", "--sparsity", "0.5", "--data", "xy.npz"], 'no array for the input "ids"; it holds x, y'],
    [["two.onnx", "--sparsity", "0.5", "--data", "table"], "give arrays (.npz) with ids, v"],
    [[...weights, "--data", "x.npy", "--finetune", "1"], "--finetune: needs examples with labels"],
  ] as [string[], string][])(
    "%j is refused with exit code 2",
    async (args, message) => {
      const { code, out, err } = await run(...args);
      expect(err).toContain(message);
      expect([code, out]).toEqual([2, ""]);
    },
    30_000,
  );
});

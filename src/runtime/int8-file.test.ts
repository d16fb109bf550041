import { expect, it } from "vitest";
import { createRng, FormatError, InputError, tensor } from "../core/index.js";
import { createEngine } from "../engine/index.js";
import { readSafetensors, writeSafetensors } from "../formats/index.js";
import { atBatch, interpret } from "../program/index.js";
import { denseOf, type ModelFile, packModel, readModel, writeModel } from "./model-file.js";
import { createSession } from "./session.js";
import { int8Model, SHAPES } from "./testing/int8-model.js";

it("int8 weights are stored in their smallest form, come back exactly, and run as the interpreter says", async () => {
  const { program, params, int8 } = int8Model();
  const file = packModel({ program, params, int8 });
  const forms = Object.keys(SHAPES).map((path) => {
    const { kind, value } = file.params[path]!;
    return kind === "int8" && (value.sparse ? (value.sparse.block?.join("x") ?? value.sparse.layout) : "dense");
  });
  expect(forms).toEqual(["4x4", "csr", "dense"]);
  const bytes = writeModel(file);
  expect(writeModel(readModel(bytes))).toEqual(bytes);
  const reread = readModel(bytes);
  for (const [path, value] of Object.entries(params)) expect(denseOf(reread.params[path]!)).toEqual(value);
  const rng = createRng(4);
  const x = tensor(
    [2, 4, 6, 7],
    Array.from({ length: 336 }, () => rng.normal()),
  );
  const two = atBatch(program, 2);
  const want = interpret(two, { params, inputs: { x } }).outputs["y"]!.data;
  for (const engine of [undefined, await createEngine({ threads: 2 })]) {
    const session = await createSession(reread, { ...(engine && { engine }), now: () => performance.now() });
    expect(session.run({ x: x.data })["y"]!.data).toEqual(want);
    expect(session.decisions(2).filter(({ kernel }) => kernel.startsWith("q8_sp"))).toHaveLength(3);
    session.close();
    engine?.close();
  }
});

/** The file with something changed. */
function damaged(
  file: ModelFile,
  change: (
    tensors: Record<string, { dtype: string; shape: readonly number[]; data: never }>,
    metadata: Record<string, string>,
  ) => void,
) {
  const { tensors, metadata } = readSafetensors(writeModel(file));
  const [ownTensors, ownMetadata] = [{ ...tensors }, { ...metadata }];
  change(ownTensors as never, ownMetadata);
  return writeSafetensors({ tensors: ownTensors, metadata: ownMetadata });
}

it("damaged int8 files are refused with what is wrong", () => {
  const { program, params, int8 } = int8Model();
  const file = packModel({ program, params, int8 });
  const key = "sparseland.int8";
  const cases: [string, RegExp, Parameters<typeof damaged>[1]][] = [
    ["no JSON", /no JSON/, (_, m) => { m[key] = "{"; }],
    ["a version to come", /newer Sparseland/, (_, m) => { m[key] = m[key]!.replace('"version":1', '"version":2'); }],
    ["no scale named", /names no scale/, (_, m) => { m[key] = m[key]!.replace('"scale":"c:scale"', '"scale":7'); }],
    ["a scale that is no param", /names the scale "q"/, (_, m) => { m[key] = m[key]!.replace('"c:scale"', '"q"'); }],
    ["a weight that is no param", /no int8 weight "z"/, (_, m) => { m[key] = m[key]!.replace('"c":', '"z":'); }],
    ["a weight left out", /"a" has shape/, (_, m) => { m[key] = JSON.stringify({ version: 1, tensors: {} }); }],
    ["-128", /holds -128/, (t) => { (t["c"]!.data as Int8Array)[5] = -128; }],
    ["another shape", /program says \[8,12,1,1\]/, (t) => { t["c"] = { ...t["c"]!, shape: [12, 8, 1, 1] }; }],
    ["another type", /expected i8/, (t) => { t["c"] = { ...t["c"]!, dtype: "u8", data: new Uint8Array(96) as never }; }],
    ["a scale of zero", /not above 0/, (t) => { (t["c:scale"]!.data as Float32Array)[1] = 0; }],
    ["blocks of another order", /input channels innermost/, (_, m) => { m["sparseland.sparse"] = m["sparseland.sparse"]!.replace("[8,3,3,4]", "[8,4,3,3]"); }],
    ["block bytes of another type", /should be i8/, (t) => { t["a.values"] = { ...t["a.values"]!, dtype: "u8", data: new Uint8Array((t["a.values"]!.data as Int8Array).length) as never }; }],
  ]; // biome-ignore format: a table
  for (const [what, message, change] of cases) {
    let error: unknown;
    try {
      readModel(damaged(file, change));
    } catch (thrown) {
      error = thrown;
    }
    expect(error, what).toBeInstanceOf(InputError);
    expect((error as FormatError).message, what).toMatch(message);
  }
  const bytes = writeModel(file);
  for (let at = 0; at < bytes.length; at += 97) expect(() => readModel(bytes.subarray(0, at))).toThrow(FormatError);
});

it("packModel refuses weights off the grid and weights without scales", () => {
  const { program, params, int8 } = int8Model();
  const far = { ...params, a: tensor(SHAPES["a"]!, new Float32Array(288).fill(9)) };
  expect(() => packModel({ program, params: far, int8 })).toThrow(/beyond 127/);
  expect(() => packModel({ program, params, int8: { a: "none" } })).toThrow(/"none"/);
});

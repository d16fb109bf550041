import { expect, it } from "vitest";
import { createRng, FormatError, InputError, type Tensor, type Tree, tensor } from "../core/index.js";
import { createEngine } from "../engine/index.js";
import { readSafetensors, writeSafetensors } from "../formats/index.js";
import {
  anyBatch,
  atBatch,
  type BatchProgram,
  conv2dInt8Op,
  dequantiseOp,
  interpret,
  quantiseOp,
  trace,
} from "../program/index.js";
import { denseOf, type ModelFile, packModel, readModel, writeModel } from "./model-file.js";
import { createSession } from "./session.js";

const SHAPES: Tree<readonly number[]> = { a: [8, 4, 3, 3], b: [12, 8, 1, 1], c: [8, 12, 1, 1] };
const range = { scale: 0.05, zero: 60 };
const rounding = { xScale: 0.05, xZero: 60, yScale: 0.05, yZero: 60, lo: 0, hi: 127 };

/** Three convolutions: `a` in live blocks of 4x4, `b` with single zeros, `c` full. */
function model(): { program: BatchProgram; params: Tree<Tensor>; int8: Tree<string> } {
  const rng = createRng(1);
  const params: Record<string, Tensor> = {};
  for (const [path, shape] of Object.entries(SHAPES)) {
    const [o, c] = shape as [number, number];
    const taps = shape[2]! * shape[3]!;
    const scale = Float32Array.from({ length: o }, () => 0.005 + 0.01 * rng.uniform());
    const dead = new Set(Array.from({ length: 400 }, (_, i) => i).filter(() => rng.below(5) > 0));
    params[path] = tensor(
      shape,
      Array.from({ length: o * c * taps }, (_, i) => {
        const [row, channel, tap] = [Math.floor(i / (c * taps)), Math.floor(i / taps) % c, i % taps];
        const key = path === "a" ? ((row >> 2) * taps + tap) * (c >> 2) + (channel >> 2) : path === "b" ? i : -1;
        return dead.has(key) ? 0 : (rng.below(255) - 127) * scale[row]!;
      }),
    );
    params[`${path}:scale`] = tensor([o], scale);
    params[`${path}:bias`] = tensor(
      [o],
      Float32Array.from({ length: o }, () => rng.normal()),
    );
  }
  const program = anyBatch((n) =>
    trace(
      ({ params: p, inputs }) => {
        let [y] = inputs["x"]!.graph.emit(quantiseOp, [inputs["x"]!], range);
        for (const path of Object.keys(SHAPES)) {
          const padding = path === "a" ? [1, 1, 1, 1] : [0, 0, 0, 0];
          const operands = [y!, p[path]!, p[`${path}:scale`]!, p[`${path}:bias`]!];
          [y] = y!.graph.emit(conv2dInt8Op, operands, { stride: [1, 1], padding, dilation: [1, 1], groups: 1, ...rounding });
        }
        return { outputs: { y: y!.graph.emit(dequantiseOp, [y!], range)[0]! } };
      },
      {
        inputs: { x: { shape: [n, 4, 6, 7] } },
        params: Object.fromEntries(Object.entries(params).map(([path, { shape }]) => [path, { shape }])),
      },
    ),
  );
  return { program, params, int8: Object.fromEntries(Object.keys(SHAPES).map((path) => [path, `${path}:scale`])) };
}

it("int8 weights are stored in their smallest form, come back exactly, and run as the interpreter says", async () => {
  const { program, params, int8 } = model();
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
  const { program, params, int8 } = model();
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
  const { program, params, int8 } = model();
  const far = { ...params, a: tensor(SHAPES["a"]!, new Float32Array(288).fill(9)) };
  expect(() => packModel({ program, params: far, int8 })).toThrow(/beyond 127/);
  expect(() => packModel({ program, params, int8: { a: "none" } })).toThrow(/"none"/);
});

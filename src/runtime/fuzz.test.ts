/** Model files and tables of times, on 10,000 damaged inputs each: what is read holds together, or an InputError says what does not. */
import { describe, expect, it } from "vitest";
import { createRng, sizeOf } from "../core/index.js";
import { readSafetensors, writeSafetensors } from "../formats/index.js";
import { meetDamage, mutate, mutateJson } from "../formats/testing/mutate.js";
import { conv2d, mean, relu, trace } from "../program/index.js";
import { packModel, readModel, writeModel } from "./model-file.js";
import { int8Model } from "./testing/int8-model.js";
import { modelOf } from "./testing/models.js";
import { readTimings, writeTimings } from "./timings.js";

/** For each of two kinds of model. */
const ROUNDS = 5_000;
const specs = { w: { shape: [4, 2, 3, 3] }, b: { shape: [4] } };
const small = modelOf(
  (n) =>
    trace(
      ({ inputs, params }) => ({ outputs: { y: mean(relu(conv2d(inputs["x"]!, params["w"]!, { bias: params["b"]! })), [2, 3]) } }),
      { inputs: { x: { shape: [n, 2, 5, 5] } }, params: specs },
    ),
  specs,
  ["w"],
);

describe.each([
  ["float", writeModel(small)],
  ["int8", writeModel(packModel(int8Model()))],
])("%s model files", (_, bytes) => {
  const read = (file: Uint8Array): void => {
    const { program, params } = readModel(file);
    for (const [path, { value }] of Object.entries(program.one.params))
      expect(sizeOf(params[path]!.value.shape)).toBe(sizeOf(program.one.values[value]!.shape));
  };

  it("of damaged bytes", () => {
    const rng = createRng(1);
    const { taken, refused } = meetDamage(ROUNDS, () => mutate(bytes, rng), read);
    expect(taken).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(1000);
  });

  it("of strange heads", () => {
    const rng = createRng(2);
    const { tensors, metadata } = readSafetensors(bytes);
    const heads = Object.entries(metadata!).filter(([, text]) => /^[{[]/.test(text));
    const strange = (round: number): Uint8Array => {
      const [key, text] = heads[round % heads.length]!;
      return writeSafetensors({ tensors, metadata: { ...metadata, [key]: JSON.stringify(mutateJson(JSON.parse(text), rng)) } });
    };
    const { refused } = meetDamage(ROUNDS, strange, read);
    expect(refused).toBeGreaterThan(1000);
  });
});

it("tables of times give times alone", () => {
  const rng = createRng(3);
  const table = JSON.parse(
    writeTimings(
      writeTimings(undefined, "one", new Map([["a", { denseMs: 1, sparseMs: 2 }]])),
      "two",
      new Map([
        ["a", { denseMs: 1.5, sparseMs: 0.25 }],
        ["b", { denseMs: 3, sparseMs: 4 }],
      ]),
    ),
  ) as unknown;
  const text = (round: number): string => {
    const strange = JSON.stringify(mutateJson(table, rng));
    return round % 2 ? strange : new TextDecoder().decode(mutate(new TextEncoder().encode(strange), rng));
  };
  const { refused } = meetDamage(2 * ROUNDS, text, (given) => {
    for (const { denseMs, sparseMs } of readTimings(given, "two").values())
      expect([denseMs, sparseMs].every((ms) => Number.isFinite(ms) && ms >= 0)).toBe(true);
    expect(readTimings(writeTimings(given, "two", new Map([["c", { denseMs: 1, sparseMs: 1 }]])), "two").has("c")).toBe(true);
  });
  expect(refused).toBe(0);
});

/** Damaged ONNX files: a program or an InputError, in bounded time, whatever the bytes. */
import { expect, it } from "vitest";
import { createRng, InputError } from "../../core/index.js";
import { readOnnx, writeOnnx } from "../../formats/index.js";
import { mutate } from "../../formats/testing/mutate.js";
import { importOnnx } from "./onnx.js";
import { input, longs, numbers, type Operand, oneNode, stored, weights } from "./testing/models.js";

const x = (shape: readonly number[]): Operand => input(numbers(shape));

const seeds: [string, Uint8Array][] = [
  ["Conv", oneNode("Conv", [x([1, 2, 5, 5]), weights([2, 2, 3, 3]), weights([2])], { pads: [1, 1, 1, 1], strides: [2, 2] }).bytes],
  ["Slice", oneNode("Slice", [x([2, 3, 4]), longs(1, -3), longs(9, -1), longs(1, 2), longs(1, 2)]).bytes],
  ["LSTM", oneNode("LSTM", [x([2, 1, 2]), weights([1, 8, 2]), weights([1, 8, 2])], { hidden_size: 2 }, { outputs: 3 }).bytes],
  ["Resize", oneNode("Resize", [x([1, 1, 2, 3]), undefined, stored([4], [1, 1, 2, 1.5])], { mode: "linear" }).bytes],
  ["Reshape", oneNode("Reshape", [x([2, 6]), longs(3, -1)]).bytes],
  ["MaxPool", oneNode("MaxPool", [x([1, 1, 6, 6])], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }).bytes],
  ["Pad", oneNode("Pad", [x([1, 2, 3]), longs(0, 1, 1, 0, 1, 1)], { mode: "reflect" }).bytes],
  ["Expand of constants", oneNode("Expand", [weights([2, 1]), longs(2, 3)]).bytes],
];

const rounds = Number(process.env["SPARSELAND_FUZZ"] ?? 1250);

it.each(seeds)(
  `%s: ${rounds} mutations`,
  (name, whole) => {
    expect(importOnnx(whole).batch).toBeDefined();
    const rng = createRng(name.length * 1000 + name.charCodeAt(0));
    let refused = 0;
    for (let i = 0; i < rounds; i++) {
      const damaged = mutate(whole, rng);
      try {
        importOnnx(damaged);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(rounds / 10);
  },
  120_000,
);

it("truncated at any byte: refused, or read as the shorter file that it is", () => {
  const [, whole] = seeds[0]!;
  let read = 0;
  for (let end = 0; end < whole.length; end++) {
    try {
      readOnnx(whole.subarray(0, end));
      read++;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
  // Messages have no end marker: a cut between the fields of the model leaves a model.
  expect(read).toBeLessThan(12);
});

it("deeply nested graphs are refused", () => {
  const empty = { name: "g", nodes: [], initializers: [], sparseInitializers: [], inputs: [], outputs: [] };
  let graph: Parameters<typeof writeOnnx>[0]["graph"] = empty;
  for (let i = 0; i < 40; i++)
    graph = {
      ...empty,
      nodes: [{ opType: "If", inputs: [], outputs: [], attributes: [{ name: "then_branch", type: 5, g: graph }] }],
    };
  const bytes = writeOnnx({ irVersion: 8, producerName: "", opsets: { "": 17 }, metadata: {}, graph });
  expect(() => readOnnx(bytes)).toThrow(/nested more than 32 deep/);
});

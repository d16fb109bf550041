import { describe, expect, it } from "vitest";
import { createRng, FormatError, tensor } from "../core/index.js";
import { readSafetensors } from "../formats/index.js";
import { mutate } from "../formats/testing/mutate.js";
import { maskOf } from "../sparsity/index.js";
import { type Checkpoint, readCheckpoint, writeCheckpoint } from "./checkpoint.js";

const point = { epoch: 1, trainLoss: 0.5, trainAccuracy: 0.8, testAccuracy: 0.7, testLoss: 0.6 };
const checkpoint: Checkpoint = {
  epoch: 1,
  snapshot: {
    values: { "fc.weight": tensor([2, 3], [1, 0, -2, 0, 0.25, 0]), "fc.weight:m": tensor([2, 3], [1, 0, 1, 0, 1, 0]) },
    masks: { "fc.weight": maskOf([2, 3], Uint8Array.of(1, 0, 1, 0, 1, 0)) },
  },
  methodState: { drawn: [1, 2] },
  curve: [{ ...point, sparsity: 0.5, learningRate: 0.1, seconds: 1.5 }],
  identity: "a run",
};
const bytes = writeCheckpoint(checkpoint);

describe("checkpoints", () => {
  it("give back all that they were given, and are safetensors files", () => {
    expect(readCheckpoint(bytes, "a run")).toEqual(checkpoint);
    expect(Object.keys(readSafetensors(bytes).tensors)).toContain("value/fc.weight");
  });

  it("are refused when truncated, at every byte, or longer", () => {
    for (let end = 0; end < bytes.length; end++) expect(() => readCheckpoint(bytes.slice(0, end), "a run")).toThrow(FormatError);
    expect(() => readCheckpoint(Uint8Array.from([...bytes, 0]), "a run")).toThrow(FormatError);
  });

  it("are refused after any of 10,000 damages: no resumed run goes on from other numbers", () => {
    const rng = createRng(9);
    for (let i = 0; i < 10_000; i++) {
      const damaged = mutate(bytes, rng);
      if (damaged.length === bytes.length && damaged.every((byte, k) => byte === bytes[k])) continue;
      expect(() => readCheckpoint(damaged, "a run")).toThrow(FormatError);
    }
  });
});

import { describe, expect, it } from "vitest";
import { createRng, FormatError, tensor } from "../core/index.js";
import { crc32, readSafetensors, writeSafetensors } from "../formats/index.js";
import { meetDamage, mutate, mutateJson } from "../formats/testing/mutate.js";
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

  /** Gives a file the checksum of its bytes, as a hostile one would have. */
  const resealed = (file: Uint8Array): Uint8Array => {
    const text = new TextDecoder("latin1").decode(file);
    const at = text.indexOf('"sparseland.crc32":"') + 20;
    const out = file.slice();
    if (at < 20 || at + 8 > out.length) return out;
    out.fill(48, at, at + 8);
    const sum = crc32(out).toString(16).padStart(8, "0");
    out.set(new TextEncoder().encode(sum), at);
    return out;
  };
  const read = (file: Uint8Array): void => {
    const { epoch, curve, snapshot } = readCheckpoint(file, "a run");
    expect(
      Number.isInteger(epoch) && epoch >= 0 && curve.every(({ trainLoss }) => trainLoss === null || typeof trainLoss === "number"),
    ).toBe(true);
    for (const { shape, data } of [...Object.values(snapshot.values), ...Object.values(snapshot.masks)])
      expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
  };

  it("with the right checksum over 5,000 damages and 5,000 strange heads are read, or refused with a reason", () => {
    const rng = createRng(10);
    const bytesOnly = meetDamage(5_000, () => resealed(mutate(bytes, rng)), read);
    expect(Math.min(bytesOnly.taken, bytesOnly.refused)).toBeGreaterThan(20);
    const { tensors, metadata } = readSafetensors(bytes);
    const key = "sparseland.checkpoint";
    const head = JSON.parse(metadata![key]!);
    const strange = () => writeSafetensors({ tensors, metadata: { ...metadata, [key]: JSON.stringify(mutateJson(head, rng)) } });
    const heads = meetDamage(5_000, () => resealed(strange()), read);
    expect(Math.min(heads.taken, heads.refused)).toBeGreaterThan(20);
  });
});

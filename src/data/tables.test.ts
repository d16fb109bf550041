import { describe, expect, it } from "vitest";
import { writeNpz } from "../formats/index.js";
import { csvDataset, npzDataset, svmlightDataset } from "./tables.js";

describe("tables as datasets", () => {
  it("reads csv with named classes", () => {
    const dataset = csvDataset("a,kind,b\n1,cat,2\n3,ant,4\n5,cat,6\n", { name: "pets", label: "kind" });
    expect(dataset).toMatchObject({ shape: [2], classes: 2, classNames: ["ant", "cat"], count: 3, source: "csv" });
    expect(dataset.labels).toEqual(Int32Array.of(1, 0, 1));
    expect(dataset.inputs).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    const chosen = csvDataset("a,kind,b\n1,10,2\n3,9,4\n", { name: "pets", label: 1, features: ["b"], standardise: true });
    expect([chosen.classNames, chosen.inputs, chosen.normalisation]).toEqual([
      ["9", "10"],
      Float32Array.of(2, 4),
      { scale: 1, mean: [3], std: [1] },
    ]);
    expect(() => csvDataset("a,b\n1,nan\n", { name: "x", label: "a" })).toThrow(/column "b": expected a finite number, got "nan"/);
    expect(() => csvDataset("a,b\n1,2\n", { name: "x", label: "c" })).toThrow(/csv column: expected one of a, b, got "c"/);
  });

  it("reads svmlight as dense rows, within a limit", () => {
    const dataset = svmlightDataset("-1 1:2\n+1 3:4\n", { name: "s", features: 4 });
    expect(dataset.inputs).toEqual(Float32Array.of(2, 0, 0, 0, 0, 0, 4, 0));
    expect([dataset.labels, dataset.classNames]).toEqual([Int32Array.of(0, 1), ["-1", "1"]]);
    expect(() => svmlightDataset("1 2000000000:1\n", { name: "s" })).toThrow(/above the limit/);
    expect(() => svmlightDataset("1 5:1\n", { name: "s", features: 4 })).toThrow(/s: features: expected at least 5/);
  });

  it("reads npz arrays", () => {
    const x = { dtype: "u8" as const, shape: [2, 1, 2, 2], data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) };
    const y = { dtype: "i64" as const, shape: [2], data: BigInt64Array.of(2n, 0n) };
    const dataset = npzDataset(writeNpz({ x, y }), { name: "z" });
    expect(dataset).toMatchObject({ shape: [1, 2, 2], classes: 3, count: 2 });
    expect([dataset.inputs, dataset.labels]).toEqual([x.data, Int32Array.of(2, 0)]);
    expect(() => npzDataset(writeNpz({ x, y }), { name: "z", inputs: "images" })).toThrow(/expected one of x, y, got "images"/);
    expect(() => npzDataset(writeNpz({ x, y }), { name: "z", classes: 2 })).toThrow(/example 0 has the label 2/);
    const far = { dtype: "i64" as const, shape: [2], data: BigInt64Array.of(0n, -1n) };
    expect(() => npzDataset(writeNpz({ x, y: far }), { name: "z" })).toThrow(/label "-1"/);
    const broken = { dtype: "f32" as const, shape: [2, 1], data: Float32Array.of(1, Number.NaN) };
    expect(() => npzDataset(writeNpz({ x: broken, y }), { name: "z" })).toThrow(/example 1 holds NaN/);
  });
});

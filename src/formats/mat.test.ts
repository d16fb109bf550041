import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { FormatError } from "../core/index.js";
import { compressedMat, plainMat } from "./fixtures/mat.js";
import { readMat } from "./mat.js";

const data = resolve(process.env["SPARSELAND_DATA"] ?? "../shared/data", "pde");

describe("mat", () => {
  it.each([
    ["plain", plainMat],
    ["compressed", compressedMat],
  ])("reads what SciPy wrote, %s: row-major, complex, logical, structures named", (_, bytes) => {
    expect(readMat(bytes)).toEqual({
      arrays: {
        a: { dtype: "f64", shape: [2, 3], data: Float64Array.of(0, 0.25, 0.5, 0.75, 1, 1.25) },
        i: { dtype: "i32", shape: [1, 2], data: Int32Array.of(1, -2) },
        z: { dtype: "f64", shape: [1, 1], data: Float64Array.of(1), imaginary: Float64Array.of(2) },
        b: { dtype: "bool", shape: [1, 2], data: Uint8Array.of(1, 0) },
      },
      skipped: [{ name: "s", kind: "structure" }],
    });
  });

  it("refuses truncation at every byte offset but those between arrays, where the file is whole", () => {
    for (const bytes of [plainMat, compressedMat]) {
      const whole: number[] = [];
      for (let end = 0; end < bytes.length; end++) {
        try {
          const { arrays, skipped } = readMat(bytes.slice(0, end));
          whole.push(Object.keys(arrays).length + skipped.length);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }
      expect(whole).toEqual([0, 1, 2, 3, 4]);
    }
  });

  it("refuses other levels, damage and sizes above the limit", () => {
    const other = Uint8Array.from(plainMat);
    other[125] = 2;
    expect(() => readMat(other)).toThrow(/version 200, expected 100/);
    expect(() => readMat(new Uint8Array(128))).toThrow(/byte order mark/);
    const damaged = Uint8Array.from(compressedMat);
    damaged[136 + 53]! ^= 1;
    expect(() => readMat(damaged)).toThrow(/mat: the (checksum|compressed)/);
    expect(() => readMat(compressedMat, 64)).toThrow(/above the limit of 64/);
  });

  it.skipIf(!existsSync(data))("reads published MATLAB files", () => {
    const burgers = readMat(readFileSync(resolve(data, "burgers_shock.mat"))).arrays;
    expect(Object.fromEntries(Object.entries(burgers).map(([name, array]) => [name, array.shape]))).toEqual({
      x: [256, 1],
      t: [100, 1],
      usol: [256, 100],
    });
    expect(burgers["x"]!.data[0]).toBe(-1);
    // The initial condition of the problem is -sin(pi x).
    for (let i = 0; i < 256; i += 15)
      expect(burgers["usol"]!.data[i * 100]).toBeCloseTo(-Math.sin(Math.PI * Number(burgers["x"]!.data[i])), 6);
    expect(readMat(readFileSync(resolve(data, "pdefind_burgers.mat"))).arrays["usol"]!.imaginary).toBeInstanceOf(Float64Array);
  });
});

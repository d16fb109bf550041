import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NamedArray } from "./array.js";
import { fromHex } from "./fixtures/hex.js";
import { readNpy, writeNpy } from "./npy.js";
import { readNpz, writeNpz } from "./npz.js";

/*
 * import numpy as np, io                                   # NumPy 2.4.6
 * def npy(a): b = io.BytesIO(); np.save(b, a); return b.getvalue().hex()
 * npy(np.arange(6, dtype='<f4').reshape(2, 3) / 4)
 * npy(np.asfortranarray(np.arange(6, dtype='>i2').reshape(2, 3)))
 * b = io.BytesIO(); np.savez_compressed(b, x=np.array([1, -2], dtype='<i8'), y=np.array([True, False]))
 */
const spaces = (n: number) => "20".repeat(n);
const F4 = `934e554d5059010076007b276465736372273a20273c6634272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028322c2033292c207d${spaces(58)}0a000000000000803e0000003f0000403f0000803f0000a03f`;
const FORTRAN = `934e554d5059010076007b276465736372273a20273e6932272c2027666f727472616e5f6f72646572273a20547275652c20277368617065273a2028322c2033292c207d${spaces(59)}0a000000030001000400020005`;
const NPZ =
  "504b03042d0000000800000021009afbf523ffffffffffffffff05001400782e6e70790100100090000000000000004b000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9369a1aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a463a9a3a0ab50a14002e460608f8f71f0200504b03042d000000080000002100ee19bb5dffffffffffffffff05001400792e6e707901001000820000000000000046000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a05e9364a8aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a463a9a3a0ab50a14002e460600504b01022d032d0000000800000021009afbf5234b00000090000000050000000000000000000000800100000000782e6e7079504b01022d032d000000080000002100ee19bb5d4600000082000000050000000000000000000000800182000000792e6e7079504b0506000000000200020066000000ff0000000000";

const hasNumpy = spawnSync("python3", ["-c", "import numpy"]).status === 0;

describe("npy and npz", () => {
  it("reads what NumPy wrote, and writes the same bytes", () => {
    const array = readNpy(fromHex(F4));
    expect(array).toEqual({ dtype: "f32", shape: [2, 3], data: Float32Array.of(0, 0.25, 0.5, 0.75, 1, 1.25) });
    expect(writeNpy(array)).toEqual(fromHex(F4));
  });

  it("reads big-endian, Fortran-ordered data as row-major", () => {
    expect(readNpy(fromHex(FORTRAN))).toEqual({ dtype: "i16", shape: [2, 3], data: Int16Array.of(0, 1, 2, 3, 4, 5) });
  });

  it("reads the npz that NumPy wrote (zip64 local headers, deflated)", () => {
    expect(readNpz(fromHex(NPZ))).toEqual({
      x: { dtype: "i64", shape: [2], data: BigInt64Array.of(1n, -2n) },
      y: { dtype: "bool", shape: [2], data: Uint8Array.of(1, 0) },
    });
  });

  it("round-trips any float array, stored and deflated, with the same bytes each time", () => {
    const arrays = fc.dictionary(fc.stringMatching(/^[a-z_.]{1,8}$/), fc.float32Array({ maxLength: 40 }));
    fc.assert(
      fc.property(arrays, fc.boolean(), (data, compress) => {
        const named = Object.fromEntries(
          Object.entries(data).map(([name, values]): [string, NamedArray] => [
            name,
            { dtype: "f32", shape: [1, values.length], data: values },
          ]),
        );
        const bytes = writeNpz(named, compress);
        expect(readNpz(bytes)).toEqual(named);
        expect(writeNpz(named, compress)).toEqual(bytes);
      }),
      { numRuns: 200 },
    );
  });

  it("names what is wrong", () => {
    expect(() => readNpz(writeNpz({ a: { dtype: "u8", shape: [5000], data: new Uint8Array(5000) } }), 4096)).toThrow(
      /above the limit of 4096/,
    );
    const huge = writeNpy({ dtype: "f64", shape: [2, 3], data: new Float64Array(6) });
    const text = new TextDecoder("latin1").decode(huge).replace("(2, 3), }     ", "(9999999999, 3)");
    const lying = Uint8Array.from(text, (c) => c.charCodeAt(0));
    expect(() => readNpy(lying)).toThrow(/npy: /);
    expect(() => writeNpy({ dtype: "bf16", shape: [1], data: Float32Array.of(1) })).toThrow(/NumPy has no bf16/);
    expect(() => writeNpy({ dtype: "f32", shape: [3], data: Float32Array.of(1) })).toThrow(
      /has 1 elements, its shape \[3\] needs 3/,
    );
  });

  it.skipIf(!hasNumpy)("NumPy reads the npz that we write", () => {
    const folder = mkdtempSync(join(tmpdir(), "sparseland-npz-"));
    try {
      const path = join(folder, "a.npz");
      const arrays: Record<string, NamedArray> = {
        half: { dtype: "f16", shape: [3], data: Float32Array.of(0.1, -2, 65504) },
        cube: { dtype: "i32", shape: [2, 1, 2], data: Int32Array.of(1, 2, 3, -4) },
        scalar: { dtype: "f64", shape: [], data: Float64Array.of(2.5) },
        none: { dtype: "u8", shape: [0, 4], data: new Uint8Array(0) },
      };
      writeFileSync(path, writeNpz(arrays));
      const script = `
import numpy as np, json, sys
f = np.load(sys.argv[1])
print(json.dumps({k: [f[k].dtype.str, list(f[k].shape), np.asarray(f[k], dtype=float).ravel().tolist()] for k in sorted(f.files)}))
np.savez(sys.argv[1] + ".back.npz", **{k: f[k] for k in f.files})`;
      const run = spawnSync("python3", ["-c", script, path], { encoding: "utf8" });
      expect(JSON.parse(run.stdout)).toEqual({
        cube: ["<i4", [2, 1, 2], [1, 2, 3, -4]],
        half: ["<f2", [3], [0.0999755859375, -2, 65504]],
        none: ["|u1", [0, 4], []],
        scalar: ["<f8", [], [2.5]],
      });
      const back = readNpz(readFileSync(`${path}.back.npz`));
      expect(back["half"]!.data).toEqual(Float32Array.of(0.0999755859375, -2, 65504));
      expect({ ...back, half: 0 }).toEqual({ ...arrays, half: 0 });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

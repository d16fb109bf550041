import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng } from "../core/index.js";
import { fromHex } from "./fixtures/hex.js";
import { readSafetensors, type SafetensorsFile, writeSafetensors } from "./safetensors.js";
import { readSparseSafetensors, type SparseFile, sparseBytes, writeSparseSafetensors } from "./sparse-safetensors.js";
import { compressDense, expandSparse, type SparseTensor } from "./sparse-tensor.js";

/*
 * from safetensors.numpy import save                       # safetensors 0.8.0
 * save({"b": np.array([1.5, -2], dtype=np.float32), "a": np.array([[1, 2]], dtype=np.int64),
 *       "h": np.array([0.1, 65504], dtype=np.float16), "z": np.array(True)}, {"format": "pt"}).hex()
 */
const GOLDEN =
  "00010000000000007b225f5f6d657461646174615f5f223a7b22666f726d6174223a227074227d2c2261223a7b226474797065223a22493634222c227368617065223a5b312c325d2c22646174615f6f666673657473223a5b302c31365d7d2c2262223a7b226474797065223a22463332222c227368617065223a5b325d2c22646174615f6f666673657473223a5b31362c32345d7d2c2268223a7b226474797065223a22463136222c227368617065223a5b325d2c22646174615f6f666673657473223a5b32342c32385d7d2c227a223a7b226474797065223a22424f4f4c222c227368617065223a5b5d2c22646174615f6f666673657473223a5b32382c32395d7d7d202020010000000000000002000000000000000000c03f000000c0662eff7b01";

const python = process.env["SPARSELAND_PYTHON"] ?? "python3";
const hasLibrary = spawnSync(python, ["-c", "import safetensors, numpy"]).status === 0;

/** A header and data as raw file bytes. */
function raw(header: unknown, data = 0): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const out = new Uint8Array(8 + text.length + data);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  return out;
}

/** Random weights of a shape with about `sparsity` zeros. */
function randomSparse(shape: readonly number[], sparsity: number, seed: number, block?: readonly [number, number]): SparseTensor {
  const rng = createRng(seed);
  const [rows, cols] = [shape[0]!, shape.slice(1).reduce((a, b) => a * b, 1)];
  const [high, wide] = block ?? [1, 1];
  const live = Array.from({ length: Math.ceil(rows / high) * Math.ceil(cols / wide) }, () => rng.uniform() >= sparsity);
  const dense = Float32Array.from({ length: rows * cols }, (_, i) => {
    const at = Math.floor(Math.floor(i / cols) / high) * Math.ceil(cols / wide) + Math.floor((i % cols) / wide);
    return live[at] ? rng.normal() : 0;
  });
  return compressDense(dense, block ? { shape, layout: "block", block } : { shape, layout: "csr" });
}

const file = (sparse: Record<string, SparseTensor>): SparseFile => ({ tensors: {}, sparse, metadata: {} });
const codeOf = (tensor: SparseTensor) => {
  const text = readSafetensors(writeSparseSafetensors(file({ w: tensor }))).metadata["sparseland.sparse"]!;
  return JSON.parse(text).tensors.w.index;
};

describe("safetensors", () => {
  it("reads what the reference library wrote, and writes the same bytes", () => {
    const golden = readSafetensors(fromHex(GOLDEN));
    expect(golden).toEqual({
      metadata: { format: "pt" },
      tensors: {
        a: { dtype: "i64", shape: [1, 2], data: BigInt64Array.of(1n, 2n) },
        b: { dtype: "f32", shape: [2], data: Float32Array.of(1.5, -2) },
        h: { dtype: "f16", shape: [2], data: Float32Array.of(0.0999755859375, 65504) },
        z: { dtype: "bool", shape: [], data: Uint8Array.of(1) },
      },
    });
    expect(writeSafetensors(golden)).toEqual(fromHex(GOLDEN));
  });

  it("rounds f16 and bf16 to nearest even", () => {
    const data = Float32Array.of(1 + 2 ** -11, 1 + 3 * 2 ** -11, 1 + 2 ** -8, 1 + 3 * 2 ** -8);
    const back = readSafetensors(
      writeSafetensors({
        tensors: { h: { dtype: "f16", shape: [4], data }, b: { dtype: "bf16", shape: [4], data } },
        metadata: {},
      }),
    );
    expect([...back.tensors["h"]!.data]).toEqual([1, 1 + 2 ** -9, 1 + 2 ** -8, 1 + 3 * 2 ** -8]);
    expect([...back.tensors["b"]!.data]).toEqual([1, 1, 1, 1 + 2 ** -6]);
  });

  it("widens long half arrays (by table) as short ones", () => {
    const data = Float32Array.from({ length: 70_000 }, (_, i) => (i - 35_000) / 64);
    for (const dtype of ["f16", "bf16"] as const) {
      const read = (values: Float32Array) =>
        readSafetensors(writeSafetensors({ tensors: { a: { dtype, shape: [values.length], data: values } }, metadata: {} }))
          .tensors["a"]!.data;
      expect(read(data).subarray(0, 500)).toEqual(read(data.subarray(0, 500)));
      expect(read(data).subarray(-500)).toEqual(read(data.subarray(-500)));
    }
  });

  it("round-trips any names (__proto__ and digits too), in a fixed order of bytes", () => {
    const name = fc.oneof(fc.constantFrom("__proto__", "0", "constructor", "λ"), fc.string());
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(name, fc.float32Array({ maxLength: 9 })), { selector: (pair) => pair[0], maxLength: 6 }),
        (pairs) => {
          const listed = pairs.map(([key, data]) => [key, { dtype: "f32" as const, shape: [data.length], data }] as const);
          const one: SafetensorsFile = { tensors: Object.fromEntries(listed), metadata: { note: "x" } };
          const bytes = writeSafetensors(one);
          expect(readSafetensors(bytes)).toEqual(one);
          expect(writeSafetensors({ tensors: Object.fromEntries([...listed].reverse()), metadata: { note: "x" } })).toEqual(bytes);
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each([
    ["a lying header length", Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 127, 123, 125), /above the limit/],
    ["a header past the end", Uint8Array.of(100, 0, 0, 0, 0, 0, 0, 0, 123, 125), /truncated/],
    [
      "a product past 2^53",
      raw({ a: { dtype: "F32", shape: [2 ** 40, 2 ** 40], data_offsets: [0, 0] } }),
      /more than 2\^53 elements/,
    ],
    ["a fraction as dimension", raw({ a: { dtype: "F32", shape: [0.5], data_offsets: [0, 2] } }, 2), /not a non-negative integer/],
    [
      "a size that is not the shape's",
      raw({ a: { dtype: "F32", shape: [3], data_offsets: [0, 8] } }, 8),
      /8 bytes of data, but F32 \[3\] takes 12/,
    ],
    ["an unknown type", raw({ a: { dtype: "Q4", shape: [1], data_offsets: [0, 1] } }, 1), /unsupported dtype "Q4"/],
    ["a gap", raw({ a: { dtype: "U8", shape: [1], data_offsets: [1, 2] } }, 2), /begins at 1, expected 0/],
    ["bytes of no tensor", raw({ a: { dtype: "U8", shape: [1], data_offsets: [0, 1] } }, 3), /2 bytes after the last tensor/],
    ["metadata that is no string", raw({ __metadata__: { n: 1 } }), /expected __metadata__.n to be a string/],
    [
      "a doubled name",
      raw('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', 2),
      /begins at 1/,
    ],
    ["a list as header", raw([]), /expected the header to be a JSON object/],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => readSafetensors(bytes)).toThrow(message);
  });
});

describe("sparse safetensors", () => {
  it("stores a hand-worked matrix in the bytes the document shows", () => {
    const dense = [0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 8];
    const tensor = compressDense(dense, { shape: [2, 12], layout: "csr" });
    expect(tensor).toMatchObject({
      rowPtr: Int32Array.of(0, 1, 3),
      columns: Int32Array.of(2, 3, 11),
      values: Float32Array.of(5, 7, 8),
    });
    const plain = readSafetensors(writeSparseSafetensors(file({ w: tensor })));
    // Three bytes of bitmap, least significant bit first: positions 2, 15 and 23.
    expect(plain.tensors["w.indices"]).toEqual({
      dtype: "u8",
      shape: [3],
      data: Uint8Array.of(0b00000100, 0b10000000, 0b10000000),
    });
    expect(JSON.parse(plain.metadata["sparseland.sparse"]!)).toEqual({
      version: 1,
      tensors: { w: { layout: "csr", shape: [2, 12], values: "f32", index: { code: "bitmap" } } },
    });
  });

  it("stores far entries as gaps with escapes", () => {
    const dense = new Float32Array(1000);
    dense[3] = 1;
    dense[990] = 2;
    const tensor = compressDense(dense, { shape: [1, 1000], layout: "csr" });
    const plain = readSafetensors(writeSparseSafetensors(file({ w: tensor })));
    const { bits } = codeOf(tensor);
    // Gaps 3 and 986: each width costs bits * (2 + floor(3 / (2^bits - 1)) + floor(986 / (2^bits - 1))) bits.
    const cost = (b: number) => Math.ceil((b * (2 + Math.floor(3 / (2 ** b - 1)) + Math.floor(986 / (2 ** b - 1)))) / 8);
    const best = Math.min(...Array.from({ length: 16 }, (_, i) => cost(i + 1)));
    expect(cost(bits)).toBe(best);
    expect(plain.tensors["w.indices"]!.data.length).toBe(best);
    expect(plain.tensors["w.counts"]).toEqual({ dtype: "u8", shape: [1], data: Uint8Array.of(2) });
  });

  it("round-trips every layout, at every sparsity, exactly", () => {
    const shapes = fc.oneof(
      fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 40 })),
      fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 }), fc.constant(3), fc.constant(3)),
    );
    const block = fc.option(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 3 })), { nil: undefined });
    fc.assert(
      fc.property(shapes, fc.constantFrom(0, 0.5, 0.9, 0.99, 1), fc.integer(), block, (shape, sparsity, seed, size) => {
        const tensor = randomSparse(shape, sparsity, seed, size);
        const bytes = writeSparseSafetensors(file({ "a.weight": tensor }));
        const back = readSparseSafetensors(bytes);
        expect(back).toEqual(file({ "a.weight": tensor }));
        expect(expandSparse(back.sparse["a.weight"]!)).toEqual(expandSparse(tensor));
        expect(writeSparseSafetensors(back)).toEqual(bytes);
      }),
      { numRuns: 400 },
    );
  });

  it("round-trips N:M through positions within the group, two bits each for 1:4", () => {
    const dense = [0, 9, 0, 0, 1, 0, 0, 0, 0, 0, 0, 4, 0, 0, 7, 0];
    const tensor = compressDense(dense, { shape: [2, 8], layout: "nm", nm: { keep: 1, of: 4 } });
    const bytes = writeSparseSafetensors(file({ w: tensor }));
    expect(codeOf(tensor)).toEqual({ code: "positions" });
    expect(readSafetensors(bytes).tensors["w.indices"]!.data).toEqual(Uint8Array.of(0b10_11_00_01));
    expect(readSparseSafetensors(bytes)).toEqual(file({ w: tensor }));
    expect(() => compressDense(dense, { shape: [2, 8], layout: "nm", nm: { keep: 2, of: 4 } })).toThrow(/exactly 2 in every 4/);
  });

  it("keeps entries that are live and zero", () => {
    const tensor = compressDense([0, 0, 3, 0], { shape: [2, 2], layout: "csr" }, [1, 0, 1, 1]);
    expect(readSparseSafetensors(writeSparseSafetensors(file({ w: tensor }))).sparse["w"]!.values).toEqual(
      Float32Array.of(0, 3, 0),
    );
  });

  it.each([
    [0.5, 0.54],
    [0.8, 0.24],
    [0.9, 0.125],
    [0.95, 0.07],
    [0.99, 0.019],
  ])("at sparsity %d takes at most %d of the dense float32 bytes, the whole file counted", (sparsity, share) => {
    const tensor = randomSparse([64, 32, 3, 3], sparsity, 7);
    const bytes = writeSparseSafetensors(file({ "conv.weight": tensor }));
    expect(bytes.length / (64 * 32 * 9 * 4)).toBeLessThanOrEqual(share);
    expect(bytes.length).toBeGreaterThan(sparseBytes(tensor));
    expect(bytes.length - sparseBytes(tensor)).toBeLessThan(600);
    expect(sparseBytes(tensor, "f16")).toBe(sparseBytes(tensor) - 2 * tensor.values.length);
  });

  it("chooses a bitmap at 50 %", () => {
    expect(codeOf(randomSparse([64, 300], 0.5, 1))).toEqual({ code: "bitmap" });
    expect(codeOf(randomSparse([64, 300], 0.9, 1))).toMatchObject({ code: "gaps" });
  });

  it("rounds values to f16 on request", () => {
    const tensor = compressDense([0.1, 0], { shape: [1, 2], layout: "csr" });
    const back = readSparseSafetensors(writeSparseSafetensors(file({ w: tensor }), { values: "f16" }));
    expect(back.sparse["w"]!.values).toEqual(Float32Array.of(0.0999755859375));
  });

  it("holds a 50,000 x 50,000 matrix without its dense form", () => {
    const columns = Int32Array.from({ length: 50_000 }, (_, i) => (i * 7919) % 50_000);
    const rowPtr = Int32Array.from({ length: 50_001 }, (_, i) => i);
    const tensor: SparseTensor = { shape: [50_000, 50_000], layout: "csr", rowPtr, columns, values: Float32Array.from(columns) };
    const bytes = writeSparseSafetensors(file({ w: tensor }));
    expect(bytes.length).toBeLessThan(400_000);
    expect(readSparseSafetensors(bytes)).toEqual(file({ w: tensor }));
    expect(() => expandSparse(tensor)).toThrow(/above the limit/);
  });

  it("refuses entries that lie", () => {
    const good = readSafetensors(writeSparseSafetensors(file({ w: randomSparse([4, 200], 0.95, 3) })));
    const lie = (change: (entry: Record<string, unknown>) => void, tensors = good.tensors) => {
      const json = JSON.parse(good.metadata["sparseland.sparse"]!);
      change(json.tensors.w);
      return () => readSparseSafetensors(writeSafetensors({ tensors, metadata: { "sparseland.sparse": JSON.stringify(json) } }));
    };
    expect(lie((e) => (e["shape"] = [2 ** 31, 200]))).toThrow(/sparse safetensors: w/);
    expect(lie((e) => (e["shape"] = [1e9, 200]))).toThrow(/one count per row/);
    expect(lie((e) => (e["shape"] = [1e9, 1e9]))).toThrow(/sparse safetensors: w/);
    expect(lie((e) => (e["shape"] = [4, 2]))).toThrow(/holds column/);
    expect(lie((e) => (e["index"] = { code: "bitmap" }))).toThrow(/bitmap takes 100 index bytes/);
    expect(lie((e) => (e["index"] = { code: "gaps", bits: 40 }))).toThrow(/1 to 16 bits/);
    expect(lie((e) => (e["values"] = "f16"))).toThrow(/should be f16, got f32/);
    expect(lie((e) => (e["layout"] = "coo"))).toThrow(/unknown layout "coo"/);
    const { "w.indices": _, ...without } = good.tensors;
    expect(lie(() => {}, without)).toThrow(/w.indices should be u8, got no such tensor/);
  });

  it.skipIf(!hasLibrary)("the Python library opens our files, sparse ones too", () => {
    const folder = mkdtempSync(join(tmpdir(), "sparseland-st-"));
    try {
      const path = join(folder, "a.safetensors");
      const tensor = randomSparse([8, 50], 0.9, 5);
      writeFileSync(
        path,
        writeSparseSafetensors({
          tensors: { b: { dtype: "f32", shape: [2], data: Float32Array.of(1, 2) } },
          sparse: { w: tensor },
          metadata: { k: "v" },
        }),
      );
      const script = `
import json, sys
from safetensors import safe_open
f = safe_open(sys.argv[1], "np")
entry = json.loads(f.metadata()["sparseland.sparse"])["tensors"]["w"]
bits, stream, out = entry["index"]["bits"], f.get_tensor("w.indices"), []
code = lambda i: sum((int(stream[b >> 3]) >> (b & 7) & 1) << (b - i * bits) for b in range(i * bits, (i + 1) * bits))
at = 0
for count in f.get_tensor("w.counts"):
    column, row = -1, []
    for _ in range(count):
        column += 1
        while code(at) == 2 ** bits - 1: column += code(at); at += 1
        column += code(at); at += 1; row.append(column)
    out.append(row)
print(json.dumps({"keys": sorted(f.keys()), "rows": out, "values": f.get_tensor("w.values").tolist()}))`;
      const run = spawnSync(python, ["-c", script, path], { encoding: "utf8" });
      expect(run.stderr).toBe("");
      const rows = Array.from({ length: 8 }, (_, r) => [...tensor.columns.slice(tensor.rowPtr[r], tensor.rowPtr[r + 1])]);
      expect(JSON.parse(run.stdout)).toEqual({
        keys: ["b", "w.counts", "w.indices", "w.values"],
        rows,
        values: [...tensor.values],
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** GGUF: files written by hand after the specification, and blocks after ggml's formulas. */
import { describe, expect, it } from "vitest";
import { createRng, FormatError, toHalf } from "../core/index.js";
import { decodeGguf, loadGguf, readGguf } from "./gguf.js";
import { mutate } from "./testing/mutate.js";

/** A little-endian writer. */
class Bytes {
  readonly all: number[] = [];
  u8 = (...v: number[]): this => {
    this.all.push(...v.map((x) => x & 255));
    return this;
  };
  u16 = (v: number): this => this.u8(v, v >> 8);
  u32 = (v: number): this => this.u8(v, v >>> 8, v >>> 16, v >>> 24);
  u64 = (v: number): this => this.u32(v % 2 ** 32).u32(Math.floor(v / 2 ** 32));
  f32 = (v: number): this => this.u8(...new Uint8Array(Float32Array.of(v).buffer));
  text = (v: string): this => {
    const bytes = new TextEncoder().encode(v);
    return this.u64(bytes.length).u8(...bytes);
  };
}

interface Entry {
  readonly name: string;
  readonly dims: readonly number[];
  readonly type: number;
  readonly data: readonly number[];
}

function file(entries: readonly Entry[], alignment = 32): Uint8Array {
  const b = new Bytes().u32(0x46554747).u32(3).u64(entries.length).u64(4);
  b.text("general.name").u32(8).text("tiny");
  b.text("general.alignment").u32(4).u32(alignment);
  b.text("a.list").u32(9).u32(5).u64(3).u32(1).u32(-2).u32(3);
  b.text("a.big")
    .u32(10)
    .u64(2 ** 40);
  let offset = 0;
  for (const { name, dims, type, data } of entries) {
    b.text(name).u32(dims.length);
    for (const d of dims) b.u64(d);
    b.u32(type).u64(offset);
    offset += Math.ceil(data.length / alignment) * alignment;
  }
  while (b.all.length % alignment) b.u8(0);
  for (const { data } of entries) {
    b.u8(...data);
    while (b.all.length % alignment) b.u8(0);
  }
  return Uint8Array.from(b.all);
}

const half = (v: number): number[] => [toHalf(v) & 255, toHalf(v) >> 8];
const floats = (...v: number[]): number[] => [...new Uint8Array(Float32Array.from(v).buffer)];
const decoded = (type: number, elements: number, data: readonly number[]): number[] =>
  Array.from(loadGguf(file([{ name: "t", dims: [elements], type, data }])).tensors["t"]!.data);

describe("readGguf", () => {
  it("reads metadata and tensors, the outermost dim first", () => {
    const { metadata, tensors, version } = readGguf(
      file([
        { name: "w", dims: [3, 2], type: 0, data: floats(1, 2, 3, 4, 5, 6) },
        { name: "h", dims: [2], type: 1, data: [...half(0.5), ...half(-2)] },
      ]),
    );
    expect(version).toBe(3);
    expect(metadata).toEqual({ "general.name": "tiny", "general.alignment": 32, "a.list": [1, -2, 3], "a.big": 2 ** 40 });
    expect(tensors["w"]!.shape).toEqual([2, 3]);
    expect(Array.from(decodeGguf(tensors["w"]!).data)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(Array.from(decodeGguf(tensors["h"]!).data)).toEqual([0.5, -2]);
  });

  it("widens bf16 and integers", () => {
    expect(decoded(30, 2, [0x80, 0x3f, 0x20, 0xc0])).toEqual([1, -2.5]);
    expect(decoded(24, 2, [255, 7])).toEqual([-1, 7]);
  });

  // y = (q - 8) d: the low nibbles are elements 0 to 15, the high ones 16 to 31.
  it("Q4_0, Q4_1, Q5_0, Q5_1, Q8_0", () => {
    const nibbles = Array.from({ length: 16 }, (_, i) => i | ((15 - i) << 4));
    const q = Array.from({ length: 32 }, (_, i) => (i < 16 ? i : 31 - i));
    expect(decoded(2, 32, [...half(0.5), ...nibbles])).toEqual(q.map((v) => (v - 8) * 0.5));
    expect(decoded(3, 32, [...half(0.5), ...half(-3), ...nibbles])).toEqual(q.map((v) => v * 0.5 - 3));
    const high = [0b00000101, 0, 0, 0b10000000]; // elements 0, 2 and 31
    const five = q.map((v, i) => v + ([0, 2, 31].includes(i) ? 16 : 0));
    expect(decoded(6, 32, [...half(0.5), ...high, ...nibbles])).toEqual(five.map((v) => (v - 16) * 0.5));
    expect(decoded(7, 32, [...half(0.5), ...half(1), ...high, ...nibbles])).toEqual(five.map((v) => v * 0.5 + 1));
    expect(decoded(8, 32, [...half(0.25), ...q.map((v) => -v)])).toEqual(q.map((v) => 0 - v * 0.25));
  });

  // Every group of 32 has scale j + 1 (j < 4) or 16 j + 2 (later, whose upper bits lie elsewhere), minimum 2 j or 16 + j.
  it("Q4_K and Q5_K: six-bit scales and minimums", () => {
    const scale = (j: number) => (j < 4 ? j + 1 : 16 + j);
    const minimum = (j: number) => (j < 4 ? 2 * j : 32 + j);
    const packed = [
      ...[0, 1, 2, 3].map((j) => scale(j) | ((scale(j + 4) >> 4) << 6)),
      ...[0, 1, 2, 3].map((j) => minimum(j) | ((minimum(j + 4) >> 4) << 6)),
      ...[4, 5, 6, 7].map((j) => (scale(j) & 15) | ((minimum(j) & 15) << 4)),
    ];
    const q = (i: number) => (i * 7 + (i >> 5)) % 16;
    const low = Array.from({ length: 128 }, (_, k) => {
      const [pair, l] = [k >> 5, k & 31];
      return q(64 * pair + l) | (q(64 * pair + 32 + l) << 4);
    });
    const head = [...half(0.5), ...half(0.25), ...packed];
    const value = (i: number, more: number) => 0.5 * scale(i >> 5) * (q(i) + more) - 0.25 * minimum(i >> 5);
    expect(decoded(12, 256, [...head, ...low])).toEqual(Array.from({ length: 256 }, (_, i) => value(i, 0)));
    // Bit j of byte l is the fifth bit of element l of group j; here set where l + j is a multiple of 3.
    const set = (i: number) => ((i & 31) + (i >> 5)) % 3 === 0;
    const fifth = Array.from({ length: 32 }, (_, l) =>
      Array.from({ length: 8 }, (_, j) => (set(32 * j + l) ? 1 << j : 0)).reduce((a, b) => a | b),
    );
    expect(decoded(13, 256, [...head, ...fifth, ...low])).toEqual(Array.from({ length: 256 }, (_, i) => value(i, set(i) ? 16 : 0)));
  });

  it("Q6_K, Q3_K and Q2_K: sixteen scales", () => {
    const six = (i: number) => (i * 11) % 64;
    const scale = (i: number) => (i >> 4) - 8;
    const ql = new Array<number>(128).fill(0);
    const qh = new Array<number>(64).fill(0);
    const low2 = new Array<number>(64).fill(0);
    for (let i = 0; i < 256; i++) {
      const [n, k, l] = [i >> 7, (i >> 5) & 3, i & 31];
      ql[64 * n + 32 * (k & 1) + l]! |= (six(i) & 15) << (k < 2 ? 0 : 4);
      qh[32 * n + l]! |= (six(i) >> 4) << (2 * k);
      low2[32 * n + l]! |= (i % 4) << (2 * k);
    }
    const all = Array.from({ length: 256 }, (_, i) => i);
    const signed = Array.from({ length: 16 }, (_, j) => (j - 8) & 255);
    expect(decoded(14, 256, [...ql, ...qh, ...signed, ...half(0.5)])).toEqual(all.map((i) => 0.5 * scale(i) * (six(i) - 32)));
    const packed2 = Array.from({ length: 16 }, (_, j) => j | ((15 - j) << 4));
    expect(decoded(10, 256, [...packed2, ...low2, ...half(0.5), ...half(0.25)])).toEqual(
      all.map((i) => 0.5 * (i >> 4) * (i % 4) - 0.25 * (15 - (i >> 4))),
    );
    // Scales 4 j - 32 + 2 stored plus 32; the mask bit means "not minus 4".
    const s = (j: number) => 4 * j + 2;
    const scales3 = new Array<number>(12).fill(0);
    for (let j = 0; j < 16; j++) {
      scales3[j & 7]! |= (s(j) & 15) << (j < 8 ? 0 : 4);
      scales3[8 + (j & 3)]! |= (s(j) >> 4) << (2 * (j >> 2));
    }
    const set = (i: number) => i % 5 < 2;
    const mask = Array.from({ length: 32 }, (_, l) =>
      [0, 1, 2, 3, 4, 5, 6, 7].map((b) => (set(128 * (b >> 2) + 32 * (b & 3) + l) ? 1 << b : 0)).reduce((a, b) => a | b),
    );
    expect(decoded(11, 256, [...mask, ...low2, ...scales3, ...half(0.5)])).toEqual(
      all.map((i) => 0.5 * (s(i >> 4) - 32) * ((i % 4) - (set(i) ? 0 : 4))),
    );
  });
});

describe("damaged files", () => {
  const whole = file([
    { name: "w", dims: [4, 2], type: 0, data: floats(1, 2, 3, 4, 5, 6, 7, 8) },
    { name: "q", dims: [32], type: 8, data: [...half(1), ...new Array<number>(32).fill(3)] },
  ]);

  it("is refused when truncated at any byte", () => {
    for (let end = 0; end < whole.length; end++) {
      // The padding behind the last tensor may be missing.
      if (end >= whole.length - 30) continue;
      expect(() => readGguf(whole.subarray(0, end)), `at ${end}`).toThrow(FormatError);
    }
  });

  it("names what is wrong", () => {
    expect(() => readGguf(file([{ name: "w", dims: [4], type: 99, data: [] }]))).toThrow(/type 99/);
    expect(() => readGguf(file([{ name: "w", dims: [2 ** 30, 2 ** 30], type: 0, data: [] }]))).toThrow(
      /2\^53 elements|lies at bytes/,
    );
    expect(() => readGguf(file([{ name: "w", dims: [31], type: 8, data: [] }]))).toThrow(/multiple of 32/);
    expect(() =>
      readGguf(
        file([
          { name: "w", dims: [1], type: 0, data: floats(1) },
          { name: "w", dims: [1], type: 0, data: floats(1) },
        ]),
      ),
    ).toThrow(/twice/);
    expect(() => readGguf(Uint8Array.of(1, 2, 3, 4, 5))).toThrow(/begin with GGUF/);
  });

  it("10,000 mutations give a file or a FormatError", () => {
    const rng = createRng(1);
    let refused = 0;
    for (let i = 0; i < 10_000; i++) {
      try {
        loadGguf(mutate(whole, rng));
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(1000);
  });
});

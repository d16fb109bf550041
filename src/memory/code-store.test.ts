import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng, InputError, OptionError, ShapeError } from "../core/index.js";
import { countBits, fromBits, intersection, overlap, popcount, toBits, union } from "./bits.js";
import { type CodeLayout, createCodeStore } from "./code-store.js";
import { randomCells } from "./monte-carlo.js";
import { createOverlapKernel, FIRST_ADDRESS } from "./overlap-kernel.js";
import { overlapColumnsReference, overlapRowsReference } from "./overlap-reference.js";

const layouts: CodeLayout[] = ["rows", "columns"];
const cellSets = (cells: number) => fc.uniqueArray(fc.integer({ min: 0, max: cells - 1 }), { maxLength: cells });

describe("bitsets", () => {
  it("counts ones of every pattern of 16 bits, and the top bit", () => {
    for (let x = 0; x < 65536; x += 7) expect(popcount(x)).toBe([...x.toString(2)].filter((c) => c === "1").length);
    expect(popcount(0x80000000)).toBe(1);
    expect(popcount(0xffffffff)).toBe(32);
  });

  it("agrees with sets", () => {
    fc.assert(
      fc.property(cellSets(70), cellSets(70), (a, b) => {
        const x = toBits(a, 70);
        const y = toBits(b, 70);
        const inB = new Set(b);
        expect([...fromBits(x)]).toEqual([...a].sort((p, q) => p - q));
        expect(countBits(x)).toBe(a.length);
        expect(overlap(x, y)).toBe(a.filter((cell) => inB.has(cell)).length);
        expect([...fromBits(union(x, y))]).toEqual([...new Set([...a, ...b])].sort((p, q) => p - q));
        expect(countBits(intersection(x, y))).toBe(overlap(x, y));
      }),
    );
  });

  it("refuses cells outside the code and cells listed twice", () => {
    expect(() => toBits([70], 70)).toThrow(/active\[0\] is 70; expected a cell number in \[0, 69\]/);
    expect(() => toBits([-1], 70)).toThrow(InputError);
    expect(() => toBits([1.5], 70)).toThrow(InputError);
    expect(() => toBits([3, 3], 70)).toThrow(/cell 3 is listed twice/);
    expect(() => overlap(toBits([], 32), toBits([], 64))).toThrow(ShapeError);
  });
});

describe("the overlap kernels equal their references bit for bit", () => {
  it("rows, for any number of vectors", () => {
    const rng = createRng(1);
    for (const vectors of [1, 2, 30, 31, 32, 63, 100]) {
      const words = vectors * 4;
      const count = 9;
      const bytes = FIRST_ADDRESS + (count + 1) * words * 4 + count * 4;
      const { kernel, memory } = createOverlapKernel(bytes);
      const query = new Uint32Array(memory.buffer, FIRST_ADDRESS, words);
      const codes = new Uint32Array(memory.buffer, FIRST_ADDRESS + words * 4, count * words);
      const dense = vectors === 100;
      for (let i = 0; i < words; i++) query[i] = dense ? 0xffffffff : rng.bits();
      for (let i = 0; i < codes.length; i++) codes[i] = dense ? 0xffffffff : rng.bits();
      const outAt = FIRST_ADDRESS + (count + 1) * words * 4;
      kernel.overlapRows(FIRST_ADDRESS + words * 4, count, vectors, FIRST_ADDRESS, outAt);
      const expected = new Uint32Array(count);
      overlapRowsReference(codes, words, query, expected);
      expect(new Uint32Array(memory.buffer, outAt, count)).toEqual(expected);
      if (dense) expect(expected[0]).toBe(12800);
    }
  });

  it("columns, for any number of listed cells, with thresholds", () => {
    const rng = createRng(2);
    const blocks = 3;
    const cells = 40;
    const stride = blocks * 16;
    for (const listed of [0, 1, 6, 7, 8, 13, 14, 21, 40]) {
      const planes = Math.max(3, 32 - Math.clz32(listed));
      const listAt = FIRST_ADDRESS;
      const columnsAt = listAt + 256;
      const digitsAt = columnsAt + cells * stride;
      const countsAt = digitsAt + blocks * 16 * planes;
      const maskAt = countsAt + blocks * 256;
      const { kernel, memory } = createOverlapKernel(maskAt + blocks * 16);
      const columns = new Uint8Array(memory.buffer, columnsAt, cells * stride);
      for (let i = 0; i < columns.length; i++) columns[i] = rng.bits() & 255;
      const list = Int32Array.from(rng.permutation(cells).subarray(0, listed));
      new Int32Array(memory.buffer, listAt, listed).set(list);
      kernel.overlapColumns(columnsAt, stride, listAt, listed, blocks, planes, digitsAt);
      kernel.spread(digitsAt, blocks, planes, countsAt);
      const expected = new Uint32Array(blocks * 128);
      overlapColumnsReference(columns, stride, list, expected);
      expect([...new Uint16Array(memory.buffer, countsAt, blocks * 128)]).toEqual([...expected]);
      for (const threshold of [1, 2, 5, listed]) {
        kernel.atLeast(digitsAt, blocks, planes, threshold, maskAt);
        const mask = new Uint8Array(memory.buffer, maskAt, blocks * 16);
        const on = Array.from(expected, (_, r) => (mask[r >> 3]! >> (r & 7)) & 1);
        expect(on).toEqual(Array.from(expected, (value) => (value >= threshold ? 1 : 0)));
      }
    }
  });
});

describe.each(layouts)("a code store of %s", (layout) => {
  it("gives back codes, overlaps and matches", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 150 }), fc.integer({ min: 0, max: 2 ** 31 - 1 }), (cells, seed) => {
        const rng = createRng(seed);
        const count = 1 + rng.below(300);
        const store = createCodeStore({ cells, capacity: count, layout });
        const draw = () => Array.from(rng.permutation(cells).subarray(0, rng.below(cells + 1)));
        const codes = Array.from({ length: count }, draw);
        codes.forEach((code, id) => {
          expect(store.add(code)).toBe(id);
        });
        const query = draw();
        const wanted = new Set(query);
        const expected = codes.map((code) => code.filter((cell) => wanted.has(cell)).length);
        expect([...store.overlaps(query)]).toEqual(expected);
        const threshold = 1 + rng.below(cells);
        expect([...store.matches(query, threshold)]).toEqual([...expected.keys()].filter((id) => expected[id]! >= threshold));
        const id = rng.below(count);
        expect([...store.code(id)]).toEqual([...codes[id]!].sort((a, b) => a - b));
      }),
      { numRuns: 40 },
    );
  });

  it("answers over many chunks", () => {
    const rng = createRng(4);
    const cells = 256;
    const store = createCodeStore({ cells, capacity: 40_000, layout });
    const seen = new Uint8Array(cells);
    const kept = new Int32Array(10);
    const codes: Int32Array[] = [];
    for (let i = 0; i < 40_000; i++) {
      const code = randomCells(rng, cells, 10, kept, seen).slice();
      codes.push(code);
      store.add(code);
    }
    const query = codes[33_333]!;
    const wanted = new Set(query);
    const got = store.overlaps(query);
    for (let i = 0; i < 40_000; i += 97) expect(got[i]).toBe(codes[i]!.filter((cell) => wanted.has(cell)).length);
    expect([...store.matches(query, 10)]).toEqual([33_333]);
  });

  it("refuses bad input", () => {
    const store = createCodeStore({ cells: 10, capacity: 1, layout });
    expect(() => store.code(0)).toThrow(/empty/);
    expect(() => store.add([10])).toThrow(InputError);
    expect(store.count()).toBe(0);
    store.add([1, 2]);
    expect(() => store.add([1])).toThrow(/the store is full \(capacity 1\)/);
    expect(() => store.overlaps([3, 3])).toThrow(InputError);
    expect(() => store.matches([3], 0)).toThrow(OptionError);
    expect(() => store.code(1)).toThrow(OptionError);
    expect([...store.matches([1], 2)]).toEqual([]);
    expect(() => createCodeStore({ cells: 100_000, capacity: 10_000_000, layout })).toThrow(/at most 4294901760 bytes/);
    expect(() => createCodeStore({ cells: 0, capacity: 1, layout })).toThrow(OptionError);
  });
});

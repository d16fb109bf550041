import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng, InputError, OptionError, ShapeError, sizeOf } from "../core/index.js";
import { checkCsr, csrOfMask, findEntry, gatherCsr, maskOfCsr, randomCsr, randomFreeCells } from "./csr.js";
import { dropLeastPerSign } from "./drop.js";
import { maskOf, randomMask } from "./masks.js";
import { replaceEntries, rewireRandom, rewireToMask } from "./rewire.js";
import { masks } from "./testing/arbitraries.js";

const matrix = maskOf([2, 3], [1, 0, 1, 0, 1, 0]);

describe("csr", () => {
  it("holds a hand-worked mask", () => {
    const csr = csrOfMask(matrix);
    expect(csr).toEqual({ rows: 2, cols: 3, rowPtr: Int32Array.of(0, 2, 3), columns: Int32Array.of(0, 2, 1) });
    expect([...gatherCsr(csr, Float32Array.of(1, 2, 3, 4, 5, 6))]).toEqual([1, 3, 5]);
    expect([findEntry(csr, 0, 2), findEntry(csr, 0, 1), findEntry(csr, 1, 1)]).toEqual([1, -1, 2]);
  });

  it("round-trips every mask", () => {
    fc.assert(
      fc.property(masks, (mask) => {
        const csr = csrOfMask(mask);
        checkCsr(csr);
        expect(maskOfCsr(csr, mask.shape)).toEqual(mask);
      }),
    );
  });

  it("names what is wrong with a pattern from outside", () => {
    const good = csrOfMask(matrix);
    expect(() => checkCsr({ ...good, rowPtr: Int32Array.of(0, 3) })).toThrow(ShapeError);
    expect(() => checkCsr({ ...good, rowPtr: Int32Array.of(0, 2, 4) })).toThrow("row offsets run from 0 to 4");
    expect(() => checkCsr({ ...good, columns: Int32Array.of(2, 0, 1) })).toThrow("columns of row 0 are not strictly ascending");
    expect(() => checkCsr({ ...good, columns: Int32Array.of(0, 0, 1) })).toThrow(InputError);
    expect(() => checkCsr({ ...good, columns: Int32Array.of(0, 3, 1) })).toThrow("row 0 has column 3");
    expect(() => maskOfCsr(good, [3, 2])).toThrow(ShapeError);
  });
});

describe("randomCsr", () => {
  it("has exactly the entries asked for, valid, the same by seed, at every density", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 30 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer(),
        (rows, cols, share, seed) => {
          const nnz = Math.round(share * rows * cols);
          const csr = randomCsr(rows, cols, nnz, createRng(seed));
          checkCsr(csr);
          expect(csr.columns.length).toBe(nnz);
          expect(randomCsr(rows, cols, nnz, createRng(seed))).toEqual(csr);
        },
      ),
    );
    expect(() => randomCsr(2, 2, 5, createRng(1))).toThrow(OptionError);
    expect(() => randomCsr(0, 2, 0, createRng(1))).toThrow(OptionError);
  });

  it("chooses every pattern equally often (chi-square over the 15 of 2 in 2x3, and of 4 in 2x3)", () => {
    for (const nnz of [2, 4]) {
      const counts = new Map<string, number>();
      const rng = createRng(2);
      for (let i = 0; i < 6000; i++) {
        const key = maskOfCsr(randomCsr(2, 3, nnz, rng)).data.join("");
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      expect(counts.size).toBe(15);
      expect([...counts.values()].reduce((s, c) => s + (c - 400) ** 2 / 400, 0)).toBeLessThan(36.1); // 14 degrees of freedom, p = 0.001
    }
  });

  it("makes and rewires a 50,000 x 50,000 layer with 250,000 non-zeros, of which a dense mask would take 2.5 GB", () => {
    const rng = createRng(1);
    const start = process.memoryUsage();
    const csr = randomCsr(50_000, 50_000, 250_000, rng);
    checkCsr(csr);
    expect(csr.columns.length).toBe(250_000);
    const values = Float32Array.from({ length: 250_000 }, () => rng.normal());
    const next = rewireRandom({ csr, values, fraction: 0.3, rng });
    checkCsr(next.csr);
    expect(next.csr.columns.length).toBe(250_000);
    expect(next.born.reduce((a, b) => a + b, 0)).toBe(75_000);
    const end = process.memoryUsage();
    expect(end.arrayBuffers + end.heapUsed - start.arrayBuffers - start.heapUsed).toBeLessThan(200e6);
  });
});

describe("rewiring", () => {
  it("merges a hand-worked update", () => {
    const csr = csrOfMask(matrix);
    const grown = csrOfMask(maskOf([2, 3], [0, 1, 0, 0, 0, 0]));
    expect(replaceEntries(csr, Float32Array.of(10, 20, 30), Int32Array.of(2), grown)).toEqual({
      csr: { rows: 2, cols: 3, rowPtr: Int32Array.of(0, 3, 3), columns: Int32Array.of(0, 1, 2) },
      values: Float32Array.of(10, 0, 20),
      from: Int32Array.of(0, -1, 1),
      born: Uint8Array.of(0, 1, 0),
    });
    expect(() => replaceEntries(csr, Float32Array.of(1, 2, 3), Int32Array.of(), csr)).toThrow("already held");
    expect(() => replaceEntries(csr, Float32Array.of(1), Int32Array.of(), grown)).toThrow(ShapeError);
  });

  it("keeps the count, drops the least magnitudes, keeps the other values, and born = new minus old", () => {
    fc.assert(
      fc.property(masks, fc.double({ min: 0, max: 1, noNaN: true }), fc.integer(), (mask, fraction, seed) => {
        const csr = csrOfMask(mask);
        const rng = createRng(seed);
        const values = Float32Array.from(csr.columns, () => rng.normal());
        const held = csr.columns.length;
        const next = rewireRandom({ csr, values, fraction, rng });
        checkCsr(next.csr);
        expect(next.csr.columns.length).toBe(held);
        const free = sizeOf(mask.shape) - held;
        const moved = next.born.reduce((a, b) => a + b, 0);
        if (free >= Math.floor(fraction * held)) expect(moved).toBe(Math.floor(fraction * held));
        const before = mask.data;
        const after = maskOfCsr(next.csr, mask.shape).data;
        expect(after.filter((bit, i) => bit === 1 && before[i] === 0).length).toBe(moved);
        next.from.forEach((from, e) => {
          expect(next.values[e]).toBe(from < 0 ? 0 : values[from]);
          expect(next.born[e]).toBe(from < 0 ? 1 : 0);
        });
        const stayed = new Set(next.from);
        const gone = [...values.keys()].filter((e) => !stayed.has(e)).map((e) => Math.abs(values[e]!));
        const least = Math.min(...[...stayed].filter((e) => e >= 0).map((e) => Math.abs(values[e]!)), Number.POSITIVE_INFINITY);
        for (const w of gone) expect(w).toBeLessThanOrEqual(least);
      }),
    );
  });

  it("carries a layer to a new mask as the dense arrays would", () => {
    fc.assert(
      fc.property(masks, fc.integer(), (mask, seed) => {
        const rng = createRng(seed);
        const dense = Float32Array.from(mask.data, (bit) => (bit ? 1 + rng.uniform() : 0));
        const csr = csrOfMask(mask);
        const target = randomMask(mask.shape, rng.below(mask.data.length + 1), rng);
        const next = rewireToMask(csr, gatherCsr(csr, dense), target);
        expect(maskOfCsr(next.csr, mask.shape)).toEqual(target);
        expect(next.values).toEqual(gatherCsr(next.csr, dense));
        expect([...next.born]).toEqual([...next.values].map((v) => (v === 0 ? 1 : 0)));
        const before = gatherCsr(csr, dense);
        expect([...next.from].map((from) => (from < 0 ? 0 : before[from]))).toEqual([...next.values]);
      }),
    );
    expect(() => rewireToMask(csrOfMask(matrix), new Float32Array(3), maskOf([3, 2], [1, 0, 1, 0, 1, 0]))).toThrow(ShapeError);
    expect(() => rewireToMask(csrOfMask(matrix), new Float32Array(2), matrix)).toThrow(ShapeError);
  });

  it("works when the layer is almost full or full, and per sign", () => {
    const full = randomCsr(4, 4, 16, createRng(1));
    expect(rewireRandom({ csr: full, values: new Float32Array(16).fill(1), fraction: 0.5, rng: createRng(2) }).csr).toEqual(full);
    const almost = randomCsr(4, 4, 15, createRng(1));
    const next = rewireRandom({
      csr: almost,
      values: new Float32Array(15).fill(1),
      fraction: 0.5,
      rng: createRng(2),
      drop: dropLeastPerSign,
    });
    expect(next.csr.columns.length).toBe(15);
    expect(next.born.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(1);
  });

  it("random free cells avoid what is taken", () => {
    const taken = randomCsr(10, 10, 40, createRng(1));
    const free = randomFreeCells(taken, 60, createRng(2));
    const both = maskOfCsr(taken).data.map((bit, i) => bit + maskOfCsr(free).data[i]!);
    expect([...both]).toEqual(new Array(100).fill(1));
    expect(() => randomFreeCells(taken, 61, createRng(2))).toThrow(OptionError);
  });
});

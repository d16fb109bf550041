import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng } from "../core/index.js";
import { geometricBlocker, headsOf } from "./blocks.js";
import { buildParts } from "./build.js";
import { rowOf, transpose } from "./csr.js";
import { pruneLists } from "./prune.js";
import { kthLargest, topPositions } from "./select.js";
import { alphaMassCut, dequantise, quantise } from "./summary.js";
import { small, unstructured } from "./testing/collections.js";

const floats = fc.array(fc.float({ min: Math.fround(0.001), max: 100, noNaN: true }), { minLength: 1, maxLength: 60 });

describe("selection", () => {
  it("finds the k-th largest and the positions above it, first of equals first", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 50 }), fc.nat(), (list, pick) => {
        const k = 1 + (pick % list.length);
        const values = Float32Array.from(list);
        const sorted = [...list].sort((a, b) => b - a);
        expect(kthLargest(values.slice(), k)).toBe(sorted[k - 1]);
        const out = new Uint32Array(list.length);
        const n = topPositions(values, 0, list.length, k, new Float32Array(list.length), out);
        const expected = list
          .map((_, i) => i)
          .sort((a, b) => list[b]! - list[a]! || a - b)
          .slice(0, k)
          .sort((a, b) => a - b);
        expect(Array.from(out.subarray(0, n))).toEqual(expected);
      }),
    );
  });
});

describe("static pruning", () => {
  it("keeps the largest values overall, under the cap of each list", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e6 }),
        fc.integer({ min: 1, max: 6 }),
        fc.double({ min: 1, max: 4, noNaN: true }),
        (seed, per, maxFraction) => {
          const lists = transpose(unstructured(30, 10, 8, seed));
          const kept = pruneLists(lists, { postingsPerList: per, maxFraction });
          // By the definition: in descending order, until the budget is spent, skipping lists that are full.
          const all: { c: number; d: number; v: number }[] = [];
          for (let c = 0; c < 10; c++)
            for (const [i, d] of rowOf(lists, c).indices.entries()) all.push({ c, d, v: rowOf(lists, c).values[i]! });
          all.sort((a, b) => b.v - a.v || a.c - b.c || a.d - b.d);
          const counts = new Array<number>(10).fill(0);
          const cap = Math.max(1, Math.floor(per * maxFraction));
          const expected = new Set<string>();
          for (const { c, d } of all) {
            if (counts[c] === cap || expected.size === per * 10) continue;
            counts[c]!++;
            expected.add(`${c} ${d}`);
          }
          const got = new Set<string>();
          for (let c = 0; c < 10; c++) for (const d of rowOf(kept, c).indices) got.add(`${c} ${d}`);
          expect(got).toEqual(expected);
        },
      ),
    );
  });

  it("with a fixed size keeps the largest of each list", () => {
    const lists = transpose(unstructured(40, 6, 5, 3));
    const kept = pruneLists(lists, { strategy: "fixed", postingsPerList: 4 });
    for (let c = 0; c < 6; c++) expect(rowOf(kept, c).indices.length).toBe(Math.min(4, rowOf(lists, c).indices.length));
  });
});

describe("summaries", () => {
  it("quantise within half a step, both ends exact; a constant has step 0", () => {
    fc.assert(
      fc.property(floats, (list) => {
        const values = Float32Array.from(list);
        const { min, step, codes } = quantise(values);
        const max = Math.max(...values);
        expect(min).toBe(Math.min(...values));
        values.forEach((v, i) => {
          const back = dequantise(min, step, codes[i]!);
          expect(Math.abs(back - v)).toBeLessThanOrEqual(step / 2 + max * 3e-7);
          if (v === min) expect(back).toBe(v);
          if (v === max) expect(Math.abs(back - v)).toBeLessThanOrEqual(max * 3e-7);
        });
        const up = quantise(values, true);
        values.forEach((v, i) => {
          expect(dequantise(up.min, up.step, up.codes[i]!)).toBeGreaterThanOrEqual(v);
        });
      }),
    );
    expect(quantise([2.5, 2.5])).toEqual({ min: 2.5, step: 0, codes: new Uint8Array(2) });
  });

  it("keep the shortest prefix that reaches alpha of the mass", () => {
    fc.assert(
      fc.property(floats, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (list, alpha) => {
        const values = Float32Array.from(list);
        const { threshold, ties } = alphaMassCut(values, values.length, alpha);
        const sorted = [...values].sort((a, b) => b - a);
        const kept = sorted.filter((v) => v > threshold).length + ties;
        const mass = (n: number) => sorted.slice(0, n).reduce((a, b) => a + b, 0);
        const goal = alpha * mass(sorted.length);
        expect(mass(kept)).toBeGreaterThanOrEqual(goal * (1 - 1e-12));
        expect(mass(kept - 1)).toBeLessThan(goal * (1 + 1e-12));
        expect(sorted[kept - 1]).toBe(threshold);
      }),
    );
    expect(alphaMassCut(Float32Array.of(4, 3, 2, 1), 4, 0.4)).toEqual({ threshold: 4, ties: 1 });
    expect(alphaMassCut(Float32Array.of(4, 3, 2, 1), 4, 0.41)).toEqual({ threshold: 3, ties: 1 });
    expect(alphaMassCut(Float32Array.of(1, 1, 1, 1), 4, 0.5)).toEqual({ threshold: 1, ties: 2 });
  });
});

describe("blocks", () => {
  it("hold each document of a list once, within the limits", () => {
    const { documents } = small(500);
    const heads = headsOf(documents, 15);
    for (const similarity of ["inner", "cosine"] as const) {
      const blocker = geometricBlocker(documents, heads, {
        centroidFraction: 0.1,
        minClusterSize: 2,
        maxClusterSize: 12,
        maxBlocks: 1000,
        similarity,
      });
      for (const n of [1, 2, 7, 100, 500]) {
        const list = Uint32Array.from({ length: n }, (_, i) => (i * 7) % 500);
        const before = [...list].sort((a, b) => a - b);
        const bounds = blocker(list, createRng(n));
        expect([...list].sort((a, b) => a - b)).toEqual(before);
        expect(bounds[0]).toBe(0);
        expect(bounds[bounds.length - 1]).toBe(n);
        for (let b = 1; b < bounds.length; b++) expect(bounds[b]!).toBeGreaterThan(bounds[b - 1]!);
      }
    }
  });

  it("group by topic better than chance", () => {
    const { documents, topicOf } = small(1000);
    const blocker = geometricBlocker(documents, headsOf(documents, 15), {
      centroidFraction: 0.1,
      minClusterSize: 2,
      maxClusterSize: 1e9,
      maxBlocks: 1000,
      similarity: "cosine",
    });
    const list = Uint32Array.from({ length: 1000 }, (_, i) => i);
    const bounds = blocker(list, createRng(1));
    let same = 0;
    let pairs = 0;
    for (let b = 1; b < bounds.length; b++) {
      const block = list.subarray(bounds[b - 1]!, bounds[b]!);
      for (const d of block) {
        for (const e of block) {
          if (d >= e) continue;
          pairs++;
          if (topicOf[d] === topicOf[e]) same++;
        }
      }
    }
    const sizes = new Map<number, number>();
    for (const t of topicOf) sizes.set(t, (sizes.get(t) ?? 0) + 1);
    const chance = [...sizes.values()].reduce((s, n) => s + (n / 1000) ** 2, 0);
    expect(chance).toBeLessThan(0.06);
    expect(same / pairs).toBeGreaterThan(6 * chance);
  });

  it("cover every kept posting exactly once", () => {
    const { documents } = small(300);
    const { lists } = buildParts(documents, { postingsPerList: 20 }, createRng(1));
    for (let c = 0; c < documents.cols; c++) {
      const from = lists.blockStarts[lists.listBlocks[c]!]!;
      const to = lists.blockStarts[lists.listBlocks[c + 1]!]!;
      const docs = lists.postings.subarray(from, to);
      expect(new Set(docs).size).toBe(docs.length);
      for (const d of docs) expect(rowOf(documents, d).indices).toContain(c);
    }
    expect(lists.blockStarts[lists.blockStarts.length - 1]).toBe(lists.postings.length);
  });
});

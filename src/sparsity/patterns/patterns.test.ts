/** Contract of patterns: exactly the promised count per group, agreement with a brute-force chooser, tails handled. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng, InputError, OptionError, ShapeError, sizeOf } from "../../core/index.js";
import { keepCount } from "../keep-count.js";
import { countKept } from "../masks.js";
import { scored, sparsities } from "../testing/arbitraries.js";
import type { Pattern } from "../types.js";
import { patterns, readPattern, selectGlobal, selectMask, selectNM } from "./index.js";

/** The units that live or die together, in tie order, and how many of each competing set stay: the pattern's definition, spelt out. */
function competitions(pattern: Pattern, shape: readonly number[], sparsity: number): { units: number[][]; keep: number }[] {
  const n = sizeOf(shape);
  const rows = shape[0]!;
  const cols = n / rows;
  const all = [...Array(n).keys()];
  switch (pattern.kind) {
    case "unstructured":
      if (pattern.scope !== "row") return [{ units: all.map((i) => [i]), keep: keepCount(n, sparsity) }];
      return [...Array(rows).keys()].map((r) => ({
        units: all.slice(r * cols, (r + 1) * cols).map((i) => [i]),
        keep: keepCount(cols, sparsity),
      }));
    case "nm": {
      const groups = [];
      for (let r = 0; r < rows; r++)
        for (let c = 0; c < cols; c += pattern.of) groups.push(all.slice(r * cols + c, r * cols + Math.min(c + pattern.of, cols)));
      return groups.map((g) => ({ units: g.map((i) => [i]), keep: Math.ceil((pattern.keep * g.length) / pattern.of) }));
    }
    case "block": {
      const units = [];
      for (let r = 0; r < rows; r += pattern.rows) {
        for (let c = 0; c < cols; c += pattern.cols) {
          units.push(
            all.filter(
              (i) =>
                Math.floor(i / cols) >= r &&
                Math.floor(i / cols) < r + pattern.rows &&
                i % cols >= c &&
                i % cols < c + pattern.cols,
            ),
          );
        }
      }
      return [{ units, keep: keepCount(units.length, sparsity) }];
    }
    case "group": {
      const { axis } = pattern.groups;
      const inner = sizeOf(shape.slice(axis + 1));
      const units = [...Array(shape[axis]).keys()].map((c) => all.filter((i) => Math.floor(i / inner) % shape[axis]! === c));
      return [{ units, keep: keepCount(units.length, sparsity) }];
    }
  }
}

describe.each(Object.entries(patterns))("pattern %s", (_, pattern) => {
  it("keeps exactly the promised count per group, whole units, and the best of them", () => {
    fc.assert(
      fc.property(scored, sparsities, ({ shape, data }, s) => {
        const sparsity = pattern.kind === "nm" ? 1 - pattern.keep / pattern.of : s;
        const mask = selectMask(pattern, data, shape, sparsity);
        expect(mask.shape).toEqual(shape);
        for (const { units, keep } of competitions(pattern, shape, sparsity)) {
          const kept = units.filter((unit) => unit.every((i) => mask.data[i] === 1));
          const gone = units.filter((unit) => unit.every((i) => mask.data[i] === 0));
          expect([kept.length, gone.length]).toEqual([keep, units.length - keep]);
          const worth = (unit: number[]) => {
            const scores = unit.map((i) => data[i]!);
            return Math.fround(
              pattern.kind === "block" && pattern.pool === "max"
                ? Math.max(...scores)
                : scores.reduce((a, b) => a + b, 0) / unit.length,
            );
          };
          const order = units.map((unit, u) => ({ u, w: worth(unit) })).sort((x, y) => y.w - x.w || x.u - y.u);
          for (const { u } of order.slice(0, keep)) expect(mask.data[units[u]![0]!]).toBe(1);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("refuses a wrong number of scores, NaN and empty tensors", () => {
    const sparsity = pattern.kind === "nm" ? 0.5 : 0.3;
    expect(() => selectMask(pattern, new Float32Array(5), [2, 3], sparsity)).toThrow(ShapeError);
    expect(() => selectMask(pattern, new Float32Array(6).fill(Number.NaN), [2, 3], sparsity)).toThrow(InputError);
    expect(() => selectMask(pattern, new Float32Array(0), [0, 3], sparsity)).toThrow(InputError);
  });

  it("keeps the first when every score is equal", () => {
    const sparsity = pattern.kind === "nm" ? 0.5 : 0.75;
    expect(selectMask(pattern, new Float32Array(64).fill(2), [8, 8], sparsity).data[0]).toBe(1);
  });
});

describe("the particulars", () => {
  it("2 kept of 4 with a tail of 3 keeps 2 of the tail; of 1 keeps it", () => {
    expect([...selectNM(Float32Array.of(1, 4, 3, 2, 5, 6, 7), [1, 7], { keep: 2, of: 4 }).data]).toEqual([0, 1, 1, 0, 0, 1, 1]);
    expect([...selectNM(Float32Array.of(1, 4, 3, 2, 0), [1, 5], { keep: 1, of: 4 }).data]).toEqual([0, 1, 0, 0, 1]);
    expect(() => selectNM(new Float32Array(8), [1, 8], { keep: 2, of: 4 }, 0.9)).toThrow("expected 0.5, which 2 kept of 4 fixes");
    expect(() => selectNM(new Float32Array(8), [1, 8], { keep: 5, of: 4 })).toThrow(OptionError);
  });

  it("channel groups live together; unlisted channels stay", () => {
    const pattern: Pattern = { kind: "group", groups: { axis: 0, members: [[0, 3], [2]] } };
    // channel means 1, 9, 2, 4: group {0, 3} 2.5, group {2} 2; channel 1 is in no group.
    expect([...selectMask(pattern, Float32Array.of(1, 1, 9, 9, 2, 2, 4, 4), [4, 2], 0.5).data]).toEqual([1, 1, 1, 1, 0, 0, 1, 1]);
    const bad = (members: number[][]) => () =>
      selectMask({ kind: "group", groups: { axis: 0, members } }, new Float32Array(8), [4, 2], 0.5);
    expect(bad([[0], [0]])).toThrow("channel 0 is in groups 0 and 1");
    expect(bad([[4]])).toThrow("channel 4 of group 0");
    expect(bad([[]])).toThrow("group 0 is empty");
  });

  it("a structured mask can be cut: each channel is all kept or all gone", () => {
    const rng = createRng(1);
    const mask = selectMask(
      { kind: "group", groups: { axis: 1 } },
      Float32Array.from({ length: 72 }, () => rng.uniform()),
      [2, 4, 3, 3],
      0.5,
    );
    for (let c = 0; c < 4; c++) {
      const bits = new Set([...mask.data].filter((_, i) => Math.floor(i / 9) % 4 === c));
      expect(bits.size).toBe(1);
    }
    expect(countKept(mask)).toBe(36);
  });

  it("a global selection keeps the exact total and at least one per tensor", () => {
    const scores = { a: { shape: [1, 3], score: Float32Array.of(9, 8, 7) }, b: { shape: [1, 3], score: Float32Array.of(1, 2, 3) } };
    const masks = selectGlobal(scores, 3);
    expect([[...masks.a!.data], [...masks.b!.data]]).toEqual([
      [1, 1, 0],
      [0, 0, 1],
    ]);
    expect([...selectGlobal(scores, 3, 0).b!.data]).toEqual([0, 0, 0]);
    expect(() => selectGlobal(scores, 1)).toThrow("at least 2 (1 per tensor)");
    expect(() => selectGlobal(scores, 7)).toThrow(OptionError);
  });

  it("readPattern reads every example from JSON and names a wrong key", () => {
    for (const pattern of Object.values(patterns))
      expect(readPattern("p", JSON.parse(JSON.stringify(pattern)))).toMatchObject(pattern);
    expect(() => readPattern("rigl.pattern", { kind: "block", rows: 2 })).toThrow("rigl.pattern.cols");
    expect(() => readPattern("p", { kind: "nm", n: 2, m: 4 })).toThrow("p.n");
    expect(() => readPattern("p", { kind: "spiral" })).toThrow("one of unstructured, nm, block, group");
    expect(() => readPattern("p", "2:4")).toThrow(OptionError);
    expect(() => readPattern("p", { kind: "group", groups: { axis: 2 } })).toThrow("p.groups.axis");
  });
});
